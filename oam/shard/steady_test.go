package shard_test

import (
	"fmt"
	"testing"

	"github.com/tandem-ne/tandem/oam"
)

// steady is a shard whose sessions are all up, and one frame of the peer of each.
type steady struct {
	*rig
	frames []oam.Rx
}

func newSteady(t testing.TB, sessions int) *steady {
	s := &steady{rig: newRig(t)}
	megs := make([]oam.MEG, sessions)
	for i := range megs {
		megs[i] = lspMEG(fmt.Sprint("meg", i), uint32(1000+i))
		megs[i].CV = true
	}
	s.put(megs...)
	for i := range megs {
		s.up(&megs[i])
		s.frames = append(s.frames, s.frame(&megs[i], oam.Up, 0))
	}
	s.transport.discard = true
	return s
}

// round lets 7.5 ms pass in which every peer sends a packet: the shortest
// interval a peer at 10 ms may use.
func (s *steady) round() {
	s.clock.now += 7500e3
	for i := range s.frames {
		s.frames[i].Time = s.clock.now
	}
	s.transport.queue = s.frames
	for len(s.transport.queue) > 0 {
		s.poll()
	}
	for s.poll() <= s.clock.now {
	}
}

// TestSteadyStateAllocates nothing: receiving, sending, timers, CV.
func TestSteadyStateAllocates(t *testing.T) {
	s := newSteady(t, 100)
	for range 200 {
		s.round()
	}
	before := s.Counters()
	if n := testing.AllocsPerRun(500, s.round); n != 0 {
		t.Errorf("%v allocations in a round of 100 sessions", n)
	}
	after := s.Counters()
	received, sent := after.Received-before.Received, after.Sent-before.Sent
	// AllocsPerRun makes one run more than it counts; one CC each 7.5 to 10 ms and one CV each second.
	if received != 501*100 || sent < 501*100*3/4 {
		t.Errorf("%d received and %d sent in 501 rounds", received, sent)
	}
	s.engine.Each(func(name string, st oam.SessionState) {
		if st.LocalState != oam.Up || st.DownCount != 0 {
			t.Errorf("%s: %+v", name, st)
		}
	})
}

// TestReadersDoNotDisturb: states read from another goroutine while the loop
// runs are whole (run with -race).
func TestReadersDoNotDisturb(t *testing.T) {
	s := newSteady(t, 10)
	stop := make(chan struct{})
	done := make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			s.engine.Each(func(name string, st oam.SessionState) {
				up := st.LocalState == oam.Up
				if up == st.Defects.Has(oam.MisConnectivity) {
					select {
					case done <- fmt.Errorf("%s: torn state %+v", name, st):
						return
					default:
					}
				}
			})
		}
	}()
	bad := s.frames[0]
	bad.Payload = append([]byte(nil), bad.Payload...)
	bad.Payload[4+8] ^= 0xff // Your Discriminator.
	for i := range 500 {
		if i%2 == 0 {
			bad.Time = s.clock.now
			s.transport.queue = []oam.Rx{bad}
			s.poll()
		}
		s.round()
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// BenchmarkCCPacket is the CPU cost of one CC packet received and one sent,
// system calls not included: the figure is per pair.
func BenchmarkCCPacket(b *testing.B) {
	for _, sessions := range []int{1, 100, 300, 1000} {
		b.Run(fmt.Sprint("sessions=", sessions), func(b *testing.B) {
			s := newSteady(b, sessions)
			for range 10 {
				s.round()
			}
			b.ReportAllocs()
			before := s.Counters()
			for b.Loop() {
				s.round()
			}
			after := s.Counters()
			packets := after.Received - before.Received + after.Sent - before.Sent
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
		})
	}
}
