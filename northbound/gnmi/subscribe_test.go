package gnmi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"

	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/tree"
)

// subscriber is the client's end of a Subscribe RPC.
type subscriber struct {
	t      testing.TB
	stream gpb.GNMI_SubscribeClient
	cancel context.CancelFunc
}

// subscribe starts an RPC with a SubscriptionList.
func (e *element) subscribe(t testing.TB, list string) *subscriber {
	t.Helper()
	ctx, cancel := context.WithCancel(e.context())
	t.Cleanup(cancel)
	stream, err := e.client.Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s := &subscriber{t: t, stream: stream, cancel: cancel}
	if list != "" {
		s.send(`subscribe { ` + list + ` }`)
	}
	return s
}

func (s *subscriber) send(text string) {
	s.t.Helper()
	req := &gpb.SubscribeRequest{}
	parse(s.t, text, req)
	if err := s.stream.Send(req); err != nil {
		s.t.Fatal(err)
	}
}

// next returns the next Notification, nil for sync_response.
func (s *subscriber) next() *gpb.Notification {
	s.t.Helper()
	resp, err := s.stream.Recv()
	if err != nil {
		s.t.Fatalf("Recv: %v", err)
	}
	if resp.GetSyncResponse() {
		return nil
	}
	return resp.GetUpdate()
}

// untilSync shows what comes before sync_response.
func (s *subscriber) untilSync() string {
	s.t.Helper()
	var all []*gpb.Notification
	for n := s.next(); n != nil; n = s.next() {
		all = append(all, n)
	}
	return show(all...)
}

// end returns the error that ends the RPC; whatever comes before is dropped.
func (s *subscriber) end() error {
	for {
		if _, err := s.stream.Recv(); err != nil {
			return err
		}
	}
}

const (
	subE0     = `subscription { path { elem { name: "interfaces" } elem { name: "interface" key { key: "name" value: "e0" } } } }`
	subSystem = `subscription { path { elem { name: "system" } } mode: ON_CHANGE }`
	subAll    = `subscription { path { elem { name: "interfaces" } elem { name: "interface" } } mode: ON_CHANGE }`
)

func TestRule22Once(t *testing.T) {
	e := sampled(t)
	s := e.subscribe(t, `mode: ONCE encoding: PROTO prefix { target: "ne1" }`+subE0)
	want := `/interfaces/interface[name=e0]/counters/in-octets u:7
/interfaces/interface[name=e0]/counters/out-octets u:7
/interfaces/interface[name=e0]/description s:first
/interfaces/interface[name=e0]/enabled b:true
/interfaces/interface[name=e0]/name s:e0
/interfaces/interface[name=e0]/oper-state s:up`
	n := s.next()
	if got := show(n); got != want || n.GetPrefix().GetTarget() != "ne1" {
		t.Errorf("got %v\n%s\nwant\n%s", n.GetPrefix(), got, want)
	}
	if s.next() != nil {
		t.Error("no sync_response after the data")
	}
	if err := s.end(); !errors.Is(err, io.EOF) {
		t.Errorf("the RPC ended with %v, not OK", err)
	}
	s = e.subscribe(t, `mode: ONCE updates_only: true `+subE0)
	if got := s.untilSync(); got != "" {
		t.Errorf("updates_only sent %s", got)
	}
	// Rule 18: what is absent is no error, there is just nothing of it.
	s = e.subscribe(t, `mode: ONCE subscription { path { elem { name: "interfaces" } elem { name: "interface" key { key: "name" value: "e9" } } } }`)
	if got := s.untilSync(); got != "" {
		t.Errorf("an absent entry gave %s", got)
	}
}

func TestRule24PathsAreUnique(t *testing.T) {
	e := sampled(t)
	s := e.subscribe(t, `mode: ONCE encoding: JSON_IETF `+subE0+`subscription { path { elem { name: "interfaces" } } } subscription { path { elem { name: "..." } elem { name: "description" } } }`)
	seen := map[string]bool{}
	for _, line := range strings.Split(s.untilSync(), "\n") {
		path, _, _ := strings.Cut(line, " ")
		if seen[path] {
			t.Errorf("%s comes twice", path)
		}
		seen[path] = true
		if strings.ContainsAny(path, "*") || strings.Contains(path, "...") {
			t.Errorf("rule 26: the returned path %s has a wildcard", path)
		}
	}
	if len(seen) != 10 {
		t.Errorf("%d paths: %v", len(seen), seen)
	}
}

