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
	from32    = 0x40 // r0 = four octets of it at src + imm
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
	skPriority   = 32                            // Offset of priority in struct __sk_buff.
	class0       = queueMajor<<16 | 1            // The class of traffic class 0.
	classChannel = queueMajor<<16 | channelMinor // That of the G-ACh.
	headACH      = 0x1000                        // First half of an ACH (RFC 5586 section 2.1).
	firstMeasure = 0x000a                        // Channel types of RFC 6374 section 3, loss and delay.
	lastMeasure  = 0x000e
	maxStack     = 16 // Labels that are looked through for the last one.
)

// channel leads to the class of the G-ACh what has an ACH below its last label, be
// that a GAL or not, with or without a tag in the frame; what has no label to
// "other", the rest to "labelled" with r9 at its labels. r6 is the context then
// and r7 the priority. Messages that measure loss and delay wait with the users
// of their class, whose fate and order are what they measure.
func channel() []instruction {
	program := []instruction{
		{op: moveReg, dst: 6, src: 1},
		{op: load32, dst: 7, src: 6, off: skPriority},
		{op: moveImm, dst: 9, imm: 14},
		{op: packet16, imm: 12},
		{op: jumpEqual, imm: unix.ETH_P_MPLS_UC, to: "stack"},
		{op: jumpOther, imm: unix.ETH_P_8021Q, to: "other"},
		{op: moveImm, dst: 9, imm: 18},
		{op: packet16, imm: 16},
		{op: jumpOther, imm: unix.ETH_P_MPLS_UC, to: "other"},
	}
	at := "stack"
	for i := range uint32(maxStack) {
		next := fmt.Sprintf("below %d", i)
		if i == maxStack-1 {
			next = "labelled"
		}
		program = append(program,
			instruction{at: at, op: from32, src: 9, imm: 4 * i},
			instruction{op: andImm, imm: 1 << 8}, // S
			instruction{op: jumpEqual, imm: 0, to: next},
			instruction{op: from32, src: 9, imm: 4*i + 4},
			instruction{op: jump, to: "below the labels"})
		at = next
	}
	return append(program,
		instruction{at: "below the labels", op: moveReg, dst: 8},
		instruction{op: shiftImm, dst: 8, imm: 16},
		instruction{op: jumpOther, dst: 8, imm: headACH, to: "labelled"},
		instruction{op: andImm, imm: 0xffff},
		instruction{op: jumpAbove, imm: lastMeasure, to: "channel"},
		instruction{op: jumpAbove, imm: firstMeasure - 1, to: "labelled"},
		instruction{op: jump, to: "channel"})
}

// byPriority answers with the class of the packet's priority, unless it is of
// the G-ACh.
func byPriority() []instruction {
	return append(channel(), []instruction{
		{at: "labelled", op: jump, to: "other"},
		{at: "other", op: jumpAbove, dst: 7, imm: Classes - 1, to: "none"},
		{op: moveReg, src: 7},
		{op: addImm, imm: class0},
		{op: leave},
		{at: "channel", op: moveImm, imm: classChannel},
		{op: leave},
		{at: "none", op: moveImm, imm: class0},
		{op: leave},
	}...)
}

// byLabel answers with the class of the outermost label of an MPLS frame that is
// not of the G-ACh, and with that of the priority for what is no MPLS.
func byLabel() []instruction {
	return append(channel(), []instruction{
		{at: "labelled", op: from32, src: 9},
		{op: shiftImm, imm: 9},
		{op: andImm, imm: 7},
		{op: jump, to: "class"},
		{at: "other", op: jumpEqual, dst: 7, imm: ByClient, to: "client"},
		{op: jumpAbove, dst: 7, imm: Classes - 1, to: "none"},
		{op: moveReg, src: 7},
		{at: "class", op: addImm, imm: class0},
		{op: leave},
		{at: "channel", op: moveImm, imm: classChannel},
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
	}...)
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
