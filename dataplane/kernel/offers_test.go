package kernel

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
)

// TestRestrict: what a missing part costs.
func TestRestrict(t *testing.T) {
	for _, p := range parts() {
		c := Capabilities()
		limits := len(c.Limits)
		err := restrict(&c, []string{p.name})
		only := slices.Contains(forClients(), p.name)
		switch {
		case only && (err != nil || c.Features[dataplane.FeatureEthernetPW] || !c.Features[dataplane.FeatureSwap] || len(c.Limits) != limits+1):
			t.Errorf("without %s: %v, features %v", p.name, err, c.Features)
		case !only && (!errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), p.name)):
			t.Errorf("without %s: %v", p.name, err)
		}
	}
	c := Capabilities()
	limits := len(c.Limits)
	if err := restrict(&c, nil); err != nil || len(c.Limits) != limits {
		t.Errorf("with all parts: %v", err)
	}
}
