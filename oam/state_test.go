package oam_test

import (
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/oam"
)

// TestNames: every value has a name of its own; one that has none says so
// with its number.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	check := func(kind, name string) {
		t.Helper()
		if key := kind + name; name == "" || seen[key] {
			t.Errorf("%s %q is empty or there twice", kind, name)
		} else {
			seen[key] = true
		}
	}
	for r := range oam.NumDropReasons {
		check("drop", r.String())
	}
	for d := range oam.NumDefects {
		check("defect", d.String())
	}
	for s := oam.AdminDown; s <= oam.Up; s++ {
		check("state", s.String())
	}
	for r := oam.ReasonGAL; r <= oam.ReasonReserved; r++ {
		check("reason", r.String())
	}
	for k := oam.DefectEntered; k <= oam.EventsLost; k++ {
		check("event", k.String())
	}
	for _, unknown := range []string{
		oam.NumDropReasons.String(), oam.NumDefects.String(), oam.BFDState(9).String(), oam.Reason(9).String(),
		oam.EventKind(9).String(), oam.EntityKind(9).String(),
	} {
		if !strings.ContainsAny(unknown, "0123456789") {
			t.Errorf("%q does not say its number", unknown)
		}
	}
}

func TestDefects(t *testing.T) {
	var s oam.Defects
	if s.String() != "" || s.Has(oam.MisConnectivity) {
		t.Errorf("the empty set is %q", s)
	}
	s = s.With(oam.MisConnectivity).With(oam.LossOfContinuity).With(oam.MisConnectivity)
	if got := s.String(); got != "loss-of-continuity mis-connectivity" {
		t.Errorf("%q", got)
	}
	if s = s.Without(oam.MisConnectivity).Without(oam.UnexpectedPeriod); s.Has(oam.MisConnectivity) || !s.Has(oam.LossOfContinuity) {
		t.Errorf("%q", s)
	}
}

func TestCountersDropped(t *testing.T) {
	c := oam.Counters{}
	c.Drops[oam.DropLength], c.Drops[oam.DropAuth] = 2, 3
	if got := c.Dropped(); got != 5 {
		t.Errorf("%d", got)
	}
}
