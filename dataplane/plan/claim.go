package plan

import (
	"encoding/binary"
	"fmt"
	"iter"
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane"
)

// claimKind tells what is claimed.
type claimKind uint8

const (
	// claimLabel: num is an incoming label in the space of section name, or of
	// the platform.
	claimLabel claimKind = iota
	// claimPrefix: the IP clients of a prefix.
	claimPrefix
	// claimPort: the frames of interface name with the tags in num.
	claimPort
	// claimOut: name is a next hop and the labels sent to it.
	claimOut
	// claimLeg: name is a leg of a group, an object of kind num.
	claimLeg
	// claimUse: name is a pseudowire in a service or a switching point.
	claimUse
)

// claim is something that only one object may have.
type claim struct {
	kind   claimKind
	name   string
	num    uint64
	prefix netip.Prefix
}

// tagTypes are the tag protocol identifiers of C-tags and S-tags (IEEE
// 802.1Q).
const (
	customerTag = 0x8100
	serviceTag  = 0x88a8
)

// portClaim is the claim on frames with certain tags; 0: untagged.
func portClaim(port string, nni bool, outer, inner uint16) claim {
	var num uint64
	if outer != 0 {
		num = customerTag << 32
		if nni {
			num = serviceTag << 32
		}
		num |= uint64(outer)<<16 | uint64(inner)
	}
	return claim{kind: claimPort, name: port, num: num}
}

// legClaim is the claim of a group on a pseudowire.
func legClaim(pseudowire string) claim {
	return claim{kind: claimLeg, name: pseudowire, num: uint64(dataplane.KindPseudowire)}
}

// outClaim is the claim on being the one who sends these labels to a next hop:
// nobody could tell two apart behind it. What has no label of its own, or only
// an explicit null, claims nothing.
func outClaim(h dataplane.NextHop) (claim, bool) {
	n := len(h.Stack)
	if n == 0 || h.Stack[0].Label < dataplane.MinLabel {
		return claim{}, false
	}
	c := claim{kind: claimOut}
	b := make([]byte, 0, len(h.Section)+len(h.Group)+1+4*n)
	b = append(b, h.Section...)
	if h.Group != "" {
		c.num, b = 1, append(b, h.Group...)
	}
	b = append(b, 0)
	for _, e := range h.Stack {
		b = binary.BigEndian.AppendUint32(b, e.Label)
	}
	c.name = string(b)
	return c, true
}

// String names the claim for people.
func (c claim) String() string {
	switch c.kind {
	case claimPrefix:
		return "prefix " + c.prefix.String()
	case claimPort:
		return "interface " + c.name + tags(c.num)
	case claimOut:
		return c.out()
	case claimLeg:
		return words(dataplane.Kind(c.num)) + " " + c.name
	case claimUse:
		return "pseudowire " + c.name
	}
	if c.name != "" {
		return fmt.Sprintf("label %d of section %s", c.num, c.name)
	}
	return fmt.Sprintf("label %d", c.num)
}

func tags(num uint64) string {
	if num == 0 {
		return ""
	}
	s := " VLAN"
	if num>>32 == serviceTag {
		s = " S-VLAN"
	}
	s += fmt.Sprintf(" %d", num>>16&0xffff)
	if inner := num & 0xffff; inner != 0 {
		s += fmt.Sprintf(" inner %d", inner)
	}
	return s
}

// out prints a claim on a next hop.
func (c claim) out() string {
	hop, labels := c.name, ""
	for i := range len(c.name) {
		if c.name[i] == 0 {
			hop, labels = c.name[:i], c.name[i+1:]
			break
		}
	}
	s := "outgoing label"
	for i := 0; i < len(labels); i += 4 {
		sep := " "
		if i > 0 {
			sep = "/"
		}
		s += sep + fmt.Sprint(binary.BigEndian.Uint32([]byte(labels[i:])))
	}
	if c.num == 1 {
		return s + " into group " + hop
	}
	return s + " on section " + hop
}

// taken says that another object has the claim.
func (c claim) taken(by dataplane.Key) string {
	switch c.kind {
	case claimOut:
		return fmt.Sprintf("%s is that of %s, and transport paths do not merge (RFC 5921)", c, by)
	case claimLeg:
		return fmt.Sprintf("%s is a leg of %s", c, by)
	case claimUse:
		return fmt.Sprintf("%s is used by %s", c, by)
	}
	return fmt.Sprintf("%s belongs to %s", c, by)
}

// claims yields what o claims.
func claims(o dataplane.Object) iter.Seq[claim] {
	return func(yield func(claim) bool) {
		switch o := o.(type) {
		case dataplane.Section:
			yield(portClaim(o.Interface, false, o.VLAN, 0))
		case dataplane.LSP:
			if o.InLabel != 0 && !yield(claim{kind: claimLabel, name: o.InSection, num: uint64(o.InLabel)}) {
				return
			}
			for h := range hops(o) {
				if c, ok := outClaim(h); ok && !yield(c) {
					return
				}
			}
			yieldPrefixes(o.Prefixes, yield)
		case dataplane.Group:
			kind := dataplane.KindLSP
			if o.Pseudowires {
				kind = dataplane.KindPseudowire
			}
			for _, l := range o.Legs {
				if !yield(claim{kind: claimLeg, name: l, num: uint64(kind)}) {
					return
				}
			}
			yieldPrefixes(o.Prefixes, yield)
		case dataplane.Pseudowire:
			if o.InLabel != 0 && !yield(claim{kind: claimLabel, num: uint64(o.InLabel)}) {
				return
			}
			if c, ok := outClaim(o.Out); ok {
				yield(c)
			}
		case dataplane.Service:
			a := o.Attachment
			if !yield(portClaim(a.Interface, a.NNI, a.OuterVLAN, a.InnerVLAN)) {
				return
			}
			yieldUses(o, yield)
		case dataplane.SwitchingPoint:
			for _, s := range o.Segments {
				if !yield(claim{kind: claimUse, name: s}) {
					return
				}
			}
		}
	}
}

// yieldUses yields the pseudowires of a service; one that it both sends to and
// receives from counts once.
func yieldUses(o dataplane.Service, yield func(claim) bool) {
	sent := false
	for _, r := range o.Receive {
		sent = sent || r == o.Send
		if !yield(claim{kind: claimUse, name: r}) {
			return
		}
	}
	if o.Send != "" && !o.SendGroup && !sent {
		yield(claim{kind: claimUse, name: o.Send})
	}
}

func yieldPrefixes(prefixes []netip.Prefix, yield func(claim) bool) {
	for _, p := range prefixes {
		if !yield(claim{kind: claimPrefix, prefix: p}) {
			return
		}
	}
}
