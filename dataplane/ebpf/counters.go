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

// eachCounter calls f with a counter on each CPU.
func (o *objects) eachCounter(id uint32, f func(*tandemCounters)) error {
	perCPU := o.counters()
	if id >= perCPU {
		return fmt.Errorf("counter %d of %d: %w", id, perCPU, ebpf.ErrKeyNotExist)
	}
	for cpu := range uint32(ebpf.MustPossibleCPU()) {
		if err := o.arrays[o.CounterTable].entry(cpu*perCPU+id, func(b []byte) { f((*tandemCounters)(unsafe.Pointer(&b[0]))) }); err != nil {
			return err
		}
	}
	return nil
}

// total sums a counter over all CPUs, while they count on.
func (o *objects) total(id uint32) (s tandemCounters, err error) {
	err = o.eachCounter(id, func(c *tandemCounters) {
		s.InPackets += c.InPackets
		s.InOctets += c.InOctets
		s.OutPackets += c.OutPackets
		s.OutOctets += c.OutOctets
		s.InDrops += c.InDrops
		s.OutDrops += c.OutDrops
	})
	return s, err
}

// zero starts a counter anew.
func (o *objects) zero(id uint32) error {
	return o.eachCounter(id, func(c *tandemCounters) { *c = tandemCounters{} })
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
func (o *objects) countersOf(id uint32, since uint64) (dataplane.Counters, error) {
	c, err := o.total(id)
	return dataplane.Counters{
		In:      dataplane.Counter{Packets: c.InPackets, Octets: c.InOctets},
		Out:     dataplane.Counter{Packets: c.OutPackets, Octets: c.OutOctets},
		InDrops: c.InDrops, OutDrops: c.OutDrops, Since: time.Unix(0, int64(since)),
	}, err
}
