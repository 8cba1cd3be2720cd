package packetio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/oam"
)

const (
	// socketFrame is the most of a frame that is read; longer ones are
	// truncated.
	socketFrame = 2048
	// socketBatch is how many frames one system call reads.
	socketBatch = 64
	// socketDepth is how deep the filters look for a GAL.
	socketDepth = 12

	socketGALBuffer       = 4 << 20
	socketExceptionBuffer = 256 << 10
)

// SocketSource takes G-ACh frames, expired TTLs and reserved labels off the
// interfaces of a network namespace by packet sockets, for data planes that do
// not punt. The sockets see a frame before the kernel's MPLS does, and whatever
// that does with it. The kernel's time of receipt comes with every frame.
//
// Two sockets: a flood of expired TTLs fills the small buffer of one and leaves
// the G-ACh alone.
//
// A frame whose GAL is below labels that this node only swaps is given too: the
// source knows no labels, and takes each for that of an LSP. Engines ignore labels without a MEP.
type SocketSource struct {
	epoll         int
	gal           socket
	exception     socket
	dropped       atomic.Uint64
	offset        int64 // CLOCK_REALTIME less CLOCK_MONOTONIC
	bufs          []*rxBuffer
	used          int
	msgs          [socketBatch]mmsghdr
	foreignFrames atomic.Uint64
}

// socket is one packet socket.
type socket struct {
	fd     int
	reason bool // tells exceptions
}

// rxBuffer is the memory of one frame.
type rxBuffer struct {
	iov     unix.Iovec
	from    unix.RawSockaddrLinklayer
	control [128]byte
	frame   [socketFrame]byte
}

var _ Source = (*SocketSource)(nil)

// NewSocketSource opens the sockets in the network namespace of the calling
// thread.
func NewSocketSource() (*SocketSource, error) {
	s := &SocketSource{epoll: -1, gal: socket{fd: -1}, exception: socket{fd: -1, reason: true}}
	err := s.open()
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *SocketSource) open() (err error) {
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("open epoll: %w", err)
	}
	if s.gal.fd, err = openSocket(galFilter(), socketGALBuffer); err != nil {
		return err
	}
	if s.exception.fd, err = openSocket(exceptionFilter(), socketExceptionBuffer); err != nil {
		return err
	}
	for _, fd := range []int{s.gal.fd, s.exception.fd} {
		e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
			return fmt.Errorf("watch packet socket: %w", err)
		}
	}
	return nil
}

// openSocket opens a packet socket on all interfaces that lets through what
// the filter takes and nothing from before it had the filter.
func openSocket(filter []bpf.Instruction, buffer int) (int, error) {
	raw, err := bpf.Assemble(filter)
	if err != nil {
		return -1, fmt.Errorf("assemble filter: %w", err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("open packet socket: %w", err)
	}
	prog := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		prog[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	err = errors.Join(
		unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: swap16(unix.ETH_P_ALL)}),
	)
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("set up packet socket: %w", err)
	}
	return fd, nil
}

// swap16 converts to network order on little-endian hosts and back.
func swap16(v uint16) uint16 {
	return binary.NativeEndian.Uint16([]byte{byte(v >> 8), byte(v)})
}

// The filters see the frame with its VLAN tag taken off by the kernel.
const (
	offType  = 12
	offStack = 14
)

// galFilter takes MPLS frames with a GAL in the stack, but those whose
// outermost TTL expires here.
func galFilter() []bpf.Instruction {
	p := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: typeMPLS, SkipTrue: 1},
		bpf.RetConstant{},
		bpf.LoadAbsolute{Off: offStack, Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 12},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: labelGAL, SkipTrue: 3}, // A GAL on top may have TTL 1.
		bpf.LoadAbsolute{Off: offStack + 3, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: 1, SkipTrue: 1},
		bpf.RetConstant{},
	}
	for i := range uint32(socketDepth) {
		p = append(p,
			bpf.LoadAbsolute{Off: offStack + 4*i, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 1 << 8, SkipFalse: 4},
			// The bottom: the GAL or nothing.
			bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 12},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: labelGAL, SkipTrue: 1},
			bpf.RetConstant{},
			bpf.RetConstant{Val: 1 << 16},
		)
	}
	return append(p, bpf.RetConstant{})
}

// exceptionFilter takes MPLS frames whose outermost label has expired or is
// special-purpose, but the GAL and the explicit nulls.
func exceptionFilter() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: offType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: typeMPLS, SkipFalse: 9},
		bpf.LoadAbsolute{Off: offStack, Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 12},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: labelGAL, SkipTrue: 6},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: labelIPv4Null, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: labelIPv6Null, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: firstLabel, SkipTrue: 2},
		bpf.LoadAbsolute{Off: offStack + 3, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: 1, SkipTrue: 1},
		bpf.RetConstant{Val: 1 << 16},
		bpf.RetConstant{},
	}
}

const (
	labelIPv4Null    = 0
	labelRouterAlert = 1
	labelIPv6Null    = 2
)

// FD implements Source.
func (s *SocketSource) FD() int { return s.epoll }

// Release implements Source.
func (s *SocketSource) Release() { s.used = 0 }

// Next implements Source: first the G-ACh, then the exceptions.
func (s *SocketSource) Next(dst []Frame) int {
	s.offset = realtime() - monotonic()
	n := s.read(&s.gal, dst)
	return n + s.read(&s.exception, dst[n:])
}

