package plan

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/tandem-ne/tandem/dataplane"
)

// role is what one object is to another that refers to it.
type role uint8

const (
	outSection role = iota // It is sent on.
	inSection              // Its label space is used.
	enters                 // The group that is entered.
	leg                    // A leg of a group.
	selector               // The group that selects.
	sendsTo                // What the frames of a client go to.
	receives               // A pseudowire whose frames go to a client.
	segment                // A segment of a switching point.
)

// reference is one object that another needs.
type reference struct {
	role role
	key  dataplane.Key
}

func key(k dataplane.Kind, name string) dataplane.Key { return dataplane.Key{Kind: k, Name: name} }

// references yields what o refers to, in the order of its fields. What a
// Condition names is not among them: it comes and goes while o stays.
func references(o dataplane.Object) iter.Seq[reference] {
	return func(yield func(reference) bool) {
		switch o := o.(type) {
		case dataplane.LSP:
			if o.InSection != "" && !yield(reference{inSection, key(dataplane.KindSection, o.InSection)}) {
				return
			}
			for h := range hops(o) {
				if !yieldHop(h, yield) {
					return
				}
			}
			if o.Selector != "" {
				yield(reference{selector, key(dataplane.KindGroup, o.Selector)})
			}
		case dataplane.Group:
			kind := dataplane.KindLSP
			if o.Pseudowires {
				kind = dataplane.KindPseudowire
			}
			for _, l := range o.Legs {
				if !yield(reference{leg, key(kind, l)}) {
					return
				}
			}
		case dataplane.Pseudowire:
			yieldHop(o.Out, yield)
		case dataplane.Service:
			if o.Send != "" {
				kind := dataplane.KindPseudowire
				if o.SendGroup {
					kind = dataplane.KindGroup
				}
				if !yield(reference{sendsTo, key(kind, o.Send)}) {
					return
				}
			}
			for _, r := range o.Receive {
				if !yield(reference{receives, key(dataplane.KindPseudowire, r)}) {
					return
				}
			}
		case dataplane.SwitchingPoint:
			for _, s := range o.Segments {
				if !yield(reference{segment, key(dataplane.KindPseudowire, s)}) {
					return
				}
			}
		}
	}
}

func yieldHop(h dataplane.NextHop, yield func(reference) bool) bool {
	if h.Section != "" && !yield(reference{outSection, key(dataplane.KindSection, h.Section)}) {
		return false
	}
	return h.Group == "" || yield(reference{enters, key(dataplane.KindGroup, h.Group)})
}

// hops yields the next hops of an LSP: one, or one per branch.
func hops(l dataplane.LSP) iter.Seq[dataplane.NextHop] {
	return func(yield func(dataplane.NextHop) bool) {
		if len(l.Branches) == 0 {
			yield(l.Out)
			return
		}
		for _, b := range l.Branches {
			if !yield(b.NextHop) {
				return
			}
		}
	}
}

// lookup finds an object in some state; nil: it is not there.
type lookup func(dataplane.Key) dataplane.Object

// face is what the users of an object depend on, besides that it exists.
type face struct {
	space, begins, pseudowires, sends, receives, controlWord bool
	typ                                                      dataplane.PWType
	legs                                                     string
}

func faceOf(o dataplane.Object) face {
	switch o := o.(type) {
	case dataplane.Section:
		return face{space: o.InterfaceLabelSpace}
	case dataplane.LSP:
		return face{begins: o.Op == dataplane.ImposeAndForward}
	case dataplane.Group:
		return face{pseudowires: o.Pseudowires, legs: strings.Join(o.Legs, "\n")}
	case dataplane.Pseudowire:
		return face{sends: len(o.Out.Stack) != 0, receives: o.InLabel != 0, controlWord: o.ControlWord, typ: o.Type}
	}
	return face{}
}

// references tells whether what o refers to exists and suits it.
func (c *check) references(o dataplane.Object) error {
	for r := range references(o) {
		target := c.look(r.key)
		if target == nil {
			return refuse(o.Key(), "there is no %s %s", words(r.key.Kind), r.key.Name)
		}
		if reason := unfit(o, r, target); reason != "" {
			return refuse(o.Key(), "%s", reason)
		}
	}
	switch o := o.(type) {
	case dataplane.LSP:
		return checkReturn(o)
	case dataplane.Service:
		return c.service(o)
	case dataplane.SwitchingPoint:
		return c.segments(o)
	case dataplane.Group:
		return c.legs(o)
	}
	return nil
}

// words names a kind in a sentence.
func words(k dataplane.Kind) string {
	if k == dataplane.KindLSP {
		return "LSP"
	}
	return strings.ReplaceAll(k.String(), "-", " ")
}

