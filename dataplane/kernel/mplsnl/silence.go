package mplsnl

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in struct nlmsghdr.
const (
	offsetType = 4
	offsetPort = 12
)

// silence drops messages about routes and filters whose port is that of a
// socket. BPF loads in network order, netlink headers are in that of the host.
func silence(port uint32) []bpf.Instruction {
	native := func(v uint32, size int) uint32 {
		if size == 2 {
			return uint32(swap16(uint16(v)))
		}
		return binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, v))
	}
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetPort, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: native(port, 4), SkipFalse: 6},
		bpf.LoadAbsolute{Off: offsetType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: native(unix.RTM_NEWROUTE, 2), SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: native(unix.RTM_DELROUTE, 2), SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: native(unix.RTM_NEWTFILTER, 2), SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: native(unix.RTM_DELTFILTER, 2), SkipFalse: 1},
		bpf.RetConstant{},
		bpf.RetConstant{Val: 0xffffffff},
	}
}

// attachSilence puts the filter on a socket; port 0 needs none.
func attachSilence(fd int, port uint32) error {
	if port == 0 {
		return nil
	}
	raw, err := bpf.Assemble(silence(port))
	if err != nil {
		return fmt.Errorf("assemble netlink filter: %w", err)
	}
	prog := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		prog[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]})
	if err != nil {
		return fmt.Errorf("filter netlink socket: %w", err)
	}
	return nil
}
