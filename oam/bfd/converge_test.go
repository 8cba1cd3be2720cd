package bfd_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/oam"
)

// TestConverge lets chance break the network between two ends for 20 s:
// cuts, losses, duplicates, frames that overtake each other, restarts,
// reconfiguration, garbage and forged frames. Whatever happened, once it is
// over both ends are Up at the configured rate without a defect, and on the
// way every loss of continuity came exactly when the detection time was over.
func TestConverge(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			s := &script{sim: newSim(t), file: fmt.Sprint("seed ", seed), megs: map[string]oam.MEG{}, checked: map[string]int{}}
			do := func(format string, args ...any) {
				s.line++
				s.command(strings.Fields(fmt.Sprintf(format, args...)))
			}
			do("node A")
			do("node B")
			do("link A<>B")
			do("at 0s config A lsp cv=on")
			do("at 0s config B lsp cv=on")
			links := []string{"A>B", "B>A"}
			nodes := []string{"A", "B"}
			at := time.Duration(0)
			for at < 20*time.Second {
				at += time.Duration(rng.Int64N(int64(300 * time.Millisecond)))
				link, n := links[rng.IntN(2)], nodes[rng.IntN(2)]
				switch rng.IntN(12) {
				case 0:
					do("at %v cut %s", at, link)
				case 1, 2:
					do("at %v restore %s", at, link)
				case 3:
					do("at %v drop %s %d", at, link, rng.IntN(6))
				case 4:
					do("at %v duplicate %s %d", at, link, rng.IntN(20))
				case 5:
					do("at %v swap %s", at, link)
				case 6:
					do("at %v delay %s %v", at, link, time.Duration(rng.Int64N(int64(8*time.Millisecond))))
				case 7:
					do("at %v kill %s", at, n)
					do("at %v boot %s", at+time.Duration(rng.Int64N(int64(2*time.Second))), n)
					at = time.Duration(s.now)
				case 8:
					do("at %v config %s period=%v", at, n, []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, 3300 * time.Microsecond, time.Second}[rng.IntN(4)])
				case 9:
					do("at %v config %s admin=%s", at, n, []string{"up", "down"}[rng.IntN(2)])
				case 10:
					b := make([]byte, rng.IntN(60))
					for i := range b {
						b[i] = byte(rng.Uint32())
					}
					if len(b) > 4 {
						copy(b, []byte{0x10, 0, 0, byte(0x22 + rng.IntN(2)), 0x20})
					}
					do("at %v rx %s hex %x", at, n, b)
				case 11:
					do("at %v rx %s CC(%s diag=%d mult=%d tx=%v rx=%v)", at, n, []string{"down", "init", "up", "adminDown"}[rng.IntN(4)],
						rng.IntN(10), 1+rng.IntN(5), time.Duration(rng.Int64N(int64(time.Second))), time.Duration(rng.Int64N(2)*rng.Int64N(int64(time.Second))))
				}
			}
			for _, n := range nodes {
				do("at %v config %s admin=up period=10ms", at, n)
			}
			for _, l := range links {
				do("at %v restore %s", at, l)
				do("at %v drop %s 0", at, l)
				do("at %v delay %s 1ms", at, l)
			}
			at += 30 * time.Second
			for _, n := range nodes {
				do("at %v state %s local=up remote=up diag=0 remote-diag=0 tx=10ms rx=10ms detection=30ms defects=", at, n)
				for _, e := range s.nodes[n].log {
					if e.Kind == oam.DefectEntered && e.Defect == oam.LossOfContinuity && e.Time != e.reported {
						t.Errorf("%s: %v reported at %v", n, e, time.Duration(e.reported))
					}
				}
			}
		})
	}
}
