package ebpf

import (
	"fmt"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane"
)

// sizeCounters gives the table of counters room for perCPU of them, and tells
// the programs.
func sizeCounters(spec *ebpf.CollectionSpec, perCPU uint32) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	spec.Maps["counter_table"].MaxEntries = perCPU * uint32(cpus)
	return tellCounters(spec)
}

// tellCounters tells the programs of a specification how its table of counters
// is divided.
func tellCounters(spec *ebpf.CollectionSpec) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	for name, value := range map[string]uint32{
		"cpus": uint32(cpus), "counters_per_cpu": spec.Maps["counter_table"].MaxEntries / uint32(cpus),
	} {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// counters is how many there are, the one that is nobody's included.
func (t *tandemMaps) counters() uint32 {
	return t.CounterTable.MaxEntries() / uint32(ebpf.MustPossibleCPU())
}

const counterSize = int(unsafe.Sizeof(tandemCounters{}))

// eachCounter calls f with where the octets of a counter are on each CPU.
func (t *tandemMaps) eachCounter(id uint32, f func(mem *ebpf.Memory, at int64) error) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	mem, err := t.CounterTable.Memory()
	if err != nil {
		return fmt.Errorf("map counters: %w", err)
	}
	perCPU := int(t.CounterTable.MaxEntries()) / cpus
	for cpu := range cpus {
		if err := f(mem, int64(cpu*perCPU+int(id))*int64(counterSize)); err != nil {
			return err
		}
	}
	return nil
}

// total sums a counter over all CPUs, while they count on.
func (t *tandemMaps) total(id uint32) (s tandemCounters, err error) {
	var c tandemCounters
	b := unsafe.Slice((*byte)(unsafe.Pointer(&c)), counterSize)
	err = t.eachCounter(id, func(mem *ebpf.Memory, at int64) error {
		if _, err := mem.ReadAt(b, at); err != nil {
			return fmt.Errorf("read counter: %w", err)
		}
		s.InPackets += c.InPackets
		s.InOctets += c.InOctets
		s.OutPackets += c.OutPackets
		s.OutOctets += c.OutOctets
		s.InDrops += c.InDrops
		s.OutDrops += c.OutDrops
		return nil
	})
	return s, err
}

// zero starts a counter anew.
func (t *tandemMaps) zero(id uint32) error {
	var zeros [counterSize]byte
	return t.eachCounter(id, func(mem *ebpf.Memory, at int64) error {
		if _, err := mem.WriteAt(zeros[:], at); err != nil {
			return fmt.Errorf("zero counter: %w", err)
		}
		return nil
	})
}

// newCounter returns a counter at zero.
func (d *Driver) newCounter() (uint32, error) {
	now := time.Now()
	id := d.counterIDs.get(now)
	if id == 0 {
		return 0, &fault{reason: "the table of counters is full"}
	}
	if err := d.objs.zero(id); err != nil {
		d.counterIDs.put(id, now)
		return 0, err
	}
	return id, nil
}

// countersOf are those of an object since it began to count.
func (t *tandemMaps) countersOf(id uint32, since uint64) (dataplane.Counters, error) {
	c, err := t.total(id)
	return dataplane.Counters{
		In:      dataplane.Counter{Packets: c.InPackets, Octets: c.InOctets},
		Out:     dataplane.Counter{Packets: c.OutPackets, Octets: c.OutOctets},
		InDrops: c.InDrops, OutDrops: c.OutDrops, Since: time.Unix(0, int64(since)),
	}, err
}
