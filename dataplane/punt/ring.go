package punt

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/oam"
)

// Ring reads the frames that programs put into a ring buffer. There is one
// reader at a time: a second one takes frames away from the first.
//
// The ring is read in place: frames alias it until Release. (cilium's reader
// copies each record and waits by itself, to the millisecond.)
type Ring struct {
	fd       int
	consumer []byte // page with the consumer's position
	producer []byte // page with the producer's position, then the data twice
	data     []byte
	mask     uint64
	at       uint64 // what is read so far; the consumer's position at Release
	bad      atomic.Uint64
}

var _ packetio.Source = (*Ring)(nil)

// Bits of the length of a ring buffer record.
const (
	recordBusy    = 1 << 31
	recordDiscard = 1 << 30
	recordHeader  = 8
)

// OpenRing returns a reader of the ring buffer behind a file descriptor, which
// it owns from now on. size is that of the buffer, a power of two.
func OpenRing(fd, size int) (*Ring, error) {
	r := &Ring{fd: fd}
	page := os.Getpagesize()
	var err error
	if r.consumer, err = unix.Mmap(fd, 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
		r.producer, err = unix.Mmap(fd, int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map punt ring: %w", err), r.Close())
	}
	r.data, r.mask = r.producer[page:], uint64(size-1)
	r.at = atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.consumer[0])))
	return r, nil
}

// FD implements packetio.Source.
func (r *Ring) FD() int { return r.fd }

// Release implements packetio.Source.
func (r *Ring) Release() { atomic.StoreUint64((*uint64)(unsafe.Pointer(&r.consumer[0])), r.at) }

// Next implements packetio.Source.
func (r *Ring) Next(dst []packetio.Frame) (n int) {
	end := atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.producer[0])))
	for n < len(dst) && r.at < end {
		head := r.at & r.mask
		length := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.data[head])))
		if length&recordBusy != 0 {
			return n
		}
		size := uint64(length &^ recordDiscard)
		record := r.data[head+recordHeader : head+recordHeader+size]
		r.at += (size + recordHeader + 7) &^ 7
		if length&recordDiscard != 0 {
			continue
		}
		if Parse(record, &dst[n]) {
			n++
		} else {
			r.bad.Add(1)
		}
	}
	return n
}

// Bad returns how many records could not be understood: with programs of our
// own version, none.
func (r *Ring) Bad() uint64 { return r.bad.Load() }

// Head is struct punt of the programs: the head of a record, which the frame
// follows.
type Head struct {
	Time                uint64 // CLOCK_MONOTONIC
	InPackets, InOctets uint64
	OutPackets          uint64
	OutOctets           uint64
	Ifindex, Section    uint32
	Label               uint32
	Length              uint32 // of the frame
	Captured            uint16 // of it
	Vlan                uint16
	Channel             uint16
	Reason, HasLabel    uint8
	Stack               uint8 // offset of the label stack
	Depth               uint8
	Entity              uint8
	Ach                 uint8
}

// Parse reads one record: the head and the frame. It is false where the record
// contradicts itself.
func Parse(record []byte, f *packetio.Frame) bool {
	const headLen = int(unsafe.Sizeof(Head{}))
	if len(record) < headLen {
		return false
	}
	h := (*Head)(unsafe.Pointer(&record[0]))
	frame := record[headLen:]
	if int(h.Captured) > len(frame) || int(h.Stack) > int(h.Captured) || uint32(h.Captured) > h.Length || h.Reason > uint8(oam.ReasonPWACH) ||
		h.Entity > uint8(oam.NoEntity) {
		return false
	}
	*f = packetio.Frame{
		Time: int64(h.Time), IfIndex: h.Ifindex, VLAN: h.Vlan, Reason: oam.Reason(h.Reason),
		Entity: oam.EntityKind(h.Entity), Label: h.Label, HasLabel: h.HasLabel != 0,
		Stack: frame[h.Stack:h.Captured], Truncated: uint32(h.Captured) < h.Length,
		Snapshot: oam.Snapshot{InPackets: h.InPackets, InOctets: h.InOctets, OutPackets: h.OutPackets, OutOctets: h.OutOctets},
	}
	return true
}

// Close implements packetio.Source.
func (r *Ring) Close() error {
	var errs []error
	for _, m := range [][]byte{r.consumer, r.producer} {
		if m != nil {
			errs = append(errs, unix.Munmap(m))
		}
	}
	return errors.Join(append(errs, unix.Close(r.fd))...)
}
