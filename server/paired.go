package server

import (
	"slices"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/server/tree"
)

// touchPaired marks the bidirectional LSPs and tunnels that a commit changed.
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

// isPaired reports whether a step is an entry of one of the two lists.
func (h *health) isPaired(step tree.Step) bool {
	return len(step.Keys) > 0 && (step.Node == h.pairNode || step.Node == h.tunnelNode)
}

// touchBelow marks what n holds; it looks into nothing that cannot hold any.
func (h *health) touchBelow(at tree.Path, n *tree.Node) {
	if n == nil {
		return
	}
	switch n.Schema() {
	case h.pairNode, h.tunnelNode:
		for e := range n.Children() {
			p := at[:len(at)-1].Child(n.Schema(), e.Keys()...)
			h.touched[p.String()] = p
		}
	case h.root[0].Node, h.pairNode.Parent, h.tunnelNode.Parent:
		for child := range n.Children() {
			h.touchBelow(at.Child(child.Schema()), child)
		}
	}
}

// derivePaired publishes the oper-state of the bidirectional LSPs and tunnels
// that changed, or that the given static LSPs belong to.
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
			}
			continue
		}
		state := h.pairState(n)
		if n.Schema() == h.tunnelNode {
			state = h.tunnelState(n)
		}
		if h.paired[at] == state {
			continue
		}
		h.paired[at] = state
		e := edits{at: p}
		e.set(state, "oper-state")
		h.out = append(h.out, e.all...)
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
	state := operUp
	for _, leaf := range []string{"forward-lsp", "reverse-lsp"} {
		switch h.published[dataplane.Key{Kind: dataplane.KindLSP, Name: leafText(pair, leaf)}] {
		case operUp:
		case operDown:
			if state == operUp {
				state = operDown
			}
		default:
			state = operNotInstalled
		}
	}
	return state
}

// tunnelState is up while one of the tunnel's LSPs is.
func (h *health) tunnelState(tunnel *tree.Node) string {
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
