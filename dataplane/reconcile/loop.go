package reconcile

import (
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// backoff is when a failed key is tried again.
type backoff struct {
	delay time.Duration
	at    time.Time
}

// run is the goroutine: it works off what is dirty or due, then waits for a
// kick, an event of the driver, the next retry or the next audit.
func (r *Reconciler) run() {
	defer close(r.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	events := r.opt.Driver.Events()
	for {
		for r.ctx.Err() == nil && r.step() {
		}
		timer.Reset(r.sleep())
		select {
		case <-r.ctx.Done():
			return
		case <-r.kick:
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			r.event(e)
			r.drain(events)
		case now := <-timer.C:
			r.due(now)
		}
	}
}

// due takes up audits and retries whose time has come.
func (r *Reconciler) due(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.nextAudit.IsZero() && !now.Before(r.nextAudit) {
		r.audit = true
		r.planAudit(now, r.opt.Audit)
	}
	for k, b := range r.retry {
		if !now.Before(b.at) {
			// The delay is kept: it doubles if this try fails too.
			r.dirty[k] = struct{}{}
		}
	}
}

// planAudit sets the time of the next audit. Caller holds mu.
func (r *Reconciler) planAudit(now time.Time, in time.Duration) {
	r.nextAudit = time.Time{}
	if in > 0 {
		r.nextAudit = now.Add(in)
	}
}

// sleep is how long until something is due.
func (r *Reconciler) sleep() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := time.Hour
	if !r.nextAudit.IsZero() {
		next = time.Until(r.nextAudit)
	}
	for _, b := range r.retry {
		next = min(next, time.Until(b.at))
	}
	return max(next, 0)
}

// drain takes the events that are there already, so that a thousand changes
// made by someone else are repaired in one apply.
func (r *Reconciler) drain(events <-chan dataplane.Event) {
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return // run finds it closed as well.
			}
			r.event(e)
		default:
			return
		}
	}
}

// event turns an event of the driver into dirty keys.
func (r *Reconciler) event(e dataplane.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.Kind {
	case dataplane.LinkUp, dataplane.LinkChanged:
		for k := range r.desired.On(e.Interface) {
			r.opt.Log.Info("link changed, object is put again", "interface", e.Interface, "event", e.Kind, "object", k)
			r.dirty[k] = struct{}{}
			delete(r.retry, k)
		}
	case dataplane.Drift:
		if e.Key == (dataplane.Key{}) {
			r.audit = true
			return
		}
		if _, known := r.dirty[e.Key]; !known {
			r.drifted = append(r.drifted, e.Key)
		}
		r.mark(e.Key)
	}
}

// step does one round: an audit if one is due, then one apply. It reports
// whether there was anything to do.
func (r *Reconciler) step() bool {
	r.mu.Lock()
	audit := r.audit
	r.audit = false
	r.busy = true
	r.mu.Unlock()
	if audit {
		r.compare()
	}
	r.mu.Lock()
	ops := r.take()
	drifted := r.drifted
	r.drifted = nil
	r.mu.Unlock()
	if len(drifted) > 0 {
		r.opt.Log.Warn("data plane was changed by someone else, repairing", "objects", len(drifted), "first", drifted[0])
	}
	r.report()
	var failed []*dataplane.OpError
	if len(ops) > 0 {
		failed = r.opt.Driver.Apply(r.ctx, ops)
		r.keepLegs(ops)
	}
	if r.ctx.Err() != nil {
		return false // Close broke the apply off; its errors say nothing.
	}
	r.mu.Lock()
	r.result(ops, failed)
	r.mu.Unlock()
	r.report()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = false
	more := len(r.dirty) > 0 || r.audit
	if !more {
		close(r.idle)
		r.idle = make(chan struct{})
	}
	return more
}

// take plans what is dirty against the desired state of this moment. Caller
// holds mu.
func (r *Reconciler) take() []dataplane.Op {
	ops := make([]dataplane.Op, 0, len(r.dirty))
	for k := range r.dirty {
		if o, ok := r.desired.Get(k); ok {
			ops = append(ops, dataplane.Op{Verb: dataplane.Put, Key: k, Object: r.overlay(o)})
		} else {
			ops = append(ops, dataplane.Op{Verb: dataplane.Delete, Key: k})
		}
	}
	clear(r.dirty)
	plan.Arrange(ops,
		func(k dataplane.Key) dataplane.Object { return r.desired.Objects()[k] },
		func(k dataplane.Key) dataplane.Object { return r.gone[k] })
	return ops
}

