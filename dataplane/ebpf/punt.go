package ebpf

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/oam"
)

// Punts reads the frames that the programs punt. There is one reader at a
// time: a second one takes frames away from the first.
//
// The ring is read in place: frames alias it until Release. (cilium's reader
// copies each record and waits by itself, to the millisecond.)
type Punts struct {
	ring     *ebpf.Map
	consumer []byte // page with the consumer's position
	producer []byte // page with the producer's position, then the data twice
	data     []byte
	mask     uint64
	at       uint64 // what is read so far; the consumer's position at Release
	bad      atomic.Uint64
	steady   steadyTable
	outlets  *outlets
}

var _ packetio.Source = (*Punts)(nil)

// Bits of the length of a ring buffer record.
const (
	recordBusy    = 1 << 31
	recordDiscard = 1 << 30
	recordHeader  = 8
)

// Punts returns a reader of punted frames. It outlives the driver's Close.
func (d *Driver) Punts() (*Punts, error) {
	ring, err := d.objs.Punts.Clone()
	if err != nil {
		return nil, fmt.Errorf("open punt ring: %w", err)
	}
	p := &Punts{ring: ring, outlets: &d.outlets}
	page, size := os.Getpagesize(), int(ring.MaxEntries())
	if p.consumer, err = unix.Mmap(ring.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		p.Close()
		return nil, fmt.Errorf("map punt ring: %w", err)
	}
	if p.producer, err = unix.Mmap(ring.FD(), int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		p.Close()
		return nil, fmt.Errorf("map punt ring: %w", err)
	}
	p.data, p.mask = p.producer[page:], uint64(size-1)
	p.at = atomic.LoadUint64((*uint64)(unsafe.Pointer(&p.consumer[0])))
	if err := p.openSteady(&d.objs.tandemMaps); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// FD implements packetio.Source.
func (p *Punts) FD() int { return p.ring.FD() }

// Release implements packetio.Source.
func (p *Punts) Release() {
	atomic.StoreUint64((*uint64)(unsafe.Pointer(&p.consumer[0])), p.at)
}

// Next implements packetio.Source.
func (p *Punts) Next(dst []packetio.Frame) (n int) {
	end := atomic.LoadUint64((*uint64)(unsafe.Pointer(&p.producer[0])))
	for n < len(dst) && p.at < end {
		head := p.at & p.mask
		length := atomic.LoadUint32((*uint32)(unsafe.Pointer(&p.data[head])))
		if length&recordBusy != 0 {
			return n
		}
		size := uint64(length &^ recordDiscard)
		record := p.data[head+recordHeader : head+recordHeader+size]
		p.at += (size + recordHeader + 7) &^ 7
		if length&recordDiscard != 0 {
			continue
		}
		if parsePunt(record, &dst[n]) {
			n++
		} else {
			p.bad.Add(1)
		}
	}
	return n
}

// Bad returns how many records could not be understood: with programs of our
// own version, none.
func (p *Punts) Bad() uint64 { return p.bad.Load() }

// parsePunt reads one record: struct punt of bpf/maps.h and the frame.
func parsePunt(record []byte, f *packetio.Frame) bool {
	const headLen = int(unsafe.Sizeof(tandemPunt{}))
	if len(record) < headLen {
		return false
	}
	h := (*tandemPunt)(unsafe.Pointer(&record[0]))
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
func (p *Punts) Close() error {
	var errs []error
	for _, m := range [][]byte{p.consumer, p.producer} {
		if m != nil {
			errs = append(errs, unix.Munmap(m))
		}
	}
	if p.steady.expected != nil {
		errs = append(errs, p.steady.expected.Close())
	}
	return errors.Join(append(errs, p.ring.Close())...)
}

// TTLExpiries returns how often the TTL of a packet has expired, by the name of
// the section it came in on.
func (d *Driver) TTLExpiries() (map[string]uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]uint64, len(d.sections))
	var perCPU []uint64
	for _, s := range d.sections {
		if s.name == "" {
			continue // Adopted and not asked for.
		}
		if err := d.objs.Expiries.Lookup(s.id, &perCPU); err != nil {
			return nil, fmt.Errorf("read expired TTLs of section %s: %w", s.name, err)
		}
		for _, n := range perCPU {
			out[s.name] += n
		}
	}
	return out, nil
}

// oamFeatures are what the punts can do here.
func oamFeatures() []dataplane.Feature {
	return []dataplane.Feature{dataplane.FeatureGALPunt, dataplane.FeatureTTLPunt, dataplane.FeatureKernelTime,
		dataplane.FeatureSteadyCC, dataplane.FeatureSnapshot, dataplane.FeaturePuntLimits,
		dataplane.FeatureBlock, dataplane.FeatureSectionBlock, dataplane.FeatureLoopback}
}
