package gnmi

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/validate"
	"github.com/tandem-ne/tandem/server/xpath"
)

// fakeStream is a Subscribe RPC without a network, for exact times.
type fakeStream struct {
	grpc.ServerStream
	ctx context.Context
	in  chan *gpb.SubscribeRequest
	out chan *gpb.SubscribeResponse
}

func (f *fakeStream) Context() context.Context { return f.ctx }

func (f *fakeStream) Send(m *gpb.SubscribeResponse) error {
	select {
	case f.out <- m:
		return nil
	case <-f.ctx.Done():
		return f.ctx.Err()
	}
}

func (f *fakeStream) Recv() (*gpb.SubscribeRequest, error) {
	select {
	case m, ok := <-f.in:
		if !ok {
			return nil, io.EOF
		}
		return m, nil
	case <-f.ctx.Done():
		return nil, f.ctx.Err()
	}
}

// rig is an element in a bubble of synthetic time.
type rig struct {
	element
	start  time.Time
	stream *fakeStream
	ended  chan error
}

// timed runs f with a subscription whose list it is given; f is called after
// sync_response.
func timed(t *testing.T, list string, f func(*rig)) {
	s := boxSchema(t)
	synctest.Test(t, func(t *testing.T) {
		r := &rig{element: element{t: t, schema: s}, start: time.Now(), ended: make(chan error, 1)}
		var err error
		r.store, err = datastore.Open(datastore.Options{Schema: s, Validator: validate.New(s), Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer r.store.Close()
		r.hub = oper.New(s, r.store.Running().Root, time.Now)
		if err := r.hub.Provide("/box:interfaces/interface/counters", &r.element); err != nil {
			t.Fatal(err)
		}
		r.server = &Server{
			schema: s, defaults: xpath.NewDefaults(s), store: r.store, hub: r.hub, log: slog.New(slog.DiscardHandler), quit: make(chan struct{}),
			opt: Options{MinSample: 100 * time.Millisecond, CounterInterval: 10 * time.Second},
		}
		r.publish("/box:interfaces/interface[name='e0']/oper-state", "up", "/box:system/uptime", "1")
		ctx, cancel := context.WithCancel(context.Background())
		r.stream = &fakeStream{ctx: ctx, in: make(chan *gpb.SubscribeRequest, 1), out: make(chan *gpb.SubscribeResponse, 1000)}
		req := &gpb.SubscribeRequest{}
		parse(t, `subscribe { encoding: PROTO `+list+` }`, req)
		r.stream.in <- req
		go func() { r.ended <- r.server.Subscribe(r.stream) }()
		for m := range r.stream.out {
			if m.GetSyncResponse() {
				break
			}
		}
		f(r)
		cancel()
		wantCode(t, <-r.ended, codes.Canceled, "")
	})
}

// expect advances to the given time since the start and checks what was sent
// by then, each message as "time: content".
func (r *rig) expect(until time.Duration, want ...string) {
	r.t.Helper()
	time.Sleep(r.start.Add(until).Sub(time.Now()) + time.Nanosecond)
	synctest.Wait()
	var got []string
	for len(r.stream.out) > 0 {
		n := (<-r.stream.out).GetUpdate()
		at := time.Unix(0, n.GetTimestamp()).Sub(r.start)
		got = append(got, at.String()+": "+strings.ReplaceAll(show(n), "\n", ", "))
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		r.t.Errorf("until %s\ngot\n%s\nwant\n%s", until, g, w)
	}
}

const uptime = `path { elem { name: "system" } elem { name: "uptime" } }`

func TestRule19SampleTimes(t *testing.T) {
	timed(t, `subscription { `+uptime+` mode: SAMPLE sample_interval: 1000000000 }`, func(r *rig) {
		r.expect(1500*time.Millisecond, "1s: /system/uptime u:1")
		r.publish("/box:system/uptime", "2")
		r.expect(3*time.Second, "2s: /system/uptime u:2", "3s: /system/uptime u:2")
	})
	timed(t, `subscription { `+uptime+` mode: SAMPLE }`, func(r *rig) {
		r.expect(200*time.Millisecond, "100ms: /system/uptime u:1", "200ms: /system/uptime u:1")
	})
}

func TestRule20SuppressRedundant(t *testing.T) {
	timed(t, `subscription { path { elem { name: "system" } } mode: SAMPLE sample_interval: 1000000000 suppress_redundant: true heartbeat_interval: 3000000000 }`, func(r *rig) {
		r.expect(1500 * time.Millisecond)
		r.publish("/box:system/uptime", "2")
		// Only the leaf that changed.
		r.expect(2500*time.Millisecond, "2s: /system/uptime u:2")
		// Once for each heartbeat, whether changed or not.
		r.expect(5*time.Second, "3s: /system/limits/low u:10, /system/mtu u:1500, /system/uptime u:2")
		r.expect(6*time.Second, "6s: /system/limits/low u:10, /system/mtu u:1500, /system/uptime u:2")
	})
}

// TestUpdatesOnlyKnowsThePresent: what was there at the start is no update.
func TestUpdatesOnlyKnowsThePresent(t *testing.T) {
	timed(t, `updates_only: true subscription { path { elem { name: "system" } } mode: SAMPLE sample_interval: 1000000000 suppress_redundant: true }`, func(r *rig) {
		r.expect(1500 * time.Millisecond)
		r.publish("/box:system/uptime", "2")
		r.expect(2500*time.Millisecond, "2s: /system/uptime u:2")
	})
}

// TestRule21SampleSendsNoDeletes: what is gone is no longer sampled.
func TestRule21SampleSendsNoDeletes(t *testing.T) {
	timed(t, `subscription { `+uptime+` mode: SAMPLE sample_interval: 1000000000 suppress_redundant: true }`, func(r *rig) {
		r.publish("/box:system/uptime", "")
		r.expect(1500 * time.Millisecond)
		r.publish("/box:system/uptime", "1")
		r.expect(2500*time.Millisecond, "2s: /system/uptime u:1")
	})
}

func TestRule20OnChangeHeartbeat(t *testing.T) {
	timed(t, `subscription { `+uptime+` mode: ON_CHANGE heartbeat_interval: 2000000000 }`, func(r *rig) {
		r.expect(1 * time.Second)
		r.publish("/box:system/uptime", "2")
		r.expect(4*time.Second, "1.000000001s: /system/uptime u:2", "2s: /system/uptime u:2", "4s: /system/uptime u:2")
	})
}

const octets = `path { elem { name: "interfaces" } elem { name: "interface" } elem { name: "counters" } elem { name: "in-octets" } }`

// TestCounters: nobody pushes counters, so ON_CHANGE reads them and sends what
// differs, and TARGET_DEFINED samples them.
func TestCounters(t *testing.T) {
	timed(t, `subscription { path {} mode: ON_CHANGE }`, func(r *rig) {
		r.expect(15 * time.Second)
		r.octets.Store(9)
		r.expect(40*time.Second, "20s: /interfaces/interface[name=e0]/counters/in-octets u:9, /interfaces/interface[name=e0]/counters/out-octets u:9")
	})
	timed(t, `subscription { `+octets+` }`, func(r *rig) {
		r.expect(20*time.Second, "10s: /interfaces/interface[name=e0]/counters/in-octets u:0", "20s: /interfaces/interface[name=e0]/counters/in-octets u:0")
	})
	timed(t, `subscription { `+octets+` suppress_redundant: true }`, func(r *rig) {
		r.expect(15 * time.Second)
		r.octets.Store(3)
		r.expect(30*time.Second, "20s: /interfaces/interface[name=e0]/counters/in-octets u:3")
	})
	timed(t, `subscription { `+uptime+` }`, func(r *rig) {
		r.publish("/box:system/uptime", "2")
		r.expect(time.Minute, "0s: /system/uptime u:2")
	})
}

// TestMixedModes: the subscriptions of one list keep their own modes.
func TestMixedModes(t *testing.T) {
	timed(t, `subscription { `+uptime+` mode: ON_CHANGE } subscription { `+octets+` mode: SAMPLE sample_interval: 5000000000 }`, func(r *rig) {
		r.expect(3 * time.Second)
		r.publish("/box:system/uptime", "2")
		r.expect(6*time.Second, "3.000000001s: /system/uptime u:2", "5s: /interfaces/interface[name=e0]/counters/in-octets u:0")
	})
}

// TestStalledSchedule: a client that did not read for long gets one sample
// late, not all that were due.
func TestStalledSchedule(t *testing.T) {
	timed(t, `subscription { `+uptime+` mode: SAMPLE sample_interval: 1000000000 }`, func(r *rig) {
		for len(r.stream.out) < cap(r.stream.out) {
			r.stream.out <- &gpb.SubscribeResponse{Response: &gpb.SubscribeResponse_Update{Update: &gpb.Notification{}}}
		}
		time.Sleep(10500 * time.Millisecond)
		for len(r.stream.out) > 0 {
			<-r.stream.out
		}
		synctest.Wait()
		for len(r.stream.out) > 0 {
			<-r.stream.out
		}
		r.expect(12*time.Second, "11.5s: /system/uptime u:1")
	})
}
