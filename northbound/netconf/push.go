package netconf

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// The datastores that can be subscribed to.
const (
	dsOperational = "ietf-datastores:operational"
	dsRunning     = "ietf-datastores:running"
	dsCandidate   = "ietf-datastores:candidate"
)

// push sends the updates of a subscription to a datastore (RFC 8641). Its
// goroutine owns what is not atomic.
type push struct {
	d         *subscription
	datastore string
	onChange  bool
	noSync    bool            // sync-on-start is false
	exclude   map[string]bool // change types that make no update
	terms     terms

	sub     *oper.Sub  // on-change
	exact   bool       // the changes of sub are those of the selection
	known   *tree.Node // what the client knows, where not exact
	patches uint64

	next time.Time // of the next periodic update, or the end of dampening

	sent, excluded atomic.Uint64
}

// establishPush prepares a subscription to a datastore (RFC 8641 section 4.4.1).
func (in *subscriptionInput) establishPush(d *subscription) error {
	p := &push{d: d, datastore: in.text("datastore"), exclude: map[string]bool{}}
	switch p.datastore {
	case dsOperational, dsRunning, dsCandidate:
	default:
		return subscriptionError(appNotSubscribable, "the datastore %s cannot be subscribed to", p.datastore)
	}
	var err error
	if d.terms.stop, err = in.stopTime(time.Time{}); err != nil {
		return err
	}
	if _, nothing := d.terms.sel.view(); nothing {
		return subscriptionError(appUnchangingSelection, "the filter can select nothing")
	}
	periodic, change := in.in.ChildNamed("periodic"), in.in.ChildNamed("on-change")
	switch {
	case periodic != nil:
		err = in.periodic(periodic, &d.terms)
	case change != nil:
		p.onChange = true
		d.terms.trigger.dampening = centiseconds(change, "dampening-period")
		p.noSync = textOf(change, "sync-on-start") == "false"
		if list := change.ChildNamed("excluded-change"); list != nil {
			for e := range list.Children() {
				p.exclude[e.Value().String()] = true
			}
		}
		err = p.mayChange(d.terms.sel)
	default:
		err = missingElement("a subscription to a datastore needs <periodic> or <%s>", "on-change")
	}
	if err != nil {
		return err
	}
	d.push = p
	p.terms = d.terms
	if p.onChange {
		p.subscribe()
	}
	return nil
}

// periodic reads the container of that name into t.
func (in *subscriptionInput) periodic(n *tree.Node, t *terms) (err error) {
	t.trigger.period = centiseconds(n, "period")
	if t.trigger.period < minPeriod {
		return periodError(in.establish, t.trigger.period)
	}
	t.trigger.anchor, err = in.time(n, "anchor-time")
	return err
}

// modifyTrigger reads what modify-subscription may change of a subscription to a
// datastore, and refuses what it may not.
func (in *subscriptionInput) modifyTrigger(d *subscription, t *terms) error {
	p := d.push
	if p.datastore != in.text("datastore") {
		return invalidParameter("datastore", "subscription %d is to the datastore %s, which cannot be changed", d.id, p.datastore)
	}
	if _, nothing := t.sel.view(); nothing {
		return subscriptionError(appUnchangingSelection, "the filter can select nothing")
	}
	periodic, change := in.in.ChildNamed("periodic"), in.in.ChildNamed("on-change")
	switch {
	case periodic != nil && p.onChange:
		return invalidParameter("periodic", "subscription %d is on-change, which cannot be changed", d.id)
	case change != nil && !p.onChange:
		return invalidParameter("on-change", "subscription %d is periodic, which cannot be changed", d.id)
	case periodic != nil:
		return in.periodic(periodic, t)
	case change != nil:
		t.trigger.dampening = centiseconds(change, "dampening-period")
	}
	if p.onChange {
		return p.mayChange(t.sel)
	}
	return nil
}

// mayChange refuses a selection of which no change would be told: that of the
// candidate, and state that is read when it is asked for, such as counters.
func (p *push) mayChange(sel *selection) error {
	if p.datastore == dsCandidate {
		return subscriptionError(appOnChangeUnsupported, "changes of the candidate are not notified")
	}
	for _, pattern := range sel.patterns() {
		at := p.srv().schema.Root()
		if len(pattern) > 0 {
			at = pattern[len(pattern)-1].Node
		}
		if p.notifiable(at) {
			return nil
		}
	}
	return subscriptionError(appOnChangeUnsupported, "no change of what the filter selects is notified")
}

// notifiable reports whether changes of n or of something below it are notified:
// in running those of configuration, in operational those of everything that is
// not read from a provider.
func (p *push) notifiable(n *schema.Node) bool {
	if p.datastore == dsRunning {
		return n.Parent == nil || n.Config
	}
	if !n.Config && n.Parent != nil && p.srv().hub.IsPulled(n) {
		return false
	}
	switch n.Kind {
	case schema.Leaf, schema.LeafList, schema.Anydata, schema.Anyxml:
		return !n.IsKey()
	}
	for _, c := range n.Children() {
		if p.notifiable(c) {
			return true
		}
	}
	return false
}

