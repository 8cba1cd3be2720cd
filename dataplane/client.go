package dataplane

import (
	"fmt"
	"slices"
)

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
// of the outer tag; 0 without a tag), or for NetworkLayer by the three upper
// bits of the DS field. The entropy of drop precedence is in the difference of
// Green and Yellow.
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
	// of the group, or the return pseudowires of the leaves.
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

// Key returns group/NAME.
func (g Group) Key() Key { return Key{Kind: KindGroup, Name: g.Name} }

// Key returns pseudowire/NAME.
func (p Pseudowire) Key() Key { return Key{Kind: KindPseudowire, Name: p.Name} }

// Key returns service/NAME.
func (s Service) Key() Key { return Key{Kind: KindService, Name: s.Name} }

// Key returns switching-point/NAME.
func (s SwitchingPoint) Key() Key { return Key{Kind: KindSwitchingPoint, Name: s.Name} }

// Equal reports whether o is the same group, whatever leg is active.
func (g Group) Equal(o Object) bool {
	h, ok := o.(Group)
	return ok && g.Name == h.Name && slices.Equal(g.Legs, h.Legs) && g.Pseudowires == h.Pseudowires &&
		g.Permanent == h.Permanent && g.Down == h.Down && samePrefixes(g.Prefixes, h.Prefixes)
}

// Equal reports whether o is the same pseudowire with the same forwarding.
func (p Pseudowire) Equal(o Object) bool {
	q, ok := o.(Pseudowire)
	return ok && p.Name == q.Name && p.Type == q.Type && p.InLabel == q.InLabel && p.Out.equal(q.Out) &&
		p.ControlWord == q.ControlWord && p.Sequencing == q.Sequencing && p.EncapsulationLabel == q.EncapsulationLabel &&
		p.EffectiveMTU() == q.EffectiveMTU() && p.Down == q.Down && p.Condition == q.Condition
}

// EffectiveMTU is MTU, or 1500 where none is configured.
func (p Pseudowire) EffectiveMTU() uint16 {
	if p.MTU == 0 {
		return 1500
	}
	return p.MTU
}

// Equal reports whether o is the same service with the same forwarding.
func (s Service) Equal(o Object) bool {
	t, ok := o.(Service)
	return ok && s.Name == t.Name && s.Attachment == t.Attachment && s.Send == t.Send && s.SendGroup == t.SendGroup &&
		slices.Equal(s.Receive, t.Receive) && s.Down == t.Down && sameValue(s.Profile, t.Profile) && sameValue(s.Classes, t.Classes)
}

func sameValue[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// Equal reports whether o joins the same segments.
func (s SwitchingPoint) Equal(o Object) bool {
	t, ok := o.(SwitchingPoint)
	return ok && s == t
}

// String prints the group on one line.
func (g Group) String() string { return fmt.Sprintf("%s legs %v", g.Key(), g.Legs) }

// String prints the pseudowire on one line.
func (p Pseudowire) String() string { return fmt.Sprintf("%s in %d", p.Key(), p.InLabel) }

// String prints the service on one line.
func (s Service) String() string { return fmt.Sprintf("%s dev %s", s.Key(), s.Attachment.Interface) }

// String prints the switching point on one line.
func (s SwitchingPoint) String() string {
	return fmt.Sprintf("%s joins %s and %s", s.Key(), s.Segments[0], s.Segments[1])
}
