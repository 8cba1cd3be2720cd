package chain

import (
	"fmt"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// The chains that all pseudowires share. What comes for a pseudowire is sent to
// the ingress of Device with its label on top, so that the kernel counts and
// measures what is below, whatever was above it, and gets there with a tag of
// wireVLAN, which sets it apart from the copies of bud nodes.
const (
	chainWire    = 6  // By label.
	chainNibble  = 7  // Control words, by their first four bits.
	chainUser    = 8  // By label, nibble 0.
	chainChannel = 9  // By label, nibble 1.
	chainOther   = 10 // By label, any other nibble.
	chainPacket  = 11 // Network-layer clients, by version.
	chainNull    = 12 // The same, below an encapsulation label.
	chainIPv4    = 13 // By label.
	chainIPv6    = 14
	chainWhole   = 15 // Frames without control word, by their length.
	chainLast    = chainWhole
	chainShort   = 0x8100 // By label, frames cut short.
	wireVLAN     = 1
)

// The chains that frames of clients go through, one for each stage: towards
// the client, and from it. All pseudowires and services share them, and a frame
// has the number of its own with it: that of the object's record, given by an
// action of kind TunnelKey. The kernel finds a chain of a block by walking all
// of them, a filter by its hash.
const (
	chainToClient   = 0x8200
	chainFromClient = 0x8210
	chainStages     = 0x8230 // Behind the last.
	indexObject     = 0x80000000
	indexSize       = 128
	indexKnown      = 0x50000000
)

// IndexRelease is the index of the action of kind tunnel_key that takes the
// number off a frame that leaves the chains of clients.
const IndexRelease = 0x54500003

// place is a stage of an object.
type place struct{ chain, number uint32 }

func toClient(number uint32, stage int) place {
	return place{chainToClient + uint32(stage), number}
}

func fromClient(number uint32, stage int) place {
	return place{chainFromClient + uint32(stage), number}
}

// known gives a frame the number of an object.
func known(number uint32) mplsnl.Action {
	a := pipe(mplsnl.Action{Kind: mplsnl.TunnelKey, Index: indexKnown + number, Tunnel: mplsnl.TunnelKeyAction{ID: number}})
	a.Cookie = Cookie()
	return a
}

// release takes the number off a frame again.
func release() mplsnl.Action {
	return mplsnl.Action{
		Kind: mplsnl.TunnelKey, Verdict: mplsnl.Pipe, Index: IndexRelease, Cookie: Cookie(), Tunnel: mplsnl.TunnelKeyAction{Release: true},
	}
}

// Preferences of the chains of pseudowires and objects: levels, in each one for
// every type of frame, because the kernel wants but one type in a preference,
// and its twin.
const (
	prefObject = 0x100
	levelSize  = 16
)

// objectChain tells whether the filters of a chain have twins.
func objectChain(chain uint32) bool {
	return chain >= chainShort || chain >= chainWire && chain <= chainLast
}

// protocols are the types of frames that have preferences of their own.
func protocols() [6]uint16 {
	return [6]uint16{mplsnl.EtherAll, mplsnl.EtherVLAN, mplsnl.EtherSVLAN, mplsnl.EtherMPLS, mplsnl.EtherIPv4, mplsnl.EtherIPv6}
}

func level(n int, protocol uint16) uint16 {
	for i, p := range protocols() {
		if p == protocol {
			return uint16(prefObject + n*levelSize + 2*i)
		}
	}
	return 0
}

// parts makes the filters of an object that has a number.
type parts struct {
	*State
	c      *Compiled
	key    dataplane.Key
	number uint32
}

// numbered begins an object with a number: its record is its first filter.
func (s *State) numbered(c *Compiled, k dataplane.Key) (*parts, *dataplane.OpError) {
	n := s.Records[k]
	if n == 0 {
		return nil, fail(k, fmt.Sprintf("there are no more than %d groups, pseudowires and services", dataplane.MaxLabel))
	}
	if s.Device.Index == 0 {
		return nil, fail(k, "there is no interface "+Device)
	}
	c.Filters = append(c.Filters, Record(k, n, 0))
	return &parts{State: s, c: c, key: k, number: n}, nil
}

// indexOf is the index of a counting action of the object with a number.
func indexOf(number uint32, which int) uint32 { return indexObject + number*indexSize + uint32(which) }

// shapeBits are those of a handle that tell what a filter of a stage matches
// besides the number of its object, which is in the others.
const shapeBits = 12

// numberOf tells whose filter of a stage it is.
func numberOf(f *mplsnl.Filter) (uint32, bool) {
	return f.Handle >> shapeBits, f.Block == Ingress && f.Chain >= chainToClient && f.Chain < chainStages
}

// add adds a filter to a stage of an object. Filters of a lower level are asked
// first; those of one level exclude each other.
func (p *parts) add(at place, n int, protocol uint16, m mplsnl.Match, actions ...mplsnl.Action) {
	m.Kind, m.HasKey, m.Key = mplsnl.Flower, true, at.number
	p.c.Filters = append(p.c.Filters, mplsnl.Filter{
		Block: Ingress, Chain: at.chain, Pref: level(n, protocol), Protocol: protocol,
		Handle: at.number<<shapeBits | shapeOf(&m), Match: m, Actions: actions,
	})
}

// shapeOf numbers what a filter of one level matches: the class of the frame,
// the number of its tags, and whether the tags themselves count.
func shapeOf(m *mplsnl.Match) uint32 {
	class := uint32(0)
	switch {
	case m.VLAN.HasPrio:
		class = 1 + uint32(m.VLAN.Prio)
	case m.TOSMask != 0:
		class = 1 + uint32(m.TOS>>5)
	case m.LSE[0].HasTC:
		class = 1 + uint32(m.LSE[0].TC)
	}
	if m.HasTags {
		class |= (1 + uint32(m.Tags)) << 4
	}
	if m.VLAN.Has {
		class |= 1 << 6
	}
	if m.Inner.Has {
		class |= 1 << 7
	}
	return class
}

// variantOf numbers what a filter of a label of a pseudowire matches besides.
func variantOf(m, below mplsnl.LSE) uint32 {
	switch {
	case m.HasTC:
		return 8 + uint32(m.TC)
	case m.HasTTL:
		return 4
	case below.HasLabel && below.Label == ipv4Null:
		return 5
	case below.HasLabel:
		return 6
	case m.HasBOS && m.BOS:
		return 3
	case m.HasBOS:
		return 2
	}
	return 1
}

// label adds a filter to a chain of pseudowires.
func (p *parts) label(chain uint32, n int, label uint32, m, below mplsnl.LSE, actions ...mplsnl.Action) {
	variant := variantOf(m, below)
	m.HasLabel, m.Label = true, label
	f := mplsnl.Filter{
		Block: Ingress, Chain: chain, Pref: level(n, mplsnl.EtherMPLS), Protocol: mplsnl.EtherMPLS, Handle: label<<5 + variant,
		Match: mplsnl.Match{Kind: mplsnl.Flower}, Actions: actions,
	}
	f.Match.LSE[0], f.Match.LSE[1] = m, below
	p.c.Filters = append(p.c.Filters, f)
}

// fits fails where a filter has more actions than the kernel takes.
func (p *parts) fits() *dataplane.OpError {
	for _, f := range p.c.Filters {
		if len(f.Actions) > mplsnl.MaxActions {
			return fail(p.key, fmt.Sprintf("needs %d actions for its labels and copies, one filter of the kernel holds %d", len(f.Actions), mplsnl.MaxActions))
		}
	}
	return nil
}

// longer sends what is longer than octets to a chain. The kernel measures a
// frame as it came to this ingress, from its Ethernet header on and without an
// outer tag.
func longer(octets int, to place) mplsnl.Action {
	return mplsnl.Action{Kind: mplsnl.Police, Verdict: mplsnl.GotoChain(to.chain), Police: mplsnl.PoliceAction{MTU: uint32(max(octets, 1)), Conform: mplsnl.Pipe}}
}

// toDevice sends a frame to the ingress of Device.
func (s *State) toDevice() mplsnl.Action {
	return mplsnl.Action{
		Kind: mplsnl.Mirred, Verdict: mplsnl.Stolen, NoPerCPU: true,
		Mirred: mplsnl.MirredAction{Op: mplsnl.RedirectIngress, Interface: s.Device.Index},
	}
}

// wires returns the filters that pseudowires share.
func wires(device Port) []mplsnl.Filter {
	enter := mplsnl.Filter{
		Block: Ingress, Chain: chainAdmit, Pref: prefWire, Protocol: mplsnl.EtherSVLAN, Handle: 1,
		Match:   mplsnl.Match{Kind: mplsnl.Flower, Interface: device.Name, VLAN: mplsnl.Tag{Has: true, ID: wireVLAN}},
		Actions: []mplsnl.Action{vlan(mplsnl.VLANAction{Op: mplsnl.VLANPop}), going(chainWire)},
	}
	below := mplsnl.Filter{
		Block: Ingress, Chain: chainWire, Pref: prefTTL, Protocol: mplsnl.EtherMPLS, Handle: 1,
		Match: mplsnl.Match{Kind: mplsnl.Flower}, Actions: []mplsnl.Action{silent()},
	}
	below.Match.LSE[1] = mplsnl.LSE{HasLabel: true, Label: gal}
	all := []mplsnl.Filter{
		enter, below, nibble(chainNibble, 0, 0, going(chainUser)), nibble(chainNibble, 1, 1, going(chainChannel)), nibble(chainNibble, 2, 0, going(chainShort)),
		nibble(chainWhole, 0, 0, going(chainUser)),
		nibble(chainPacket, 0, 4, going(chainIPv4)), nibble(chainPacket, 1, 6, going(chainIPv6)),
		nibble(chainNull, 0, 4, going(chainIPv4)), nibble(chainNull, 1, 6, going(chainIPv6)),
	}
	for i := range all {
		m := &all[i].Match
		switch {
		case m.Kind == mplsnl.U32 && all[i].Chain == chainNull:
			m.Words[0].Offset = 2 * labelLen
		case all[i].Chain == chainWhole:
			m.Words[0] = header(labelLen)
		case all[i].Chain == chainNibble && all[i].Actions[0] == going(chainUser):
			m.Words[1], m.NWords = header(2*labelLen), 2
		}
	}
	for _, end := range [][2]uint32{{chainNibble, chainOther}, {chainPacket, chainOther}, {chainNull, chainOther}, {chainWhole, chainShort}} {
		f := rest(end[0], prefNoNibble, NotIP)
		f.Actions = []mplsnl.Action{going(end[1])}
		all = append(all, f)
	}
	// The channel of a pseudowire is punted, which is no drop.
	channel := rest(chainChannel, prefNoNibble, NoLabel)
	channel.Actions = []mplsnl.Action{silent()}
	all = append(all, channel)
	for _, at := range []uint32{chainWire, chainUser, chainOther, chainIPv4, chainIPv6, chainShort} {
		all = append(all, rest(at, prefNoNibble, NoLabel))
	}
	return all
}

// header matches what has an Ethernet header from an offset on: its last word
// is there, whatever it says.
func header(offset int32) mplsnl.Word { return mplsnl.Word{Offset: offset + etherLen - 4} }