func (p *push) srv() *Server { return p.d.sess.srv }

// subscribe begins to follow the changes of the selection.
func (p *push) subscribe() {
	sel := p.terms.sel
	f, _ := sel.view()
	p.exact = sel == nil || sel.filter != nil && isExact(f)
	p.sub, _ = p.srv().hub.Subscribe(oper.SubOptions{
		Paths: sel.patterns(), ConfigOnly: p.datastore == dsRunning, MaxBytes: p.srv().subs.backlog,
	})
}

// isExact reports whether f selects by paths and keys alone, so that a change
// elsewhere cannot change what it selects.
func isExact(f *tree.Filter) bool {
	if f == nil {
		return true
	}
	if f.Pos != 0 {
		return false
	}
	for _, m := range f.Content {
		if !m.Leaf.IsKey() {
			return false
		}
	}
	for _, c := range f.Children {
		if !isExact(c) {
			return false
		}
	}
	return true
}

func (p *push) close() {
	if p.sub != nil {
		p.sub.Close()
	}
}

// canSync reports whether the client may be sent all of the selection.
func (p *push) canSync() bool { return p.onChange && !p.noSync }

// change makes t the terms in force.
func (p *push) change(t terms) error {
	old := p.terms
	p.terms = t
	if !p.onChange {
		if t.trigger != old.trigger {
			p.next = nextPeriod(t.trigger, p.d.now())
		}
		return nil
	}
	if t.sel != old.sel {
		p.sub.Close()
		p.subscribe()
		if !p.exact {
			p.known = p.snapshot()
		}
	}
	if t.trigger != old.trigger {
		p.next = p.next.Add(t.trigger.dampening - old.trigger.dampening)
	}
	return nil
}

// nextPeriod is the first time after now that is a multiple of the period from
// the anchor, or from now where there is none.
func nextPeriod(t trigger, now time.Time) time.Time {
	if t.anchor.IsZero() {
		return now.Add(t.period)
	}
	rest := now.Sub(t.anchor) % t.period
	if rest < 0 {
		rest += t.period
	}
	return now.Add(t.period - rest)
}

// run sends updates until the session ends, the subscription is ended, or its
// stop-time has come.
func (p *push) run() {
	defer p.close()
	if p.begin() != nil {
		return
	}
	timer, stop := time.NewTimer(0), time.NewTimer(0)
	defer timer.Stop()
	defer stop.Stop()
	for {
		now := p.d.now()
		if end := p.terms.stop; !end.IsZero() {
			if !now.Before(end) {
				return
			}
			stop.Reset(end.Sub(now))
		} else {
			stop.Stop()
		}
		var ready <-chan struct{}
		if p.onChange && !now.Before(p.next) {
			ready = p.sub.Ready()
			timer.Stop()
		} else {
			timer.Reset(p.next.Sub(now))
		}
		var err error
		select {
		case <-p.d.quit:
			return
		case <-p.d.sess.ctx.Done():
			return
		case <-stop.C:
		case f := <-p.d.calls:
			f()
		case <-p.d.renewed:
			err = p.d.renew()
		case <-timer.C:
			if p.onChange {
				err = p.changes() // the end of dampening
			} else if !p.d.now().Before(p.next) {
				err = p.update()
				p.next = p.following()
			}
		case <-ready:
			err = p.changes()
		}
		if err != nil {
			return
		}
	}
}

// following is the time of the update after that of p.next. Those that a slow
// client has missed are left out.
func (p *push) following() time.Time {
	now, period := p.d.now(), p.terms.trigger.period
	missed := now.Sub(p.next) / period
	return p.next.Add((missed + 1) * period)
}

// begin sends what an update starts with: the selection at once, except where
// an anchor says when, or changes alone are wanted.
func (p *push) begin() error {
	now := p.d.now()
	if !p.onChange {
		if !p.terms.trigger.anchor.IsZero() {
			p.next = nextPeriod(p.terms.trigger, now)
			return nil
		}
		p.next = now.Add(p.terms.trigger.period)
		return p.update()
	}
	if p.noSync {
		if !p.exact {
			p.known = p.snapshot()
		}
		return nil
	}
	return p.resync()
}

// snapshot is the present selection of an on-change subscription, as far as the
// user may read it: without the state that is only read from providers.
func (p *push) snapshot() *tree.Node { return p.selected(p.srv().hub.Snapshot()) }

func (p *push) selected(s oper.Snapshot) *tree.Node {
	sel := p.terms.sel
	root := s.Running
	if p.datastore == dsOperational {
		f, _ := sel.view()
		root = p.srv().hub.Pushed(s, f)
	}
	n, err := sel.apply(p.d.sess.nacm.Read(root))
	if err != nil {
		p.srv().log.Warn("the filter of a subscription cannot be evaluated", "session", p.d.sess.ds.ID(), "subscription", p.d.id, "error", err)
	}
	return n
}

