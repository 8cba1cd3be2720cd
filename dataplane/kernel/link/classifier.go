package link

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// classifier loads the program of the filter: it answers with the class of the
// packet's priority. It is written out here, because nothing else of this
// package knows BPF.
func classifier() (fd int, err error) {
	const (
		load       = 0x61               // r = *(u32 *)(r + off)
		jumpAbove  = 0x25               // if r > imm
		addImm     = 0x07               // r += imm
		moveImm    = 0xb7               // r = imm
		exit       = 0x95               //
		skPriority = 32                 // offset of priority in struct __sk_buff
		class      = queueMajor<<16 | 1 // of priority 0
	)
	var code []byte
	op := func(opcode, registers byte, off int16, imm uint32) {
		code = append(code, opcode, registers)
		code = binary.NativeEndian.AppendUint16(code, uint16(off))
		code = binary.NativeEndian.AppendUint32(code, imm)
	}
	op(load, 0x10, skPriority, 0)
	op(jumpAbove, 0, 2, Classes-1)
	op(addImm, 0, 0, class)
	op(exit, 0, 0, 0)
	op(moveImm, 0, 0, class)
	op(exit, 0, 0, 0)
	license := []byte("GPL\x00")
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
	}{kind: unix.BPF_PROG_TYPE_SCHED_CLS, count: uint32(len(code) / 8), code: unsafe.Pointer(&code[0]), license: unsafe.Pointer(&license[0])}
	copy(attr.name[:], "tandem_queues")
	r, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return -1, fmt.Errorf("load classifier: %w", errno)
	}
	return int(r), nil
}
