package tap

// The object is built by Debian's clang 14 and committed, so that no compiler
// is needed to build Tandem. TestObject rebuilds and compares; object.sha256
// ties it to its sources where there is no clang 14.
//
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -type port_key -type port -type label_line -type label_key -type section -output-stem tap tap bpf/tap.bpf.c -- -O2 -Wall -Wextra -I/usr/include/x86_64-linux-gnu
//go:generate sh -c "sha256sum bpf/*.h ../../punt/bpf/*.h bpf/*.c *.o >object.sha256"
