package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// Action carries out an action of the model on the instance at path; the output
// may be nil.
type Action = func(ctx context.Context, path tree.Path, input *tree.Node) (output *tree.Node, err error)

// Actions returns what the element carries out, by schema path: lock and
// loopback of a MEP (RFC 6435, RFC 6371 sections 7.1.1 and 7.1.2). They are
// commands at this end; nothing of them is configuration, and none survives the
// process.
func (s *Server) Actions() map[string]Action {
	const mep = "/mtp-node:mpls-tp/mtp-oam:oam/meg/mep/"
	return map[string]Action{
		mep + "lock":   s.maintenance("lock", func(h *health, meg string, _ *tree.Node) (string, error) { return h.lock(meg) }),
		mep + "unlock": s.maintenance("unlock", func(h *health, meg string, _ *tree.Node) (string, error) { return h.unlock(meg, "") }),
		mep + "loopback": s.maintenance("loopback", func(h *health, meg string, input *tree.Node) (string, error) {
			return h.loopback(meg, leafText(input, "enable") == "true")
		}),
	}
}

// refused is why a command is not possible in the present state.
type refused string

func (r refused) Error() string { return string(r) }

// maintenance lets health carry out a command of a MEP and answers with its
// outcome, once the data plane has it.
func (s *Server) maintenance(name string, command func(*health, string, *tree.Node) (string, error)) Action {
	return func(ctx context.Context, path tree.Path, input *tree.Node) (*tree.Node, error) {
		type result struct {
			text string
			err  error
		}
		meg, reply := path[len(path)-2].Keys[0].String(), make(chan result, 1) // .../meg[name]/mep
		s.health.do(func() {
			text, err := command(s.health, meg, input)
			reply <- result{text, err}
		})
		var r result
		select {
		case r = <-reply:
		case <-s.health.done:
			return nil, yangerr.New(yangerr.OperationFailed, path, "the element is stopping")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		var no refused
		var lack *dataplane.OpError
		switch {
		case errors.As(r.err, &no):
			return outcome(path, name, "refused", r.err.Error()), nil
		case errors.As(r.err, &lack):
			return nil, yangerr.New(yangerr.OperationNotSupported, path, "%s", r.err).WithAppTag("data-plane-refused")
		case r.err != nil:
			return nil, r.err
		}
		s.log.Info("maintenance command", "command", name, "meg", meg, "outcome", r.text)
		if err := s.Settled(ctx); err != nil {
			return nil, err
		}
		return outcome(path, name, "accepted", r.text), nil
	}
}

// outcome is the output of an action that is a command.
func outcome(path tree.Path, action, value, text string) *tree.Node {
	for _, n := range path[len(path)-1].Node.Actions() {
		if n.Name != action {
			continue
		}
		b := tree.NewBuilder(tree.New(n.Output))
		for name, v := range map[string]string{"outcome": value, "text": text} {
			leaf := n.Output.Child(name)
			b.Leaf(leaf, schema.StringValue(leaf.Type, v))
		}
		return b.Seal()
	}
	return nil
}

// lock is what a command has made of the entity of a MEG. It belongs to the
// goroutine of health.
type lock struct {
	keys   []dataplane.Key // Blocked in both directions.
	looped bool
	back   map[dataplane.Key]string // What is looped, and into what.
}

// lock locks the entity of a MEG at this end.
func (h *health) lock(meg string) (string, error) {
	if h.locks[meg] != nil {
		return "locked already", nil
	}
	keys := h.entity(meg)
	if len(keys) == 0 {
		return "", refused("the entity of MEG " + meg + " is not in the data plane")
	}
	h.locks[meg] = &lock{keys: keys}
	for i, k := range keys {
		if err := h.setCondition(k); err != nil {
			delete(h.locks, meg)
			for _, done := range keys[:i] {
				h.resetCondition(done)
			}
			return "", fmt.Errorf("MEG %s cannot be locked: %w", meg, err)
		}
	}
	h.locked(meg, keys, "")
	return "locked at this end; the far end is locked by its own command", nil
}

// unlock ends a lock, and the loopback with it. reason is for people, "" for a
// command.
func (h *health) unlock(meg, reason string) (string, error) {
	l := h.locks[meg]
	if l == nil {
		return "not locked", nil
	}
	delete(h.locks, meg)
	for _, k := range l.keys {
		h.resetCondition(k)
	}
	h.locked(meg, l.keys, reason)
	if l.looped {
		return "unlocked, and the loopback cleared", nil
	}
	return "unlocked", nil
}

// loopback sets or clears the loopback of a locked entity.
func (h *health) loopback(meg string, on bool) (string, error) {
	l := h.locks[meg]
	switch {
	case l == nil && on:
		return "", refused("MEG " + meg + " is not locked")
	case l == nil || l.looped == on:
		return "loopback " + map[bool]string{true: "set", false: "cleared"}[on] + " already", nil
	case !on:
		l.looped, l.back = false, nil
	default:
		if l.back = h.wayBack(l.keys); l.back == nil {
			return "", refused("the entity of MEG " + meg + " is no LSP and no pseudowire: nothing can be looped")
		}
		l.looped = true
	}
	for _, k := range l.keys {
		if err := h.setCondition(k); err != nil {
			l.looped, l.back = false, nil
			for _, k := range l.keys {
				h.resetCondition(k)
			}
			return "", fmt.Errorf("MEG %s cannot be looped: %w", meg, err)
		}
	}
	h.locked(meg, nil, "")
	if on {
		return "what arrives is sent back; CC of the MEG fails meanwhile", nil
	}
	return "loopback cleared", nil
}

// entity is what a lock of a MEG blocks: a section, a pseudowire, or both LSPs
// of a bidirectional one. It is nil where one of them is not configured.
func (h *health) entity(meg string) []dataplane.Key {
	if h.state == nil {
		return nil
	}
	keys := h.state.Entity(meg)
	for _, k := range keys {
		if h.objects[k] == nil {
			return nil
		}
	}
	return keys
}

// wayBack is where what arrives goes in a loopback: from the LSP that ends here
// to the one that starts here, from a pseudowire to itself.
func (h *health) wayBack(keys []dataplane.Key) map[dataplane.Key]string {
	for i, k := range keys {
		switch o := h.objects[k].(type) {
		case dataplane.Pseudowire:
			return map[dataplane.Key]string{k: k.Name}
		case dataplane.LSP:
			if o.Op == dataplane.PopAndLookup && len(keys) == 2 {
				return map[dataplane.Key]string{k: keys[1-i].Name}
			}
		}
	}
	return nil
}

// isLocked reports whether an object is locked.
func (h *health) isLocked(k dataplane.Key) bool {
	for _, l := range h.locks {
		if slices.Contains(l.keys, k) {
			return true
		}
	}
	return false
}

// condition is what defects and commands make of an object at present.
func (h *health) condition(k dataplane.Key) dataplane.Condition {
	c := dataplane.Condition{Blocked: h.blocked(k) || h.isLocked(k)}
	for _, l := range h.locks {
		if back := l.back[k]; back != "" {
			c.Loop = back
		}
	}
	return c
}

// setCondition brings the data plane in line with condition.
func (h *health) setCondition(k dataplane.Key) error {
	return h.s.reconciler.SetCondition(k, h.condition(k))
}

// resetCondition is setCondition that takes something away, which no data plane
// refuses; an object that has gone has no condition any more.
func (h *health) resetCondition(k dataplane.Key) {
	if h.objects[k] == nil {
		return
	}
	if err := h.setCondition(k); err != nil {
		h.s.log.Error("condition not taken away", "object", k, "err", err)
	}
}

// keepLock ends a lock whose MEG has gone or watches something else.
func (h *health) keepLock(meg string) {
	l := h.locks[meg]
	if l == nil {
		return
	}
	keys := h.entity(meg)
	same := len(keys) == len(l.keys)
	for _, k := range keys {
		same = same && slices.Contains(l.keys, k)
	}
	if !same || l.looped && !maps.Equal(h.wayBack(keys), l.back) {
		_, _ = h.unlock(meg, "the configuration of the MEG or of what it watches has changed")
	}
}

// locked tells of a change: oper-states, the state of the MEP, a notification.
func (h *health) locked(meg string, keys []dataplane.Key, reason string) {
	for _, k := range keys {
		h.dirty[k] = true
	}
	h.publishMaintenance(meg)
	state, looped := h.lockState(meg)
	node := h.s.Schema.Notification(h.s.Schema.Module("mtp-oam"), "lock-change-notification")
	b := tree.NewBuilder(tree.New(node))
	for _, leaf := range [][2]string{{"meg", meg}, {"lock-state", state}, {"loopback-state", fmt.Sprint(looped)}, {"reason", reason}} {
		if leaf[1] != "" {
			n := node.Child(leaf[0])
			b.Leaf(n, schema.StringValue(n.Type, leaf[1]))
		}
	}
	h.s.Hub.Notify(time.Now(), b.Seal(), nil)
}

func (h *health) lockState(meg string) (state string, looped bool) {
	if l := h.locks[meg]; l != nil {
		return "locked-local", l.looped
	}
	return "unlocked", false
}

// publishMaintenance shows the lock of a MEP, or forgets it with the MEP.
func (h *health) publishMaintenance(meg string) {
	e := edits{at: below(h.s.intent.MEGPath(meg), "mep", "state")}
	if h.running == nil || h.running.Get(e.at[:len(e.at)-1]) == nil {
		for _, leaf := range []string{"lock-state", "loopback-state", "traffic-blocked"} {
			e.remove(leaf)
		}
	} else {
		state, looped := h.lockState(meg)
		_, blocks := h.block.by[meg]
		e.set(state, "lock-state")
		e.set(fmt.Sprint(looped), "loopback-state")
		e.set(fmt.Sprint(blocks || state != "unlocked"), "traffic-blocked")
	}
	h.out = append(h.out, e.all...)
}
