package kernel

import (
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
)

// claims tells who has what there is only one of.
type claims struct {
	labels   map[spaceLabel]dataplane.Key
	prefixes map[netip.Prefix]dataplane.Key
	// clients, records and spaces are taken numbers. A record number is the
	// ticket of a group as well, so it is a label.
	clients map[uint32]dataplane.Key
	records map[uint32]dataplane.Key
	spaces  map[uint32]string
	next    uint32 // Where the search for a free number begins.
}

// spaceLabel is a label in a label space: that of a section, or of the
// platform.
type spaceLabel struct {
	section string
	label   uint32
}

func newClaims() claims {
	return claims{
		labels: map[spaceLabel]dataplane.Key{}, prefixes: map[netip.Prefix]dataplane.Key{},
		clients: map[uint32]dataplane.Key{}, records: map[uint32]dataplane.Key{}, spaces: map[uint32]string{},
	}
}

// labelOf returns the label that an object takes.
func labelOf(o dataplane.Object) (spaceLabel, bool) {
	l, ok := o.(dataplane.LSP)
	return spaceLabel{l.InSection, l.InLabel}, ok && l.InLabel != 0
}

// prefixesOf returns the IP clients of an object.
func prefixesOf(o dataplane.Object) []netip.Prefix {
	switch o := o.(type) {
	case dataplane.LSP:
		return o.Prefixes
	case dataplane.Group:
		return o.Prefixes
	}
	return nil
}

// free returns a number from low on that taken does not have; 0 if there is
// none up to high.
func free[T any](taken map[uint32]T, next *uint32, low, high uint32) uint32 {
	for range high - low + 1 {
		if *next < low || *next > high {
			*next = low
		}
		n := *next
		*next++
		if _, ok := taken[n]; !ok {
			return n
		}
	}
	return 0
}

// number gives an object the numbers it needs. They stay until it is removed.
func (t *chains) number(o dataplane.Object) {
	c, k := &t.claims, o.Key()
	if (len(prefixesOf(o)) != 0 || k.Kind == dataplane.KindGroup && t.state.Outlets[k.Name]) && t.state.Clients[k] == 0 {
		if n := free(c.clients, &c.next, dataplane.MinLabel, dataplane.MaxLabel); n != 0 {
			c.clients[n], t.state.Clients[k] = k, n
		}
	}
	if recorded(o) && t.state.Records[k] == 0 {
		if n := free(c.records, &c.next, dataplane.MinLabel, dataplane.MaxLabel); n != 0 {
			c.records[n], t.state.Records[k] = k, n
		}
	}
	switch o := o.(type) {
	case dataplane.Section:
		if o.InterfaceLabelSpace && t.state.Spaces[o.Name] == 0 {
			from := uint32(chain.Platform + 1)
			if n := free(c.spaces, &from, chain.Platform+1, chain.MaxSpace); n != 0 {
				c.spaces[n], t.state.Spaces[o.Name] = o.Name, n
			}
		}
	}
}

// recorded tells whether an object leaves no trace but a record.
func recorded(o dataplane.Object) bool {
	switch o := o.(type) {
	case dataplane.Group:
		return true
	case dataplane.LSP:
		return o.Op == dataplane.ImposeAndForward && len(o.Prefixes) == 0
	}
	return false
}

// unnumber takes the numbers of an object back.
func (t *chains) unnumber(k dataplane.Key) {
	c := &t.claims
	if n, ok := t.state.Clients[k]; ok {
		delete(c.clients, n)
		delete(t.state.Clients, k)
	}
	if n, ok := t.state.Records[k]; ok {
		delete(c.records, n)
		delete(t.state.Records, k)
	}
	switch k.Kind {
	case dataplane.KindGroup:
		delete(t.state.Active, k.Name)
	case dataplane.KindSection:
		delete(c.spaces, t.state.Spaces[k.Name])
		delete(t.state.Spaces, k.Name)
	}
}
