//go:build vm

package kernel_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel"
	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/dataplane/plan"
	"github.com/tandem-ne/tandem/oam"
)

// oamRig is a driver with a transport.
type oamRig struct {
	rig
	transport *packetio.Transport
	driver    *kernel.Driver
}

func newOAMRig(t *testing.T, opt kernel.Options, objects ...dataplane.Object) oamRig {
	t.Helper()
	r := oamRig{rig: newRigOf(t, opt)}
	r.driver = r.Driver.(*kernel.Driver)
	r.put(t, append(r.sections(), objects...)...)
	r.Do(t, func() {
		source, err := r.driver.Source()
		if err != nil {
			t.Fatal(err)
		}
		if r.transport, err = packetio.New(packetio.Options{Source: source}); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() {
		if err := r.transport.Close(); err != nil {
			t.Error(err)
		}
	})
	h := r.handle(t)
	for name, port := range map[string]drivertest.PortID{"west": drivertest.West, "east": drivertest.East} {
		p := r.Port(port)
		r.transport.SetSection(name, packetio.Section{IfIndex: r.index(t, h, port), Local: p.MAC, Peer: p.Peer, Up: true})
	}
	return r
}

// next returns the next frame that OAM gets, nil if none comes.
func (r oamRig) next(t *testing.T, patience time.Duration) *oam.Rx {
	t.Helper()
	batch := make([]oam.Rx, 1)
	n, err := r.transport.Recv(batch, monotonic(t)+int64(patience))
	if err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		return nil
	}
	return &batch[0]
}

const gach = "\x10\x00\x00\x22on the channel"

// gal is a frame with a GAL at the bottom.
func (r rig) gal(lses ...uint32) []byte {
	f := r.in(append(lses, lse(13, 0, 1))...)
	return append(f[:14+4*(len(lses)+1)], gach...)
}

// ways are the drivers that punt, and whether by the tap.
func ways() map[string]kernel.Options {
	return map[string]kernel.Options{
		"chains": {}, "routes": {Routes: true}, "chains, sockets": {Sockets: true}, "routes, sockets": {Routes: true, Sockets: true},
	}
}

// TestPunts: what reaches OAM, and of whom it is, beside all ways of forwarding.
func TestPunts(t *testing.T) {
	through := swap("through", 100, "east", 200)
	ends := dataplane.LSP{Name: "ends", Op: dataplane.PopAndLookup, InLabel: 110}
	for name, opt := range ways() {
		t.Run(name, func(t *testing.T) {
			r := newOAMRig(t, opt, through, ends)
			if tapped := r.driver.Taps() == nil; tapped == opt.Sockets {
				t.Fatalf("the tap: %v", r.driver.Taps())
			}
			if has := r.driver.Capabilities().Features[dataplane.FeaturePuntLimits]; has == opt.Sockets {
				t.Errorf("punt-limits: %v", has)
			}
			for _, c := range []struct {
				name   string
				frame  []byte
				reason oam.Reason
				entity oam.EntityKind
				label  uint32
			}{
				{"GAL of the section", r.gal(), oam.ReasonGAL, oam.Section, 0},
				{"GAL of an LSP", r.gal(lse(110, 0, 64)), oam.ReasonGAL, oam.LSP, 110},
				{"TTL on the way", r.gal(lse(100, 0, 1)), oam.ReasonTTLExpired, oam.LSP, 100},
				{"TTL at the end", r.in(lse(110, 0, 1)), oam.ReasonTTLExpired, oam.LSP, 110},
				{"router alert", r.in(lse(1, 0, 9), lse(100, 0, 9)), oam.ReasonRouterAlert, oam.NoEntity, 1},
			} {
				start := monotonic(t)
				r.Send(t, drivertest.West, c.frame)
				rx := r.next(t, 10*time.Second)
				if rx == nil {
					t.Errorf("%s: nothing", c.name)
					continue
				}
				if rx.Reason != c.reason || rx.Entity != c.entity || rx.Label != c.label || rx.Section != "west" ||
					!bytes.Equal(append(bytes.Clone(rx.Stack), rx.Payload...), c.frame[14:]) {
					t.Errorf("%s: %+v", c.name, rx)
				}
				if rx.Time < start || rx.Time > monotonic(t) {
					t.Errorf("%s: time %d", c.name, rx.Time)
				}
			}
			// What goes through is no concern of OAM's, where labels are known.
			r.expect(t, r.gal(lse(100, 0, 64)), drivertest.East, func() []byte {
				f := r.out(drivertest.East, lse(200, 0, 63), lse(13, 0, 1))
				return append(f[:22], gach...)
			}())
			if !opt.Sockets {
				if rx := r.next(t, 50*time.Millisecond); rx != nil {
					t.Errorf("G-ACh on its way: %+v", rx)
				}
				// A label that goes is nobody's.
				for _, err := range r.Apply(t.Context(), []dataplane.Op{{Verb: dataplane.Delete, Key: ends.Key()}}) {
					t.Error(err)
				}
				r.Send(t, drivertest.West, r.gal(lse(110, 0, 64)))
				if rx := r.next(t, 50*time.Millisecond); rx != nil {
					t.Errorf("a label that is gone: %+v", rx)
				}
				counts, err := r.driver.DropCounters()
				if err != nil || counts["punted-gal"] != 2 || counts["punted-ttl"] != 2 || counts["channel-0x0022-punted"] != 3 {
					t.Errorf("counters %v, %v", counts, err)
				}
				if n, err := r.driver.TTLExpiries(); err != nil || n["west"] != 2 {
					t.Errorf("expiries %v, %v", n, err)
				}
			}
		})
	}
}

