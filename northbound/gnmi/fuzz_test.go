package gnmi

import (
	"testing"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/tandem-ne/tandem/server/tree"
)

// FuzzSet: any SetRequest is refused with a status or becomes edits that apply
// or are refused as a whole.
func FuzzSet(f *testing.F) {
	for _, text := range []string{sampleConfig,
		`delete { elem { name: "..." } elem { name: "mtu" } } replace { path { elem { name: "system" } } val { json_val: "{\"mtu\":1}" } }`,
		`update { path { elem { name: "pairs" } elem { name: "pair" key { key: "a" value: "]" } key { key: "b" value: "1" } } } val { json_ietf_val: "{}" } }`,
		`update { path { elem { name: "system" } elem { name: "dns" } } val { leaflist_val { element { string_val: "x" } } } }`,
		`delete { elem { name: "system" } elem { name: "dns" key { key: "." value: "x" } } }`,
	} {
		req := &gpb.SetRequest{}
		if err := prototext.Unmarshal([]byte(text), req); err != nil {
			f.Fatal(err)
		}
		data, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	s := &Server{schema: boxSchema(f)}
	base := tree.Empty(s.schema)
	first := &gpb.SetRequest{}
	parse(f, sampleConfig, first)
	p, err := s.plan(first)
	if err != nil {
		f.Fatal(err)
	}
	base, errs := tree.Apply(base, p.writes)
	if len(errs) > 0 {
		f.Fatal(errs)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		req := &gpb.SetRequest{}
		if proto.Unmarshal(data, req) != nil {
			return
		}
		p, err := s.plan(req)
		if err != nil {
			if _, ok := status.FromError(err); !ok {
				t.Errorf("%v is no status", err)
			}
			return
		}
		edits, err := p.edits(base)
		if err != nil {
			t.Fatal(err)
		}
		if after, errs := tree.Apply(base, edits); len(errs) > 0 && after != base {
			t.Error("a refused Set changed the tree")
		}
	})
}

// FuzzSubscriptionList: any SubscriptionList is refused with a status or taken.
func FuzzSubscriptionList(f *testing.F) {
	for _, text := range []string{
		`mode: ONCE encoding: PROTO subscription { path { elem { name: "*" } } }`,
		`subscription { path {} mode: SAMPLE sample_interval: 1000000000 heartbeat_interval: 2000000000 suppress_redundant: true }`,
		`prefix { target: "x" origin: "box" elem { name: "interfaces" } } subscription { path { elem { name: "interface" } elem { name: "..." } } mode: ON_CHANGE }`,
	} {
		list := &gpb.SubscriptionList{}
		parse(f, text, list)
		data, err := proto.Marshal(list)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	s := &Server{schema: boxSchema(f)}
	f.Fuzz(func(t *testing.T, data []byte) {
		list := &gpb.SubscriptionList{}
		if proto.Unmarshal(data, list) != nil {
			return
		}
		sub, err := s.subscription(list)
		if err != nil {
			if _, ok := status.FromError(err); !ok {
				t.Errorf("%v is no status", err)
			}
			return
		}
		if len(sub.patterns) == 0 || len(sub.items) != len(list.GetSubscription()) {
			t.Errorf("%d items, %d patterns of %v", len(sub.items), len(sub.patterns), list)
		}
	})
}
