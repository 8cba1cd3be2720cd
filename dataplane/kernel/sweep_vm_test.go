//go:build vm

package kernel_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// window is how many packets are on the way at most.
const window = 64

// during sends packets while something changes and tells how many were sent
// and how many came out.
func (r rig) during(t *testing.T, frame []byte, change func()) (sent, got int) {
	t.Helper()
	receive := func(patience time.Duration) bool {
		f := r.Receive(t, drivertest.East, patience)
		if len(f) > 14 && bytes.Equal(f[12:14], []byte{0x88, 0x47}) {
			got++
		}
		return f != nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		change()
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		r.Send(t, drivertest.West, frame)
		sent++
		for sent-got > window && receive(time.Second) {
		}
	}
	for got < sent && receive(5*time.Second) {
	}
	return sent, got
}

// settle opens a driver, lets it adopt and put what is desired, and closes it.
func (r rig) settle(t *testing.T, routes bool, desired []dataplane.Object) {
	var d *kernel.Driver
	r.Do(t, func() {
		var err error
		if d, err = kernel.Open(kernel.Options{Log: slog.New(slog.DiscardHandler), Routes: routes}); err != nil {
			t.Errorf("Open: %v", err)
		}
	})
	if d == nil {
		return
	}
	defer d.Close()
	got, err := d.Dump(t.Context(), desired)
	if err != nil {
		t.Errorf("Dump: %v", err)
	}
	for _, err := range d.Apply(t.Context(), plan.Full(got, desired)) {
		t.Errorf("Apply: %v (%v)", err, err.Err)
	}
	if got, err = d.Dump(t.Context(), desired); err != nil || len(plan.Full(got, desired)) != 0 {
		t.Errorf("to do after the change: %v\n%s", err, plan.Print(plan.Full(got, desired)))
	}
}

// left is what either way of the driver leaves in the kernel, as iproute2 tells.
func (r rig) left(t *testing.T) string {
	var all strings.Builder
	all.WriteString(r.ip(t, "-f", "mpls", "route", "show", "proto", "201"))
	all.WriteString(r.ip(t, "-4", "route", "show", "proto", "201"))
	all.WriteString(r.ip(t, "-6", "route", "show", "proto", "201"))
	all.WriteString(r.ip(t, "neigh", "show", "nud", "permanent", "to", "169.254.144.1"))
	for l := range strings.Lines(r.tc(t, "qdisc show") + r.ip(t, "-br", "link")) {
		if strings.Contains(l, "clsact") || strings.Contains(l, "mtk0") {
			all.WriteString(l)
		}
	}
	return all.String()
}

// TestModes goes from routes to chains and back under traffic, and nothing of the
// other way stays. Both hold the same label, so what is lost is only what an
// interface is about to send while the kernel takes a clsact from it or puts one
// on it: it stops the transmit queues for that time, of two interfaces here.
func TestModes(t *testing.T) {
	r := newChainRig(t)
	desired := append(r.sections(), swap("a", 100, "east", 200), impose("imp", "east", 300, "198.51.100.0/24", "2001:db8:100::/48"))
	if err := r.Driver.Close(); err != nil {
		t.Fatal(err)
	}
	r.settle(t, true, desired)
	frame := r.in(lse(100, 0, 64))
	for _, routes := range []bool{false, true, false, true} {
		sent, got := r.during(t, frame, func() { r.settle(t, routes, desired) })
		t.Logf("to routes %v: %d of %d packets lost", routes, sent-got, sent)
		if sent-got > 2*(window+1) {
			t.Errorf("%d of %d packets are lost in the change to routes %v", sent-got, sent, routes)
		}
		left := r.left(t)
		if other := map[bool]string{true: "mtk0", false: "neigh"}[routes]; strings.Contains(left, other) || strings.Contains(left, "ingress_block") == routes {
			t.Errorf("with routes %v is left:\n%s", routes, left)
		}
	}
}

// TestSweep: nothing of either way stays, and what is somebody else's does.
func TestSweep(t *testing.T) {
	for _, routes := range []bool{false, true} {
		r := newChainRig(t)
		if err := r.Driver.Close(); err != nil {
			t.Fatal(err)
		}
		desired := append(r.sections(), swap("a", 100, "east", 200), impose("imp", "east", 300, "198.51.100.0/24", "2001:db8:100::/48"))
		r.settle(t, routes, desired)
		r.ip(t, "route", "add", "192.0.2.0/24", "dev", "east0", "proto", "201", "metric", "5") // As a route of the other driver.
		r.ip(t, "route", "add", "203.0.113.0/24", "dev", "east0", "proto", "99")
		r.Do(t, func() {
			if n, err := kernel.Sweep(slog.New(slog.DiscardHandler)); err != nil || n == 0 {
				t.Errorf("Sweep: %d, %v", n, err)
			}
			if n, err := kernel.Sweep(nil); err != nil || n != 0 {
				t.Errorf("a second Sweep: %d, %v", n, err)
			}
		})
		if left := r.left(t); strings.Join(strings.Fields(left), " ") != "192.0.2.0/24 dev east0 scope link metric 5" {
			t.Errorf("left of routes %v:\n%s", routes, left)
		}
		if got := r.ip(t, "route", "show", "proto", "99"); !strings.Contains(got, "203.0.113.0/24") {
			t.Errorf("a foreign route is gone: %q", got)
		}
	}
}
