package shard_test

import (
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/bfd"
	"github.com/tandem-ne/tandem/oam/shard"
)

// chanTransport is a transport that really waits, for Run under synctest.
type chanTransport struct {
	fakeTransport
	base   time.Time
	frames chan oam.Rx
	wake   chan struct{}
	close  chan struct{}
	once   sync.Once
	turns  int // Of Recv that had frames.
}

// sleepingTransport is one whose clock can sleep.
type sleepingTransport struct{ *chanTransport }

func (c sleepingTransport) SleepUntil(t int64) { time.Sleep(time.Duration(t - c.Now())) }

func newChanTransport() *chanTransport {
	return &chanTransport{base: time.Now(), frames: make(chan oam.Rx, 1000), wake: make(chan struct{}, 1), close: make(chan struct{})}
}

func (c *chanTransport) Now() int64 { return int64(time.Since(c.base)) + 1 }
func (c *chanTransport) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
func (c *chanTransport) Close() error {
	c.once.Do(func() { close(c.close) })
	return nil
}
func (c *chanTransport) Send(batch []oam.Tx) (int, error) { return len(batch), nil }
func (c *chanTransport) Recv(batch []oam.Rx, deadline int64) (int, error) {
	timer := time.NewTimer(time.Duration(min(deadline, int64(time.Hour*24*365)) - c.Now()))
	defer timer.Stop()
	select {
	case batch[0] = <-c.frames:
		c.turns++
		for n := 1; n < len(batch); n++ {
			select {
			case batch[n] = <-c.frames:
			default:
				return n, nil
			}
		}
		return len(batch), nil
	case <-timer.C:
	case <-c.wake:
	case <-c.close:
		return 0, os.ErrClosed
	}
	return 0, nil
}

// TestRun drives the real loop on synctest's clock: configuration wakes it,
// timers fire, the observer hears, Close ends it.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newChanTransport()
		rec := &recorder{}
		engine := bfd.NewEngine(nil)
		s, err := shard.New(shard.Options{Transport: tr, Clock: tr, Engines: []oam.Engine{engine}, Observer: rec})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- s.Run() }()
		synctest.Wait()
		s.Apply(oam.Delta{Put: []oam.MEG{lspMEG("m", 100)}})
		if st, ok := engine.State("m"); !ok || st.LocalDiscr == 0 {
			t.Error("the session cannot be read at once")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if st, _ := engine.State("m"); st.LocalState != oam.Down || st.Counters.SentCC < 2 {
			t.Errorf("%+v", st)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		ev := rec.find(oam.DefectEntered, oam.LossOfContinuity)
		if ev == nil || ev.Time != 3e9+1 || ev.MEG != "m" {
			t.Errorf("%+v", rec.events)
		}
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestRest: a loop whose clock can sleep serves frames that come every 10 us
// in portions, smaller ones where a MEG is fast; an idle one serves a frame
// the moment it comes.
func TestRest(t *testing.T) {
	for _, c := range []struct {
		interval time.Duration
		turns    int
	}{{time.Second, 20}, {10 * time.Millisecond, 20}, {3300 * time.Microsecond, 40}} {
		synctest.Test(t, func(t *testing.T) {
			tr := newChanTransport()
			// The same jitter in every run: no timer just before a frame.
			engine := bfd.NewEngine(func() uint32 { return 4711 })
			s, err := shard.New(shard.Options{Transport: tr, Clock: sleepingTransport{tr}, Engines: []oam.Engine{engine}})
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error)
			go func() { done <- s.Run() }()
			m := lspMEG("m", 100)
			m.CC.TxInterval, m.CC.RxInterval = c.interval, c.interval
			s.Apply(oam.Delta{Put: []oam.MEG{m}})
			for range 10 {
				time.Sleep(997 * time.Millisecond)
				tr.frames <- oam.Rx{}
				synctest.Wait()
				if len(tr.frames) != 0 {
					t.Error("an idle loop lets a frame wait")
				}
			}
			for range 1000 {
				time.Sleep(10 * time.Microsecond)
				tr.frames <- oam.Rx{}
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if got := s.Counters().Received; got != 1010 || tr.turns < 10+c.turns || tr.turns > 10+c.turns+2 {
				t.Errorf("%v: %d frames in %d turns", c.interval, got, tr.turns)
			}
			s.Close()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// stuckObserver never returns until it is let go.
type stuckObserver struct {
	recorder
	gate chan struct{}
}

func (o *stuckObserver) OnEvent(ev oam.Event) {
	<-o.gate
	o.recorder.OnEvent(ev)
}

// TestSlowObserver: an observer that hangs costs events, and is told so; it
// does not cost a turn.
func TestSlowObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newChanTransport()
		o := &stuckObserver{gate: make(chan struct{})}
		engine := bfd.NewEngine(nil)
		s, err := shard.New(shard.Options{Transport: tr, Clock: tr, Engines: []oam.Engine{engine}, Observer: o})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- s.Run() }()
		m := lspMEG("m", 100)
		for i := range 6000 {
			m.AdminUp = i%2 == 0
			s.Apply(oam.Delta{Put: []oam.MEG{m}})
			synctest.Wait()
		}
		if st, _ := engine.State("m"); st.LocalState != oam.AdminDown {
			t.Errorf("the loop waits for the observer: %+v", st)
		}
		close(o.gate)
		synctest.Wait()
		if o.find(oam.EventsLost, 0) == nil || len(o.events) < 4096 {
			t.Errorf("%d events, and no word of the lost ones", len(o.events))
		}
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
