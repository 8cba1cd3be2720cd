// Package ebpf is the data plane driver made of XDP programs of our own: label
// operations, counters, label spaces and punts that the kernel's MPLS does not
// have, on a kernel that need not have MPLS at all.
//
// Read bpf/maps.h (the tables) and bpf/stack.h, bpf/send.h (the programs) first; then
// tables.go (the tables seen from Go), driver.go, apply.go, dump.go (adoption
// and audit), pins.go, attach.go, watch.go and punt.go. README.md tells the
// life of a packet.
package ebpf