// unfit tells why target cannot be what r makes of it for o; "" if it can.
func unfit(o dataplane.Object, r reference, target dataplane.Object) string {
	f := faceOf(target)
	switch r.role {
	case inSection:
		if !f.space {
			return fmt.Sprintf("section %s has no label space of its own", r.key.Name)
		}
	case enters:
		if f.pseudowires {
			return fmt.Sprintf("group %s is of pseudowires, nothing but a service enters it", r.key.Name)
		}
	case leg:
		if r.key.Kind == dataplane.KindLSP && !f.begins {
			return fmt.Sprintf("LSP %s does not begin here, so it cannot be a leg", r.key.Name)
		}
		if r.key.Kind == dataplane.KindPseudowire && !f.sends {
			return fmt.Sprintf("pseudowire %s sends nothing, so it cannot be a leg", r.key.Name)
		}
	case selector:
		g, l := target.(dataplane.Group), o.(dataplane.LSP)
		if g.Pseudowires {
			return fmt.Sprintf("group %s is of pseudowires, it selects no LSP", g.Name)
		}
		if int(l.SelectorLeg) >= len(g.Legs) {
			return fmt.Sprintf("group %s has no leg %d to select", g.Name, l.SelectorLeg)
		}
	case sendsTo:
		if r.key.Kind == dataplane.KindGroup && !f.pseudowires {
			return fmt.Sprintf("group %s is not of pseudowires", r.key.Name)
		}
		if r.key.Kind == dataplane.KindPseudowire && !f.sends {
			return fmt.Sprintf("pseudowire %s sends nothing", r.key.Name)
		}
	case receives:
		if !f.receives {
			return fmt.Sprintf("pseudowire %s receives nothing", r.key.Name)
		}
	}
	return ""
}

// checkReturn refuses an LSP that leaves through the section in whose label
// space it came: a loop of two nodes.
func checkReturn(l dataplane.LSP) error {
	if l.InSection == "" {
		return nil
	}
	for h := range hops(l) {
		if h.Section == l.InSection {
			return refuse(l.Key(), "is sent back on section %s, in whose label space it arrives: a loop of two nodes", h.Section)
		}
	}
	return nil
}

// legs refuses legs that do not go together, or that someone uses already.
func (c *check) legs(g dataplane.Group) error {
	if !g.Pseudowires {
		return nil
	}
	for _, l := range g.Legs {
		k, ok := c.holder(claim{kind: claimUse, name: l})
		if !ok {
			continue
		}
		if v, ok := c.look(k).(dataplane.Service); !ok || !v.SendGroup || v.Send != g.Name {
			return refuse(g.Key(), "pseudowire %s is used by %s", l, k)
		}
	}
	if len(g.Legs) < 2 {
		return nil
	}
	a := faceOf(c.look(key(dataplane.KindPseudowire, g.Legs[0])))
	b := faceOf(c.look(key(dataplane.KindPseudowire, g.Legs[1])))
	if a.typ != b.typ {
		return refuse(g.Key(), "pseudowire %s is of type %s, %s of type %s", g.Legs[0], a.typ, g.Legs[1], b.typ)
	}
	return nil
}

// segments refuses segments that cannot be joined: what one receives the
// other must be able to send, control word and all (RFC 6073 section 4).
func (c *check) segments(p dataplane.SwitchingPoint) error {
	var f [2]face
	for i, name := range p.Segments {
		f[i] = faceOf(c.look(key(dataplane.KindPseudowire, name)))
		if f[i].typ == dataplane.NetworkLayer {
			return refuse(p.Key(), "pseudowire %s is a network-layer client, which ends here", name)
		}
		if g, ok := c.holder(legClaim(name)); ok {
			return refuse(p.Key(), "pseudowire %s is a leg of %s", name, g)
		}
	}
	a, b := p.Segments[0], p.Segments[1]
	switch {
	case f[0].typ != f[1].typ:
		return refuse(p.Key(), "pseudowire %s is of type %s, %s of type %s", a, f[0].typ, b, f[1].typ)
	case f[0].controlWord != f[1].controlWord:
		return refuse(p.Key(), "of pseudowires %s and %s only one has a control word", a, b)
	case f[0].receives && !f[1].sends:
		return refuse(p.Key(), "pseudowire %s receives and %s cannot send", a, b)
	case f[1].receives && !f[0].sends:
		return refuse(p.Key(), "pseudowire %s receives and %s cannot send", b, a)
	}
	return nil
}

// service refuses pseudowires that do not suit each other or the
// attachment circuit.
func (c *check) service(v dataplane.Service) error {
	var members []string
	if v.SendGroup {
		members = append(members, c.look(key(dataplane.KindGroup, v.Send)).(dataplane.Group).Legs...)
	} else if v.Send != "" {
		members = append(members, v.Send)
	}
	own := len(members)
	members = append(members, v.Receive...)
	var typ dataplane.PWType
	for i, name := range members {
		pw, ok := c.look(key(dataplane.KindPseudowire, name)).(dataplane.Pseudowire)
		if !ok {
			return refuse(v.Key(), "there is no pseudowire %s", name)
		}
		if i == 0 {
			typ = pw.Type
		}
		if pw.Type != typ {
			return refuse(v.Key(), "pseudowire %s is of type %s, %s of type %s", members[0], typ, name, pw.Type)
		}
	}
	for _, name := range members {
		if v.SendGroup && slices.Contains(members[:own], name) {
			continue
		}
		if g, ok := c.holder(legClaim(name)); ok {
			return refuse(v.Key(), "pseudowire %s is a leg of %s, which is not where this service sends", name, g)
		}
	}
	peer := v.Attachment.PeerMAC != (dataplane.MAC{})
	switch {
	case len(members) == 0:
	case typ != dataplane.NetworkLayer && peer:
		return refuse(v.Key(), "the address of the client is used for network-layer clients only")
	case typ == dataplane.NetworkLayer && len(v.Receive) != 0 && !peer:
		return refuse(v.Key(), "a network-layer client needs the Ethernet address to send to")
	case typ == dataplane.NetworkLayer && v.Attachment.Operation != dataplane.KeepTags:
		return refuse(v.Key(), "a network-layer client has no tags to %s", v.Attachment.Operation)
	}
	return nil
}
