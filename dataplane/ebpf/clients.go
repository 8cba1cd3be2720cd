package ebpf

import (
	"fmt"
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// client is what IP clients can be routed into: an LSP, or a group.
type client interface {
	key() dataplane.Key
	ref() uint32
	owned() *map[netip.Prefix]bool
}

func (l *lsp) key() dataplane.Key            { return dataplane.Key{Kind: dataplane.KindLSP, Name: l.name} }
func (l *lsp) ref() uint32                   { return l.id }
func (l *lsp) owned() *map[netip.Prefix]bool { return &l.prefixes }

func (g *group) key() dataplane.Key {
	return dataplane.Key{Kind: dataplane.KindGroup, Name: g.name}
}
func (g *group) ref() uint32                   { return refGroup | g.id }
func (g *group) owned() *map[netip.Prefix]bool { return &g.prefixes }

// routes are the IP routes that a batch changes, in order of change: the last
// word on a prefix counts.
type routes struct {
	put   map[netip.Prefix]dataplane.Key
	order []link.Route
	gone  []netip.Prefix
}

// putPrefixes leads prefixes into a client.
func (d *Driver) putPrefixes(c client, prefixes []netip.Prefix, rt *routes) error {
	owned := make(map[netip.Prefix]bool, len(prefixes))
	for _, p := range prefixes {
		if err := d.objs.setPrefix(p, c.ref()); err != nil {
			return fmt.Errorf("write prefix %s: %w", p, err)
		}
		d.prefixes[p], owned[p] = c, true
		rt.add(d.routeFor(p, c), c.key())
	}
	*c.owned() = owned
	return nil
}

// dropPrefixes removes what still leads to c and is none of its prefixes.
func (d *Driver) dropPrefixes(c client, was map[netip.Prefix]bool, rt *routes) error {
	for p := range was {
		if d.prefixes[p] == c && !(*c.owned())[p] {
			if err := d.unroute(p, rt); err != nil {
				return err
			}
		}
	}
	return nil
}

// unroute takes a prefix off the data plane.
func (d *Driver) unroute(p netip.Prefix, rt *routes) error {
	delete(d.prefixes, p)
	rt.remove(p)
	if err := d.objs.clearPrefix(p); err != nil {
		return fmt.Errorf("remove prefix %s: %w", p, err)
	}
	return nil
}

// routeFor is the IP route that leads a prefix into an LSP or a group: its MTU
// leaves room for the labels.
func (d *Driver) routeFor(p netip.Prefix, c client) link.Route {
	r := link.Route{Prefix: p, Index: d.imposeNear.Index, Protocol: link.Protocol}
	mtu := 0
	switch c := c.(type) {
	case *lsp:
		mtu = d.lspMTU(c, 0)
	case *group:
		mtu = d.pathMTU(c.ref(), 0)
	}
	if mtu > 4*maxImpose {
		r.MTU = uint32(mtu)
	}
	return r
}

// lspMTU is the room that an LSP leaves for what is below its labels, 0 where
// nothing is known.
func (d *Driver) lspMTU(l *lsp, depth int) int {
	labels := func(e tandemLsp) int {
		n := int(e.N)
		if e.Flags&flagEntropy != 0 {
			n += 2
		}
		return 4 * n
	}
	if len(l.branches) == 0 {
		return d.pathMTU(l.entry.Out, depth) - labels(l.entry)
	}
	least := 0
	for _, b := range l.branches {
		if b.entry.Out == 0 {
			continue // This node.
		}
		if n := d.pathMTU(b.entry.Out, depth) - labels(b.entry); least == 0 || n < least {
			least = n
		}
	}
	return least
}

// pathMTU is that of a section, or the least of the legs of a group.
func (d *Driver) pathMTU(ref uint32, depth int) int {
	if ref&refKind == 0 {
		if s := d.byID[ref]; s != nil {
			return int(s.entry.Mtu)
		}
		return 0
	}
	g := d.groupIDs[ref&refSlot]
	if g == nil || depth >= maxNesting {
		return 0
	}
	least := 0
	for _, name := range g.legs() {
		if l := d.lsps[name]; l != nil {
			if n := d.lspMTU(l, depth+1); least == 0 || n < least {
				least = n
			}
		}
	}
	return least
}

// reroute puts the routes of the clients again whose way leads over what is
// told: its MTU may have changed.
func (d *Driver) reroute(rt *routes, over func(ref uint32) bool) {
	for p, c := range d.prefixes {
		leads := false
		switch c := c.(type) {
		case *lsp:
			leads = d.leadsOver(c, over, 0)
		case *group:
			leads = d.groupLeadsOver(c.ref(), over, 0)
		}
		if leads {
			rt.add(d.routeFor(p, c), c.key())
		}
	}
}

func (d *Driver) leadsOver(l *lsp, over func(uint32) bool, depth int) bool {
	if d.groupLeadsOver(l.entry.Out, over, depth) {
		return true
	}
	for _, b := range l.branches {
		if d.groupLeadsOver(b.entry.Out, over, depth) {
			return true
		}
	}
	return false
}

func (d *Driver) groupLeadsOver(ref uint32, over func(uint32) bool, depth int) bool {
	if over(ref) {
		return true
	}
	g := d.groupIDs[ref&refSlot]
	if ref&refKind != refGroup || g == nil || depth >= maxNesting {
		return false
	}
	for _, name := range g.legs() {
		if l := d.lsps[name]; l != nil && d.leadsOver(l, over, depth+1) {
			return true
		}
	}
	return false
}

func (r *routes) add(route link.Route, k dataplane.Key) {
	r.put[route.Prefix] = k
	r.order = append(r.order, route)
}

func (r *routes) remove(p netip.Prefix) {
	delete(r.put, p)
	r.gone = append(r.gone, p)
}

// applyRoutes brings the host's routes in line with the prefixes.
func (d *Driver) applyRoutes(rt *routes) []*dataplane.OpError {
	var failed []*dataplane.OpError
	var gone []netip.Prefix
	for _, p := range rt.gone {
		if _, back := rt.put[p]; !back {
			gone = append(gone, p)
		}
	}
	if len(gone) > 0 {
		for i, err := range d.net.DeleteRoutes(gone) {
			if err != nil {
				d.log.Warn("route not removed", "prefix", gone[i], "error", err)
			}
		}
	}
	var put []link.Route
	for _, r := range rt.order {
		if _, ok := rt.put[r.Prefix]; ok && d.prefixes[r.Prefix] != nil {
			put = append(put, r)
		}
	}
	if len(put) == 0 {
		return nil
	}
	for i, err := range d.net.ReplaceRoutes(put) {
		if err != nil {
			failed = append(failed, opError(rt.put[put[i].Prefix], err))
		}
	}
	return failed
}
