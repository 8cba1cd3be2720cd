package oper

import (
	"context"
	"fmt"
	"maps"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// provided is a Provider with the schema nodes from the top to its root.
type provided struct {
	steps []*schema.Node
	Provider
}

// Provide makes p the owner of the state at a schema path without keys, such as
// "/mtp-node:mpls-tp/sections/section/statistics". The error says that there is
// no such node.
func (h *Hub) Provide(path string, p Provider) error {
	root, err := h.schema.Find(path)
	if err != nil {
		return fmt.Errorf("oper: %w", err)
	}
	var steps []*schema.Node
	for n := root; n.Parent != nil; n = n.Parent {
		steps = append([]*schema.Node{n}, steps...)
	}
	if len(steps) == 0 || steps[0].Parent != h.schema.Root() {
		return fmt.Errorf("oper: %s is no data node that a provider can own", path)
	}
	h.providersMu.Lock()
	defer h.providersMu.Unlock()
	h.providers = append(h.providers, provided{steps, p})
	return nil
}

// View returns what f selects, or everything where f is nil, of running joined
// with the pushed state and with what the providers read now. Providers that f
// does not touch are not asked. The result is never nil without an error; the
// error is a provider's.
func (h *Hub) View(ctx context.Context, running *tree.Node, f *tree.Filter) (*tree.Node, error) {
	return h.ViewAt(ctx, Snapshot{Running: running, State: h.State()}, f)
}

// Pushed returns configuration and pushed state of s joined, as far as f touches
// them: what the changes of a subscription are about. Conditions of f on contents
// are left to whoever selects.
func (h *Hub) Pushed(s Snapshot, f *tree.Filter) *tree.Node {
	joined, _ := h.both(s, f)
	return joined
}

// IsPulled reports whether n is below what a provider owns: changes of such state
// may be known only to whoever reads it.
func (h *Hub) IsPulled(n *schema.Node) bool {
	h.providersMu.RLock()
	defer h.providersMu.RUnlock()
	for ; n.Parent != nil; n = n.Parent {
		for i := range h.providers {
			if steps := h.providers[i].steps; steps[len(steps)-1] == n {
				return true
			}
		}
	}
	return false
}

// both returns configuration and state of s as far as f touches them, and f
// without conditions.
func (h *Hub) both(s Snapshot, f *tree.Filter) (joined *tree.Node, wide *tree.Filter) {
	running, state := s.Running, s.State
	if f != nil {
		wide = widen(f)
		running, state = tree.Select(running, wide), tree.Select(state, wide)
	}
	return tree.MergeTrees(orEmpty(running, h.schema), orEmpty(state, h.schema)), wide
}

// ViewAt is View with the state of s.
func (h *Hub) ViewAt(ctx context.Context, s Snapshot, f *tree.Filter) (*tree.Node, error) {
	joined, wide := h.both(s, f)
	joined, err := h.pull(ctx, s, wide, joined)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return joined, nil
	}
	return orEmpty(tree.Select(joined, f), h.schema), nil
}

func orEmpty(n *tree.Node, s *schema.Schema) *tree.Node {
	if n == nil {
		return tree.Empty(s)
	}
	return n
}

