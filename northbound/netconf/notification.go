package netconf

import (
	"errors"
	"slices"
	"time"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// notify sends the notifications of a subscription until the session ends. The
// stream drops what a client does not take in time; the element never waits.
func (sess *session) notify(sub *oper.NotifSub, filter *selection) {
	for {
		n, err := sub.Next(sess.ctx)
		switch {
		case errors.Is(err, oper.ErrOverflow):
			sess.srv.log.Warn("notifications dropped: the client is too slow", "session", sess.ds.ID(), "user", sess.user, "peer", sess.peer)
			continue
		case err != nil:
			return
		case !filter.admits(n):
			continue
		}
		sess.outMu.Lock()
		sess.out.Write(appendNotification(nil, n))
		err = sess.out.end()
		sess.outMu.Unlock()
		if err != nil {
			sess.end(endDropped)
			return
		}
		sess.outNotifications.Add(1)
	}
}

// appendNotification appends a <notification> (RFC 5277 section 2.2.1). One that
// is defined in a data node stands in the elements above it, with the keys of
// lists (RFC 7950 section 7.16.2).
func appendNotification(dst []byte, n oper.Notification) []byte {
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
	dst = codec.AppendXML(dst, n.Node, codec.EncodeOptions{})
	for _, step := range slices.Backward(n.Path) {
		dst = append(dst, "</"+step.Node.Name+">"...)
	}
	return append(dst, "</notification>"...)
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
