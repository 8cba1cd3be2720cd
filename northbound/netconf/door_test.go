package netconf

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// visitor is a connection that knows whether it was closed.
type visitor struct {
	net.Conn
	host   string
	closed bool
}

func (v *visitor) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(v.host), Port: 4711} }
func (v *visitor) Close() error         { v.closed = true; return nil }

func TestDoorMakesRoom(t *testing.T) {
	const a, b, c, d, e = "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"
	for name, tc := range map[string]struct {
		limit   int
		hosts   []string
		dropped []int // who of hosts, by index
	}{
		"room for all":                       {4, []string{a, a, b, b}, nil},
		"the oldest goes":                    {4, []string{a, b, c, d, e}, []int{0}},
		"the oldest of the address goes":     {4, []string{b, a, a, a}, []int{1}},
		"an address turns in its own share":  {4, []string{b, a, a, a, a, a}, []int{1, 2, 3}},
		"the address with the most goes":     {4, []string{b, a, a, c, d}, []int{1}},
		"two addresses keep nobody out":      {4, []string{a, a, b, b, c, a, b, a, b}, []int{0, 1, 2, 3, 5}},
		"one place":                          {1, []string{a, b, a}, []int{0, 1}},
		"sixteen silent ones and a newcomer": {16, append(slices.Repeat([]string{a, b}, 8), c), []int{0}},
	} {
		door := &door{limit: tc.limit, now: time.Now, log: slog.New(slog.DiscardHandler)}
		var all []*visitor
		for _, host := range tc.hosts {
			v := &visitor{host: host}
			all = append(all, v)
			if door.enter(v, host); v.closed {
				t.Errorf("%s: a newcomer is dropped", name)
			}
			if n := len(door.strangers); n > tc.limit {
				t.Errorf("%s: %d strangers where %d have room", name, n, tc.limit)
			}
		}
		var dropped []int
		for i, v := range all {
			if v.closed {
				dropped = append(dropped, i)
			}
		}
		if !slices.Equal(dropped, tc.dropped) {
			t.Errorf("%s: dropped are %v, want %v", name, dropped, tc.dropped)
		}
	}
}

func TestDoorIsLeftOnce(t *testing.T) {
	door := &door{limit: 2, now: time.Now, log: slog.New(slog.DiscardHandler)}
	first := door.enter(&visitor{host: "192.0.2.1"}, "192.0.2.1")
	second := door.enter(&visitor{host: "192.0.2.1"}, "192.0.2.1")
	if door.leave(first) {
		t.Error("who was dropped leaves as if the place were still its own")
	}
	if !door.leave(second) || door.leave(second) || len(door.strangers) != 0 {
		t.Error("who is there leaves exactly once")
	}
}

// TestDoorTellsSeldom: a flood of strangers fills the places, not the log.
func TestDoorTellsSeldom(t *testing.T) {
	var out bytes.Buffer
	clock := time.Unix(1000, 0)
	door := &door{limit: 2, now: func() time.Time { return clock }, log: slog.New(slog.NewTextHandler(&out, nil))}
	for range 301 { // One in, then ten dropped each second.
		door.enter(&visitor{host: "192.0.2.1"}, "192.0.2.1")
		clock = clock.Add(100 * time.Millisecond)
	}
	var want strings.Builder
	for _, n := range []int{1, 100, 100} {
		fmt.Fprintf(&want, `level=WARN msg="NETCONF connections dropped" reason="too many unauthenticated connections" count=%d last-peer=192.0.2.1:4711`+"\n", n)
	}
	var got strings.Builder
	for line := range strings.Lines(out.String()) {
		_, line, _ = strings.Cut(line, " ") // The time.
		got.WriteString(line)
	}
	if got.String() != want.String() {
		t.Errorf("the log is\n%swant\n%s", &got, &want)
	}
}

func (d *door) setGrace(grace time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.grace = grace
}

// TestDoorGrace: newcomers wait until the oldest had its time, which is short
// for one who is silent, or until somebody leaves; too many are not kept waiting.
func TestDoorGrace(t *testing.T) {
	const host = "192.0.2.1"
	synctest.Test(t, func(t *testing.T) {
		door := &door{limit: 2, grace: time.Second, now: time.Now, log: slog.New(slog.DiscardHandler)}
		began := time.Now()
		entered := make(chan time.Duration, 64)
		enter := func() (v *visitor, in chan *stranger) {
			v, in = &visitor{host: host}, make(chan *stranger, 1)
			go func() {
				st := door.enter(v, host)
				entered <- time.Since(began)
				in <- st
			}()
			synctest.Wait()
			return v, in
		}
		first, in := enter()
		if st := <-in; st == nil || <-entered != 0 {
			t.Error("the first one does not come in at once")
		}
		_, second := enter()
		if took := <-entered; took != 200*time.Millisecond || !first.closed {
			t.Errorf("a silent one makes room after %v", took)
		}
		talker := <-second
		talker.conn.heard.Store(true)
		_, third := enter()
		if took := <-entered; took != 1200*time.Millisecond {
			t.Errorf("one who talks makes room at %v", took)
		}
		if door.leave(talker) {
			t.Error("who was dropped leaves as if the place were still its own")
		}
		last := <-third
		last.conn.heard.Store(true)
		_, fourth := enter()
		time.Sleep(100 * time.Millisecond)
		if !door.leave(last) {
			t.Error("who is in the door cannot leave")
		}
		if took := <-entered; took != 1300*time.Millisecond || <-fourth == nil {
			t.Errorf("the place of one who left is taken at %v", took)
		}
		// One holds the only place of the address; its waiting places fill up.
		for range waitersPerPlace * door.limit / 2 {
			enter()
		}
		if v, in := enter(); <-in != nil || !v.closed {
			t.Error("there is no end of those who wait")
		}
		for range waitersPerPlace*door.limit/2 + 1 {
			<-entered
		}
	})
}

// TestDoorFlood: who comes from another address than a flood does not wait.
func TestDoorFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		door := &door{limit: 4, grace: time.Hour, now: time.Now, log: slog.New(slog.DiscardHandler)}
		for _, host := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2"} {
			door.enter(&visitor{host: host}, host).conn.heard.Store(true)
		}
		began := time.Now()
		for _, host := range []string{"192.0.2.3", "192.0.2.4"} {
			if v := (&visitor{host: host}); door.enter(v, host) == nil || v.closed || time.Since(began) != 0 {
				t.Errorf("%s waits for %v", host, time.Since(began))
			}
		}
		// Now each has one place; the next one waits for the oldest.
		door.enter(&visitor{host: "192.0.2.5"}, "192.0.2.5")
		if took := time.Since(began); took != time.Hour {
			t.Errorf("among equals the wait is %v", took)
		}
	})
}

// TestSSHSilentStrangersKeepNobodyOut opens more silent connections than there
// are places; a client comes in all the same, and the places stay bounded.
func TestSSHSilentStrangersKeepNobodyOut(t *testing.T) {
	r := newSSH(t, Limits{HandshakeTimeout: time.Hour})
	r.door.setGrace(time.Second)
	for range 3 * r.limits.Unauthenticated {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	_, out := subsystem(t, r.dial())
	if _, err := out.ReadByte(); err != nil {
		t.Fatal(err)
	}
	r.door.mu.Lock()
	defer r.door.mu.Unlock()
	if n := len(r.door.strangers); n > r.limits.Unauthenticated/2 {
		t.Errorf("%d strangers of one address, want %d at most", n, r.limits.Unauthenticated/2)
	}
}
