package ebpf

import (
	"bytes"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
)

// TestSectionNotTorn rewrites a section as fast as it can while frames go out by
// it. Each frame must have been made from one of the states: addresses and VLAN
// of the same, and no frame longer than that one takes.
func TestSectionNotTorn(t *testing.T) {
	p := newPair(t, append(pairSections(),
		dataplane.LSP{Name: "plain", Op: swap, InLabel: 16, Out: via("plain", entries(500)...)},
		dataplane.LSP{Name: "leg", Op: imposes, Out: via("plain", entries(501)...)},
		dataplane.Group{Name: "g", Legs: []string{"leg"}},
		dataplane.LSP{Name: "grouped", Op: swap, InLabel: 17, Out: through("g", entries(502)...)},
	))
	s := p.sections[hashName("plain")]
	state := func(n byte, vlan, mtu uint16) tandemSection {
		e := s.entry
		e.Vlan, e.Mtu = vlan, mtu
		e.Peer, e.Own = [6]uint8{2, n, n, n, n, n}, [6]uint8{6, n, n, n, n, n}
		return e
	}
	states := []tandemSection{state(1, 0, 1500), state(2, 77, 600), state(3, 0, 100), state(4, 99, 1500)}
	before := s.entry
	// head is how frames of a state begin.
	head := func(e tandemSection) []byte {
		b := append(append([]byte(nil), e.Peer[:]...), e.Own[:]...)
		if e.Vlan != 0 {
			b = binary.BigEndian.AppendUint16(append(b, 0x81, 0), e.Vlan)
		}
		return append(b, 0x88, 0x47)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var rewrites atomic.Int64
	var failed error
	wg.Go(func() {
		for failed == nil {
			select {
			case <-stop:
				return
			default:
			}
			p.mu.Lock()
			failed = p.writeSection(s, states[rewrites.Load()%int64(len(states))])
			p.mu.Unlock()
			rewrites.Add(1)
		}
	})
	seen, ended := map[string]int{}, 0
	// Enough to tell is a hundred rewrites, and a second.
	enough := func() bool { return rewrites.Load() >= 100 && len(seen) >= len(states) && ended > 0 }
	for i, begin := 0, time.Now(); time.Since(begin) < time.Second || !enough() && time.Since(begin) < time.Minute; i++ {
		f := frame(own, outPeer, 0, typeMPLS, lse{16 + uint32(i%2), 0, 64, true}, make([]byte, []int{64, 400, 900}[i%3]))
		verdict, got := p.run(t, "in0", f)
		if verdict == xdpDrop {
			ended++
			continue
		}
		one := false
		for _, e := range append(states, before) {
			h := head(e)
			if bytes.HasPrefix(got, h) && len(got)-len(h) <= int(e.Mtu) {
				if one = true; e != before {
					seen[string(e.Peer[:])]++
				}
			}
		}
		if verdict != xdpRedirect || !one {
			t.Errorf("frame %d: verdict %d, %d octets begin with %x: of no state", i, verdict, len(got), got[:min(len(got), 24)])
			break
		}
	}
	close(stop)
	wg.Wait()
	if failed != nil {
		t.Fatal(failed)
	}
	t.Logf("%d rewrites, frames by state %x, too long %d", rewrites.Load(), seen, ended)
	if !enough() {
		t.Error("not enough to tell")
	}
}
