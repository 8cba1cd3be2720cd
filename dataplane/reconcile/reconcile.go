// Package reconcile drives a data plane to the desired state and keeps it
// there. It is level-triggered: what counts is the desired state now, not how
// it came about. Changes, events, failures and audits only mark keys as dirty;
// one goroutine takes the dirty keys, plans, applies and notes the result of
// each.
//
// Read reconcile.go (what callers use), operate.go (what operation lays over the
// configuration: conditions and active legs), then loop.go (the goroutine).
package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// State tells how far an object is on its way into the data plane.
type State uint8

// The states. Absent is reported once when an object is gone.
const (
	Absent State = iota
	Pending
	Applied
	Failed
)

// String returns the name shown in operational state.
func (s State) String() string {
	switch s {
	case Absent:
		return "absent"
	case Pending:
		return "pending"
	case Applied:
		return "applied"
	case Failed:
		return "failed"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Status of one object.
type Status struct {
	State State
	// Reason tells why the state is Failed.
	Reason string
	// Since is when State or Reason last changed.
	Since time.Time
}

// Defaults of Options.
const (
	DefaultAudit    = time.Minute
	DefaultRetryMin = 100 * time.Millisecond
	DefaultRetryMax = 30 * time.Second
)

// Options of a Reconciler. Driver is needed.
type Options struct {
	Driver dataplane.Driver
	// Log takes what operators should know: failures, drift, adoption. Nil:
	// slog.Default().
	Log *slog.Logger
	// Clock gives the time of Status.Since. Nil: time.Now.
	Clock func() time.Time
	// OnStatus is called for every change of a status, one at a time and in
	// order, from the reconciler's goroutine; it must not call Close or Flush.
	OnStatus func(dataplane.Key, Status)
	// Audit is the interval of full comparisons with the data plane. 0:
	// DefaultAudit; negative: never.
	Audit time.Duration
	// RetryMin and RetryMax bound the back-off, which doubles. 0: the defaults.
	RetryMin, RetryMax time.Duration
}

// Reconciler owns the desired state of one driver.
type Reconciler struct {
	opt    Options
	kick   chan struct{} // Wakes the goroutine; holds one token.
	cancel context.CancelFunc
	ctx    context.Context
	done   chan struct{}

	// switching is held over calls of Driver.Switch, and taken before mu.
	switching sync.Mutex

	mu      sync.Mutex
	started bool
	desired plan.Set
	// conditions lie over desired objects.
	conditions map[dataplane.Key]dataplane.Condition
	// legs are those that Switch has made active.
	legs map[string]uint8
	// gone are objects that are to be deleted: they tell in which order.
	gone   map[dataplane.Key]dataplane.Object
	status map[dataplane.Key]Status
	// failures is how many objects are Failed.
	failures int
	dirty    map[dataplane.Key]struct{}
	retry    map[dataplane.Key]backoff
	audit    bool // One is due.
	// nextAudit is when the next is due; zero: never.
	nextAudit time.Time
	busy      bool // The goroutine works on what it took.
	idle      chan struct{}
	outbox    []update
	drifted   []dataplane.Key // For the log.
}

type update struct {
	key    dataplane.Key
	status Status
}

// New returns a reconciler that does nothing yet: Update collects the desired
// state, Start begins to make it real.
func New(opt Options) *Reconciler {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Clock == nil {
		opt.Clock = time.Now
	}
	if opt.Audit == 0 {
		opt.Audit = DefaultAudit
	}
	if opt.RetryMin == 0 {
		opt.RetryMin = DefaultRetryMin
	}
	if opt.RetryMax == 0 {
		opt.RetryMax = DefaultRetryMax
	}
	ctx, cancel := context.WithCancel(context.Background())
	caps := opt.Driver.Capabilities()
	return &Reconciler{
		desired:    plan.Set{Limits: plan.Limits{Groups: caps.MaxNesting, Labels: caps.MaxImpose, Driver: caps.Driver}},
		conditions: map[dataplane.Key]dataplane.Condition{}, legs: map[string]uint8{},
		gone: map[dataplane.Key]dataplane.Object{},
		opt:  opt, ctx: ctx, cancel: cancel,
		kick: make(chan struct{}, 1), done: make(chan struct{}), idle: make(chan struct{}),
		status: map[dataplane.Key]Status{},
		dirty:  map[dataplane.Key]struct{}{},
		retry:  map[dataplane.Key]backoff{},
	}
}

// Prepare tells whether d can be made: every object valid, no claim or
// reference broken, everything within the driver's capabilities. The error is
// an *dataplane.OpError; nothing is changed.
func (r *Reconciler) Prepare(ctx context.Context, d dataplane.Delta) error {
	r.mu.Lock()
	err := r.desired.Check(d)
	var ops []dataplane.Op
	if err == nil {
		ops = plan.Delta(r.desired.Objects(), d)
	}
	r.mu.Unlock()
	if err != nil || len(ops) == 0 {
		return err
	}
	return r.opt.Driver.Prepare(ctx, ops)
}

// Start takes the first full desired state. What is in the data plane already
// is adopted without touching it, what is missing or different is put, and
// then, and only then, what is ours but not desired is removed. The dump is
// done when Start returns, the rest follows; see Flush. An error means that
// desired contradicts itself; nothing has been started then.
func (r *Reconciler) Start(ctx context.Context, desired []dataplane.Object) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started {
		return fmt.Errorf("reconciler was started before")
	}
	full := dataplane.Delta{Put: desired}
	for o := range r.desired.All() {
		full.Delete = append(full.Delete, o.Key())
	}
	full.Delete = without(full.Delete, desired)
	if err := r.desired.Check(full); err != nil {
		return err
	}
	r.desired.Apply(full)
	clear(r.dirty)
	desired = slices.Clone(desired)
	for i, o := range desired {
		desired[i] = r.overlay(o)
	}
	actual, err := r.opt.Driver.Dump(ctx, desired)
	if err != nil {
		// Puts are idempotent, so putting everything is safe; what is stale
		// waits for an audit that succeeds.
		r.opt.Log.Error("cannot read the data plane, putting everything", "error", err)
		r.audit = true
	}
	ops := plan.Full(actual, desired)
	for _, op := range ops {
		r.mark(op.Key)
	}
	for _, o := range actual {
		if _, wanted := r.desired.Get(o.Key()); !wanted {
			r.gone[o.Key()] = o
		}
	}
	for _, o := range desired {
		if _, todo := r.dirty[o.Key()]; !todo {
			r.note(o.Key(), Applied, "")
		}
	}
	r.opt.Log.Info("data plane adopted", "driver", r.opt.Driver.Capabilities().Driver,
		"objects", len(actual), "desired", len(desired), "changes", len(ops))
	r.started = true
	r.planAudit(time.Now(), r.opt.Audit)
	r.wake()
	go r.run()
	return nil
}

// without returns keys less those of objects.
func without(keys []dataplane.Key, objects []dataplane.Object) []dataplane.Key {
	if len(keys) == 0 {
		return nil
	}
	put := make(map[dataplane.Key]bool, len(objects))
	for _, o := range objects {
		put[o.Key()] = true
	}
	left := keys[:0]
	for _, k := range keys {
		if !put[k] {
			left = append(left, k)
		}
	}
	return left
}

// Update changes the desired state by d, which Prepare has accepted. It
// returns at once; updates take effect in order, and several that come while
// the data plane is busy are applied together.
func (r *Reconciler) Update(d dataplane.Delta) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range d.Delete {
		if o, ok := r.desired.Get(k); ok {
			r.gone[k] = o
			delete(r.conditions, k)
		}
	}
	for _, op := range r.desired.Apply(d) {
		r.mark(op.Key)
		if g, ok := op.Object.(dataplane.Group); ok && int(r.legs[g.Name]) >= len(g.Legs) || op.Verb == dataplane.Delete {
			r.forgetLeg(op.Key)
		}
	}
	r.wake()
}

