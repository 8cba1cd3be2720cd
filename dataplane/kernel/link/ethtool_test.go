package link_test

import (
	"errors"
	"testing"

	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

func TestFeatures(t *testing.T) {
	l, h := open(t)
	west := l.Port(drivertest.West).Name
	get := func(name string) link.Feature {
		t.Helper()
		all, err := h.Features(west)
		if err != nil {
			t.Fatal(err)
		}
		f, ok := all[name]
		if !ok {
			t.Fatalf("no feature %s of %s", name, west)
		}
		return f
	}
	for _, c := range []struct {
		want  map[string]bool
		fixed bool
	}{
		{map[string]bool{link.FeatureGRO: false}, false},
		{map[string]bool{link.FeatureGRO: true}, false},
		{map[string]bool{link.FeatureGRO: true}, false}, // As it is already.
		{map[string]bool{link.FeatureTSO: false, link.FeatureTxVLAN: false, link.FeatureGSO: false}, false},
		{map[string]bool{link.FeatureTSO: true, link.FeatureTxVLAN: true}, false},
		{map[string]bool{"no-such-feature": false}, false}, // Off as wanted.
		{map[string]bool{"no-such-feature": true}, true},
		{map[string]bool{link.FeatureLRO: true}, true}, // A veth has none.
		{nil, false},
	} {
		err := h.SetFeatures(west, c.want)
		if errors.Is(err, link.ErrFixed) != c.fixed || !c.fixed && err != nil {
			t.Errorf("SetFeatures %v: %v", c.want, err)
		}
		for name, on := range c.want {
			if !c.fixed && name != "no-such-feature" && get(name).On != on {
				t.Errorf("after SetFeatures %v: %s is on %v", c.want, name, !on)
			}
		}
	}
	if !get(link.FeatureLRO).Fixed {
		t.Error("LRO of a veth can be switched")
	}
	for _, name := range []string{"nowhere0", "a-name-that-is-far-too-long"} {
		if _, err := h.Features(name); err == nil {
			t.Errorf("features of %s", name)
		}
		if err := h.SetFeatures(name, map[string]bool{link.FeatureGRO: false}); err == nil {
			t.Errorf("features of %s switched", name)
		}
		if _, err := h.Hardware(name); err == nil {
			t.Errorf("driver of %s", name)
		}
	}
	if hw, err := h.Hardware(west); err != nil || hw.Driver != "veth" || hw.Bus != "" {
		t.Errorf("Hardware: %+v, %v", hw, err)
	}
}
