package server

import (
	"slices"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/server/tree"
)

// touchPaired marks the bidirectional LSPs, tunnels and services that a commit
// changed: they are in the configuration whether or not the data plane has an
// object of theirs.
func (h *health) touchPaired(old, new *tree.Node) {
	for c := range tree.Diff(old, new) {
		if i := slices.IndexFunc(c.Path, h.isPaired); i >= 0 {
			p := c.Path[:i+1]
			h.touched[p.String()] = p
			continue
		}
		// A container or list that came or went as a whole may hold some.
		h.touchBelow(c.Path, c.Old)
		h.touchBelow(c.Path, c.New)
	}
}

// isPaired reports whether a step is an entry of one of the three lists.
func (h *health) isPaired(step tree.Step) bool {
	return len(step.Keys) > 0 && (step.Node == h.pairNode || step.Node == h.tunnelNode || step.Node == h.serviceNode)
}

// touchBelow marks what n holds; it looks into nothing that cannot hold any.
func (h *health) touchBelow(at tree.Path, n *tree.Node) {
	if n == nil {
		return
	}
	switch n.Schema() {
	case h.pairNode, h.tunnelNode, h.serviceNode:
		for e := range n.Children() {
			p := at[:len(at)-1].Child(n.Schema(), e.Keys()...)
			h.touched[p.String()] = p
		}
	case h.root[0].Node, h.pairNode.Parent, h.tunnelNode.Parent, h.serviceNode.Parent:
		for child := range n.Children() {
			h.touchBelow(at.Child(child.Schema()), child)
		}
	}
}

func (h *health) touchService(name string) {
	p := entry(below(h.root, "services"), "service", name)
	h.touched[p.String()] = p
	h.dirty[dataplane.Key{Kind: dataplane.KindService, Name: name}] = true
}

// derivePaired publishes the oper-state of the bidirectional LSPs, tunnels and
// services that changed, or that the given static LSPs belong to.
func (h *health) derivePaired(lsps []string) {
	if h.running == nil {
		return
	}
	touch := func(p tree.Path) { h.touched[p.String()] = p }
	for _, name := range lsps {
		for _, b := range h.state.BidirectionalLSPs(name) {
			touch(h.pairPath(b))
		}
		for _, t := range h.state.Tunnels(name) {
			touch(entry(below(h.root, "tunnels"), "tunnel", t))
		}
	}
	for at, p := range h.touched {
		delete(h.touched, at)
		n := h.running.Get(p)
		if n == nil {
			if _, ok := h.paired[at]; ok {
				delete(h.paired, at)
				h.out = append(h.out, tree.Edit{Op: tree.Remove, Path: p})
				h.forgetCircuits(at, nil)
			}
			continue
		}
		switch n.Schema() {
		case h.tunnelNode:
			h.publishPaired(p, h.tunnelState(n))
		case h.serviceNode:
			h.publishService(p, n)
		default:
			h.publishPaired(p, h.pairState(n))
		}
	}
}

func (h *health) publishPaired(p tree.Path, state string) {
	at := p.String()
	if h.paired[at] == state {
		return
	}
	h.paired[at] = state
	e := edits{at: p}
	e.set(state, "oper-state")
	h.out = append(h.out, e.all...)
}

// publishService publishes a service and its attachment circuit. One without both
// endpoints is down.
func (h *health) publishService(p tree.Path, service *tree.Node) {
	k := dataplane.Key{Kind: dataplane.KindService, Name: service.Keys()[0].String()}
	state := h.published[k]
	if h.objects[k] == nil {
		state = operDown
	}
	if state != "" {
		h.publishPaired(p, state)
	}
	there := map[string]bool{}
	if ends := service.ChildNamed("endpoint"); ends != nil {
		for end := range ends.Children() {
			ac := end.ChildNamed("ac")
			if ac == nil {
				continue
			}
			at := below(entry(p, "endpoint", end.Keys()[0].String()), "ac")
			there[at.String()] = true
			if h.circuits[p.String()] == nil {
				h.circuits[p.String()] = map[string]tree.Path{}
			}
			h.circuits[p.String()][at.String()] = at
			link := operDown
			if h.links[leafText(ac, "interface")].Carrier {
				link = operUp
			}
			h.publishPaired(at, link)
		}
	}
	h.forgetCircuits(p.String(), there)
}