// Flush waits until every change so far has been tried. An object that failed
// and waits for its next try, or for an event, does not hold it up.
func (r *Reconciler) Flush(ctx context.Context) error {
	for {
		r.mu.Lock()
		if len(r.dirty) == 0 && !r.busy && len(r.outbox) == 0 && !r.audit {
			r.mu.Unlock()
			return nil
		}
		idle := r.idle
		r.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		case <-r.ctx.Done():
			return fmt.Errorf("reconciler is closed")
		}
	}
}

// Audit asks for a full comparison with the data plane now.
func (r *Reconciler) Audit() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.audit = true
	r.wake()
}

// Again puts every desired object of a kind once more, whether it is there or
// not, and forgets its back-off: what was in its way has gone.
func (r *Reconciler) Again(kind dataplane.Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for o := range r.desired.All() {
		if k := o.Key(); k.Kind == kind {
			r.mark(k)
			delete(r.retry, k)
		}
	}
	r.wake()
}

// Status returns the status of an object; false: it is neither desired nor
// left in the data plane.
func (r *Reconciler) Status(k dataplane.Key) (Status, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.status[k]
	return s, ok
}

// Close stops the goroutine and waits for it. The driver stays open and
// forwarding goes on.
func (r *Reconciler) Close() {
	r.cancel()
	r.mu.Lock()
	started := r.started
	r.mu.Unlock()
	if started {
		<-r.done
	}
}

// mark makes a key dirty. Caller holds mu.
func (r *Reconciler) mark(k dataplane.Key) {
	r.dirty[k] = struct{}{}
	delete(r.retry, k)
	r.note(k, Pending, "")
}

// note records a status and queues its report. Caller holds mu.
func (r *Reconciler) note(k dataplane.Key, s State, reason string) {
	old, ok := r.status[k]
	if old.State == Failed {
		r.failures--
	}
	if s == Failed {
		r.failures++
	}
	if s == Absent {
		delete(r.status, k)
		if !ok {
			return
		}
	} else if ok && old.State == s && old.Reason == reason {
		return
	}
	now := Status{State: s, Reason: reason, Since: r.opt.Clock()}
	if s != Absent {
		r.status[k] = now
	}
	if r.opt.OnStatus != nil {
		r.outbox = append(r.outbox, update{k, now})
	}
}

// wake lets the goroutine look for work. Caller holds mu.
func (r *Reconciler) wake() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}