func TestRule22Poll(t *testing.T) {
	e := sampled(t)
	s := e.subscribe(t, `mode: POLL encoding: PROTO subscription { path { elem { name: "system" } elem { name: "uptime" } } }`)
	if got := s.untilSync(); got != "/system/uptime u:100" {
		t.Errorf("at the start %s", got)
	}
	for _, v := range []string{"101", "102"} {
		e.publish("/box:system/uptime", v)
		s.send(`poll {}`)
		if got := s.untilSync(); got != "/system/uptime u:"+v {
			t.Errorf("polled %s, want %s", got, v)
		}
	}
	if err := s.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := s.end(); !errors.Is(err, io.EOF) {
		t.Errorf("after the client closed, the RPC ended with %v", err)
	}
}

func TestSubscribeRefuses(t *testing.T) {
	e := sampled(t)
	for _, tc := range []struct {
		name string
		msgs []string
		code codes.Code
		msg  string
	}{
		{"rule 17: no SubscriptionList", []string{`poll {}`}, codes.InvalidArgument, "first message"},
		{"rule 17: empty message", []string{``}, codes.InvalidArgument, "first message"},
		{"rule 17: no subscription", []string{`subscribe {}`}, codes.InvalidArgument, "no subscription"},
		{"rule 17: a second list", []string{`subscribe { ` + subSystem + ` }`, `subscribe { ` + subSystem + ` }`}, codes.InvalidArgument, "second SubscriptionList"},
		{"rule 17: a Poll on a STREAM", []string{`subscribe { ` + subSystem + ` }`, `poll {}`}, codes.InvalidArgument, "Poll"},
		{"rule 06: encoding", []string{`subscribe { encoding: BYTES ` + subSystem + ` }`}, codes.Unimplemented, "BYTES"},
		{"rule 07: use_models", []string{`subscribe { use_models { name: "box" } ` + subSystem + ` }`}, codes.Unimplemented, "use_models"},
		{"rule 18: not in the schema", []string{`subscribe { subscription { path { elem { name: "x" } } } }`}, codes.Unimplemented, `"x"`},
		{"rule 19: interval too short", []string{`subscribe { subscription { path {} mode: SAMPLE sample_interval: 1 } }`}, codes.InvalidArgument, "sample_interval"},
		{"rule 19: interval under TARGET_DEFINED", []string{`subscribe { subscription { path {} sample_interval: 1000000000 } }`}, codes.InvalidArgument, "TARGET_DEFINED"},
		{"rule 20: heartbeat below the sample", []string{`subscribe { subscription { path {} mode: SAMPLE sample_interval: 2000000000 heartbeat_interval: 1000000000 } }`}, codes.InvalidArgument, "heartbeat_interval"},
		{"rule 20: heartbeat too short", []string{`subscribe { subscription { path {} mode: ON_CHANGE heartbeat_interval: 1 } }`}, codes.InvalidArgument, "heartbeat_interval"},
		{"interval beyond counting", []string{`subscribe { subscription { path {} mode: SAMPLE sample_interval: 18446744073709551615 } }`}, codes.InvalidArgument, "longer"},
		{"rule 30: history", []string{`subscribe { ` + subSystem + ` } extension { history {} }`}, codes.Unimplemented, "history"},
		{"mode of no name", []string{`subscribe { mode: 77 ` + subSystem + ` }`}, codes.InvalidArgument, "77"},
		{"subscription mode of no name", []string{`subscribe { subscription { path {} mode: 77 } }`}, codes.InvalidArgument, "77"},
		{"rule 02: origin twice", []string{`subscribe { prefix { origin: "box" } subscription { path { origin: "box" } } }`}, codes.InvalidArgument, "origin"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := e.subscribe(t, "")
			for _, m := range tc.msgs {
				s.send(m)
			}
			wantCode(t, s.end(), tc.code, tc.msg)
		})
	}
	s := e.subscribe(t, "")
	if err := s.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.end(), codes.InvalidArgument, "closed before")
}

