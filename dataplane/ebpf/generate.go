package ebpf

// The objects are built by Debian's clang 14 and committed, so that no compiler
// is needed to build Tandem; TestObjectsAreCurrent rebuilds and compares.
//
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -type lsp -type section -type counters -type port_key -type label_key -type prefix4_key -type prefix6_key -type limit -type punt -type bucket -output-stem tandem tandem bpf/tandem.bpf.c -- -O2 -Wall -Wextra -I/usr/include/x86_64-linux-gnu
