package server

import (
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
	operDegraded     = "degraded"
	operDown         = "down"
	operLocked       = "locked"
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
	users     map[dataplane.Key]map[dataplane.Key]bool // Who needs an object to forward.
	status    map[dataplane.Key]reconcile.Status
	installed map[dataplane.Key]bool // What the data plane holds: until a replacement has failed the last one applied.
	links     map[string]Interface
	defects   map[string]oam.Defects // By MEG.
	published map[dataplane.Key]string
	block     blocker
	locks     map[string]*lock                // By MEG.
	faults    map[dataplane.Key]string        // Alarms of pseudowires that are raised, with their text.
	narrow    map[dataplane.Key]string        // The same of those whose frames do not fit a section.
	paired    map[string]string               // oper-state of bidirectional LSPs, tunnels, services and attachment circuits, by path.
	circuits  map[string]map[string]tree.Path // Attachment circuits that have a state, by service.
	active    map[dataplane.Key]string        // LSP_Num that a group sends on.
	touched   map[string]tree.Path            // Those that must be derived again, but for attachment circuits.
	dirty     map[dataplane.Key]bool
	// unmeasured are the objects after which MTUs must be looked at again.
	unmeasured map[dataplane.Key]bool
	out        []tree.Edit

	root                              tree.Path // /mpls-tp
	pairNode, tunnelNode, serviceNode *schema.Node
}

func newHealth(s *Server) *health {
	root := tree.Path{{Node: s.Schema.Root().Child("mpls-tp")}}
	lsps, tunnels, services := root[0].Node.Child("lsps"), root[0].Node.Child("tunnels"), root[0].Node.Child("services")
	h := &health{
		s: s, wake: make(chan struct{}, 1), done: make(chan struct{}),
		objects: map[dataplane.Key]dataplane.Object{}, users: map[dataplane.Key]map[dataplane.Key]bool{},
		status: map[dataplane.Key]reconcile.Status{}, installed: map[dataplane.Key]bool{}, links: map[string]Interface{},
		defects: map[string]oam.Defects{}, published: map[dataplane.Key]string{},
		block: newBlocker(), locks: map[string]*lock{},
		faults: map[dataplane.Key]string{}, narrow: map[dataplane.Key]string{}, unmeasured: map[dataplane.Key]bool{}, paired: map[string]string{},
		circuits: map[string]map[string]tree.Path{}, active: map[dataplane.Key]string{}, touched: map[string]tree.Path{}, dirty: map[dataplane.Key]bool{},
		root: root, pairNode: lsps.Child("bidirectional-lsp"), tunnelNode: tunnels.Child("tunnel"), serviceNode: services.Child("service"),
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
	h.measure()
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
		before := h.state
		h.state, h.running = state, running
		h.touchPaired(old, running)
		for _, k := range r.Dataplane.Delete {
			h.forget(k, before.Path(k))
		}
		for _, o := range r.Dataplane.Put {
			k := o.Key()
			if h.objects[k] != nil {
				if was := before.Path(k); was.String() != state.Path(k).String() {
					h.forget(k, was) // A pseudowire that became point-to-multipoint, or ceased to be.
				}
			}
			h.link(k, false)
			h.objects[k] = o
			h.link(k, true)
			h.dirty[k] = true
			h.remeasure(k)
			h.guardObject(k)
		}
		for _, name := range r.OAM.Delete {
			delete(h.defects, name)
			h.guard(name)
			h.keepLock(name)
			h.publishMaintenance(name)
		}
		for _, m := range r.OAM.Put {
			for _, k := range state.Entity(m.Name) {
				h.dirty[k] = true
			}
			h.guard(m.Name)
			h.keepLock(m.Name)
			h.publishMaintenance(m.Name)
		}
	})
}

// forget removes the state of an object that left the data plane; at is where it
// was in the configuration. Tunnels and services may stay there without one.
func (h *health) forget(k dataplane.Key, at tree.Path) {
	h.link(k, false)
	h.unguard(k)
	delete(h.objects, k)
	delete(h.status, k)
	delete(h.installed, k)
	delete(h.published, k)
	delete(h.dirty, k)
	delete(h.active, k)
	switch k.Kind {
	case dataplane.KindGroup:
		e := edits{at: at}
		e.remove("data-plane-state")
		e.remove("active-lsp")
		h.out = append(h.out, e.all...)
	case dataplane.KindService:
		e := edits{at: at}
		e.remove("data-plane-state")
		h.out = append(h.out, e.all...)
	default:
		h.out = append(h.out, tree.Edit{Op: tree.Remove, Path: at})
	}
	for user := range h.users[k] {
		h.dirty[user] = true
	}
	h.clearMismatch(k, at)
	h.clearFault(k, at)
	h.clearNarrow(k, at)
}

// link notes, or forgets, what the object k needs.
func (h *health) link(k dataplane.Key, add bool) {
	for _, need := range needs(h.objects[k]) {
		switch users := h.users[need]; {
		case !add:
			delete(users, k)
			if len(users) == 0 {
				delete(h.users, need)
			}
		case users == nil:
			h.users[need] = map[dataplane.Key]bool{k: true}
		default:
			users[k] = true
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
		if st.State != reconcile.Pending {
			h.installed[k] = st.State == reconcile.Applied
		}
		h.dirty[k] = true
		h.guardFailed()
		e := edits{at: h.state.Path(k)}
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
			h.clearMismatch(k, h.state.Path(k))
		}
	})
}

func mismatch(at tree.Path) alarm.ID {
	return alarm.ID{Resource: at, TypeID: "mtp-alarms:data-plane-mismatch"}
}

func (h *health) raiseMismatch(k dataplane.Key, st reconcile.Status) {
	err := h.s.Alarms.Raise(alarm.Alarm{ID: mismatch(h.state.Path(k)), Time: st.Since, Text: k.String() + " is not in the data plane: " + st.Reason})
	if err != nil {
		h.s.log.Error("alarm not raised", "object", k, "err", err)
	}
}

func (h *health) clearMismatch(k dataplane.Key, at tree.Path) {
	if err := h.s.Alarms.Clear(mismatch(at), time.Now()); err != nil {
		h.s.log.Error("alarm not cleared", "object", k, "err", err)
	}
}

// onLink is the host's report about an interface; Index 0: it is gone.
func (h *health) onLink(i Interface) {
	h.do(func() {
		resized := h.links[i.Name].MTU != i.MTU
		if i.Index == 0 {
			delete(h.links, i.Name)
		} else {
			h.links[i.Name] = i
		}
		h.out = append(h.out, h.s.interfaceState(h.running, i)...)
		for k, o := range h.objects {
			if s, ok := o.(dataplane.Section); ok && s.Interface == i.Name {
				h.dirty[k] = true
				if resized {
					h.remeasure(k)
				}
			}
		}
		if h.state != nil {
			for _, name := range h.state.Attached(i.Name) {
				h.touchService(name)
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
