// Package chain turns objects of the data plane into filters of Linux traffic
// control: flower finds the label, actions of act_mpls, act_vlan, act_pedit and
// act_mirred do the rest. It is pure: a State says what there is, Compile
// returns filters; nobody is asked and nothing is changed.
//
// All sections share one block of filters, so that an LSP is one filter
// whatever its sections. Its chain 0 admits: interface, VLAN and destination
// address decide into which label space, which is a chain, a frame goes.
// IP clients come through the device Device, whose egress has a block of its
// own: the route says which client label, the filter of that label does the
// rest.
//
// A group is filters of its own, in a chain that whoever enters it goes to: a
// switch replaces these and nothing else.
//
// Read chain.go first, then lsp.go, out.go, enter.go and section.go.
package chain

import (
	"cmp"
	"slices"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// Device is the dummy interface that IP clients are routed to and that keeps
// the blocks alive.
const Device = "mtk0"

// The blocks: Ingress of sections, Egress of Device.
const (
	Ingress = 0x54500001
	Egress  = 0x54500002
)

// The chains of the ingress block that are no label space.
const (
	chainAdmit   = 0
	chainDeliver = 1 // IP packets below a last label, to the host.
	chainBud     = 2 // Copies for this node.
	chainNull4   = 4 // What an explicit null says to be IPv4.
	chainNull6   = 5
	chainRecord  = 3 // Never entered: what the driver must find again.
	firstChain   = 16
)

// The chains of a label space, from its base on.
const (
	offLabels = iota
	offPop    // What pops its last label, by what is below.
	offIPv4   // The same, IPv4.
	offIPv6   // The same, IPv6.
	offClass  // What becomes a label with the class of an IP packet.
	spaceSize = 8
)

// The chains of groups, one for each way to enter, are from firstGroup on.
const (
	firstGroup = 0x8000
	groupSize  = 0x80
)

// Twin returns the other of the two preferences that the filters of a label
// have in turn. Labels that every space has do not change and stay in the
// first.
func Twin(block, chain uint32, pref uint16) (uint16, bool) {
	if block == Ingress && objectChain(chain) {
		return pref ^ 1, pref >= prefObject && pref < prefNibble
	}
	if block == Ingress && chain <= chainNull6 && chain != chainBud {
		return pref, false
	}
	switch pref {
	case prefGACh:
		return prefGACh2, true
	case prefGACh2:
		return prefGACh, true
	case prefLabel:
		return prefLabel2, true
	case prefLabel2:
		return prefLabel, true
	}
	return pref, false
}

// Platform is the number of the per-platform label space; those of interfaces
// follow, up to MaxSpace.
const (
	Platform = 1
	MaxSpace = 500
)

// The preferences, in the order in which they are asked.
const (
	prefVLAN    = 0x10
	prefSection = 0x20
	prefNotOurs = 0x40
	// The G-ACh of a section that is blocked.
	prefGALVLAN = 0x0e
	prefGAL     = 0x1e
	// Frames of a section that are for another station.
	prefForeignVLAN = 0x18
	prefForeign     = 0x28
	prefTTL         = 0x10
	prefGACh        = 0x18
	prefGACh2       = 0x19
	prefLabel       = 0x20
	prefLabel2      = 0x28
	prefUnknown     = 0x30
	// The kernel tells apart the u32 filters of a block by preference alone:
	// theirs begin at prefNibble and none occurs twice.
	prefNibble   = 0x1000
	prefClass    = 0x6000
	prefNoNibble = 0xf000
)

// The ranges of the indices of counting actions.
const (
	indexReason  = 0x10000000
	indexNote    = 0x10001000
	indexSection = 0x20000000
	indexRefused = 0x10000000 // Above indexSection.
	indexLabel   = 0x40000000
	indexGroup   = 0xa0000000
)

// Port is what is known of an interface.
type Port struct {
	Name  string
	Index int // 0: there is none.
	MAC   dataplane.MAC
	MTU   int
}

// State is what Compile looks things up in.
type State struct {
	Objects map[dataplane.Key]dataplane.Object
	Ports   map[string]Port   // By name.
	Active  map[string]uint8  // The active leg of each group.
	Spaces  map[string]uint32 // The label space of each section that has its own.
	// Clients are the client labels of LSPs and groups with prefixes, Records
	// the handles of what has a record, by key.
	Clients map[dataplane.Key]uint32
	Records map[dataplane.Key]uint32
	// Entries are the ways in which the objects of the state enter each group:
	// the Enters of all of them, each once, in any order.
	Entries map[string][]Entry
	// Outlets are the groups into which OAM sends.
	Outlets map[string]bool
	Device  Port
	// Shared are the actions that filters have in common.
	Shared *Pool
}

// NewState returns an empty state.
func NewState() *State {
	return &State{
		Objects: map[dataplane.Key]dataplane.Object{}, Ports: map[string]Port{}, Active: map[string]uint8{},
		Spaces: map[string]uint32{}, Clients: map[dataplane.Key]uint32{}, Records: map[dataplane.Key]uint32{}, Entries: map[string][]Entry{},
		Outlets: map[string]bool{}, Shared: NewPool(),
	}
}

// Compiled is what an object becomes.
type Compiled struct {
	Filters []mplsnl.Filter
	Routes  []mplsnl.IPRoute
	// Depends are the objects whose change changes this one, Refers those of
	// which only coming and going does, Follows the groups whose switch does.
	Depends []dataplane.Key
	Refers  []dataplane.Key
	Follows []string
	// Enters are the chains of groups that it goes to.
	Enters []Entry
	// Counts are in the order of their indices.
	Counts []Count
	// dead tells, for each way that is down, why.
	dead []Reason
}

// Count tells whom a counting action counts for.
//
// There are several for each object, so it is kept small.
type Count struct {
	Key   dataplane.Key
	Index uint32
	// Octets are added for each packet: the kernel counts a packet as it came
	// in.
	Octets int16
	What   What
}

// What is a counter of an object.
type What uint8

// The counters. Taken are packets that did come in and were not dropped: the
// rest are InDrops. So are those that are Dropped.
const (
	In What = iota + 1
	Out
	Taken
	Dropped
	OutDropped
	Green
	Yellow
	Red
)

func (c *Compiled) need(k dataplane.Key) { c.Depends = append(c.Depends, k) }

func (c *Compiled) refer(k dataplane.Key) { c.Refers = append(c.Refers, k) }

func (c *Compiled) count(index uint32, k dataplane.Key, w What, octets int) {
	c.Counts = append(c.Counts, Count{Index: index, Key: k, What: w, Octets: int16(octets)})
}

// Compile returns the filters and routes of an object. The error tells why it
// cannot be there now; Compiled then has only what it depends on.
func (s *State) Compile(o dataplane.Object) (Compiled, *dataplane.OpError) {
	var c Compiled
	var err *dataplane.OpError
	switch o := o.(type) {
	case dataplane.Section:
		err = s.section(&c, o)
	case dataplane.LSP:
		err = s.lsp(&c, o)
	case dataplane.Group:
		err = s.group(&c, o)
	case dataplane.Pseudowire:
		err = s.wire(&c, o)
	case dataplane.Service:
		err = s.service(&c, o)
	case dataplane.SwitchingPoint:
		err = s.point(&c, o)
	}
	if err != nil {
		c.Filters, c.Routes, c.Counts, c.Enters = nil, nil, nil, nil
	}
	mark(c.Filters)
	s.Shared.share(c.Filters)
	slices.SortStableFunc(c.Counts, func(a, b Count) int { return cmp.Compare(a.Index, b.Index) })
	return c, err
}

func key(k dataplane.Kind, name string) dataplane.Key { return dataplane.Key{Kind: k, Name: name} }

func fail(k dataplane.Key, reason string) *dataplane.OpError {
	return &dataplane.OpError{Key: k, Reason: reason}
}

// base returns the first chain of a label space.
func base(space uint32) uint32 { return firstChain + spaceSize*(space-Platform) }

// SpaceOf returns the label space that a chain of labels belongs to.
func SpaceOf(chain uint32) (uint32, bool) {
	if chain < firstChain || chain >= firstGroup {
		return 0, false
	}
	return (chain-firstChain)/spaceSize + Platform, true
}

// labelIndex is the index of a counting action of a label: which is 0 for what
// comes in and 1 for what passes.
func labelIndex(space, label, which uint32) uint32 { return indexLabel + space<<21 + label<<1 + which }

// clientSpace is the number that stands for client labels in indices.
const clientSpace = 0

// The actions, by short names.

func pipe(a mplsnl.Action) mplsnl.Action {
	a.Verdict, a.NoPerCPU = mplsnl.Pipe, true
	return a
}

// mark puts our cookie on filters: whoever has it in front is ours.
func mark(filters []mplsnl.Filter) {
	for i := range filters {
		// Actions may be shared by filters that differ in what they match.
		a := filters[i].Actions
		if len(a) > 0 && a[0].Cookie == ([16]byte{}) {
			filters[i].Actions = append([]mplsnl.Action{a[0]}, a[1:]...)
			filters[i].Actions[0].Cookie = Cookie()
		}
	}
}

// Ours tells whether Tandem made a filter.
func Ours(f *mplsnl.Filter) bool {
	if f.Chain == chainRecord || len(f.Actions) == 0 {
		return f.Chain == chainRecord && f.Block == Ingress
	}
	return f.Actions[0].Cookie == Cookie()
}

// Cookie marks the counting actions of Tandem.
func Cookie() [16]byte { return [16]byte{'t', 'a', 'n', 'd', 'e', 'm'} }

// counting counts and goes on. An action of an index that exists stays as it
// is, so all of one index have the same verdict. Counters for each CPU would
// cost a fifth of the time that it takes to put a filter, and save no lock: the
// actions behind it have their own.
func counting(index uint32) mplsnl.Action {
	return mplsnl.Action{Kind: mplsnl.GAct, Verdict: mplsnl.Pipe, Index: index, Cookie: Cookie(), NoPerCPU: true}
}

// dropping drops for a reason that is counted; silent without.
func dropping(r Reason) mplsnl.Action {
	return mplsnl.Action{Kind: mplsnl.GAct, Verdict: mplsnl.Drop, Index: indexReason + uint32(r), Cookie: Cookie()}
}

func silent() mplsnl.Action {
	return mplsnl.Action{Kind: mplsnl.GAct, Verdict: mplsnl.Drop, NoPerCPU: true}
}

func going(chain uint32) mplsnl.Action {
	return mplsnl.Action{Kind: mplsnl.GAct, Verdict: mplsnl.GotoChain(chain), NoPerCPU: true}
}

func mpls(m mplsnl.MPLSAction) mplsnl.Action { return pipe(mplsnl.Action{Kind: mplsnl.MPLS, MPLS: m}) }

func vlan(v mplsnl.VLANAction) mplsnl.Action { return pipe(mplsnl.Action{Kind: mplsnl.VLAN, VLAN: v}) }

func popTo(protocol uint16) mplsnl.Action {
	return mpls(mplsnl.MPLSAction{Op: mplsnl.MPLSPop, Protocol: protocol})
}

// decTTL is one action for all filters: what it drops are the TTLs that have
// expired.
func decTTL() mplsnl.Action {
	return mplsnl.Action{Kind: mplsnl.MPLS, Verdict: mplsnl.Pipe, Index: IndexTTL, Cookie: Cookie(), MPLS: mplsnl.MPLSAction{Op: mplsnl.MPLSDecTTL}}
}

// variant numbers what filters of one label match besides: the kernel does not
// replace a filter by one that looks at other bits.
func variant(m, below mplsnl.LSE) uint32 {
	switch {
	case below.HasTC: // Tickets.
		return 16 + uint32(below.TC)
	case m.HasTC && m.HasBOS: // Labels.
		return 16 + uint32(m.TC)
	case m.HasTC:
		return 8 + uint32(m.TC)
	case m.HasBOS && m.BOS:
		return 2
	case m.HasBOS:
		return 1
	}
	return 0
}

// labelFilter is a filter by label in the ingress block.
func labelFilter(chain, label uint32, m mplsnl.LSE, actions ...mplsnl.Action) mplsnl.Filter {
	number := variant(m, mplsnl.LSE{})
	m.HasLabel, m.Label = true, label
	f := mplsnl.Filter{
		Block: Ingress, Chain: chain, Pref: prefLabel, Protocol: mplsnl.EtherMPLS,
		Handle: label<<5 + number + 1, Match: mplsnl.Match{Kind: mplsnl.Flower}, Actions: actions,
	}
	f.Match.LSE[0] = m
	return f
}
