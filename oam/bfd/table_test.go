package bfd

import (
	"os"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/oam"
)

// TestTableAgainstFigure compares the table cell by cell with a second
// transcription of RFC 6428 figure 7, made from the text and not from the code.
func TestTableAgainstFigure(t *testing.T) {
	text, err := os.ReadFile("testdata/rfc6428-figure-7.tsv")
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]oam.BFDState{"DOWN": oam.Down, "INIT": oam.Init, "UP": oam.Up}
	inputs := map[string]input{}
	for in := range numInputs {
		inputs[in.String()] = in
	}
	seen := 0
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		f := strings.Split(line, "\t")
		from, ok1 := states[f[0]]
		in, ok2 := inputs[f[1]]
		want, ok3 := states[f[2]]
		if !ok1 || !ok2 || !ok3 {
			t.Fatalf("cannot read %q", line)
		}
		seen++
		if from == oam.Init && in == misConnectivity {
			want = oam.Down // The one deviation; the comment on next says why.
		}
		if got := next(from, in).next; got != want {
			t.Errorf("%s x %s is %v, the figure has %v", f[0], f[1], got, want)
		}
	}
	if seen != 3*int(numInputs) {
		t.Errorf("the transcription has %d cells of %d", seen, 3*int(numInputs))
	}
}

// TestAdminDownHearsNothing holds the added row: nothing leaves AdminDown.
func TestAdminDownHearsNothing(t *testing.T) {
	for in := range numInputs {
		if got := next(oam.AdminDown, in).next; got != oam.AdminDown {
			t.Errorf("AdminDown x %v is %v", in, got)
		}
	}
}

// TestTableDiagnostics holds what each way into Down tells the peer.
func TestTableDiagnostics(t *testing.T) {
	want := map[input]oam.Diag{
		rxAdminDown: oam.DiagNeighborDown, rxDown: oam.DiagNeighborDown, timerExpired: oam.DiagDetectionExpired,
		misConnectivity: oam.DiagMisConnectivity, rxLDI: oam.DiagPathDown, rxLKR: oam.DiagPathDown,
	}
	for _, from := range []oam.BFDState{oam.Init, oam.Up} {
		for in := range numInputs {
			c := next(from, in)
			if c.next == oam.Down && c.diag != want[in] {
				t.Errorf("%v x %v enters Down with diagnostic %d, want %d", from, in, c.diag, want[in])
			}
			if c.next != oam.Down && c.diag != oam.DiagNone {
				t.Errorf("%v x %v goes on with diagnostic %d", from, in, c.diag)
			}
		}
	}
}

// TestTableReachesUp proves that two ends reach Up from every pair of states,
// whichever end's packet comes first, and stay there.
func TestTableReachesUp(t *testing.T) {
	received := map[oam.BFDState]input{oam.AdminDown: rxAdminDown, oam.Down: rxDown, oam.Init: rxInit, oam.Up: rxUp}
	states := []oam.BFDState{oam.Down, oam.Init, oam.Up}
	for _, a := range states {
		for _, b := range states {
			for order := range 2 {
				x, y := a, b
				for range 8 {
					if order == 0 {
						y = next(y, received[x]).next
						x = next(x, received[y]).next
					} else {
						x = next(x, received[y]).next
						y = next(y, received[x]).next
					}
				}
				if x != oam.Up || y != oam.Up {
					t.Errorf("from %v and %v (order %d) to %v and %v", a, b, order, x, y)
				}
			}
		}
	}
}
