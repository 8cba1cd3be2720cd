package server

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/reconcile"
	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/server/alarm"
	"github.com/tandem-ne/tandem/server/intent"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// Values of mtp-types:oper-state that this element reaches.
const (
	operUp           = "up"
	operDown         = "down"
	operNotInstalled = "not-installed"
)

// health derives the oper-state of every object from what the data plane, the
// interfaces and OAM report. One goroutine owns all of it: reports are queued,
// and what they change is published in one batch, so that a commit of 10,000
// LSPs is a handful of publications.
type health struct {
	s    *Server
	wake chan struct{}
	done chan struct{}

	mu     sync.Mutex
	queue  []func()
	closed bool

	// What follows belongs to the goroutine.
	state     *intent.State
	running   *tree.Node
	objects   map[dataplane.Key]dataplane.Object
	users     map[string]map[string]bool // LSPs that leave through a section.
	status    map[dataplane.Key]reconcile.Status
	links     map[string]Interface
	defects   map[string]oam.Defects // By MEG.
	published map[dataplane.Key]string
	block     blocker
	paired    map[string]string    // oper-state of bidirectional LSPs and tunnels, by path.
	touched   map[string]tree.Path // Those that must be derived again.
	dirty     map[dataplane.Key]bool
	out       []tree.Edit

	root                 tree.Path // /mpls-tp
	pairNode, tunnelNode *schema.Node
}

func newHealth(s *Server) *health {
	root := tree.Path{{Node: s.Schema.Root().Child("mpls-tp")}}
	lsps, tunnels := root[0].Node.Child("lsps"), root[0].Node.Child("tunnels")
	h := &health{
		s: s, wake: make(chan struct{}, 1), done: make(chan struct{}),
		objects: map[dataplane.Key]dataplane.Object{}, users: map[string]map[string]bool{},
		status: map[dataplane.Key]reconcile.Status{}, links: map[string]Interface{},
		defects: map[string]oam.Defects{}, published: map[dataplane.Key]string{},
		block:  newBlocker(),
		paired: map[string]string{}, touched: map[string]tree.Path{}, dirty: map[dataplane.Key]bool{},
		root: root, pairNode: lsps.Child("bidirectional-lsp"), tunnelNode: tunnels.Child("tunnel"),
	}
	go h.run()
	return h
}

