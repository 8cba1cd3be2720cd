package shard_test

import (
	"testing"

	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
	"github.com/tandem-ne/tandem/oam/bfd"
)

// FuzzFrame: whatever arrives, each frame is either accepted or counted under
// exactly one reason, and what goes out after it still parses.
func FuzzFrame(f *testing.F) {
	p := bfd.Packet{Version: 1, State: oam.Up, DetectMult: 3, MyDiscr: 1, YourDiscr: 1, DesiredMinTx: 10000, RequiredMinRx: 10000}
	cc, _ := bfd.AppendCC(nil, &p)
	cv, _ := bfd.AppendCV(nil, &p, ach.MEPID{Type: ach.MEPIDLSP, NodeID: 2, TunnelNum: 1, LSPNum: 1})
	bad, _ := bfd.AppendCV(nil, &p, ach.MEPID{Type: ach.MEPIDPW, NodeID: 2, AGI: "x"})
	ip := append([]byte{0x10, 0, 0, 0x21, 0x45, 0, 0, 60, 0, 0, 0, 0, 1, 17, 0, 0, 1, 2, 3, 4, 127, 0, 0, 1, 0xc0, 0, 0x0e, 0xc8, 0, 40, 0, 0}, cc[4:]...)
	for _, frame := range [][]byte{nil, cc, cv, bad, ip, append([]byte{0x10, 0, 0, 7}, cc[4:]...), {0x10, 0, 0, 0x57, 0x60}} {
		f.Add(frame, uint8(oam.ReasonGAL))
		f.Add(frame, uint8(oam.ReasonTTLExpired))
	}
	f.Fuzz(func(t *testing.T, payload []byte, reason uint8) {
		r := newRig(t)
		m := lspMEG("m", 100)
		m.CV = true
		r.put(m)
		r.up(&m)
		r.transport.sent = nil
		before, _ := r.engine.State("m")
		global := r.Counters()
		r.transport.queue = []oam.Rx{{
			Time: r.clock.now, Section: "s1", Label: 100, HasLabel: true, Reason: oam.Reason(reason), Payload: payload,
		}}
		r.poll()
		after, _ := r.engine.State("m")
		total := r.Counters()
		accepted := after.Counters.ReceivedCC - before.Counters.ReceivedCC + after.Counters.ReceivedCV - before.Counters.ReceivedCV
		dropped := uint64(0)
		for reason := range total.Drops {
			dropped += total.Drops[reason] - global.Drops[reason]
		}
		if accepted+dropped != 1 {
			t.Errorf("accepted %d times, dropped %d times", accepted, dropped)
		}
		for _, frame := range r.transport.sent {
			h, body, err := ach.ParseHeader(frame)
			if err != nil {
				t.Fatal(err)
			}
			var p bfd.Packet
			if h.Type == ach.CV {
				_, _, err = bfd.ParseCV(&p, body)
			} else {
				_, err = bfd.ParseCC(&p, body)
			}
			if err != nil {
				t.Errorf("sent % x: %v", frame, err)
			}
		}
	})
}