// read reads frames until dst is full or the socket is empty.
func (s *SocketSource) read(k *socket, dst []Frame) (n int) {
	for n < len(dst) {
		want := min(len(dst)-n, socketBatch)
		s.prepare(want)
		r, _, e := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(k.fd),
			uintptr(unsafe.Pointer(&s.msgs[0])), uintptr(want), unix.MSG_DONTWAIT, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return n // Empty; ENETDOWN tells of an interface, once.
		}
		first := s.used
		s.used += int(r)
		for i := range int(r) {
			if s.frame(s.bufs[first+i], &s.msgs[i], k.reason, &dst[n]) {
				n++
			}
		}
		if int(r) < want {
			return n
		}
	}
	return n
}

// prepare points the messages to unused buffers.
func (s *SocketSource) prepare(n int) {
	for len(s.bufs) < s.used+n {
		s.bufs = append(s.bufs, new(rxBuffer)) // Grows to the shard's batch, then never.
	}
	for i := range n {
		b, h := s.bufs[s.used+i], &s.msgs[i].hdr
		b.iov.Base, b.iov.Len = &b.frame[0], socketFrame
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&b.from)), unix.SizeofSockaddrLinklayer
		h.Iov, h.Iovlen = &b.iov, 1
		h.Control, h.Controllen = &b.control[0], uint64(len(b.control))
		h.Flags = 0
	}
}

// frame describes one received frame; false: not for us.
func (s *SocketSource) frame(b *rxBuffer, m *mmsghdr, exception bool, f *Frame) bool {
	data := b.frame[:min(int(m.len), socketFrame)]
	if len(data) < offStack+4 || !s.addressed(b, data) {
		s.foreignFrames.Add(1)
		return false
	}
	*f = Frame{
		IfIndex: uint32(b.from.Ifindex), Stack: data[offStack:],
		Truncated: m.hdr.Flags&unix.MSG_TRUNC != 0 || int(m.len) > socketFrame,
	}
	s.ancillary(b.control[:min(int(m.hdr.Controllen), len(b.control))], f)
	if f.Time == 0 {
		f.Time = monotonic()
	}
	if exception {
		classifyException(f)
		return true
	}
	f.Reason = oam.ReasonGAL
	above, has := labelAboveBottom(f.Stack)
	f.Label, f.HasLabel = above, has
	if has {
		f.Entity = oam.LSP
	}
	return true
}

// addressed tells whether the frame is for this host or all of MPLS-TP.
func (s *SocketSource) addressed(b *rxBuffer, data []byte) bool {
	switch b.from.Pkttype {
	case unix.PACKET_HOST:
		return true
	case unix.PACKET_MULTICAST:
		return dataplane.MAC(data[:6]) == dataplane.MulticastMAC()
	}
	return false
}

// ancillary reads time and VLAN tag.
func (s *SocketSource) ancillary(c []byte, f *Frame) {
	for len(c) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&c[0]))
		if h.Len < unix.SizeofCmsghdr || h.Len > uint64(len(c)) {
			return
		}
		data := c[unix.SizeofCmsghdr:h.Len]
		switch {
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_TIMESTAMPNS && len(data) >= 16:
			ts := (*unix.Timespec)(unsafe.Pointer(&data[0]))
			// Not later than now, whoever moves the wall clock meanwhile.
			f.Time = min(ts.Nano()-s.offset, monotonic())
		case h.Level == unix.SOL_PACKET && h.Type == unix.PACKET_AUXDATA && len(data) >= int(unsafe.Sizeof(unix.TpacketAuxdata{})):
			aux := (*unix.TpacketAuxdata)(unsafe.Pointer(&data[0]))
			if aux.Status&unix.TP_STATUS_VLAN_VALID != 0 {
				f.VLAN = aux.Vlan_tci & 0xfff
			}
		}
		next := (int(h.Len) + 7) &^ 7
		if next > len(c) {
			return
		}
		c = c[next:]
	}
}

// labelAboveBottom returns the label above the last of the stack.
func labelAboveBottom(stack []byte) (label uint32, ok bool) {
	for i := 0; i+4 <= len(stack); i += 4 {
		v := binary.BigEndian.Uint32(stack[i:])
		if v>>8&1 != 0 {
			return label, ok
		}
		label, ok = v>>12, true
	}
	return 0, false
}

// classifyException says what the exception filter saw.
func classifyException(f *Frame) {
	v := binary.BigEndian.Uint32(f.Stack)
	f.Label, f.HasLabel, f.Entity = v>>12, true, oam.NoEntity
	switch {
	case f.Label == labelRouterAlert:
		f.Reason = oam.ReasonRouterAlert
	case f.Label < firstLabel && f.Label != labelIPv4Null && f.Label != labelIPv6Null:
		f.Reason = oam.ReasonReserved
	default:
		f.Reason, f.Entity = oam.ReasonTTLExpired, oam.LSP
	}
}

// Dropped returns how many frames the kernel dropped because they were not
// read in time.
func (s *SocketSource) Dropped() uint64 {
	for _, fd := range []int{s.gal.fd, s.exception.fd} {
		// The kernel starts again at zero with each reading.
		if st, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			s.dropped.Add(uint64(st.Drops))
		}
	}
	return s.dropped.Load()
}

// Foreign returns how many frames were left aside because they were for other
// stations.
func (s *SocketSource) Foreign() uint64 { return s.foreignFrames.Load() }

// Close implements Source.
func (s *SocketSource) Close() error {
	var errs []error
	for _, fd := range []int{s.gal.fd, s.exception.fd, s.epoll} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	return errors.Join(errs...)
}

func realtime() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &ts) // It cannot fail.
	return ts.Nano()
}