// do queues f for the goroutine; after close there is none, and f is dropped.
func (h *health) do(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.queue = append(h.queue, f)
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// close ends the goroutine after what is queued.
func (h *health) close() error {
	h.mu.Lock()
	if !h.closed {
		close(h.wake)
	}
	h.closed = true
	h.mu.Unlock()
	<-h.done
	return nil
}

func (h *health) run() {
	defer close(h.done)
	for range h.wake {
		h.turn()
	}
	h.turn()
}

// turn takes everything that is queued and publishes what it changed.
func (h *health) turn() {
	h.mu.Lock()
	queue := h.queue
	h.queue = nil
	h.mu.Unlock()
	for _, f := range queue {
		f()
	}
	h.derive()
	if len(h.out) == 0 {
		return
	}
	if err := h.s.Hub.Publish(time.Now(), h.out); err != nil {
		h.s.log.Error("state not published", "err", err)
	}
	h.out = nil
}

// configure takes over a committed configuration.
func (h *health) configure(state *intent.State, old, running *tree.Node, r *intent.Result) {
	h.do(func() {
		h.state, h.running = state, running
		h.touchPaired(old, running)
		for _, k := range r.Dataplane.Delete {
			h.forget(k)
		}
		for _, o := range r.Dataplane.Put {
			h.unlink(o.Key())
			h.objects[o.Key()] = o
			if l, ok := o.(dataplane.LSP); ok && l.Out.Section != "" {
				if h.users[l.Out.Section] == nil {
					h.users[l.Out.Section] = map[string]bool{}
				}
				h.users[l.Out.Section][l.Name] = true
			}
			h.dirty[o.Key()] = true
			h.guardObject(o.Key())
		}
		for _, name := range r.OAM.Delete {
			delete(h.defects, name)
			h.guard(name)
		}
		for _, m := range r.OAM.Put {
			for _, k := range state.Entity(m.Name) {
				h.dirty[k] = true
			}
		}
	})
}

// forget removes the state of an object that left the configuration.
func (h *health) forget(k dataplane.Key) {
	h.unlink(k)
	h.unguard(k)
	delete(h.objects, k)
	delete(h.status, k)
	delete(h.published, k)
	delete(h.dirty, k)
	h.out = append(h.out, tree.Edit{Op: tree.Remove, Path: h.s.intent.Path(k)})
	h.clearMismatch(k)
}

func (h *health) unlink(k dataplane.Key) {
	if l, ok := h.objects[k].(dataplane.LSP); ok && l.Out.Section != "" {
		delete(h.users[l.Out.Section], l.Name)
		if len(h.users[l.Out.Section]) == 0 {
			delete(h.users, l.Out.Section)
		}
	}
}

// onStatus is the reconciler's report.
func (h *health) onStatus(k dataplane.Key, st reconcile.Status) {
	h.do(func() {
		if _, ok := h.objects[k]; !ok {
			return // Gone from the configuration, or not ours.
		}
		before := h.status[k]
		h.status[k] = st
		h.dirty[k] = true
		h.guardFailed()
		e := edits{at: h.s.intent.Path(k)}
		e.set(st.State.String(), "data-plane-state", "state")
		if st.Reason != "" {
			e.set(st.Reason, "data-plane-state", "reason")
		} else if before.Reason != "" {
			e.remove("data-plane-state", "reason")
		}
		h.out = append(h.out, e.all...)
		switch {
		case st.State == reconcile.Failed:
			h.raiseMismatch(k, st)
		case st.State == reconcile.Applied && before.State == reconcile.Failed:
			h.clearMismatch(k)
		}
	})
}

func (h *health) mismatch(k dataplane.Key) alarm.ID {
	return alarm.ID{Resource: h.s.intent.Path(k), TypeID: "mtp-alarms:data-plane-mismatch"}
}

func (h *health) raiseMismatch(k dataplane.Key, st reconcile.Status) {
	err := h.s.Alarms.Raise(alarm.Alarm{ID: h.mismatch(k), Time: st.Since, Text: k.String() + " is not in the data plane: " + st.Reason})
	if err != nil {
		h.s.log.Error("alarm not raised", "object", k, "err", err)
	}
}

func (h *health) clearMismatch(k dataplane.Key) {
	if err := h.s.Alarms.Clear(h.mismatch(k), time.Now()); err != nil {
		h.s.log.Error("alarm not cleared", "object", k, "err", err)
	}
}

// onLink is the host's report about an interface; Index 0: it is gone.
func (h *health) onLink(i Interface) {
	h.do(func() {
		if i.Index == 0 {
			delete(h.links, i.Name)
		} else {
			h.links[i.Name] = i
		}
		h.out = append(h.out, h.s.interfaceState(h.running, i)...)
		for k, o := range h.objects {
			if s, ok := o.(dataplane.Section); ok && s.Interface == i.Name {
				h.dirty[k] = true
			}
		}
	})
}

// onDefects is OAM's report about a MEG.
func (h *health) onDefects(meg string, d oam.Defects) {
	h.do(func() {
		h.defects[meg] = d
		if h.state == nil {
			return
		}
		for _, k := range h.state.Entity(meg) {
			h.dirty[k] = true
		}
		h.guard(meg)
	})
}

// derive computes the oper-state of the dirty objects, sections first because
// LSPs depend on them, then of what is made of the LSPs that changed.
func (h *health) derive() {
	var lsps []string
	for _, kind := range []dataplane.Kind{dataplane.KindSection, dataplane.KindLSP} {
		for _, k := range slices.SortedFunc(maps.Keys(h.dirty), func(a, b dataplane.Key) int { return strings.Compare(a.Name, b.Name) }) {
			if k.Kind != kind {
				continue
			}
			delete(h.dirty, k)
			next := h.operState(k)
			if next == "" || next == h.published[k] {
				continue
			}
			h.published[k] = next
			e := edits{at: h.s.intent.Path(k)}
			e.set(next, "oper-state")
			h.out = append(h.out, e.all...)
			if kind == dataplane.KindLSP {
				lsps = append(lsps, k.Name)
				continue
			}
			for name := range h.users[k.Name] {
				h.dirty[dataplane.Key{Kind: dataplane.KindLSP, Name: name}] = true
			}
		}
	}
	h.derivePaired(lsps)
}

// operState returns "" for an object that is not configured.
func (h *health) operState(k dataplane.Key) string {
	switch o := h.objects[k].(type) {
	case dataplane.Section:
		switch {
		case o.Down:
			return operDown
		case h.status[k].State != reconcile.Applied:
			return operNotInstalled
		case !h.links[o.Interface].Carrier, h.signalFail(k):
			return operDown
		}
		return operUp
	case dataplane.LSP:
		section := dataplane.Key{Kind: dataplane.KindSection, Name: o.Out.Section}
		switch {
		case o.Down:
			return operDown
		case h.status[k].State != reconcile.Applied:
			return operNotInstalled
		case o.Out.Section != "" && h.published[section] != operUp, h.signalFail(k):
			return operDown
		}
		return operUp
	}
	return ""
}

// signalFail reports whether OAM has found the object defective: loss of
// continuity and mis-connectivity are signal fail (RFC 6371 section 5.1.2).
func (h *health) signalFail(k dataplane.Key) bool {
	for _, meg := range h.state.MEGs(k) {
		d := h.defects[meg]
		if d.Has(oam.LossOfContinuity) || d.Has(oam.MisConnectivity) {
			return true
		}
	}
	return false
}
