package dataplane

import (
	"fmt"
	"slices"
	"strings"
)

// DefaultMTU is the MTU of a pseudowire where none is configured.
const DefaultMTU = 1500

// Key returns group/NAME.
func (g Group) Key() Key { return Key{Kind: KindGroup, Name: g.Name} }

// Key returns pseudowire/NAME.
func (p Pseudowire) Key() Key { return Key{Kind: KindPseudowire, Name: p.Name} }

// Key returns service/NAME.
func (s Service) Key() Key { return Key{Kind: KindService, Name: s.Name} }

// Key returns switching-point/NAME.
func (s SwitchingPoint) Key() Key { return Key{Kind: KindSwitchingPoint, Name: s.Name} }

// Equal reports whether o is the same group, whatever leg is active. The order
// of prefixes does not count, that of legs does.
func (g Group) Equal(o Object) bool {
	h, ok := o.(Group)
	return ok && g.Name == h.Name && slices.Equal(g.Legs, h.Legs) && g.Pseudowires == h.Pseudowires &&
		g.Permanent == h.Permanent && g.Down == h.Down && samePrefixes(g.Prefixes, h.Prefixes)
}

// Equal reports whether o is the same pseudowire with the same forwarding. An
// MTU of 0 equals the DefaultMTU it stands for.
func (p Pseudowire) Equal(o Object) bool {
	q, ok := o.(Pseudowire)
	return ok && p.Name == q.Name && p.Type == q.Type && p.InLabel == q.InLabel && p.Out.equal(q.Out) &&
		p.ControlWord == q.ControlWord && p.Sequencing == q.Sequencing && p.EncapsulationLabel == q.EncapsulationLabel &&
		p.EffectiveMTU() == q.EffectiveMTU() && p.Down == q.Down && p.Condition == q.Condition
}

// EffectiveMTU is MTU, or DefaultMTU where none is configured.
func (p Pseudowire) EffectiveMTU() uint16 {
	if p.MTU == 0 {
		return DefaultMTU
	}
	return p.MTU
}

// Equal reports whether o is the same service with the same forwarding. The
// order of Receive does not count.
func (s Service) Equal(o Object) bool {
	t, ok := o.(Service)
	return ok && s.Name == t.Name && s.Attachment == t.Attachment && s.Send == t.Send && s.SendGroup == t.SendGroup &&
		sameNames(s.Receive, t.Receive) && s.Down == t.Down && sameValue(s.Profile, t.Profile) && sameValue(s.Classes, t.Classes)
}

func sameValue[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// sameNames compares as sets.
func sameNames(a, b []string) bool {
	if slices.Equal(a, b) {
		return true
	}
	if len(a) != len(b) {
		return false
	}
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// Equal reports whether o joins the same segments, in either order.
func (s SwitchingPoint) Equal(o Object) bool {
	t, ok := o.(SwitchingPoint)
	return ok && s.Name == t.Name &&
		(s.Segments == t.Segments || s.Segments == [2]string{t.Segments[1], t.Segments[0]})
}

// String returns the name of the type.
func (t PWType) String() string {
	switch t {
	case Ethernet:
		return "ethernet"
	case EthernetTagged:
		return "ethernet-tagged"
	case NetworkLayer:
		return "network-layer"
	}
	return fmt.Sprintf("pw-type(%d)", uint8(t))
}

// String returns the name of the operation.
func (o VLANOperation) String() string {
	switch o {
	case KeepTags:
		return "keep"
	case PopTags:
		return "pop"
	case PushTag:
		return "push"
	case TranslateTag:
		return "translate"
	}
	return fmt.Sprintf("vlan-operation(%d)", uint8(o))
}

// String prints the group on one line: "group/t legs w,p for 192.0.2.0/24".
func (g Group) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", g.Key())
	if g.Pseudowires {
		b.WriteString(" of pseudowires")
	}
	fmt.Fprintf(&b, " legs %s", strings.Join(g.Legs, ","))
	if g.Permanent {
		b.WriteString(" permanent")
	}
	if g.Active != 0 {
		fmt.Fprintf(&b, " active %d", g.Active)
	}
	printPrefixes(&b, g.Prefixes)
	printDown(&b, g.Down)
	return b.String()
}

// String prints the pseudowire on one line: "pseudowire/p ethernet in 500 out
// 600 via group tunnel control-word".
func (p Pseudowire) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", p.Key(), p.Type)
	if p.InLabel != 0 {
		fmt.Fprintf(&b, " in %d", p.InLabel)
	}
	p.Out.print(&b)
	for _, f := range []struct {
		set  bool
		name string
	}{{p.ControlWord, "control-word"}, {p.Sequencing, "sequencing"}, {p.EncapsulationLabel, "encapsulation-label"}} {
		if f.set {
			b.WriteString(" " + f.name)
		}
	}
	if p.EffectiveMTU() != DefaultMTU {
		fmt.Fprintf(&b, " mtu %d", p.MTU)
	}
	p.Condition.print(&b)
	printDown(&b, p.Down)
	return b.String()
}

// String prints the service on one line: "service/s dev eth2 vlan 10 pop send p
// receive p".
func (s Service) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", s.Key(), s.Attachment)
	if s.Send != "" {
		b.WriteString(" send ")
		if s.SendGroup {
			b.WriteString("group ")
		}
		b.WriteString(s.Send)
	}
	if len(s.Receive) != 0 {
		fmt.Fprintf(&b, " receive %s", strings.Join(s.Receive, ","))
	}
	if p := s.Profile; p != nil {
		fmt.Fprintf(&b, " cir %d cbs %d eir %d ebs %d", p.CIR, p.CBS, p.EIR, p.EBS)
	}
	if c := s.Classes; c != nil {
		fmt.Fprintf(&b, " green %s yellow %s", digits(c.Green[:]), digits(c.Yellow[:]))
	}
	printDown(&b, s.Down)
	return b.String()
}

// String prints the attachment circuit: "dev eth2 vlan 10 inner 20 pop".
func (a Attachment) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "dev %s", a.Interface)
	if a.NNI {
		b.WriteString(" nni")
	}
	if a.OuterVLAN != 0 {
		fmt.Fprintf(&b, " vlan %d", a.OuterVLAN)
	}
	if a.InnerVLAN != 0 {
		fmt.Fprintf(&b, " inner %d", a.InnerVLAN)
	}
	if a.Operation != KeepTags {
		fmt.Fprintf(&b, " %s", a.Operation)
	}
	if a.VLAN != 0 {
		fmt.Fprintf(&b, " %d", a.VLAN)
	}
	if a.PeerMAC != (MAC{}) {
		fmt.Fprintf(&b, " peer %s", a.PeerMAC)
	}
	return b.String()
}

// String prints the switching point on one line.
func (s SwitchingPoint) String() string {
	return fmt.Sprintf("%s joins %s and %s", s.Key(), s.Segments[0], s.Segments[1])
}

// print prints what is not normal.
func (c Condition) print(b *strings.Builder) {
	if c.Blocked {
		b.WriteString(" blocked")
	}
	if c.Loop != "" {
		fmt.Fprintf(b, " loop %s", c.Loop)
	}
}

func printDown(b *strings.Builder, down bool) {
	if down {
		b.WriteString(" down")
	}
}

// digits prints values from 0 to 7 as one word, that of index 0 first.
func digits(v []uint8) string {
	var b strings.Builder
	for _, d := range v {
		fmt.Fprint(&b, d)
	}
	return b.String()
}
