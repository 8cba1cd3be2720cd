package netconf

import (
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// event is a notification on its way to one client.
type event struct {
	oper.Notification
	// body, where set, writes the element that Node stands for: content too large
	// to be put together first.
	body func(w io.Writer)
	// own says that it is about the client's subscription itself: no access rule
	// keeps it away (RFC 8341 section 3.4.6).
	own bool
	// count, where not nil, counts it when it is about to be sent.
	count *atomic.Uint64
}

// emit sends a notification to the client; every one leaves here. sent is false
// if the client may not see it. With an error the session is ending.
func (sess *session) emit(e event) (sent bool, err error) {
	if !e.own && !sess.nacm.Notify(e.Node, e.Path) {
		return false, nil
	}
	if e.count != nil {
		e.count.Add(1)
	}
	sess.outMu.Lock()
	w := &sess.out
	head, tail := appendAround(nil, e.Notification)
	w.Write(head)
	if e.body != nil {
		e.body(w)
	} else {
		codec.EncodeXML(w, e.Node, codec.EncodeOptions{})
	}
	w.Write(tail)
	err = w.end()
	sess.outMu.Unlock()
	if err != nil {
		sess.end(endDropped)
		return false, err
	}
	sess.outNotifications.Add(1)
	return true, nil
}

// appendAround returns what stands before and behind the element of a
// notification in a <notification> (RFC 5277 section 2.2.1). One that is defined
// in a data node stands in the elements above it, with the keys of lists (RFC
// 7950 section 7.16.2).
func appendAround(dst []byte, n oper.Notification) (head, tail []byte) {
	dst = append(dst, `<notification xmlns="`+nsNotification+`"><eventTime>`...)
	dst = n.Time.UTC().AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, "</eventTime>"...)
	for _, step := range n.Path {
		dst = append(dst, "<"+step.Node.Name+` xmlns="`...)
		dst = xmltok.AppendAttr(dst, step.Node.Module.Namespace)
		dst = append(dst, `">`...)
		for i, k := range step.Keys {
			dst = codec.AppendXML(dst, tree.NewLeaf(step.Node.Keys[i], k), codec.EncodeOptions{})
		}
	}
	for _, step := range slices.Backward(n.Path) {
		tail = append(tail, "</"+step.Node.Name+">"...)
	}
	return dst, append(tail, "</notification>"...)
}

// streamReader sends the notifications of an event stream to a client, for RFC
// 5277 and for RFC 8639. The stream drops what a client does not take in time;
// the element never waits.
type streamReader struct {
	sess *session
	sub  *oper.NotifSub
	sel  *selection
	stop time.Time // zero for none

	// What to tell the client besides.
	replayed func() error // the log was replayed
	dropped  func() error // notifications were dropped

	calls   <-chan func()   // run between two notifications; nil for none
	renewed <-chan struct{} // makes it call renew; nil for never
	renew   func() error
	quit    <-chan struct{} // closed to end it; nil for never

	sent, excluded atomic.Uint64
}

// run reads until the session ends, quit is closed, or the stop time has come
// and all that is not later was sent: only then stopped is true.
func (r *streamReader) run() (stopped bool) {
	defer r.sub.Close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	r.setTimer(timer)
	for {
		select {
		case <-r.sess.ctx.Done():
			return false
		case <-r.quit:
			return false
		case <-r.renewed:
			if r.renew() != nil {
				return false
			}
			continue
		default:
		}
		n, ok, err := r.sub.Poll()
		switch {
		case errors.Is(err, oper.ErrReplayed):
			if r.replayed() != nil {
				return false
			}
			continue
		case errors.Is(err, oper.ErrOverflow):
			r.sess.srv.log.Warn("notifications dropped: the client is too slow", "session", r.sess.ds.ID(), "user", r.sess.user, "peer", r.sess.peer)
			if r.dropped() != nil {
				return false
			}
			continue
		case err != nil:
			return false
		case ok:
			if r.send(n) != nil {
				return false
			}
			continue
		}
		if !r.stop.IsZero() && !r.sess.srv.now().Before(r.stop) {
			return true
		}
		select {
		case <-r.sub.Ready():
		case <-timer.C:
		case f := <-r.calls:
			f()
			r.setTimer(timer)
		case <-r.renewed:
			if r.renew() != nil {
				return false
			}
		case <-r.quit:
			return false
		case <-r.sess.ctx.Done():
			return false
		}
	}
}

func (r *streamReader) setTimer(t *time.Timer) {
	t.Stop()
	if !r.stop.IsZero() {
		t.Reset(r.stop.Sub(r.sess.srv.now()))
	}
}

func (r *streamReader) send(n oper.Notification) error {
	if !r.stop.IsZero() && n.Time.After(r.stop) {
		return nil
	}
	n, any := r.sess.disclosed(n)
	// The filter must not tell what the client may not see.
	if !any || !r.sel.admits(n) {
		r.excluded.Add(1)
		return nil
	}
	sent, err := r.sess.emit(event{Notification: n, count: &r.sent})
	if !sent {
		r.excluded.Add(1)
	}
	return err
}

// admits reports whether a subtree filter selects something of the notification
// (RFC 5277 section 3.6).
func (f *filterNode) admits(s *schema.Schema, n oper.Notification) bool {
	for _, c := range f.children {
		if c.admitsAt(s, n, 0) {
			return true
		}
	}
	return false
}

// admitsAt compares f with step i of the path to the notification, or with the
// notification itself after the last one.
func (f *filterNode) admitsAt(s *schema.Schema, n oper.Notification, i int) bool {
	at := n.Node.Schema()
	if i < len(n.Path) {
		at = n.Path[i].Node
	}
	if f.text != "" || f.local != at.Name || f.space != "" && f.space != at.Module.Namespace {
		return false
	}
	if len(f.children) == 0 {
		return true
	}
	if i == len(n.Path) {
		t := &tree.Filter{Node: at}
		return f.fill(s, t) && tree.Select(n.Node, t) != nil
	}
	deeper, found := false, false
	for _, c := range f.children {
		if c.text == "" {
			deeper = true
			found = found || c.admitsAt(s, n, i+1)
			continue
		}
		key := at.Child(c.local)
		if key == nil || !key.IsKey() || c.space != "" && key.Module.Namespace != c.space {
			return false
		}
		v, ok := c.value(s, key)
		if k := key.KeyIndex(); !ok || k >= len(n.Path[i].Keys) || schema.Compare(v, n.Path[i].Keys[k]) != 0 {
			return false
		}
	}
	return found || !deeper
}