// TestSteadyOfSessions: frames that a session in a steady state expects are noted
// beside all ways of forwarding, by the transport that OAM has; packet sockets
// note none.
func TestSteadyOfSessions(t *testing.T) {
	for name, opt := range ways() {
		t.Run(name, func(t *testing.T) {
			r := newOAMRig(t, opt, dataplane.LSP{Name: "ends", Op: dataplane.PopAndLookup, InLabel: 110})
			cc := func(octets []byte, lses ...uint32) []byte {
				return append(r.gal(lses...)[:14+4*(len(lses)+1)], octets...)
			}
			other := drivertest.SteadyPacket()
			other[5] ^= 0x40
			lsp := oam.Arrival{Label: 110, HasLabel: true}
			seen, section := r.transport.Watch(lsp, drivertest.SteadyPacket()), r.transport.Watch(oam.Arrival{Section: "west"}, drivertest.SteadyPacket())
			if has := r.driver.Capabilities().Features[dataplane.FeatureSteadyCC]; has == opt.Sockets || (seen == nil) != opt.Sockets || (section == nil) != opt.Sockets {
				t.Fatalf("steady-cc: %v, watched %v and %v", has, seen, section)
			}
			ofLSP, ofSection := cc(drivertest.SteadyPacket(), lse(110, 0, 64)), cc(drivertest.SteadyPacket())
			if opt.Sockets {
				if r.Send(t, drivertest.West, ofLSP); r.next(t, 10*time.Second) == nil {
					t.Error("not received")
				}
				return
			}
			start := monotonic(t)
			for range 5 {
				r.Send(t, drivertest.West, ofLSP)
			}
			r.Send(t, drivertest.West, ofSection)
			// Frames are taken in order: with this one they are all noted.
			r.Send(t, drivertest.West, cc(other, lse(110, 0, 64)))
			if rx := r.next(t, 10*time.Second); rx == nil || !bytes.Equal(rx.Payload, other) || rx.Label != 110 {
				t.Errorf("another octet: %+v", rx)
			}
			for s, want := range map[*oam.Seen]uint64{seen: 5, section: 1} {
				if last, n := s.Load(); n != want || last < start || last > monotonic(t) {
					t.Errorf("%d noted, want %d, the last at %d", n, want, last-start)
				}
			}
			counts, err := r.driver.DropCounters()
			if err != nil || counts["channel-0x0022-consumed"] != 6 || counts["channel-0x0022-punted"] != 1 {
				t.Errorf("counters %v, %v", counts, err)
			}
			r.transport.Unwatch(seen)
			if r.Send(t, drivertest.West, ofLSP); r.next(t, 10*time.Second) == nil {
				t.Error("no more watched, and not received")
			}
			// A section that changes may be another one's by now.
			if r.transport.RemoveSection("west"); r.transport.Watch(oam.Arrival{Section: "west"}, drivertest.SteadyPacket()) != nil {
				t.Error("watched on a section that is not there")
			}
			r.Send(t, drivertest.West, ofSection)
			r.eventually(t, "the frame is punted", func() bool {
				counts, err := r.driver.DropCounters()
				return err == nil && counts["channel-0x0022-punted"] == 3
			})
		})
	}
}

