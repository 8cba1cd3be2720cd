// Package tap is the eBPF program that stands before the kernel's own filters
// and routes and copies what is OAM's into a ring: G-ACh frames, expired TTLs,
// router alerts. It forwards nothing and changes no frame.
//
// Read bpf/maps.h (the tables), bpf/tap.bpf.c (the program) and tap.go.
package tap