// result notes what became of ops. Caller holds mu.
func (r *Reconciler) result(ops []dataplane.Op, failed []*dataplane.OpError) {
	if len(ops) == 0 {
		return
	}
	bad := make(map[dataplane.Key]*dataplane.OpError, len(failed))
	for _, e := range failed {
		bad[e.Key] = e
	}
	tried := make(map[dataplane.Key]struct{}, len(ops))
	for _, op := range ops {
		tried[op.Key] = struct{}{}
	}
	good := make([]dataplane.Key, 0, len(ops)) // What was put.
	for _, op := range ops {
		if bad[op.Key] != nil {
			continue
		}
		delete(r.retry, op.Key)
		if _, again := r.dirty[op.Key]; again {
			continue // Changed meanwhile: it stays pending.
		}
		if op.Verb == dataplane.Delete {
			delete(r.gone, op.Key)
			r.note(op.Key, Absent, "")
			continue
		}
		r.note(op.Key, Applied, "")
		good = append(good, op.Key)
	}
	for k, e := range bad {
		r.fail(k, e)
	}
	if len(failed) > 0 {
		r.opt.Log.Warn("data plane refuses objects", "objects", len(failed), "of", len(ops),
			"first", failed[0].Key, "reason", failed[0].Reason)
	}
	r.unblock(good, tried)
}

// fail notes a failure and when to try again. Caller holds mu.
func (r *Reconciler) fail(k dataplane.Key, e *dataplane.OpError) {
	if _, again := r.dirty[k]; again {
		return
	}
	_, wanted := r.desired.Get(k)
	r.opt.Log.Debug("data plane refuses an object", "object", k, "reason", e.Reason, "retry", e.Retry, "desired", wanted)
	r.note(k, Failed, e.Reason)
	if !e.Retry && wanted {
		delete(r.retry, k) // An event or an audit will come back to it.
		return
	}
	b := r.retry[k]
	b.delay = min(max(2*b.delay, r.opt.RetryMin), r.opt.RetryMax)
	b.at = time.Now().Add(b.delay)
	r.retry[k] = b
}

// unblock tries again what failed and refers to something that has just become
// good, except what was tried after it in the same batch. What becomes good
// thereby unblocks others in turn. Caller holds mu.
func (r *Reconciler) unblock(good []dataplane.Key, tried map[dataplane.Key]struct{}) {
	if r.failures == 0 {
		return
	}
	for _, k := range good {
		for u := range r.desired.Users(k) {
			if _, done := tried[u]; !done && r.status[u].State == Failed {
				r.mark(u)
			}
		}
	}
}

// compare reads the data plane and marks what differs from the desired state.
func (r *Reconciler) compare() {
	r.mu.Lock()
	desired := make([]dataplane.Object, 0, r.desired.Len())
	for o := range r.desired.All() {
		desired = append(desired, r.overlay(o))
	}
	r.mu.Unlock()
	actual, err := r.opt.Driver.Dump(r.ctx, desired)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		if r.ctx.Err() == nil {
			r.opt.Log.Error("cannot read the data plane for an audit", "error", err)
			r.planAudit(time.Now(), r.opt.RetryMax)
		}
		return
	}
	drift := 0
	stale := make(map[dataplane.Key]dataplane.Object)
	for _, o := range actual {
		stale[o.Key()] = o
	}
	for _, op := range plan.Full(actual, desired) {
		if op.Verb == dataplane.Delete {
			r.gone[op.Key] = stale[op.Key]
		}
		if _, waiting := r.retry[op.Key]; waiting {
			continue // Known to be missing; its back-off goes on.
		}
		if r.status[op.Key].State != Failed {
			drift++
		}
		r.mark(op.Key)
	}
	if drift > 0 {
		r.opt.Log.Warn("data plane differs from the desired state, repairing", "objects", drift)
	}
}

// report delivers queued statuses.
func (r *Reconciler) report() {
	r.mu.Lock()
	out := r.outbox
	r.outbox = nil
	r.mu.Unlock()
	for _, u := range out {
		r.opt.OnStatus(u.key, u.status)
	}
}
