package packetio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/oam"
)

const (
	// MaxLabels is the most labels above the GAL.
	MaxLabels = 15

	typeMPLS = 0x8847
	typeVLAN = 0x8100
	typeSTag = 0x88a8

	labelGAL   = 13
	firstLabel = 16
	lastLabel  = 1<<20 - 1

	// maxHeader is an Ethernet header with VLAN tag, the labels, the one of a
	// group and the GAL.
	maxHeader = 14 + 4 + 4*(MaxLabels+2)

	// txMax is how many frames one system call takes.
	txMax = 64
)

// errSectionDown is the reason for frames not taken while a section is down.
var errSectionDown = errors.New("section is down or has no interface")

// path is everything in front of the ACH, ready to send.
type path struct {
	id       oam.PathID
	section  *section // nil where there is an outlet
	outlet   *Outlet
	built    uint64 // the outlet's value that the header was built for
	stack    []oam.LSE
	priority int
	up       bool
	header   [maxHeader]byte
	length   uint64
	to       unix.RawSockaddrLinklayer
}

// OpenPath implements oam.Transport.
func (t *Transport) OpenPath(o oam.Path) (oam.PathID, error) {
	if len(o.Labels) > MaxLabels {
		return 0, fmt.Errorf("path with %d labels: at most %d", len(o.Labels), MaxLabels)
	}
	for _, l := range o.Labels {
		switch {
		case l.Label < firstLabel || l.Label > lastLabel:
			return 0, fmt.Errorf("path with label %d, outside %d..%d", l.Label, firstLabel, lastLabel)
		case l.TC > 7:
			return 0, fmt.Errorf("path with traffic class %d, outside 0..7", l.TC)
		case l.TTL == 0:
			return 0, fmt.Errorf("path with TTL 0 for label %d: no node may send it", l.Label)
		}
	}
	switch {
	case (o.Section == "") == (o.Group == ""):
		return 0, fmt.Errorf("path over section %q and into group %q: exactly one is needed", o.Section, o.Group)
	case o.Control > oam.ControlRouterAlert:
		return 0, fmt.Errorf("path with control %d, which is not known", o.Control)
	case o.Control != oam.ControlGAL && len(o.Labels) == 0:
		return 0, errors.New("path without a label and without a GAL")
	}
	if o.GALTC > 7 {
		return 0, fmt.Errorf("path with traffic class %d for the GAL, outside 0..7", o.GALTC)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return 0, os.ErrClosed
	}
	p := &path{stack: wireStack(&o)}
	p.priority = int(p.stack[0].TC)
	if o.Group != "" {
		g, ok := t.source.(Grouper)
		if !ok {
			return 0, fmt.Errorf("path into group %q: this data plane has no way in", o.Group)
		}
		p.outlet = g.Outlet(o.Group)
		p.enter(p.outlet.v.Load())
	} else {
		sec := t.sections[o.Section]
		if sec == nil {
			return 0, fmt.Errorf("path over unknown section %q", o.Section)
		}
		p.section = sec
		p.build(&sec.Section)
		sec.paths[p] = true
	}
	if n := len(t.free); n > 0 {
		p.id, t.free = t.free[n-1], t.free[:n-1]
		t.paths[p.id] = p
	} else {
		p.id = oam.PathID(len(t.paths))
		t.paths = append(t.paths, p)
	}
	return p.id, nil
}

// wireStack is the label stack of a path as it is sent.
func wireStack(o *oam.Path) []oam.LSE {
	stack := append([]oam.LSE(nil), o.Labels...)
	switch o.Control {
	case oam.ControlGAL:
		return append(stack, oam.LSE{Label: labelGAL, TC: o.GALTC, TTL: max(o.GALTTL, 1)})
	case oam.ControlRouterAlert:
		last := len(stack) - 1
		alert := stack[last]
		alert.Label = labelRouterAlert
		return append(stack[:last], alert, stack[last])
	}
	return stack
}

// ClosePath implements oam.Transport.
func (t *Transport) ClosePath(id oam.PathID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.path(id)
	if p == nil {
		return
	}
	if p.section != nil {
		delete(p.section.paths, p)
	}
	t.paths[id] = nil
	t.free = append(t.free, id)
}

func (t *Transport) path(id oam.PathID) *path {
	if id < 0 || int(id) >= len(t.paths) {
		return nil
	}
	return t.paths[id]
}

