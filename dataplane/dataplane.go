// Package dataplane defines what a data plane of Tandem is asked to do: the
// desired state as typed objects, the operations a driver applies, and the
// capabilities a driver publishes. It knows neither YANG nor Linux.
//
// Read this file first, then plan (pure: desired and actual in, ordered
// operations out), reconcile (the level-triggered loop), fake (the driver in
// memory) and the two real drivers, kernel and ebpf.
package dataplane

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// Kind tells objects apart. Sections refer to nothing, LSPs and groups to
// sections and to each other without a cycle, pseudowires to those, services
// and switching points to pseudowires and groups: plan orders by reference.
type Kind uint8

// The kinds of objects.
const (
	KindSection Kind = iota + 1
	KindLSP
	KindGroup
	KindPseudowire
	KindService
	KindSwitchingPoint
)

// Key names one object. Names are those of the configuration, unique per Kind.
type Key struct {
	Kind Kind
	Name string
}

// String returns the key as plans and logs print it, for example "lsp/west-east".
func (k Key) String() string { return k.Kind.String() + "/" + k.Name }

// String returns the lower-case name of the kind.
func (k Kind) String() string {
	switch k {
	case KindSection:
		return "section"
	case KindLSP:
		return "lsp"
	case KindGroup:
		return "group"
	case KindPseudowire:
		return "pseudowire"
	case KindService:
		return "service"
	case KindSwitchingPoint:
		return "switching-point"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Object is one desired or actual object. Objects are values: a driver keeps
// copies and never changes what it was given.
type Object interface {
	Key() Key
	// Equal reports whether forwarding would be the same with either.
	Equal(Object) bool
	// String prints the object on one line, as plans and dumps show it.
	String() string
}

// MAC is an Ethernet address. The zero value stands for the MPLS-TP multicast
// address 01-00-5E-90-00-00 (RFC 7213 section 4).
type MAC [6]byte

// Section is an MPLS-TP section: an Ethernet interface, or a VLAN on one, with
// one peer.
type Section struct {
	Name      string
	Interface string // Linux interface name.
	VLAN      uint16 // 1..4094; 0: untagged.
	PeerMAC   MAC    // Zero: the MPLS-TP multicast address.
	// InterfaceLabelSpace gives the section a label space of its own; false:
	// the per-platform space.
	InterfaceLabelSpace bool
	// Down is set while the administrative state is down: nothing is sent to
	// or taken from the section.
	Down bool
	// Queues is the queueing on egress; the zero value leaves the queueing of
	// the host as it is.
	Queues Queues
	// Condition of a section is Blocked alone: everything but the section's own
	// G-ACh (a GAL on top) is user traffic, that of its LSPs included.
	Condition
}

// Queues is a scheduler on the interface of a section: one queue for each
// traffic class, and one for the G-ACh (an ACH below the last label, whoever
// sent it, but for loss and delay measurement), which has a quarter of the rate
// before all others; what has no label is in the class of its priority
// (SO_PRIORITY 0..7).
type Queues struct {
	Enabled bool
	// Rate shapes the interface, in bits per second; 0: at the rate of the
	// link.
	Rate uint64
	// Weights of the queues of traffic class 0 to 7: 0 is strict priority, the
	// higher class first and before all weighted ones.
	Weights [8]uint16
}

// Operation is what an LSP does to a packet, with the names of
// mpls-operations-type (RFC 8960).
type Operation uint8

// The operations of an LSP.
const (
	ImposeAndForward Operation = iota + 1
	SwapAndForward
	PopAndForward
	PopImposeAndForward
	PopAndLookup
)

// TTLMode is the tunnel model of RFC 3443. MPLS-TP knows no uniform model.
type TTLMode uint8

// The tunnel models. They differ at the egress only in what selects the
// per-hop behaviour: pipe the LSP's own TC, short-pipe that of the client.
const (
	Pipe TTLMode = iota
	ShortPipe
)

// LabelEntry is one label to impose.
//
// Of SwapAndForward the lowest entry takes the place of the incoming label: it
// carries the TTL of the packet less one, and its TTL field is not used (RFC
// 3031 section 3.10). Every other entry is a new label and starts with TTL
// (pipe model, RFC 3443 section 3.2), where the driver has FeatureImposedTTL.
type LabelEntry struct {
	// Label is 16..1048575. The lowest entry of an LSP may be an explicit null
	// as well, 0 for IPv4 and 2 for IPv6 (RFC 3032 section 2.1, RFC 4182).
	Label uint32
	TTL   uint8 // 0: 255, the default of the pipe model.
	TC    uint8 // 0..7, used where HasTC.
	HasTC bool  // false: TC of the packet that is encapsulated, 0 for IP.
}

// NextHop is where an LSP or a pseudowire sends: the labels imposed, top first,
// and then either a section or a group, which adds the labels of its active leg
// above them (hierarchy: an LSP in an SPME, a pseudowire in a tunnel).
type NextHop struct {
	Section string
	Group   string
	Stack   []LabelEntry
}

// Condition is what operation, not configuration, makes of a section, an LSP or
// a pseudowire. The zero value is the normal one.
type Condition struct {
	// Blocked drops user traffic in both directions, under a counter of its
	// own, while the G-ACh goes on (RFC 6371 sections 5.1.2 and 6.2: a
	// mis-connected or locked transport path), the object's own: that of a path
	// inside it is user traffic.
	Blocked bool
	// Loop names the LSP or pseudowire of the opposite direction into which
	// everything that arrives is sent back (RFC 6435 section 4), without the
	// label it came with and as if it had arrived there; empty: no loopback.
	// A frame whose TTL expires here is punted as ever. A pseudowire loops like
	// a switching point: control word and all, with the TTL less one.
	Loop string
}

// LSP is one static LSP at this node.
type LSP struct {
	Name string
	Op   Operation
	// InLabel is the incoming-label, 16..1048575; 0 with ImposeAndForward.
	InLabel uint32
	// InSection names the section whose label space InLabel is in; empty: the
	// per-platform space.
	InSection string
	// Prefixes are the IP clients routed into the LSP (ImposeAndForward only).
	Prefixes []netip.Prefix
	// Out is the next hop; zero for PopAndLookup and where there are Branches.
	Out NextHop
	// Branches make the LSP point-to-multipoint: one copy to each. Their order
	// does not count, their names are unique in the LSP.
	Branches []Branch
	// Bud delivers a copy at this node as well, as PopAndLookup would (a bud
	// node, RFC 4461 section 2); only with Branches.
	Bud     bool
	TTLMode TTLMode
	// Class makes the LSP an L-LSP (RFC 3270 section 1.2): its packets go to
	// the queue of this traffic class, whatever their TC, which then tells the
	// drop precedence alone. Nil: an E-LSP, whose TC tells both.
	Class *uint8
	// EntropyLabel puts an entropy label indicator and an entropy label below
	// the labels that ImposeAndForward imposes on IP clients (RFC 6790 section
	// 4.2). For IP/MPLS use only; MPLS-TP LSPs do not spread.
	EntropyLabel bool
	// Selector names the group whose receiving end decides whether packets
	// are taken (1+1): those of leg SelectorLeg while it is the active one.
	// PopAndLookup only. The G-ACh is always taken.
	Selector    string
	SelectorLeg uint8
	Condition
	// Down is set while the administrative state is down: the label stays
	// known, user packets are dropped and counted.
	Down bool
}

// Branch is one branch of a point-to-multipoint LSP.
type Branch struct {
	Name string
	NextHop
}

// Group is a transport path made of legs: a tunnel with its working and its
// protecting LSP, or redundant pseudowires. Whoever enters it sends on the
// active leg, whatever is below; Driver.Switch changes that for all at once.
type Group struct {
	Name string
	// Legs are names of LSPs that begin here (ImposeAndForward), or of
	// pseudowires where Pseudowires is set: working first, then protecting.
	// One or two. A leg has its own labels, counters and administrative state.
	Legs        []string
	Pseudowires bool
	// Permanent is the bridge of 1+1: what enters is sent on every leg.
	// False: on the active one (the selector bridge of 1:1).
	Permanent bool
	// Active is the index of the leg that a new group sends on, and whose
	// packets its Selector LSPs take. A Put of a group that exists leaves the
	// active leg as Switch has set it, unless that leg is gone. It does not
	// count for Equal.
	Active uint8
	// Prefixes are the IP clients routed into the group.
	Prefixes []netip.Prefix
	// Down is set while the administrative state is down: what enters is
	// dropped and counted.
	Down bool
}

// Delta is a change of desired state. Put holds whole objects (new or
// changed); Delete holds keys. A Key occurs once.
type Delta struct {
	Put    []Object
	Delete []Key
}

// Verb is what an Op does.
type Verb uint8

// The verbs. Put creates or replaces without a gap (make before break).
const (
	Put Verb = iota + 1
	Delete
)

// Op is one idempotent operation of a plan. Object is nil for Delete.
type Op struct {
	Verb   Verb
	Key    Key
	Object Object
}

// OpError tells that one operation of a batch failed.
type OpError struct {
	Key Key
	// Reason is short and for people; it goes into data-plane-state/reason.
	Reason string
	// Retry is false when trying again cannot help before something else
	// changes (a missing interface is Retry false: an Event will tell).
	Retry bool
	Err   error
}

func (e *OpError) Error() string { return e.Key.String() + ": " + e.Reason }

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Feature names something a configuration can need of a driver.
type Feature string

// The features that drivers differ in. The names are the ones shown in
// /mpls-tp/node/data-plane and in refusals.
const (
	FeatureImpose          Feature = "impose-and-forward"
	FeatureSwap            Feature = "swap-and-forward"
	FeaturePop             Feature = "pop-and-forward"
	FeaturePopImpose       Feature = "pop-impose-and-forward"
	FeaturePopLookup       Feature = "pop-and-lookup"
	FeatureTrafficClass    Feature = "traffic-class-preserved"
	FeatureLSPCounters     Feature = "lsp-counters"
	FeatureSectionCounters Feature = "section-counters"
	// FeatureOutDrops: OutDrops in everything that had taken the packet (see
	// Counters); without it, whoever hands a packet on has sent it.
	FeatureOutDrops            Feature = "out-drops"
	FeatureInterfaceLabelSpace Feature = "interface-label-space"
	FeatureMulticastSend       Feature = "mpls-tp-multicast-send"
	FeatureMulticastReceive    Feature = "mpls-tp-multicast-receive"
	FeatureVLANSection         Feature = "vlan-section"
	FeatureGALPunt             Feature = "gal-punt"
	FeatureTTLPunt             Feature = "ttl-expiry-punt"
	FeatureKernelTime          Feature = "kernel-receive-time"
	FeatureShortPipe           Feature = "short-pipe"
	// FeatureImposedTTL: labels imposed on a labelled packet start with the
	// TTL of their LabelEntry; without it, with the TTL of the packet less one.
	FeatureImposedTTL Feature = "imposed-ttl"
	// FeaturePayloadTTL: pop-and-forward leaves the TTL of an IP payload as it
	// is, and pop-and-lookup takes one hop off it, no more (RFC 3443 section
	// 3); without it, the kernel takes one more off in both cases.
	FeaturePayloadTTL Feature = "payload-ttl"

	// FeatureHierarchy: LSPs and pseudowires enter groups, and groups nest.
	FeatureHierarchy Feature = "hierarchy"
	// FeatureGroupSwitch: a switch of a group costs the same whatever the
	// number of its members.
	FeatureGroupSwitch Feature = "group-switch"
	// FeatureOnePlusOne: permanent bridge and selector.
	FeatureOnePlusOne Feature = "one-plus-one"
	FeatureP2MP       Feature = "p2mp"
	FeatureBud        Feature = "p2mp-bud"
	FeatureEntropy    Feature = "entropy-label"
	FeatureLLSP       Feature = "l-lsp"
	FeatureQueues     Feature = "queues"
	FeatureBlock      Feature = "block"
	// FeatureSectionBlock: Blocked of a section.
	FeatureSectionBlock Feature = "section-block"
	FeatureLoopback     Feature = "loopback"
	// FeatureSteadyCC: CC packets that change nothing are consumed in the data
	// plane, which stamps when the last one came.
	FeatureSteadyCC Feature = "steady-cc"
	// FeatureSnapshot: punts carry the counters of their LSP (direct loss
	// measurement, RFC 6374 section 2.2).
	FeatureSnapshot Feature = "counter-snapshot"
	// FeaturePuntLimits: token buckets per channel type and per MEG.
	FeaturePuntLimits Feature = "punt-limits"

	FeatureEthernetPW   Feature = "ethernet-pseudowire"
	FeatureControlWord  Feature = "pseudowire-control-word"
	FeatureSequencing   Feature = "pseudowire-sequencing"
	FeatureSwitchingPW  Feature = "pseudowire-switching-point"
	FeatureP2MPPW       Feature = "p2mp-pseudowire"
	FeaturePWGroup      Feature = "pseudowire-group"
	FeatureNetworkLayer Feature = "network-layer-client"
	FeatureVLANOps      Feature = "attachment-vlan-operations"
	FeatureQinQ         Feature = "attachment-qinq"
	FeaturePolicing     Feature = "bandwidth-profile"
	FeatureClassMap     Feature = "traffic-class-map"
	FeaturePWACHPunt    Feature = "pseudowire-ach-punt"
	FeaturePWCounters   Feature = "pseudowire-counters"
)

// Features lists every feature in the order in which tables show them.
func Features() []Feature {
	return []Feature{
		FeatureImpose, FeatureSwap, FeaturePop, FeaturePopImpose, FeaturePopLookup,
		FeatureTrafficClass, FeatureImposedTTL, FeaturePayloadTTL, FeatureShortPipe,
		FeatureLSPCounters, FeatureSectionCounters, FeatureOutDrops, FeatureInterfaceLabelSpace,
		FeatureMulticastSend, FeatureMulticastReceive, FeatureVLANSection,
		FeatureGALPunt, FeatureTTLPunt, FeatureKernelTime,
		FeatureHierarchy, FeatureGroupSwitch, FeatureOnePlusOne, FeatureP2MP, FeatureBud,
		FeatureEntropy, FeatureLLSP, FeatureQueues, FeatureBlock, FeatureSectionBlock, FeatureLoopback,
		FeatureSteadyCC, FeatureSnapshot, FeaturePuntLimits,
		FeatureEthernetPW, FeatureControlWord, FeatureSequencing, FeatureSwitchingPW,
		FeatureP2MPPW, FeaturePWGroup, FeatureNetworkLayer, FeatureVLANOps, FeatureQinQ,
		FeaturePolicing, FeatureClassMap, FeaturePWACHPunt, FeaturePWCounters,
	}
}

// Capabilities is what a driver can do on this host, probed, not guessed.
type Capabilities struct {
	Driver   string
	Features map[Feature]bool
	// MaxImpose is the highest number of labels that one packet gets, those of
	// groups, explicit nulls and entropy labels included; MaxReceive is the
	// deepest stack that is parsed.
	MaxImpose, MaxReceive int
	// MaxNesting is how many groups can lie on the way of one packet;
	// MaxBranches how many branches an LSP can have.
	MaxNesting, MaxBranches int
	// MaxLabel is the highest label that can be programmed.
	MaxLabel uint32
	// Limits are sentences for people: what this driver does differently.
	Limits []string
	// Lacking tells why this host has not a feature that the driver has elsewhere.
	Lacking map[Feature]string
}

// Counter is packets and octets. Octets count the frame from the label stack
// on, without the Ethernet header.
type Counter struct {
	Packets, Octets uint64
}

// Counters of one object. In and Out are seen from the object: an LSP's In is
// what arrived with its incoming-label or prefix or, of a leg, from its group;
// a group's In is what entered it, without the labels of the legs. OutDrops are
// what an object had taken and could not send, whoever on the way out ended it:
// the sender, each leg that the packet was in already, and the section that it
// was to leave by count it; the object that ended it on arrival (a leg or a
// group that is down) counts it in InDrops. Whoever sends into a
// point-to-multipoint leg or over a permanent bridge has sent: what becomes of
// a copy counts at the LSP of the copy. A
// pseudowire's In is what came from the network and its Out what went there,
// both as octets of the client's frame or packet; a service's In is what came
// from the client and its Out what went to it, as frames with their Ethernet
// header; a switching point's are those of both directions.
type Counters struct {
	In, Out           Counter
	InDrops, OutDrops uint64
	// Colours are what a service with a Profile found green, yellow and red.
	Colours [3]Counter
	// Since is when the counters started (discontinuity-time).
	Since time.Time
}

// EventKind tells what an Event reports.
type EventKind uint8

// The events of a driver.
const (
	// LinkUp, LinkDown: carrier or administrative state of an interface that
	// a section uses; Interface is set.
	LinkUp EventKind = iota + 1
	LinkDown
	// LinkChanged: an interface appeared, was removed, renamed or changed its
	// address: sections on it must be applied again.
	LinkChanged
	// Drift: objects of ours were changed behind our back; Key is set, or
	// empty when a full audit is needed.
	Drift
)

// Event is something that happened in the data plane without our doing.
type Event struct {
	Time      time.Time
	Kind      EventKind
	Interface string
	Key       Key
}

// Driver makes objects real. Methods may be called from several goroutines;
// Apply calls never overlap.
type Driver interface {
	// Capabilities is constant for the life of the driver.
	Capabilities() Capabilities
	// Prepare refuses what this driver cannot do (an *OpError names the object
	// and the reason) and changes nothing. It is called before a commit.
	Prepare(ctx context.Context, ops []Op) error
	// Apply executes ops in order as far as it can, pipelined, and returns one
	// OpError for each that failed. Putting what is there already, and deleting
	// what is not, succeeds.
	//
	// The driver keeps track of who has a label or prefix: a Put takes it over
	// from another object, and the Delete of that one leaves it alone. Putting
	// a section, changed or not, makes the LSPs on it good as well: after a
	// link came back one Put of its section is enough. An LSP that fails then
	// gets an OpError of its own.
	Apply(ctx context.Context, ops []Op) []*OpError
	// Dump returns every object that is in the data plane and is ours (protocol
	// tag, pinned maps): the basis of adoption after a restart and of audits.
	// The data plane holds labels and prefixes, not names, so desired tells
	// which name has which label; what belongs to none of them is returned
	// under a name that starts with "?", so that it is seen as stale and
	// removed. The driver goes on with these names: a Delete of a "?" key
	// removes what it stood for in the last Dump. A desired object that is
	// rightly without a trace (an LSP that is down, for example) is returned
	// as if it were there.
	Dump(ctx context.Context, desired []Object) ([]Object, error)
	// Switch makes a leg the active one of a group, for everything that enters
	// it and everything that its selector takes, in one step where the driver
	// has FeatureGroupSwitch. No packet is lost between two good legs. The
	// error is an *OpError.
	Switch(ctx context.Context, group string, leg uint8) error
	// ActiveLeg tells the leg in use, after a restart too.
	ActiveLeg(group string) (uint8, error)
	// Counters appends the counters of keys to dst, in order; an unknown key
	// gives zero counters.
	Counters(ctx context.Context, keys []Key, dst []Counters) ([]Counters, error)
	// Events delivers until Close. A full channel is followed by a Drift with
	// an empty Key.
	Events() <-chan Event
	// Close releases the process's hold; forwarding goes on.
	Close() error
}

// DiscardCounter is implemented by drivers that count what concerns no single
// object: frames dropped, frames punted under names that start with "punted-",
// and what is neither, yet worth a count, under names that start with "noted-".
type DiscardCounter interface {
	DropCounters() (map[string]uint64, error)
}

// InterfaceState tells how a driver works on an interface of the host.
type InterfaceState struct {
	Name string
	// Mode is "native", "generic" or "tc", or "kernel" where the kernel's own
	// MPLS forwards; Reason tells why it is not the better one.
	Mode, Reason string
	// Switched lists the offloads that had to be switched off, by their ethtool
	// names.
	Switched []string
	// Queueing is the queueing on egress, for people; empty: that of the host.
	Queueing string
}

// InterfaceReporter is implemented by drivers that work on interfaces of the
// host.
type InterfaceReporter interface {
	InterfaceStates() ([]InterfaceState, error)
}
