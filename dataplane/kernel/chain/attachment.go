package chain

import (
	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// The preferences by which attachment circuits are found in chainAdmit, the
// closest first: both tags, the outer one, the interface. Sections come before
// them.
const (
	prefWire     = 0x11
	prefOnlyMPLS = 0x3e // Before what is labelled and for nobody.
	prefPortMPLS = 0x3f
	prefInner    = 0x100
	prefInnerS   = 0x200
	prefOuter    = 0x300
	prefOuterS   = 0x301
	prefPortIPv4 = 0x302
	prefPortIPv6 = 0x303
	prefPort     = 0x310
)

// untagged to manyTags are the numbers of tags that frames are told apart by:
// none, one, two or more.
const (
	untagged = iota
	oneTag
	manyTags
)

// tagType is the type of the outer tag of a circuit.
func tagType(a dataplane.Attachment) uint16 {
	if a.NNI {
		return mplsnl.EtherSVLAN
	}
	return mplsnl.EtherVLAN
}

// leastTags is how many tags frames of a circuit have at least.
func leastTags(a dataplane.Attachment) int {
	n := untagged
	if a.OuterVLAN != 0 {
		n++
	}
	if a.InnerVLAN != 0 {
		n++
	}
	return n
}

// admit returns the filters that do something to the frames of a circuit.
// Packets only means IP and MPLS to the address of the interface.
func admit(a dataplane.Attachment, port Port, packets bool, actions ...mplsnl.Action) []mplsnl.Filter {
	var all []mplsnl.Filter
	add := func(pref, protocol uint16, handle uint32, m mplsnl.Match) {
		m.Kind, m.Interface = mplsnl.Flower, port.Name
		all = append(all, mplsnl.Filter{
			Block: Ingress, Chain: chainAdmit, Pref: pref, Protocol: protocol, Handle: handle, Match: m,
			Actions: actions,
		})
	}
	index := uint32(port.Index)
	types := []uint16{0}
	if packets {
		types = []uint16{mplsnl.EtherIPv4, mplsnl.EtherIPv6, mplsnl.EtherMPLS}
	}
	for i, typ := range types {
		m := mplsnl.Match{EtherType: typ, HasDst: packets}
		if packets {
			m.DstMAC = port.MAC
		}
		// The kernel replaces no filter by one that looks at other bits.
		n := uint32(i)
		if packets {
			n++
		}
		switch {
		case a.InnerVLAN != 0:
			pref := uint16(prefInner)
			if a.NNI {
				pref = prefInnerS
			}
			m.VLAN, m.Inner = mplsnl.Tag{Has: true, ID: a.OuterVLAN}, mplsnl.Tag{Has: true, ID: a.InnerVLAN}
			add(pref+uint16(index>>6), tagType(a), (index&63)<<26|n<<24|uint32(a.OuterVLAN)<<12|uint32(a.InnerVLAN), m)
		case a.OuterVLAN != 0:
			pref := uint16(prefOuter)
			if a.NNI {
				pref = prefOuterS
			}
			m.VLAN = mplsnl.Tag{Has: true, ID: a.OuterVLAN}
			add(pref, tagType(a), index<<16|uint32(a.OuterVLAN)<<3|n, m)
		case packets:
			m.EtherType = 0
			add([]uint16{prefPortIPv4, prefPortIPv6, prefOnlyMPLS}[i], typ, index, m)
			// VLAN 0 is a priority and no VLAN.
			m.EtherType, m.VLAN = typ, mplsnl.Tag{Has: true}
			add(prefOuter, mplsnl.EtherVLAN, index<<16|n, m)
		default:
			add(prefPortMPLS, mplsnl.EtherMPLS, index, m)
			add(prefPort, mplsnl.EtherAll, index, m)
		}
	}
	return all
}

// way is what is done to the frames of one number of tags on their way.
type way struct {
	tags    int
	match   mplsnl.Match
	level   int
	of      uint16 // Protocol.
	actions []mplsnl.Action
	added   int  // Tags put on, less those taken off.
	null    bool // An encapsulation label is put on.
}

// counted returns the match and the level of frames with a number of tags.
func counted(tags int) (mplsnl.Match, int) {
	if tags == manyTags {
		return mplsnl.Match{}, 1
	}
	return mplsnl.Match{HasTags: true, Tags: uint8(tags)}, 0
}

// priorities returns a way for each priority of the outer tag but 0, and the
// ways as they were, which are for priority 0 then: a tag put in front takes
// the priority of the one behind it.
func priorities(ways []way, push func(priority uint8) []mplsnl.Action) []way {
	var all []way
	for _, w := range ways {
		if w.tags > untagged {
			for _, typ := range []uint16{mplsnl.EtherVLAN, mplsnl.EtherSVLAN} {
				for priority := uint8(1); priority < 8; priority++ {
					v := w
					v.of = typ
					v.match.VLAN.HasPrio, v.match.VLAN.Prio = true, priority
					v.actions = append(v.actions[:len(v.actions):len(v.actions)], push(priority)...)
					all = append(all, v)
				}
			}
		}
		w.level += 2
		w.actions = append(w.actions[:len(w.actions):len(w.actions)], push(0)...)
		all = append(all, w)
	}
	return all
}

func pushTag(typ, id uint16, priority uint8) mplsnl.Action {
	return vlan(mplsnl.VLANAction{Op: mplsnl.VLANPush, ID: id, Protocol: typ, HasPrio: priority != 0, Prio: priority})
}

func popTag() mplsnl.Action { return vlan(mplsnl.VLANAction{Op: mplsnl.VLANPop}) }

// byTags returns a way for each number of tags from least on.
func byTags(least int) []way {
	var all []way
	for n := least; n <= manyTags; n++ {
		w := way{tags: n, of: mplsnl.EtherAll}
		w.match, w.level = counted(n)
		all = append(all, w)
	}
	return all
}

// operate returns the ways of frames from the client through the VLAN
// operation of a circuit.
func operate(a dataplane.Attachment) []way {
	ways := byTags(leastTags(a))
	switch a.Operation {
	case dataplane.PopTags:
		for i := range ways {
			for range leastTags(a) {
				ways[i].actions = append(ways[i].actions, popTag())
				ways[i].added--
			}
		}
	case dataplane.PushTag:
		ways = priorities(ways, func(p uint8) []mplsnl.Action { return []mplsnl.Action{pushTag(tagType(a), a.VLAN, p)} })
		for i := range ways {
			ways[i].added = 1
		}
	case dataplane.TranslateTag:
		for i := range ways {
			ways[i].actions = []mplsnl.Action{vlan(mplsnl.VLANAction{Op: mplsnl.VLANModify, ID: a.VLAN, Protocol: tagType(a)})}
		}
	}
	return ways
}

// restore returns the ways of frames towards the client where PopTags has
// taken the tags of the circuit off.
func restore(a dataplane.Attachment) []way {
	ways := priorities(byTags(untagged), func(p uint8) []mplsnl.Action {
		var all []mplsnl.Action
		if a.InnerVLAN != 0 {
			all = append(all, pushTag(mplsnl.EtherVLAN, a.InnerVLAN, p))
		}
		return append(all, pushTag(tagType(a), a.OuterVLAN, p))
	})
	for i := range ways {
		ways[i].added = leastTags(a)
	}
	return ways
}

// fitting returns the ways of frames towards the client that have the tags of
// the circuit; the others have none.
func fitting(a dataplane.Attachment) []way {
	outer := mplsnl.Tag{Has: true, ID: a.OuterVLAN}
	switch {
	case a.InnerVLAN != 0:
		return []way{{tags: manyTags, of: tagType(a), match: mplsnl.Match{VLAN: outer, Inner: mplsnl.Tag{Has: true, ID: a.InnerVLAN}}}}
	case a.OuterVLAN != 0:
		return []way{
			{tags: oneTag, of: tagType(a), match: mplsnl.Match{VLAN: outer, HasTags: true, Tags: 1}},
			{tags: manyTags, level: 1, of: tagType(a), match: mplsnl.Match{VLAN: outer}},
		}
	}
	return byTags(untagged)
}
