package ebpf

// The objects are built by Debian's clang 14 and committed, so that no compiler
// is needed to build Tandem. TestObjects rebuilds and compares; objects.sha256
// ties them to their sources where there is no clang 14.
//
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -type lsp -type section -type section_slot -type group -type copies -type relay -type counters -type label_entry -type port_key -type label_key -type prefix4_key -type prefix6_key -type pw -type pw_ref -type pw_state -type service -type rate -type policer -type circuit_key -type circuits -type service_count -type segments -output-stem tandem tandem bpf/tandem.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -I/usr/include/x86_64-linux-gnu
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -no-global-types -output-suffix _test -output-stem bench bench bpf/bench.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -Wno-unused-parameter -I/usr/include/x86_64-linux-gnu
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -no-global-types -output-suffix _test -output-stem traffic traffic bpf/traffic.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -I/usr/include/x86_64-linux-gnu
//go:generate sh -c "sha256sum bpf/*.h ../punt/bpf/*.h bpf/*.c *.o >objects.sha256"