// resync sends all of the selection; the changes after it continue from there.
func (p *push) resync() error {
	n := p.selected(p.sub.Resync())
	p.known = n
	p.dampen()
	return p.sendUpdate(n)
}

func (p *push) dampen() {
	p.next = p.d.now().Add(p.terms.trigger.dampening)
}

// update sends the selection as <get-data> would answer it.
func (p *push) update() error {
	sel := p.terms.sel
	var n *tree.Node
	var err error
	switch p.datastore {
	case dsOperational:
		q := &request{session: p.d.sess}
		n, _, err = q.operational(p.srv().store.Running().Root, sel, tree.Explicit)
	case dsRunning:
		n, err = sel.apply(p.d.sess.nacm.ReadStore(p.srv().store.Running().Root))
	default:
		n, err = sel.apply(p.d.sess.nacm.ReadStore(p.d.sess.ds.Candidate()))
	}
	if err != nil {
		// The next period may do better; this one is told to be incomplete.
		p.srv().log.Warn("a periodic update is incomplete", "session", p.d.sess.ds.ID(), "subscription", p.d.id, "error", err)
		return p.send("push-update", func(w io.Writer) {
			io.WriteString(w, "<datastore-contents/><incomplete-update/>")
		})
	}
	return p.sendUpdate(n)
}

func (p *push) sendUpdate(n *tree.Node) error {
	return p.send("push-update", func(w io.Writer) {
		io.WriteString(w, "<datastore-contents>")
		if n != nil {
			codec.EncodeXML(w, n, codec.EncodeOptions{})
		}
		io.WriteString(w, "</datastore-contents>")
	})
}

// changes sends what has changed since the last update: each publication by
// itself, or all of them together where they are dampened.
func (p *push) changes() error {
	for {
		var batch oper.Batch
		var ok bool
		var err error
		if p.exact && p.terms.trigger.dampening == 0 {
			batch, ok, err = p.sub.Poll()
		} else {
			batch, ok, err = p.sub.Collect()
		}
		switch {
		case errors.Is(err, oper.ErrOverflow):
			return p.overflow()
		case err != nil:
			return err
		case !ok:
			return nil
		}
		list := batch.Changes
		if !p.exact {
			list = p.compare()
		}
		if err := p.sendChanges(list, false); err != nil {
			return err
		}
		if p.terms.trigger.dampening > 0 {
			return nil
		}
	}
}

// compare returns the changes from what the client knows to the present
// selection.
func (p *push) compare() []tree.Change {
	empty := tree.Empty(p.srv().schema)
	old, new := p.known, p.snapshot()
	p.known = new
	if old == nil {
		old = empty
	}
	if new == nil {
		new = empty
	}
	var list []tree.Change
	for c := range tree.Diff(old, new) {
		list = append(list, c)
	}
	return list
}

// overflow goes on after the client has read too slowly: by sending all of the
// selection, or, where that is not wanted, by saying that something is missing.
func (p *push) overflow() error {
	p.srv().log.Warn("changes dropped: the client is too slow", "session", p.d.sess.ds.ID(), "subscription", p.d.id, "user", p.d.sess.user, "peer", p.d.sess.peer)
	switch {
	case !p.noSync:
		return p.resync()
	case !p.exact:
		p.sub.Resync()
		return p.sendChanges(p.compare(), false)
	}
	p.sub.Resync()
	return p.sendChanges(nil, true)
}

// send sends a notification of ietf-yang-push, of which body writes what follows
// the id.
func (p *push) send(name string, body func(io.Writer)) error {
	s := p.srv().schema
	n := tree.New(s.Notification(s.Module("ietf-yang-push"), name))
	_, err := p.d.sess.emit(event{
		Notification: oper.Notification{Time: p.d.now(), Node: n}, own: true, count: &p.sent,
		body: func(w io.Writer) {
			fmt.Fprintf(w, `<%s xmlns="%s"><id>%s</id>`, name, nsPush, strconv.FormatUint(uint64(p.d.id), 10))
			body(w)
			fmt.Fprintf(w, "</%s>", name)
		},
	})
	return err
}

// describe writes the terms of the subscription.
func (p *push) describe(w *writer, t terms) {
	p.d.describeFilter(w, t, "datastore", "selection-filter-ref")
	w.leaf("datastore", p.datastore)
	if !p.onChange {
		w.in("periodic", nil, func() {
			w.leaf("period", inCentiseconds(t.trigger.period))
			if !t.trigger.anchor.IsZero() {
				w.leaf("anchor-time", timestamp(t.trigger.anchor))
			}
		})
		return
	}
	w.in("on-change", nil, func() {
		w.leaf("dampening-period", inCentiseconds(t.trigger.dampening))
		w.leaf("sync-on-start", strconv.FormatBool(!p.noSync))
		for _, kind := range changeTypes() {
			if p.exclude[kind] {
				w.leaf("excluded-change", kind)
			}
		}
	})
}

func inCentiseconds(d time.Duration) string { return strconv.FormatInt(int64(d/centisecond), 10) }
