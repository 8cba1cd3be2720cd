//go:build vm

package kernel_test

import (
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
)

func open(routes bool) func(*testing.T) dataplane.Driver {
	return func(t *testing.T) dataplane.Driver {
		t.Helper()
		d, err := kernel.Open(kernel.Options{Routes: routes})
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		return d
	}
}

// TestConformance: chains of traffic control.
func TestConformance(t *testing.T) { drivertest.Run(t, open(false), netlab.New(t)) }

// TestConformanceRoutes: routes of mpls_router.
func TestConformanceRoutes(t *testing.T) { drivertest.Run(t, open(true), netlab.New(t)) }
