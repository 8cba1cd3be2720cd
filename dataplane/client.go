package dataplane

// PWType is what a pseudowire carries.
type PWType uint8

// The types of pseudowires.
const (
	// Ethernet carries frames as they are after the VLAN operation of the
	// attachment circuit (raw mode, RFC 4448 section 4.4.1; type 0x0005).
	Ethernet PWType = iota
	// EthernetTagged carries frames with a service-delimiting tag (tagged mode,
	// type 0x0004): a frame without one gets tag 0 on the way in.
	EthernetTagged
	// NetworkLayer carries IPv4, IPv6 and MPLS packets without their Ethernet
	// header: the client network layer of RFC 5921 section 3.4.5. The label is
	// the service label.
	NetworkLayer
)

// Pseudowire is one pseudowire segment, or the service label of a network-layer
// client, at this node.
type Pseudowire struct {
	Name string
	Type PWType
	// InLabel is the receive-label, of the per-platform space; 0: nothing is
	// received (the root of a point-to-multipoint pseudowire).
	InLabel uint32
	// Out is where frames go: the transmit-label and the group of the tunnel;
	// zero: nothing is sent (a leaf of a point-to-multipoint pseudowire).
	Out NextHop
	// ControlWord puts a control word below the label, and expects one (RFC
	// 4385 section 3). NetworkLayer has none.
	ControlWord bool
	// Sequencing numbers what is sent and drops what arrives out of order (RFC
	// 4385 section 4). Needs ControlWord.
	Sequencing bool
	// EncapsulationLabel puts an explicit null of the client's protocol below
	// the service label: the encapsulation label of RFC 5921 section 3.4.5 for
	// IPv4 (0) and IPv6 (2). NetworkLayer only.
	EncapsulationLabel bool
	// MTU is the largest client payload in octets, without Ethernet header and
	// tags; 0: 1500. Longer frames are dropped and counted, either way.
	MTU  uint16
	Down bool
	Condition
}

// VLANOperation is what an attachment circuit does to the tags of frames from
// the client; the opposite is done to those towards it.
type VLANOperation uint8

// The operations on tags.
const (
	KeepTags VLANOperation = iota
	// PopTags removes the tags that the circuit matches, and adds them again.
	PopTags
	// PushTag adds the tag VLAN in front, and removes it again: a frame towards
	// the client without it is dropped and counted.
	PushTag
	// TranslateTag writes VLAN into the outer tag, and the matched VLAN again.
	TranslateTag
)

// Attachment is an attachment circuit: an interface towards a client, or the
// frames with certain tags on it. The closest match counts: both tags, then
// the outer one, then the interface.
type Attachment struct {
	Interface            string
	OuterVLAN, InnerVLAN uint16 // 1..4094; 0: not looked at.
	// NNI makes the outer tag an S-tag (0x88a8); a UNI has C-tags (0x8100).
	// The inner tag is always a C-tag.
	NNI       bool
	Operation VLANOperation
	VLAN      uint16 // Of PushTag and TranslateTag.
	// PeerMAC is the client's address where the service is NetworkLayer.
	PeerMAC MAC
}

// Profile is a two-rate, three-colour bandwidth profile (RFC 4115), colour
// blind. Green and yellow frames pass, red ones are dropped. Rates are in bits
// per second and count the client's frame without FCS; bursts are in octets.
type Profile struct {
	CIR, EIR uint64
	CBS, EBS uint64
}

// ClassMap gives the traffic class by the priority code point of a frame (that
// of the outer tag as it arrives; 0 without a tag), or for NetworkLayer by the
// three upper bits of the DS field of an IP packet, or by the traffic class of
// an MPLS packet. The difference of Green and Yellow tells the drop precedence.
type ClassMap struct {
	Green, Yellow [8]uint8
}

// Service joins an attachment circuit to pseudowires.
type Service struct {
	Name       string
	Attachment Attachment
	// Send names the pseudowire that frames of the client go to, or the group
	// of pseudowires where SendGroup is set; empty: none (they are dropped and
	// counted).
	Send      string
	SendGroup bool
	// Receive names the pseudowires whose frames go to the client: one, those
	// of the group, or the return pseudowires of the leaves. Of a group with a
	// permanent bridge (1+1) only the frames of the active leg are taken.
	Receive []string
	// Profile polices the frames of the client; nil: none.
	Profile *Profile
	// Classes gives the traffic class of all labels; nil: 0.
	Classes *ClassMap
	Down    bool
}

// SwitchingPoint joins two pseudowire segments (an S-PE, RFC 6073): what
// arrives on one leaves on the other, the TTL of the pseudowire label less one,
// control word and all.
type SwitchingPoint struct {
	Name     string
	Segments [2]string
}