// build writes the header for the section as it is.
func (p *path) build(s *Section) {
	peer := s.Peer.OrMulticast()
	b := append(append(p.header[:0], peer[:]...), s.Local[:]...)
	if s.VLAN != 0 {
		b = binary.BigEndian.AppendUint16(b, typeVLAN)
		b = binary.BigEndian.AppendUint16(b, s.VLAN)
	}
	b = binary.BigEndian.AppendUint16(b, typeMPLS)
	p.finish(b)
	p.up = s.Up && s.IfIndex != 0
	p.to = unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Ifindex: int32(s.IfIndex), Halen: 6}
	copy(p.to.Addr[:], peer[:])
}

// enter writes the header for an outlet as it is.
func (p *path) enter(outlet uint64) {
	p.built, p.up = outlet, outlet&outletOpen != 0
	// The far end looks at no addresses.
	b := append(p.header[:0], make([]byte, 12)...)
	ifindex := uint32(outlet >> 16)
	if outlet&outletLabel != 0 {
		ifindex = uint32(outlet >> labelBits)
		b = binary.BigEndian.AppendUint16(b, typeMPLS)
		b = appendLSE(b, oam.LSE{Label: uint32(outlet & (1<<labelBits - 1)), TC: p.stack[0].TC, TTL: 255}, 0)
	} else {
		b = binary.BigEndian.AppendUint16(b, typeSTag)
		b = binary.BigEndian.AppendUint16(b, uint16(outlet))
		b = binary.BigEndian.AppendUint16(b, typeMPLS)
	}
	p.finish(b)
	p.to = unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Ifindex: int32(ifindex), Halen: 6}
}

// finish writes the stack behind the Ethernet header.
func (p *path) finish(b []byte) {
	for i, l := range p.stack {
		s := uint32(0)
		if i == len(p.stack)-1 {
			s = 1
		}
		b = appendLSE(b, l, s)
	}
	p.length = uint64(len(b))
}

func appendLSE(b []byte, l oam.LSE, s uint32) []byte {
	return binary.BigEndian.AppendUint32(b, l.Label<<12|uint32(l.TC)<<9|s<<8|uint32(l.TTL))
}

// mmsghdr is struct mmsghdr of the kernel.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// txBatch is the memory of one system call.
type txBatch struct {
	priority int // of the socket
	msgs     [txMax]mmsghdr
	iovs     [txMax][2]unix.Iovec
}

func (b *txBatch) init() {
	for i := range b.msgs {
		h := &b.msgs[i].hdr
		h.Namelen = unix.SizeofSockaddrLinklayer
		h.Iov, h.Iovlen = &b.iovs[i][0], 2
	}
}

// Send implements oam.Transport.
func (t *Transport) Send(batch []oam.Tx) (sent int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return 0, os.ErrClosed
	}
	n := 0
	for i := range batch {
		p := t.path(batch[i].Path)
		if p != nil && p.outlet != nil {
			if v := p.outlet.v.Load(); v != p.built {
				p.enter(v)
			}
		}
		if p == nil || !p.up || len(batch[i].Payload) == 0 {
			t.count.sectionDown.Add(1)
			if err == nil {
				err = errSectionDown
			}
			continue
		}
		if p.priority != t.tx.priority {
			k, e := t.flush(n)
			sent, n = sent+k, 0
			if err == nil {
				err = e
			}
			t.setPriority(p.priority)
		}
		t.tx.msgs[n].hdr.Name = (*byte)(unsafe.Pointer(&p.to))
		t.tx.iovs[n][0].Base, t.tx.iovs[n][0].Len = &p.header[0], p.length
		t.tx.iovs[n][1].Base, t.tx.iovs[n][1].Len = &batch[i].Payload[0], uint64(len(batch[i].Payload))
		if n++; n == txMax {
			k, e := t.flush(n)
			sent, n = sent+k, 0
			if err == nil {
				err = e
			}
		}
	}
	if n > 0 {
		k, e := t.flush(n)
		sent += k
		if err == nil {
			err = e
		}
	}
	return sent, err
}

// setPriority makes frames go into the queue of their traffic class, that of the
// top label (SO_PRIORITY is the socket's: one system call where frames of
// different classes meet). A kernel that refuses sends them all the same.
func (t *Transport) setPriority(p int) {
	_ = unix.SetsockoptInt(t.send, unix.SOL_SOCKET, unix.SO_PRIORITY, p)
	t.tx.priority = p
}

// flush sends the first n messages; one that the kernel refuses is left out.
func (t *Transport) flush(n int) (sent int, err error) {
	for at := 0; at < n; {
		r, _, e := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(t.send),
			uintptr(unsafe.Pointer(&t.tx.msgs[at])), uintptr(n-at), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case e == unix.EINTR:
		case e != 0:
			t.count.sendErrors.Add(1)
			if err == nil {
				err = e
			}
			at++
		default:
			at += int(r)
			sent += int(r)
		}
	}
	t.count.sent.Add(uint64(sent))
	return sent, err
}
