package link

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ByClient is a priority that asks for the class of the client: that of the
// precedence of an IP packet (RFC 2474 section 4.2.2). It works where Queues is
// ByLabel.
const ByClient = (queueMajor + 1) << 16

// ByClass is the priority that leads into the queue of a traffic class,
// whatever the packet says.
func ByClass(class uint8) uint32 { return queueMajor<<16 | uint32(class&7) + 1 }

// The instructions of BPF that a classifier is made of.
const (
	moveReg   = 0xbf // dst = src
	moveImm   = 0xb7 // dst = imm
	load32    = 0x61 // dst = *(u32 *)(src + off)
	packet16  = 0x28 // r0 = two octets of the packet at imm; r6 is the context
	packet8   = 0x30 // r0 = one octet of it
	addImm    = 0x07
	andImm    = 0x57
	shiftImm  = 0x77 // dst >>= imm
	jump      = 0x05
	jumpEqual = 0x15 // if dst == imm
	jumpOther = 0x55 // if dst != imm
	jumpAbove = 0x25 // if dst > imm
	leave     = 0x95
)

// instruction is one of them; to names the place that a jump leads to.
type instruction struct {
	at       string // The name of this place.
	op       byte
	dst, src byte
	off      int16
	imm      uint32
	to       string
}

const (
	skPriority = 32                 // Offset of priority in struct __sk_buff.
	class0     = queueMajor<<16 | 1 // The class of traffic class 0.
)

// byPriority answers with the class of the packet's priority.
func byPriority() []instruction {
	return []instruction{
		{op: load32, src: 1, off: skPriority},
		{op: jumpAbove, imm: Classes - 1, to: "none"},
		{op: addImm, imm: class0},
		{op: leave},
		{at: "none", op: moveImm, imm: class0},
		{op: leave},
	}
}

// byLabel answers with the class of the outermost label of an MPLS frame, with
// or without a tag in the frame, and with that of the priority for all others.
func byLabel() []instruction {
	return []instruction{
		{op: moveReg, dst: 6, src: 1},
		{op: load32, dst: 7, src: 6, off: skPriority},
		{op: packet16, imm: 12},
		{op: jumpEqual, imm: unix.ETH_P_MPLS_UC, to: "untagged"},
		{op: jumpOther, imm: unix.ETH_P_8021Q, to: "other"},
		{op: packet16, imm: 16},
		{op: jumpOther, imm: unix.ETH_P_MPLS_UC, to: "other"},
		{op: packet8, imm: 20},
		{op: jump, to: "label"},
		{at: "untagged", op: packet8, imm: 16},
		{at: "label", op: shiftImm, imm: 1}, // The third octet: label, TC, S.
		{op: andImm, imm: 7},
		{op: jump, to: "class"},
		{at: "other", op: jumpEqual, dst: 7, imm: ByClient, to: "client"},
		{op: jumpAbove, dst: 7, imm: Classes - 1, to: "none"},
		{op: moveReg, src: 7},
		{at: "class", op: addImm, imm: class0},
		{op: leave},
		{at: "client", op: packet16, imm: 12},
		{op: jumpEqual, imm: unix.ETH_P_IPV6, to: "IPv6"},
		{op: jumpOther, imm: unix.ETH_P_IP, to: "none"},
		{op: packet8, imm: 15},
		{op: shiftImm, imm: 5},
		{op: jump, to: "class"},
		{at: "IPv6", op: packet16, imm: 14},
		{op: shiftImm, imm: 9},
		{op: andImm, imm: 7},
		{op: jump, to: "class"},
		{at: "none", op: moveImm, imm: class0},
		{op: leave},
	}
}

// assemble writes a program out, because nothing else of this package knows
// BPF.
func assemble(program []instruction) []byte {
	places := map[string]int{}
	for i, in := range program {
		if in.at != "" {
			places[in.at] = i
		}
	}
	var code []byte
	for i, in := range program {
		if in.to != "" {
			in.off = int16(places[in.to] - i - 1)
		}
		code = append(code, in.op, in.src<<4|in.dst)
		code = binary.NativeEndian.AppendUint16(code, uint16(in.off))
		code = binary.NativeEndian.AppendUint32(code, in.imm)
	}
	return code
}

// classifier loads the program of the filter.
func classifier(q Queues) (fd int, err error) {
	program := byPriority()
	if q.ByLabel {
		program = byLabel()
	}
	code, license := assemble(program), []byte("GPL\x00")
	// The head of union bpf_attr for BPF_PROG_LOAD.
	attr := struct {
		kind, count   uint32
		code, license unsafe.Pointer
		logLevel      uint32
		logSize       uint32
		log           uint64
		version       uint32
		flags         uint32
		name          [unix.BPF_OBJ_NAME_LEN]byte
	}{kind: unix.BPF_PROG_TYPE_SCHED_CLS, count: uint32(len(program)), code: unsafe.Pointer(&code[0]), license: unsafe.Pointer(&license[0])}
	copy(attr.name[:], "tandem_queues")
	r, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return -1, fmt.Errorf("load classifier: %w", errno)
	}
	return int(r), nil
}
