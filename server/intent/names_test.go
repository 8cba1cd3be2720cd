package intent

import (
	"slices"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/oam"
)

// TestModelsHaveTheWordsOfTheEngines holds enumerations of the models against
// the names that the engines give to the same things.
func TestModelsHaveTheWordsOfTheEngines(t *testing.T) {
	i := newIntent(t, everything())
	var drops, punts, states, operations []string
	for r := range oam.NumDropReasons {
		drops = append(drops, r.String())
	}
	for _, r := range []oam.Reason{oam.ReasonGAL, oam.ReasonTTLExpired, oam.ReasonRouterAlert, oam.ReasonReserved, oam.ReasonPWACH} {
		punts = append(punts, r.String())
	}
	for _, s := range []oam.BFDState{oam.AdminDown, oam.Down, oam.Init, oam.Up} {
		states = append(states, s.String())
	}
	for op := dataplane.ImposeAndForward; op <= dataplane.PopAndLookup; op++ {
		operations = append(operations, op.String())
	}
	const meg = "/mtp-node:mpls-tp/mtp-oam:oam"
	for _, tc := range []struct {
		path  string
		words []string
	}{
		{meg + "/counters/discard/reason", drops},
		{meg + "/meg/mep/state/session/discard/reason", drops},
		{meg + "/counters/punt/reason", punts},
		{meg + "/meg/mep/state/session/local-state", states},
		{meg + "/meg/mep/state/session/remote-state", states},
		{"/mtp-node:mpls-tp/mtp-lsp:lsps/static-lsp/operation", operations},
	} {
		n, err := i.schema.Find(tc.path)
		if err != nil {
			t.Error(err)
			continue
		}
		var model []string
		for _, e := range n.Type.Enums() {
			model = append(model, e.Name)
		}
		slices.Sort(model)
		slices.Sort(tc.words)
		if !slices.Equal(model, tc.words) {
			t.Errorf("%s: the model has %v, the engine %v", tc.path, model, tc.words)
		}
	}
}