// pull has the providers that f touches add to joined.
func (h *Hub) pull(ctx context.Context, s Snapshot, f *tree.Filter, joined *tree.Node) (*tree.Node, error) {
	h.providersMu.RLock()
	providers := h.providers
	h.providersMu.RUnlock()
	var b *tree.Builder
	for _, p := range providers {
		for _, w := range p.wants(s, f) {
			if len(w.instances) == 0 {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if b == nil {
				b = tree.NewBuilder(joined)
			}
			err := p.Read(ctx, Request{Running: s.Running, Filter: w.filter, Instances: w.instances, Build: b})
			if err != nil {
				return nil, fmt.Errorf("oper: read %s: %w", p.steps[len(p.steps)-1].Path(), err)
			}
		}
	}
	if b == nil {
		return joined, nil
	}
	return b.Seal(), nil
}

// widen returns f without conditions on contents: these can be decided only when
// everything is joined. The leafs in them are taken along; conditions on keys
// stay, as keys.
func widen(f *tree.Filter) *tree.Filter {
	w := &tree.Filter{Node: f.Node, Keys: f.Keys, Pos: f.Pos, All: f.All || len(f.Children) == 0}
	for _, m := range f.Content {
		if i := m.Leaf.KeyIndex(); i >= 0 {
			w.Keys = withKey(w.Keys, i, m.Value)
		} else if !w.All {
			w.Children = append(w.Children, &tree.Filter{Node: m.Leaf, All: true})
		}
	}
	for _, c := range f.Children {
		w.Children = append(w.Children, widen(c))
	}
	return w
}

func withKey(keys map[int]schema.Value, i int, v schema.Value) map[int]schema.Value {
	if _, ok := keys[i]; ok {
		return keys
	}
	with := make(map[int]schema.Value, len(keys)+1)
	maps.Copy(with, keys)
	with[i] = v
	return with
}

// want is one part of a provider's state that is asked for.
type want struct {
	filter    *tree.Filter // nil for all of it
	instances []tree.Path
}

// wants finds the instances of p's root that f asks for, by the filter that
// selects what below them.
func (p *provided) wants(s Snapshot, f *tree.Filter) []want {
	w := walker{steps: p.steps}
	w.walk(0, nil, s.Running, s.State, f)
	return w.found
}

type walker struct {
	steps []*schema.Node
	found []want
}

func (w *walker) add(p tree.Path, f *tree.Filter) {
	for i := range w.found {
		if w.found[i].filter == f {
			w.found[i].instances = append(w.found[i].instances, p)
			return
		}
	}
	w.found = append(w.found, want{f, []tree.Path{p}})
}

// walk goes from the instance at p, the parent of step i, which running and
// state show as a and b, each of them nil if it is not there. f is the filter of
// that instance, nil where all is selected.
func (w *walker) walk(i int, p tree.Path, a, b *tree.Node, f *tree.Filter) {
	s := w.steps[i]
	if f == nil || f.All {
		w.step(i, p, a, b, nil)
		return
	}
	for _, c := range f.Children {
		if c.Node == s {
			w.step(i, p, a, b, c)
		}
	}
}

func (w *walker) step(i int, p tree.Path, a, b *tree.Node, f *tree.Filter) {
	s := w.steps[i]
	a, b = a.Child(s), b.Child(s)
	last := i == len(w.steps)-1
	if s.Kind != schema.List || last && !s.Config {
		if s.Presence && !last && a == nil && b == nil {
			return
		}
		w.reach(i, p.Child(s), a, b, f)
		return
	}
	if keys := allKeys(s, f); keys != nil {
		if x, y := a.Entry(keys...), b.Entry(keys...); x != nil || y != nil {
			w.reach(i, p.Child(s, keys...), x, y, f)
		}
		return
	}
	for e := range a.Children() {
		if keys := e.Keys(); selects(f, keys) {
			w.reach(i, p.Child(s, keys...), e, b.Entry(keys...), f)
		}
	}
	for e := range b.Children() {
		if keys := e.Keys(); a.Entry(keys...) == nil && selects(f, keys) {
			w.reach(i, p.Child(s, keys...), nil, e, f)
		}
	}
}

func (w *walker) reach(i int, p tree.Path, a, b *tree.Node, f *tree.Filter) {
	if i < len(w.steps)-1 {
		w.walk(i+1, p, a, b, f)
		return
	}
	if f != nil && f.All && len(f.Keys) == 0 {
		f = nil
	}
	w.add(p, f)
}

// allKeys returns the keys of the one entry that f selects, if it is one.
func allKeys(s *schema.Node, f *tree.Filter) []schema.Value {
	if f == nil || len(s.Keys) == 0 || len(f.Keys) != len(s.Keys) {
		return nil
	}
	keys := make([]schema.Value, len(s.Keys))
	for i := range keys {
		keys[i] = f.Keys[i]
	}
	return keys
}

func selects(f *tree.Filter, keys []schema.Value) bool {
	if f == nil {
		return true
	}
	for i, v := range f.Keys {
		if i >= len(keys) || schema.Compare(keys[i], v) != 0 {
			return false
		}
	}
	return true
}
