package bfd

import (
	"testing"

	"github.com/tandem-ne/tandem/oam"
)

const ms = int64(1e6)

// upMachine returns a machine that is Up at full rate at 10 ms both ways,
// with its last packet received at now.
func upMachine(t *testing.T, now int64) *machine {
	t.Helper()
	m := newMachine(1, 42)
	m.step(now, event{Kind: evConfigure, Config: Config{TxInterval: 10 * ms, RxInterval: 10 * ms, Multiplier: 3, AdminUp: true}})
	p := Packet{Version: 1, State: oam.Init, DetectMult: 3, MyDiscr: 2, YourDiscr: 1, DesiredMinTx: 10000, RequiredMinRx: 10000}
	m.step(now, event{Kind: evCC, Time: now, Packet: &p})
	p.State, p.Flags = oam.Up, FlagFinal
	m.step(now, event{Kind: evCC, Time: now, Packet: &p})
	if m.state != oam.Up || m.polling || m.detectAt != now+30*ms {
		t.Fatalf("machine is %v, polling %v, detects at %v", m.state, m.polling, m.detectAt)
	}
	return &m
}

// TestSilenceOnlyUpToSeen: the deadline has passed on the clock, but not
// every frame up to it has been looked at.
func TestSilenceOnlyUpToSeen(t *testing.T) {
	now := 100 * ms
	m := upMachine(t, now)
	late := now + 50*ms
	if fx := m.step(late, event{Kind: evTimer, Seen: now + 30*ms - 1}); len(fx.Notes()) != 0 || m.state != oam.Up {
		t.Fatalf("down with a frame possibly in the queue: %v", fx.Notes())
	}
	if m.nextDeadline() > late {
		t.Errorf("nothing due before %v, the detection is", m.nextDeadline())
	}
	// A frame the kernel saw in time was in the queue.
	p := Packet{Version: 1, State: oam.Up, DetectMult: 3, MyDiscr: 2, YourDiscr: 1, DesiredMinTx: 10000, RequiredMinRx: 10000}
	m.step(late, event{Kind: evCC, Time: now + 29*ms, Packet: &p})
	if fx := m.step(late, event{Kind: evTimer, Seen: late}); m.state != oam.Up || len(fx.Notes()) != 0 {
		t.Fatalf("down though the frame was in time: %v", fx.Notes())
	}
	fx := m.step(now+60*ms, event{Kind: evTimer, Seen: now + 59*ms})
	if m.state != oam.Down || len(fx.Notes()) != 2 || fx.Notes()[0] != (note{oam.DefectEntered, oam.LossOfContinuity, now + 59*ms}) {
		t.Fatalf("state %v, %v", m.state, fx.Notes())
	}
}

// TestLinkDownAndLock: the indications of RFC 6427 take the session down with
// diagnostic 5, which the timer does not overwrite (RFC 6428 section 3.2).
func TestLinkDownAndLock(t *testing.T) {
	for _, kind := range []eventKind{evLDI, evLKR} {
		now := 100 * ms
		m := upMachine(t, now)
		fx := m.step(now+ms, event{Kind: kind, Time: now + ms})
		if m.state != oam.Down || m.diag != oam.DiagPathDown || !m.defects.Has(oam.LossOfContinuity) || !fx.SendCC {
			t.Fatalf("%d: state %v, diag %d, defects %v", kind, m.state, m.diag, m.defects)
		}
		m.step(now+second*4, event{Kind: evTimer, Seen: now + second*4})
		if m.diag != oam.DiagPathDown {
			t.Errorf("%d: diagnostic became %d", kind, m.diag)
		}
	}
}

// TestJitterBounds holds the jitter against RFC 5880 section 6.8.7.
func TestJitterBounds(t *testing.T) {
	for _, c := range []struct {
		mult   uint8
		lo, hi int64
	}{{3, 75, 100}, {1, 75, 90}} {
		m := newMachine(1, 7)
		m.cfg.Multiplier = c.mult
		least, most := int64(1<<62), int64(0)
		for range 100000 {
			v := m.jitter(100 * ms)
			least, most = min(least, v), max(most, v)
		}
		if least < c.lo*ms || most > c.hi*ms {
			t.Errorf("mult %d: %v to %v", c.mult, least, most)
		}
		if least > (c.lo+1)*ms || most < (c.hi-1)*ms {
			t.Errorf("mult %d: only %v to %v is used", c.mult, least, most)
		}
	}
}

// TestSlowBeforeUp: RFC 5880 section 6.8.3, never faster than once a second
// before Up, whatever the peer asks for.
func TestSlowBeforeUp(t *testing.T) {
	m := newMachine(1, 7)
	m.step(0, event{Kind: evConfigure, Config: Config{TxInterval: 10 * ms, RxInterval: 10 * ms, Multiplier: 3, AdminUp: true}})
	sent := 0
	for now := int64(0); now < 10*second; now += ms {
		for m.nextDeadline() <= now {
			if fx := m.step(now, event{Kind: evTimer, Seen: now}); fx.SendCC {
				sent++
			}
		}
	}
	// 10 periods, up to a third more for the jitter, one for the diagnostic.
	if sent < 10 || sent > 15 {
		t.Errorf("%d packets in 10 s", sent)
	}
}

// TestStepAllocates nothing, in any kind of event.
func TestStepAllocates(t *testing.T) {
	now := 100 * ms
	m := upMachine(t, now)
	p := Packet{Version: 1, State: oam.Up, DetectMult: 3, MyDiscr: 2, YourDiscr: 1, DesiredMinTx: 10000, RequiredMinRx: 10000}
	if n := testing.AllocsPerRun(1000, func() {
		now += 8 * ms
		m.step(now, event{Kind: evCC, Time: now, Packet: &p})
		m.step(now, event{Kind: evTimer, Seen: now})
		m.step(now, event{Kind: evMisconnect, Time: now})
		m.step(now, event{Kind: evEncap, Time: now})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkStepCC(b *testing.B) {
	now := 100 * ms
	m := newMachine(1, 42)
	m.step(now, event{Kind: evConfigure, Config: Config{TxInterval: 10 * ms, RxInterval: 10 * ms, Multiplier: 3, AdminUp: true}})
	p := Packet{Version: 1, State: oam.Up, DetectMult: 3, MyDiscr: 2, YourDiscr: 1, DesiredMinTx: 10000, RequiredMinRx: 10000}
	b.ReportAllocs()
	for b.Loop() {
		now += ms
		m.step(now, event{Kind: evCC, Time: now, Packet: &p})
	}
}
