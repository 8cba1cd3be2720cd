package packetio

import (
	"testing"
	"time"

	"github.com/tandem-ne/tandem/oam"
)

// TestAllocs: nothing is allocated per frame, either way.
func TestAllocs(t *testing.T) {
	w := newWire(t)
	source, err := NewSocketSource()
	if err != nil {
		t.Fatal(err)
	}
	tr := mustNew(t, source)
	tr.SetSection("a", Section{IfIndex: w.a, Local: macA, Peer: macB, Up: true})
	tr.SetSection("b", Section{IfIndex: w.b, Local: macB, Peer: macA, Up: true})
	id := mustOpen(t, tr, oam.Path{Section: "a", Labels: []oam.LSE{{Label: 100, TTL: 255}}})
	tx := make([]oam.Tx, 16)
	for i := range tx {
		tx[i] = oam.Tx{Path: id, Payload: ach}
	}
	rx := make([]oam.Rx, 64)
	received := 0
	round := func() {
		if n, err := tr.Send(tx); n != len(tx) || err != nil {
			t.Fatalf("Send: %d, %v", n, err)
		}
		for got := 0; got < len(tx); {
			n, err := tr.Recv(rx, monotonic()+int64(5*time.Second))
			if n == 0 || err != nil {
				t.Fatalf("Recv: %d, %v after %d of %d frames; %+v", n, err, got, len(tx), tr.Counters())
			}
			got += n
			received += n
		}
	}
	round()
	if a := testing.AllocsPerRun(200, round); a != 0 {
		t.Errorf("%v allocations for %d frames sent and received", a, len(tx))
	}
	if received < 200*len(tx) {
		t.Errorf("received %d frames", received)
	}
}

// BenchmarkLoop is the cost of one frame sent and received over a veth.
func BenchmarkLoop(b *testing.B) {
	w := newWire(b)
	source, err := NewSocketSource()
	if err != nil {
		b.Fatal(err)
	}
	tr := mustNew(b, source)
	tr.SetSection("a", Section{IfIndex: w.a, Local: macA, Peer: macB, Up: true})
	tr.SetSection("b", Section{IfIndex: w.b, Local: macB, Peer: macA, Up: true})
	id := mustOpen(b, tr, oam.Path{Section: "a"})
	tx, rx := make([]oam.Tx, 64), make([]oam.Rx, 64)
	for i := range tx {
		tx[i] = oam.Tx{Path: id, Payload: ach}
	}
	b.ReportAllocs()
	frames := 0
	for b.Loop() {
		if n, err := tr.Send(tx); n != len(tx) {
			b.Fatal(n, err)
		}
		for got := 0; got < len(tx); {
			n, err := tr.Recv(rx, monotonic()+int64(5*time.Second))
			if n == 0 || err != nil {
				b.Fatal(n, err)
			}
			got += n
		}
		frames += len(tx)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(frames), "ns/frame")
}
