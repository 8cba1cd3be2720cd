package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/openconfig/gnmi/proto/gnmi"
)

// Update is one leaf that an element streamed.
type Update struct {
	Node string
	MEG  string
	// Leaf is the last element of the path: local-state or defect.
	Leaf string
	// Value is the leaf as text; a leaf-list is joined by commas; empty when
	// the leaf was deleted.
	Value string
	// Event is the element's time of the event, Arrival the client's.
	Event, Arrival time.Time
}

// Has reports whether the update is a defect list that names the defect.
func (u Update) Has(defect string) bool {
	if u.Leaf != "defect" {
		return false
	}
	for _, d := range strings.Split(u.Value, ",") {
		if d == defect {
			return true
		}
	}
	return false
}

// Watch subscribes ON_CHANGE to the session states and defects of every MEP of
// an element. The channel is closed when ctx ends or the element closes the
// stream; then err, which may be read after that, tells why.
func (l *Lab) Watch(ctx context.Context, node string) (<-chan Update, func() error, error) {
	conn, client, err := l.GNMI(node)
	if err != nil {
		return nil, nil, err
	}
	stream, err := client.Subscribe(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	list := &gnmi.SubscriptionList{Mode: gnmi.SubscriptionList_STREAM, Encoding: gnmi.Encoding_PROTO}
	for _, leaf := range [][]string{{"session", "local-state"}, {"defect"}} {
		path := &gnmi.Path{}
		for _, e := range append([]string{"mpls-tp", "oam", "meg", "mep", "state"}, leaf...) {
			path.Elem = append(path.Elem, &gnmi.PathElem{Name: e})
		}
		list.Subscription = append(list.Subscription, &gnmi.Subscription{Path: path, Mode: gnmi.SubscriptionMode_ON_CHANGE})
	}
	if err := stream.Send(&gnmi.SubscribeRequest{Request: &gnmi.SubscribeRequest_Subscribe{Subscribe: list}}); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	updates := make(chan Update, 64)
	var failed error
	go func() {
		defer close(updates)
		defer conn.Close()
		for {
			r, err := stream.Recv()
			if err != nil {
				if ctx.Err() == nil {
					failed = fmt.Errorf("telemetry of %s: %w", node, err)
				}
				return
			}
			for _, u := range updatesOf(node, r.GetUpdate(), time.Now()) {
				select {
				case updates <- u:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return updates, func() error { return failed }, nil
}

// updatesOf flattens a Notification; nil gives none.
func updatesOf(node string, n *gnmi.Notification, arrival time.Time) []Update {
	if n == nil {
		return nil
	}
	var all []Update
	add := func(p *gnmi.Path, value string) {
		u := Update{Node: node, Value: value, Event: time.Unix(0, n.Timestamp), Arrival: arrival}
		for _, e := range append(append([]*gnmi.PathElem{}, n.GetPrefix().GetElem()...), p.GetElem()...) {
			if e.Name == "meg" {
				u.MEG = e.Key["name"]
			}
			u.Leaf = e.Name
		}
		all = append(all, u)
	}
	for _, d := range n.Delete {
		add(d, "")
	}
	for _, u := range n.Update {
		add(u.Path, text(u.Val))
	}
	return all
}

// text prints a scalar or leaf-list without the module names of identities.
func text(v *gnmi.TypedValue) string {
	if list := v.GetLeaflistVal(); list != nil {
		var all []string
		for _, e := range list.Element {
			all = append(all, text(e))
		}
		return strings.Join(all, ",")
	}
	s := v.GetStringVal()
	if _, name, ok := strings.Cut(s, ":"); ok {
		return name
	}
	return s
}
