// Package ebpf is the data plane driver made of our own XDP programs: label
// operations, counters, label spaces and punts that the kernel's MPLS does not
// have, on a kernel that need not have MPLS at all.
//
// Read bpf/maps.h (the tables), bpf/forward.h (the programs), tables.go (the
// tables seen from Go), driver.go, apply.go, dump.go, pins.go. README.md tells
// the life of a packet.
package ebpf
