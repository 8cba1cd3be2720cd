package gnmi

import (
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/protobuf/proto"

	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// maxNotification is when a Notification is sent and a next one with the same
// timestamp begun, in octets: far below the 4 MiB that clients accept.
const maxNotification = 512 << 10

// writer fills Notifications of one timestamp and hands them on.
type writer struct {
	sub        *subscription
	emit       func(*gpb.SubscribeResponse) error
	n          *gpb.Notification
	size       int
	duplicates uint32 // for the next update
	err        error
}

func (sub *subscription) writer(t time.Time, emit func(*gpb.SubscribeResponse) error) *writer {
	return &writer{sub: sub, emit: emit, n: &gpb.Notification{Timestamp: t.UnixNano(), Prefix: sub.prefix}}
}

// update adds the leaf, leaf-list or anydata n. elems is kept.
func (w *writer) update(elems []*gpb.PathElem, n *tree.Node) {
	if w.err != nil {
		return
	}
	u := &gpb.Update{Path: &gpb.Path{Elem: elems}, Val: valueOf(n, w.sub.encoding), Duplicates: w.duplicates}
	w.duplicates = 0
	w.n.Update = append(w.n.Update, u)
	if w.size += sizeOf(u); w.size >= maxNotification {
		w.err = w.flush()
	}
}

// remove adds a delete. Deletes of a batch come before its updates.
func (w *writer) remove(elems []*gpb.PathElem) {
	u := &gpb.Update{Path: &gpb.Path{Elem: elems}}
	w.n.Delete = append(w.n.Delete, u.Path)
	w.size += sizeOf(u)
}

// sizeOf is about the length of u on the wire; proto.Size would cost a good
// part of encoding it.
func sizeOf(u *gpb.Update) int {
	n := 16
	for _, e := range u.GetPath().GetElem() {
		n += len(e.GetName()) + 4
		for k, v := range e.GetKey() {
			n += len(k) + len(v) + 8
		}
	}
	switch v := u.GetVal().GetValue().(type) {
	case *gpb.TypedValue_StringVal:
		n += len(v.StringVal)
	case *gpb.TypedValue_JsonIetfVal:
		n += len(v.JsonIetfVal)
	case *gpb.TypedValue_JsonVal:
		n += len(v.JsonVal)
	case *gpb.TypedValue_BytesVal:
		n += len(v.BytesVal)
	case *gpb.TypedValue_LeaflistVal:
		n += proto.Size(v.LeaflistVal)
	}
	return n
}

// flush sends what there is.
func (w *writer) flush() error {
	if w.err != nil || len(w.n.Update) == 0 && len(w.n.Delete) == 0 {
		return w.err
	}
	n := w.n
	w.n, w.size = &gpb.Notification{Timestamp: n.Timestamp, Prefix: n.Prefix}, 0
	return w.emit(&gpb.SubscribeResponse{Response: &gpb.SubscribeResponse_Update{Update: n}})
}

// batch hands on the changes of one event as one Notification, unless it is
// too long: deletes, and one update for each leaf that has a new value. A leaf
// that falls back to its default is an update with the default (section
// 3.5.2.3).
func (sub *subscription) batch(b oper.Batch, emit func(*gpb.SubscribeResponse) error) error {
	snap := sub.srv.hub.Snapshot()
	w := sub.writer(b.Time, emit)
	w.duplicates = b.Coalesced
	type fresh struct {
		elems []*gpb.PathElem
		n     *tree.Node
		mode  tree.DefaultsMode
	}
	// What is at p in running, and what decides there about defaults.
	inUse := func(p tree.Path) *tree.Node {
		if !sub.srv.defaults.Decided(p[len(p)-1].Node) {
			return snap.Running
		}
		return sub.srv.defaults.InUse(tree.Select(snap.Running, filterOf(sub.srv.schema.Root(), p)), snap.Running)
	}
	var updates []fresh
	lists := map[string]bool{} // leaf-lists that were sent
	for _, c := range b.Changes {
		var seen bool
		if c, seen = visible(sub.view, c); !seen {
			continue
		}
		if len(c.Path) == 0 {
			updates = append(updates, fresh{nil, c.New, tree.ReportAll})
			continue
		}
		last := c.Path[len(c.Path)-1]
		s := last.Node
		mode := tree.Explicit
		if snap.Running.Get(c.Path) != nil {
			mode = tree.ReportAll
		}
		switch {
		case last.Pos > 0 || keyless(c.Path):
			// No gNMI path can name an entry without keys.
		case s.Kind == schema.LeafList:
			holder := c.Path[:len(c.Path)-1].Child(s)
			if key := holder.String(); lists[key] {
				continue
			} else {
				lists[key] = true
			}
			n := snap.Running.Get(holder)
			if n == nil {
				n = snap.State.Get(holder)
			}
			if n == nil && s.Config {
				match(inUse(holder), holder, true, func(_ tree.Path, d *tree.Node) { n = d })
			}
			if n = sub.view.ReadAt(holder, n); n == nil {
				w.remove(elemsOf(holder))
			} else {
				updates = append(updates, fresh{elemsOf(holder), n, mode})
			}
		case c.Op == tree.Moved:
			// gNMI knows no order of entries.
		case c.Op != tree.Deleted:
			updates = append(updates, fresh{elemsOf(c.Path), sub.srv.defaults.InUseAt(c.Path, c.New, snap.Running), mode})
		case s.Kind == schema.Leaf && s.Config && len(s.Defaults) > 0:
			if v, ok := inUse(c.Path).GetValue(c.Path); ok {
				updates = append(updates, fresh{elemsOf(c.Path), tree.NewLeaf(s, v), mode})
			} else {
				w.remove(elemsOf(c.Path))
			}
		default:
			w.remove(elemsOf(c.Path))
			if s.Kind == schema.Container && s.HasDefaults() {
				match(inUse(c.Path), c.Path, true, func(_ tree.Path, d *tree.Node) {
					if d = sub.view.ReadAt(c.Path, d); d != nil {
						updates = append(updates, fresh{elemsOf(c.Path), d, tree.ReportAll})
					}
				})
			}
		}
	}
	for _, u := range updates {
		leafs(u.elems, u.n, u.mode, w.update)
	}
	return w.flush()
}

// keyless reports whether p leads through an entry of a list without keys.
func keyless(p tree.Path) bool {
	for i := range p {
		if p[i].Pos > 0 {
			return true
		}
	}
	return false
}
