package chain

import (
	"fmt"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// space returns the label space of what comes in on a section.
func (s *State) space(sec dataplane.Section) (uint32, bool) {
	if !sec.InterfaceLabelSpace {
		return Platform, true
	}
	n, ok := s.Spaces[sec.Name]
	return n, ok && n > Platform && n <= MaxSpace
}

// section admits frames: those to the address of the interface and those to
// the MPLS-TP multicast address.
func (s *State) section(c *Compiled, o dataplane.Section) *dataplane.OpError {
	p := s.Ports[o.Interface]
	if p.Index == 0 {
		if o.Down {
			return nil
		}
		return fail(o.Key(), fmt.Sprintf("there is no interface %s", o.Interface))
	}
	space, ok := s.space(o)
	if !ok {
		return fail(o.Key(), fmt.Sprintf("there are no more than %d label spaces of interfaces", MaxSpace-Platform))
	}
	if p.Index >= 1<<16 {
		return fail(o.Key(), fmt.Sprintf("index %d of interface %s is higher than the filters can count", p.Index, p.Name))
	}
	index := indexSection + uint32(p.Index)<<12 + uint32(o.VLAN)
	c.count(index, o.Key(), In, 0)
	actions := []mplsnl.Action{counting(index)}
	if o.VLAN != 0 {
		actions = append(actions, vlan(mplsnl.VLANAction{Op: mplsnl.VLANPop}))
	}
	actions = append(actions,
		// The stack takes only what it believes to be for this host.
		pipe(mplsnl.Action{Kind: mplsnl.SKBEdit, SKB: mplsnl.SKBAction{HasType: true}}), going(base(space)))
	own := actions // Of its own G-ACh.
	switch {
	case o.Down:
		actions = []mplsnl.Action{counting(index), dropping(SectionDown)}
	case o.Blocked:
		actions = []mplsnl.Action{counting(index), counting(index + indexRefused), dropping(Blocked)}
	}
	c.count(index+indexRefused, o.Key(), Dropped, 0)
	admit := func(untagged, tagged uint16, handle uint32, m mplsnl.Match, actions []mplsnl.Action) {
		m.Kind, m.Interface = mplsnl.Flower, p.Name
		f := mplsnl.Filter{
			Block: Ingress, Chain: chainAdmit, Pref: untagged, Protocol: mplsnl.EtherMPLS,
			Handle: uint32(p.Index)<<13 + uint32(o.VLAN)<<1 + handle + 1, Match: m, Actions: actions,
		}
		if o.VLAN != 0 {
			f.Pref, f.Protocol = tagged, mplsnl.EtherVLAN
			f.Match.VLAN, f.Match.EtherType = mplsnl.Tag{Has: true, ID: o.VLAN}, mplsnl.EtherMPLS
		}
		c.Filters = append(c.Filters, f)
	}
	for i, mac := range []dataplane.MAC{p.MAC, dataplane.MulticastMAC()} {
		m := mplsnl.Match{HasDst: true, DstMAC: mac}
		admit(prefSection, prefVLAN, uint32(i), m, actions)
		if o.Blocked && !o.Down {
			m.LSE[0] = mplsnl.LSE{HasLabel: true, Label: gal}
			admit(prefGAL, prefGALVLAN, uint32(i), m, own)
		}
	}
	admit(prefForeign, prefForeignVLAN, 0, mplsnl.Match{}, []mplsnl.Action{dropping(ForeignMAC)})
	if o.InterfaceLabelSpace {
		c.Filters = append(c.Filters, Space(space)...)
	}
	return nil
}

// Base returns the filters that are always there: those of the per-platform
// label space, of delivery to the host and of what is not admitted.
func Base(device Port) []mplsnl.Filter {
	all := Space(Platform)
	all = append(all, mplsnl.Filter{
		Block: Ingress, Chain: chainAdmit, Pref: prefNotOurs, Protocol: mplsnl.EtherMPLS, Handle: 1,
		Match: mplsnl.Match{Kind: mplsnl.Flower}, Actions: []mplsnl.Action{silent()},
	}, mplsnl.Filter{
		Block: Ingress, Chain: chainAdmit, Pref: prefSection, Protocol: mplsnl.EtherMPLS, Handle: 1 << 31,
		Match:   mplsnl.Match{Kind: mplsnl.Flower, Interface: device.Name},
		Actions: []mplsnl.Action{going(chainBud)},
	})
	up := mplsnl.Action{Kind: mplsnl.GAct, Verdict: mplsnl.Pass, NoPerCPU: true}
	all = append(all,
		nibble(chainDeliver, 0, 4, popTo(mplsnl.EtherIPv4), up), nibble(chainDeliver, 1, 6, popTo(mplsnl.EtherIPv6), up),
		nibble(chainNull4, 0, 4, popTo(mplsnl.EtherIPv4), up), rest(chainNull4, prefNoNibble, NotIP),
		nibble(chainNull6, 0, 6, popTo(mplsnl.EtherIPv6), up), rest(chainNull6, prefNoNibble, NotIP),
		rest(chainDeliver, prefNoNibble, NotIP), rest(chainBud, prefUnknown, NoLabel))
	mark(all)
	return all
}

// rest drops what no filter before it has taken.
func rest(chain uint32, pref uint16, r Reason) mplsnl.Filter {
	return mplsnl.Filter{
		Block: Ingress, Chain: chain, Pref: pref, Protocol: mplsnl.EtherMPLS, Handle: 1,
		Match: mplsnl.Match{Kind: mplsnl.Flower}, Actions: []mplsnl.Action{dropping(r)},
	}
}

// nibble takes packets by the first four bits below the only label left: what
// it is (RFC 4928, RFC 4385 section 2). Each has a preference of its own.
func nibble(chain uint32, n uint16, value uint32, actions ...mplsnl.Action) mplsnl.Filter {
	f := mplsnl.Filter{
		Block: Ingress, Chain: chain, Pref: prefNibble + uint16(4*chain) + n, Protocol: mplsnl.EtherMPLS,
		Match: mplsnl.Match{Kind: mplsnl.U32, NWords: 1}, Actions: actions,
	}
	f.Match.Words[0] = mplsnl.Word{Value: value << 28, Mask: 0xf0000000, Offset: 4}
	return f
}

// Special-purpose labels (RFC 7274).
const (
	ipv4Null  = 0
	implicit  = 3
	ipv6Null  = 2
	entropy   = 7
	gal       = 13
	extension = 15
)

// Space returns the filters that every label space has.
func Space(space uint32) []mplsnl.Filter {
	at := base(space)
	ttl := mplsnl.Filter{
		Block: Ingress, Chain: at, Pref: prefTTL, Protocol: mplsnl.EtherMPLS, Handle: 1,
		Match: mplsnl.Match{Kind: mplsnl.Flower}, Actions: []mplsnl.Action{dropping(TTLZero)},
	}
	ttl.Match.LSE[0] = mplsnl.LSE{HasTTL: true}
	all := []mplsnl.Filter{ttl, rest(at, prefUnknown, NoLabel)}
	for l := uint32(implicit); l < dataplane.MinLabel; l++ {
		r := SpecialLabel
		switch l {
		case entropy:
			r = EntropyLabel
		case extension:
			r = ExtensionLabel
		case gal:
			continue // Punted, which is no drop.
		}
		all = append(all, labelFilter(at, l, mplsnl.LSE{}, dropping(r)))
	}
	all = append(all, labelFilter(at, gal, mplsnl.LSE{HasBOS: true, BOS: true}, silent()), labelFilter(at, gal, mplsnl.LSE{HasBOS: true}, dropping(Malformed)),
		labelFilter(at, 1, mplsnl.LSE{HasBOS: true}, silent()),
		labelFilter(at, 1, mplsnl.LSE{HasBOS: true, BOS: true}, dropping(Malformed)))
	for l, to := range map[uint32]uint32{ipv4Null: chainNull4, ipv6Null: chainNull6} {
		// An explicit null is popped wherever it is (RFC 4182).
		all = append(all,
			labelFilter(at, l, mplsnl.LSE{HasBOS: true}, decTTL(), popTo(mplsnl.EtherMPLS), going(at)),
			labelFilter(at, l, mplsnl.LSE{HasBOS: true, BOS: true}, decTTL(), going(to)))
	}
	all = append(all,
		nibble(at+offPop, 0, 4, going(at+offIPv4)), nibble(at+offPop, 1, 6, going(at+offIPv6)),
		rest(at+offPop, prefNoNibble, NotIP), rest(at+offClass, prefNoNibble, NotIP))
	for precedence := range uint32(8) {
		set := mpls(mplsnl.MPLSAction{Op: mplsnl.MPLSModify, HasTC: true, TC: uint8(precedence)})
		for i, version := range []uint32{4, 6} {
			f := nibble(at+offClass, 0, version, set, going(at+offIPv4+uint32(i)))
			f.Pref = prefClass + uint16(16*space+2*precedence) + uint16(i)
			// The class is in the second octet of IPv4, and follows the
			// version of IPv6.
			shift := []uint32{21, 25}[i]
			f.Match.Words[0].Value |= precedence << shift
			f.Match.Words[0].Mask |= 7 << shift
			all = append(all, f)
		}
	}
	mark(all)
	return all
}
