//go:build vm

package kernel_test

import (
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
)

func open(t *testing.T) dataplane.Driver {
	t.Helper()
	d, err := kernel.Open(kernel.Options{})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return d
}

func TestConformance(t *testing.T) { drivertest.Run(t, open, netlab.New(t)) }