func TestOnChange(t *testing.T) {
	e := sampled(t)
	s := e.subscribe(t, `encoding: PROTO `+subSystem+subAll)
	// Rule 19: initial values of all matching leafs, counters included.
	initial := s.untilSync()
	for _, want := range []string{"/system/uptime u:100", "/system/mtu u:1500", "/system/limits/low u:10", "/interfaces/interface[name=e1]/counters/in-octets u:7"} {
		if !strings.Contains(initial, want) {
			t.Errorf("rule 19: the initial values lack %s:\n%s", want, initial)
		}
	}
	for _, tc := range []struct {
		name string
		do   func()
		want string
	}{
		{"a state", func() { e.publish("/box:system/uptime", "200") }, "/system/uptime u:200"},
		{"a state that goes", func() { e.publish("/box:system/uptime", "") }, "-/system/uptime"},
		{"a configured leaf", func() {
			e.set(`update { path { elem { name: "system" } elem { name: "mtu" } } val { uint_val: 9000 } }`)
		}, "/system/mtu u:9000"},
		{"rule 21: back to the default", func() { e.set(`delete { elem { name: "system" } elem { name: "mtu" } }`) }, "/system/mtu u:1500"},
		{"rule 21: a leaf without default", func() { e.set(`delete { elem { name: "system" } elem { name: "hostname" } }`) }, "-/system/hostname"},
		{"rule 21: an entry that goes is one delete", func() {
			e.set(`delete { elem { name: "interfaces" } elem { name: "interface" key { key: "name" value: "e1" } } }`)
		}, "-/interfaces/interface[name=e1]"},
		{"rule 18: an entry that comes, with its defaults", func() {
			e.set(`update { path { elem { name: "interfaces" } elem { name: "interface" key { key: "name" value: "e2" } } } val { json_ietf_val: "{\"description\":\"new\"}" } }`)
		}, "/interfaces/interface[name=e2]/description s:new\n/interfaces/interface[name=e2]/enabled b:true\n/interfaces/interface[name=e2]/name s:e2"},
		{"a leaf-list as a whole", func() {
			e.set(`update { path { elem { name: "system" } elem { name: "dns" key { key: "." value: "c" } } } val { string_val: "c" } }`)
		}, "/system/dns [s:b s:a s:c]"},
		{"a leaf-list that goes", func() { e.set(`delete { elem { name: "system" } elem { name: "dns" } }`) }, "-/system/dns"},
		{"rule 21: replace is delete and update in one", func() {
			e.set(`replace { path { elem { name: "interfaces" } elem { name: "interface" key { key: "name" value: "e0" } } } val { json_ietf_val: "{\"enabled\":false}" } }`)
		}, "-/interfaces/interface[name=e0]/description\n/interfaces/interface[name=e0]/enabled b:false"},
		{"a container falls back to its defaults", func() {
			e.set(`update { path { elem { name: "system" } elem { name: "limits" } } val { json_ietf_val: "{\"low\":5,\"high\":6}" } }`)
			if got := show(s.next()); got != "/system/limits/high u:6\n/system/limits/low u:5" {
				t.Errorf("got %s", got)
			}
			e.set(`delete { elem { name: "system" } elem { name: "limits" } }`)
		}, "-/system/limits\n/system/limits/low u:10"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.do()
			n := s.next()
			if got := show(n); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

// TestRule25Timestamp: that of the event, not of the sending.
func TestRule25Timestamp(t *testing.T) {
	e := sampled(t)
	s := e.subscribe(t, subSystem)
	s.untilSync()
	p, err := tree.ParsePath(e.schema, "/box:system/uptime")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.UTC)
	v, err := p[1].Node.Type.Parse("7", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.hub.Publish(at, []tree.Edit{{Op: tree.Replace, Path: p, Value: v}}); err != nil {
		t.Fatal(err)
	}
	if n := s.next(); n.GetTimestamp() != at.UnixNano() {
		t.Errorf("timestamp %d of %v, want %d", n.GetTimestamp(), n, at.UnixNano())
	}
	resp := e.set(`update { path { elem { name: "system" } elem { name: "mtu" } } val { uint_val: 9000 } }`)
	if n := s.next(); n.GetTimestamp() != resp.GetTimestamp() {
		t.Errorf("a commit at %d is told with %d", resp.GetTimestamp(), n.GetTimestamp())
	}
}

// TestRule11NothingOfAFailedSet: telemetry shows nothing of a refused Set.
func TestRule11NothingOfAFailedSet(t *testing.T) {
	e := sampled(t)
	s := e.subscribe(t, `encoding: PROTO updates_only: true `+subSystem)
	if got := s.untilSync(); got != "" {
		t.Errorf("updates_only sent %s", got)
	}
	req := &gpb.SetRequest{}
	parse(t, `update { path { elem { name: "system" } elem { name: "mtu" } } val { uint_val: 1 } } update { path { elem { name: "system" } elem { name: "uplink" } } val { string_val: "none" } }`, req)
	_, err := e.client.Set(e.context(), req)
	wantCode(t, err, codes.InvalidArgument, "uplink")
	e.publish("/box:system/uptime", "300")
	if got := show(s.next()); got != "/system/uptime u:300" {
		t.Errorf("got %s", got)
	}
}

// TestSlowSubscriber: the backlog is bounded in octets, newer values replace
// older ones and are counted in duplicates, and beyond the bound the RPC ends.
func TestSlowSubscriber(t *testing.T) {
	e := start(t, boxSchema(t), func(o *Options) { o.MaxBacklog = 64 << 10 })
	e.publish("/box:system/uptime", "1")
	s := e.subscribe(t, `encoding: PROTO `+subSystem)
	s.untilSync()
	// One leaf that changes a lot: the client sees the last value, and the
	// duplicates tell how many it did not see.
	const changes = 20000
	for i := range changes {
		e.publish("/box:system/uptime", strconv.Itoa(i+2))
	}
	last := fmt.Sprintf("/system/uptime u:%d", changes+1)
	received, duplicates := 0, uint32(0)
	for got := ""; got != last; {
		n := s.next()
		got = show(n)
		for _, u := range n.GetUpdate() {
			received++
			duplicates += u.GetDuplicates()
		}
	}
	if received+int(duplicates) != changes {
		t.Errorf("%d updates and %d duplicates, want %d together", received, duplicates, changes)
	}
	// Many entries: nothing can be replaced.
	s = e.subscribe(t, `encoding: PROTO subscription { path { elem { name: "interfaces" } } mode: ON_CHANGE }`)
	s.untilSync()
	done := make(chan error, 1)
	go func() { done <- s.end() }()
	long := strings.Repeat("x", 4<<10)
	var edits []tree.Edit
	for i := range 2000 {
		p, err := tree.ParsePath(e.schema, fmt.Sprintf("/box:interfaces/interface[name='%s%d']/oper-state", long, i))
		if err != nil {
			t.Fatal(err)
		}
		v, err := p[2].Node.Type.Parse("up", nil)
		if err != nil {
			t.Fatal(err)
		}
		edits = append(edits, tree.Edit{Op: tree.Replace, Path: p, Value: v})
	}
	if err := e.hub.Publish(time.Now(), edits); err != nil {
		t.Fatal(err)
	}
	wantCode(t, <-done, codes.ResourceExhausted, "more slowly")
}

// TestStopEndsSubscriptions: Stop does not wait for clients.
func TestStopEndsSubscriptions(t *testing.T) {
	e := sampled(t)
	stream, poll := e.subscribe(t, subSystem), e.subscribe(t, `mode: POLL `+subSystem)
	stream.untilSync()
	poll.untilSync()
	e.server.Stop(e.context())
	wantCode(t, stream.end(), codes.Unavailable, "stopping")
	wantCode(t, poll.end(), codes.Unavailable, "stopping")
}

// TestEqualSubscriptionsShare: subscribers that want the same bytes get one
// encoded message, those that want others get theirs.
func TestEqualSubscriptionsShare(t *testing.T) {
	e := sampled(t)
	const path = ` subscription { path { elem { name: "system" } elem { name: "uptime" } } mode: ON_CHANGE }`
	subs := []struct {
		list, target, want string
	}{
		{`encoding: PROTO prefix { target: "a" }`, "a", "/system/uptime u:%d"},
		{`encoding: PROTO prefix { target: "a" }`, "a", "/system/uptime u:%d"},
		{`encoding: PROTO prefix { target: "b" }`, "b", "/system/uptime u:%d"},
		{`encoding: JSON_IETF prefix { target: "a" }`, "a", "/system/uptime ietf:%d"},
		{`encoding: JSON`, "", "/system/uptime json:%d"},
	}
	var all []*subscriber
	for _, s := range subs {
		sub := e.subscribe(t, s.list+path)
		sub.untilSync()
		all = append(all, sub)
	}
	p, err := tree.ParsePath(e.schema, "/box:system/uptime")
	if err != nil {
		t.Fatal(err)
	}
	feed, _ := e.hub.Subscribe(oper.SubOptions{Paths: []tree.Path{p}})
	defer feed.Close()
	for i := range 5 {
		e.publish("/box:system/uptime", strconv.Itoa(1000+i))
		for j, s := range subs {
			n := all[j].next()
			if got := show(n); got != fmt.Sprintf(s.want, 1000+i) || n.GetPrefix().GetTarget() != s.target {
				t.Errorf("subscriber %d got %v", j, n)
			}
		}
		// Another reader of the same event finds what was encoded for them.
		batches := make([]oper.Batch, 1)
		if _, err := feed.Read(e.context(), batches); err != nil {
			t.Fatal(err)
		}
		for key, used := range map[sharedKey]bool{
			{encoding: gpb.Encoding_PROTO, target: "a"}: true, {encoding: gpb.Encoding_PROTO, target: "b"}: true,
			{encoding: gpb.Encoding_JSON_IETF, target: "a"}: true, {encoding: gpb.Encoding_JSON}: true, {encoding: gpb.Encoding_PROTO}: false,
		} {
			got := batches[0].Memo.Get(key, func() any { return &encoded{} }).(*encoded)
			if got.ready != used || used && len(got.messages) != 1 {
				t.Errorf("%v: ready %v with %d messages, want %v", key, got.ready, len(got.messages), used)
			}
		}
	}
}

// TestEventOfSeveralLeafsIsShared: equal subscribers get one encoded message of
// the whole event, one with other paths gets only its own part of it.
func TestEventOfSeveralLeafsIsShared(t *testing.T) {
	e := sampled(t)
	state := func(entry string) string {
		return `encoding: PROTO subscription { path { elem { name: "interfaces" } elem { name: "interface" ` + entry + ` } elem { name: "oper-state" } } mode: ON_CHANGE }`
	}
	var all []*subscriber
	for _, entry := range []string{"", "", `key { key: "name" value: "e1" }`} {
		s := e.subscribe(t, state(entry))
		s.untilSync()
		all = append(all, s)
	}
	p, err := tree.ParsePath(e.schema, "/box:interfaces/interface/oper-state")
	if err != nil {
		t.Fatal(err)
	}
	feed, _ := e.hub.Subscribe(oper.SubOptions{Paths: []tree.Path{p}})
	defer feed.Close()
	path := func(name string) string { return "/box:interfaces/interface[name='" + name + "']/oper-state" }
	// The second event changes what the first one made.
	for i, value := range []string{"up", "down"} {
		e.publish(path("e1"), value, path("e2"), value)
		one := "/interfaces/interface[name=e1]/oper-state s:" + value
		both := one + "\n/interfaces/interface[name=e2]/oper-state s:" + value
		for j, want := range []string{both, both, one} {
			if got := show(all[j].next()); got != want {
				t.Errorf("event %d, subscriber %d got %s, want %s", i, j, got, want)
			}
		}
		b := make([]oper.Batch, 1)
		if _, err := feed.Read(e.context(), b); err != nil {
			t.Fatal(err)
		}
		got := b[0].Memo.Get(sharedKey{encoding: gpb.Encoding_PROTO}, func() any { return &encoded{} }).(*encoded)
		if len(b[0].Changes) != 2 || !got.ready || len(got.messages) != 1 {
			t.Errorf("event %d of %d changes: ready %v, %d messages", i, len(b[0].Changes), got.ready, len(got.messages))
		}
	}
}
