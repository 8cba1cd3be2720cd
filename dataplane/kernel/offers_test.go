package kernel

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
)

// TestWithout: what a missing part costs.
func TestWithout(t *testing.T) {
	limits := len(Capabilities().Limits)
	for _, p := range parts() {
		c, err := Without([]string{p.name})
		if !slices.Contains(forClients(), p.name) {
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), p.name) {
				t.Errorf("without %s: %v", p.name, err)
			}
			continue
		}
		if err != nil || !c.Features[dataplane.FeatureSwap] || len(c.Limits) != limits+1 {
			t.Errorf("without %s: %v, features %v, limits %q", p.name, err, c.Features, c.Limits)
		}
		for _, f := range clientFeatures() {
			if c.Features[f] || !strings.Contains(c.Lacking[f], p.name) {
				t.Errorf("without %s: %s is %v, because %q", p.name, f, c.Features[f], c.Lacking[f])
			}
		}
	}
	if c, err := Without(nil); err != nil || len(c.Limits) != limits || len(c.Lacking) != 0 {
		t.Errorf("with all parts: %v, %q, %q", err, c.Limits, c.Lacking)
	}
}