// TestTapGoes: a driver that closes takes the tap along, one that follows brings
// its own, and a filter that somebody removed is back with the next audit.
func TestTapGoes(t *testing.T) {
	r := newChainRig(t)
	desired := r.sections()
	r.put(t, desired...)
	there := func() bool {
		t.Helper()
		return strings.Contains(r.tc(t, fmt.Sprintf("filter show block %d", 0x54500001)), "tandem-tap")
	}
	if !there() {
		t.Fatal("no tap")
	}
	r.tc(t, fmt.Sprintf("filter del block %d pref 1", 0x54500001))
	if there() {
		t.Fatal("tc does not remove it")
	}
	if _, err := r.Dump(t.Context(), desired); err != nil {
		t.Fatal(err)
	}
	if !there() {
		t.Error("not back after an audit")
	}
	d := r.open(t)
	if _, err := d.Dump(t.Context(), desired); err != nil {
		t.Fatal(err)
	}
	if err := r.Driver.Close(); err != nil { // The tap is the other's by now.
		t.Error(err)
	}
	if !there() {
		t.Error("the first driver has taken the second one's tap away")
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if there() {
		t.Error("a tap is left")
	}
}

// TestOutlet: OAM sends into a group, and its frames take the active leg.
func TestOutlet(t *testing.T) {
	for _, opt := range []kernel.Options{{}, {Sockets: true}} {
		r := newOAMRig(t, opt, tunnel()...)
		id, err := r.transport.OpenPath(oam.Path{Group: "tunnel", Labels: []oam.LSE{{Label: 700, TC: 6, TTL: 255}}, GALTTL: 1})
		if err != nil {
			t.Fatal(err)
		}
		inner := func(leg uint32, port drivertest.PortID) []byte {
			f := r.out(port, lse(leg, 6, 255), lse(700, 6, 255), lse(13, 0, 1))
			return append(f[:26], gach...)
		}
		send := func() bool {
			n, err := r.transport.Send([]oam.Tx{{Path: id, Payload: []byte(gach)}})
			return n == 1 && err == nil
		}
		r.eventually(t, "the way into the group is open", send)
		r.comes(t, drivertest.East, inner(501, drivertest.East))
		if err := r.Switch(t.Context(), "tunnel", 1); err != nil {
			t.Fatal(err)
		}
		if !send() {
			t.Error("not sent after a switch")
		}
		r.comes(t, drivertest.West, inner(502, drivertest.West))
		// It stays over an audit, and goes with the group.
		desired := append(r.sections(), tunnel()...)
		for range 2 {
			if got, err := r.Dump(t.Context(), desired); err != nil || len(got) != len(desired) {
				t.Errorf("%d of %d objects, %v", len(got), len(desired), err)
			}
		}
		if !send() {
			t.Error("not sent after an audit")
		}
		r.comes(t, drivertest.West, inner(502, drivertest.West))
		group := dataplane.Key{Kind: dataplane.KindGroup, Name: "tunnel"}
		for _, err := range r.Apply(t.Context(), []dataplane.Op{{Verb: dataplane.Delete, Key: group}}) {
			t.Error(err)
		}
		if send() {
			t.Error("sent into a group that is gone")
		}
		r.put(t, tunnel()...)
		if !send() {
			t.Error("not sent into a group that came back")
		}
		r.comes(t, drivertest.East, inner(501, drivertest.East))
	}
}

// TestTapOfRoutesLeft: a process with routes has died and left its taps; one with
// chains takes the interfaces over.
func TestTapOfRoutesLeft(t *testing.T) {
	r := newRig(t)
	r.put(t, r.sections()...)
	if got := r.tc(t, "filter show dev east0 ingress"); !strings.Contains(got, "tandem-tap") {
		t.Fatalf("no tap in front of routes: %s", got)
	}
	d := r.open(t)
	defer d.Close()
	for _, err := range d.Apply(t.Context(), plan.Full(nil, append(r.sections(), swap("a", 100, "east", 200)))) {
		t.Fatal(err)
	}
	r.expect(t, r.in(lse(100, 5, 64)), drivertest.East, r.out(drivertest.East, lse(200, 5, 63)))
}

func monotonic(t testing.TB) int64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return ts.Nano()
}