// forgetCircuits removes the state of the attachment circuits of a service that
// are no longer there.
func (h *health) forgetCircuits(service string, there map[string]bool) {
	for at, p := range h.circuits[service] {
		if !there[at] {
			delete(h.circuits[service], at)
			delete(h.paired, at)
			h.out = append(h.out, tree.Edit{Op: tree.Remove, Path: p})
		}
	}
	if len(h.circuits[service]) == 0 {
		delete(h.circuits, service)
	}
}

func (h *health) pairPath(name string) tree.Path {
	return entry(below(h.root, "lsps"), "bidirectional-lsp", name)
}

func leafText(n *tree.Node, name string) string {
	if n == nil {
		return ""
	}
	leaf := n.ChildNamed(name)
	if leaf == nil {
		return ""
	}
	return leaf.Value().String()
}

// pairState is the worse of the two directions.
func (h *health) pairState(pair *tree.Node) string {
	if pair == nil {
		return operNotInstalled
	}
	worst := []string{operNotInstalled, operDown, operLocked, operDegraded, operUp}
	state := operUp
	for _, leaf := range []string{"forward-lsp", "reverse-lsp"} {
		next := h.published[dataplane.Key{Kind: dataplane.KindLSP, Name: leafText(pair, leaf)}]
		state = worst[min(max(slices.Index(worst, next), 0), slices.Index(worst, state))]
	}
	return state
}

// tunnelState is that of the tunnel's group, so that of the LSP that it sends on.
// A tunnel of which nothing starts here is up while one of its LSPs is.
func (h *health) tunnelState(tunnel *tree.Node) string {
	k := dataplane.Key{Kind: dataplane.KindGroup, Name: tunnel.Keys()[0].String()}
	if state := h.published[k]; h.objects[k] != nil && state != "" {
		return state
	}
	members := tunnel.ChildNamed("lsp")
	if leafText(tunnel, "admin-state") == "down" || members == nil {
		return operDown
	}
	for m := range members.Children() {
		state := h.published[dataplane.Key{Kind: dataplane.KindLSP, Name: leafText(m, "static-lsp")}]
		if name := leafText(m, "bidirectional-lsp"); name != "" {
			state = h.pairState(h.running.Get(h.pairPath(name)))
		}
		if state == operUp {
			return operUp
		}
	}
	return operDown
}

// publishActiveLSP publishes the LSP_Num of the LSP that a group sends on.
func (h *health) publishActiveLSP(k dataplane.Key) {
	g, ok := h.objects[k].(dataplane.Group)
	if !ok || !h.installed[k] {
		return
	}
	at := h.state.Path(k)
	tunnel := h.running.Get(at)
	leg, err := h.s.reconciler.ActiveLeg(g.Name)
	if err != nil || int(leg) >= len(g.Legs) || tunnel == nil {
		return
	}
	members := tunnel.ChildNamed("lsp")
	if members == nil {
		return
	}
	for m := range members.Children() {
		pair := h.running.Get(h.pairPath(leafText(m, "bidirectional-lsp")))
		if !slices.Contains([]string{leafText(m, "static-lsp"), leafText(pair, "forward-lsp"), leafText(pair, "reverse-lsp")}, g.Legs[leg]) {
			continue
		}
		if num := m.Keys()[0].String(); h.active[k] != num {
			h.active[k] = num
			e := edits{at: at}
			e.set(num, "active-lsp")
			h.out = append(h.out, e.all...)
		}
		return
	}
}
