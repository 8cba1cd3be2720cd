package lab

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/openconfig/gnmi/proto/gnmi"
)

func TestUpdatesOf(t *testing.T) {
	path := func(elem ...string) *gnmi.Path {
		p := &gnmi.Path{}
		for _, e := range elem {
			pe := &gnmi.PathElem{Name: e}
			if e == "meg" {
				pe.Key = map[string]string{"name": "m1"}
			}
			p.Elem = append(p.Elem, pe)
		}
		return p
	}
	str := func(s string) *gnmi.TypedValue {
		return &gnmi.TypedValue{Value: &gnmi.TypedValue_StringVal{StringVal: s}}
	}
	list := func(s ...string) *gnmi.TypedValue {
		l := &gnmi.ScalarArray{}
		for _, e := range s {
			l.Element = append(l.Element, str(e))
		}
		return &gnmi.TypedValue{Value: &gnmi.TypedValue_LeaflistVal{LeaflistVal: l}}
	}
	event, arrival := time.Unix(5, 6), time.Unix(7, 8)
	update := func(leaf, value string) Update {
		return Update{Node: "a", MEG: "m1", Leaf: leaf, Value: value, Event: event, Arrival: arrival}
	}
	for _, tc := range []struct {
		name string
		in   *gnmi.Notification
		want []Update
	}{
		{"none", nil, nil},
		{"empty", &gnmi.Notification{}, nil},
		{"a leaf", &gnmi.Notification{Update: []*gnmi.Update{{Path: path("oam", "meg", "local-state"), Val: str("up")}}}, []Update{update("local-state", "up")}},
		{"with a prefix", &gnmi.Notification{Prefix: path("oam", "meg"), Update: []*gnmi.Update{{Path: path("defect"), Val: list("mtp-types:loc")}}}, []Update{update("defect", "loc")}},
		{"leaf-list", &gnmi.Notification{Update: []*gnmi.Update{{Path: path("meg", "defect"), Val: list("mtp-types:loc", "mtp-types:rdi")}}}, []Update{update("defect", "loc,rdi")}},
		{"deletions come first", &gnmi.Notification{
			Update: []*gnmi.Update{{Path: path("meg", "local-state"), Val: str("down")}}, Delete: []*gnmi.Path{path("meg", "defect")},
		}, []Update{update("defect", ""), update("local-state", "down")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.in != nil {
				tc.in.Timestamp = event.UnixNano()
			}
			if diff := cmp.Diff(tc.want, updatesOf("a", tc.in, arrival)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHas(t *testing.T) {
	for _, tc := range []struct {
		u    Update
		want bool
	}{
		{Update{Leaf: "defect", Value: "loc"}, true},
		{Update{Leaf: "defect", Value: "rdi,loc"}, true},
		{Update{Leaf: "defect", Value: "loc-2"}, false},
		{Update{Leaf: "defect"}, false},
		{Update{Leaf: "local-state", Value: "loc"}, false},
	} {
		if got := tc.u.Has("loc"); got != tc.want {
			t.Errorf("%+v: %t", tc.u, got)
		}
	}
}
