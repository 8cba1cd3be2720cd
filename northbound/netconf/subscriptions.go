package netconf

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// The namespaces of RFC 8639 and RFC 8641.
const (
	nsSubscribed = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"
	nsPush       = "urn:ietf:params:xml:ns:yang:ietf-yang-push"
)

// subscriptionOperations is the part of operations that is about notifications.
func subscriptionOperations() map[name]parser {
	return map[name]parser{
		{nsNotification, "create-subscription"}:  parseCreateSubscription,
		{nsSubscribed, "establish-subscription"}: parseEstablishSubscription,
		{nsSubscribed, "modify-subscription"}:    parseModifySubscription,
		{nsSubscribed, "delete-subscription"}:    parseDeleteSubscription,
		{nsSubscribed, "kill-subscription"}:      parseKillSubscription,
		{nsPush, "resync-subscription"}:          parseResyncSubscription,
	}
}

// maxSubscriptions is how many subscriptions a session can establish.
const maxSubscriptions = 64

// subscriptions are the dynamic subscriptions of all sessions (RFC 8639 section
// 2.4).
type subscriptions struct {
	backlog int // octets that one may leave unread; the hub's default where 0

	mu   sync.Mutex
	last uint32
	byID map[uint32]*subscription
}

// add gives d an id that no subscription has had since the server started.
func (t *subscriptions) add(d *subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID == nil {
		t.byID = map[uint32]*subscription{}
	}
	for t.last++; t.last == 0 || t.byID[t.last] != nil; t.last++ {
	}
	d.id = t.last
	t.byID[d.id] = d
	d.sess.subscriptions.Add(1)
}

// remove takes d out of the table; false if it was not in it any more.
func (t *subscriptions) remove(d *subscription) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID[d.id] != d {
		return false
	}
	delete(t.byID, d.id)
	d.sess.subscriptions.Add(-1)
	return true
}

// get returns the subscription with the given id, of sess where that is not nil.
func (t *subscriptions) get(id uint32, sess *session) *subscription {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.byID[id]; d != nil && (sess == nil || d.sess == sess) {
		return d
	}
	return nil
}

// of counts the subscriptions of a session.
func (t *subscriptions) of(sess *session) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, d := range t.byID {
		if d.sess == sess {
			n++
		}
	}
	return n
}

// list returns the subscriptions by ascending id.
func (t *subscriptions) list() []*subscription {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*subscription, 0, len(t.byID))
	for _, d := range t.byID {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *subscription) int { return cmp.Compare(a.id, b.id) })
	return all
}

// subscription is one dynamic subscription. A goroutine of its own sends what it
// is about; whatever changes it is done by that goroutine, between two
// notifications, through calls.
type subscription struct {
	id      uint32
	sess    *session
	replay  time.Time // replay-start-time; zero for none
	stream  *streamReader
	push    *push // one of stream and push is nil
	quit    chan struct{}
	done    chan struct{} // closed when no notification follows any more
	calls   chan func()
	renewed chan struct{} // the container filters has changed
	ending  sync.Once
	reason  string // identity for subscription-terminated; written once, in ending

	mu    sync.Mutex
	terms terms // in force
}

// terms are what modify-subscription can change.
type terms struct {
	filterName string    // of the container filters
	subtree    *tree.Any // within the subscription
	xpath      string
	sel        *selection
	stop       time.Time // zero for none
	trigger    trigger
}

// sameFilter reports whether two terms have the same filter.
func (t terms) sameFilter(u terms) bool {
	var a, b []byte
	if t.subtree != nil {
		a = t.subtree.XML
	}
	if u.subtree != nil {
		b = u.subtree.XML
	}
	return t.filterName == u.filterName && t.xpath == u.xpath && bytes.Equal(a, b)
}

// trigger says when a datastore subscription sends (RFC 8641 section 4.4).
type trigger struct {
	period    time.Duration // 0 for on-change
	anchor    time.Time     // zero for none
	dampening time.Duration
}

func (d *subscription) now() time.Time { return d.sess.srv.now() }

// current returns the terms in force.
func (d *subscription) current() terms {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.terms
}

func (d *subscription) setTerms(t terms) {
	d.mu.Lock()
	d.terms = t
	d.mu.Unlock()
}

// start sends notifications until the subscription ends.
func (d *subscription) start() {
	d.sess.notifier.Go(func() {
		defer close(d.done)
		defer d.sess.srv.subs.remove(d)
		if d.push != nil {
			d.push.run()
		} else {
			d.stream.run()
		}
		d.ending.Do(func() {}) // orders the reading of reason
		if d.reason != "" {
			d.sendState("subscription-terminated", func(w *writer) { w.leaf("reason", d.reason) })
		}
	})
}

// end makes the subscription end without waiting; reason, if not empty, is the
// identity that the client is told.
func (d *subscription) end(reason string) {
	d.ending.Do(func() {
		d.reason = reason
		close(d.quit)
	})
	d.sess.srv.subs.remove(d)
}

// call has f run between two notifications and waits for it; false if the
// subscription or its session ended before.
func (d *subscription) call(f func()) bool {
	ran := make(chan struct{})
	select {
	case d.calls <- func() { f(); close(ran) }:
		<-ran
		return true
	case <-d.done:
	case <-d.sess.ctx.Done():
	}
	return false
}

// sendState sends a subscription state change notification (RFC 8639 section
// 2.7).
func (d *subscription) sendState(name string, fill func(*writer)) error {
	s := d.sess.srv.schema
	n := s.Notification(s.Module("ietf-subscribed-notifications"), name)
	w := &writer{b: tree.NewBuilder(tree.New(n)), at: nil}
	w.at = append(w.at, n)
	w.number("id", d.id)
	if fill != nil {
		fill(w)
	}
	_, err := d.sess.emit(event{Notification: oper.Notification{Time: d.now(), Node: w.b.Seal()}, own: true})
	return err
}

// suspendedAndResumed tells that notifications were lost because the client did
// not take them in time, and that those from now on come again.
func (d *subscription) suspendedAndResumed() error {
	err := d.sendState("subscription-suspended", func(w *writer) {
		w.leaf("reason", "ietf-subscribed-notifications:unsupportable-volume")
	})
	if err != nil {
		return err
	}
	return d.sendState("subscription-resumed", nil)
}

// configuredSubscriptions refuses subscriptions in the configuration: the feature
// "configured" is off, but the list of RFC 8639 is there for the state of others.
type configuredSubscriptions struct{ list *schema.Node }

// Prepare implements datastore.Participant.
func (r configuredSubscriptions) Prepare(_ context.Context, c *datastore.Change) (func(), error) {
	holder := c.New.Child(r.list.Parent).Child(r.list)
	if holder == nil {
		return nil, nil
	}
	var errs yangerr.List
	for e := range holder.Children() {
		path := tree.Path{}.Child(r.list.Parent).Child(r.list, e.Keys()...)
		errs = append(errs, yangerr.New(yangerr.OperationNotSupported, path, "subscriptions are established by RPC, not configured"))
	}
	return nil, errs.Err()
}
