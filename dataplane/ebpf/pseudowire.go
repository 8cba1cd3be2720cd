package ebpf

import "github.com/tandem-ne/tandem/dataplane"

// clientFeatures are what pseudowires and services can do here.
func clientFeatures() []dataplane.Feature { return nil }
