package ebpf

import "github.com/tandem-ne/tandem/dataplane"

// clientFeatures are what pseudowires and services can do here.
func clientFeatures() []dataplane.Feature { return nil }

// pseudowireSlot returns the slot of a pseudowire by its hashed name, 0 if it is
// not there.
func (d *Driver) pseudowireSlot(uint64) uint32 { return 0 }

// adoptLabel takes over a label that leads to a pseudowire.
func (d *Driver) adoptLabel(labelKey, uint32) bool { return false }

// pseudowireLabels is how many labels lead to pseudowires.
func (d *Driver) pseudowireLabels() int { return 0 }

// attachmentInterfaces are the interfaces of adopted attachment circuits.
func (d *Driver) attachmentInterfaces() []int { return nil }
