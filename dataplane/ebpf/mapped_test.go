package ebpf

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
)

// TestArray has many goroutines write into windows that nobody has mapped yet:
// each word is where the kernel has it, wherever it is, and nothing is beyond.
func TestArray(t *testing.T) {
	entries := uint32(2*os.Getpagesize() + 5)
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 12, MaxEntries: entries, Flags: unix.BPF_F_MMAPABLE})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	a := newArray(m)
	o := &objects{arrays: map[*ebpf.Map]*array{m: a}}
	var done sync.WaitGroup
	for first := range uint32(8) {
		done.Go(func() {
			for slot := first; slot < entries; slot += 8 {
				if err := o.write(m, slot, 8, slot+1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	for _, slot := range []uint32{0, 1, entries/2 - 1, entries / 2, entries - 1} {
		var v [3]uint32
		if err := m.Lookup(slot, &v); err != nil || v != [3]uint32{0, 0, slot + 1} {
			t.Errorf("the kernel has %v at %d: %v", v, slot, err)
		}
	}
	next := uint32(0)
	if err := eachEntry(a, func(slot uint32, v *[3]uint32) {
		if slot != next || *v != [3]uint32{0, 0, slot + 1} {
			t.Errorf("entry %d is %v, %d was to come", slot, *v, next)
		}
		next++
	}); err != nil || next != entries {
		t.Errorf("%d of %d entries read: %v", next, entries, err)
	}
	for name, err := range map[string]error{
		"beyond the end":      o.write(m, entries, 0, uint32(1)),
		"no word":             o.write(m, 0, 0, "one"),
		"entries of 20 bytes": eachEntry(a, func(uint32, *[5]uint32) { t.Error("read") }),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := errors.Join(a.close(), a.close()); err != nil {
		t.Error(err)
	}
	if err := o.write(m, 0, 0, uint32(1)); err == nil {
		t.Error("written after it was closed")
	}
}

// TestArraysMapped holds what stays mapped against what is in use: an audit and
// a dump leave nothing, counters of a few LSPs no more than a window each.
func TestArraysMapped(t *testing.T) {
	s := newSpace(t)
	s.sh(t, "ip link add east0 type veth peer name far0; ip link set east0 up; ip link set far0 up")
	var d *Driver
	s.do(t, func() (err error) {
		d, err = Open(Options{BPFFS: testFS(t), Instance: "mapped", MaxLSPs: 1 << 17})
		return err
	})
	defer d.Close()
	apply(t, d, dataplane.Section{Name: "east", Interface: "east0"})
	apply(t, d, swaps(100, 1)...)
	before := mappedTables(t)
	if err := d.auditTables(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Dump(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if after := mappedTables(t); after > before { // What earlier tests have left may go meanwhile.
		t.Errorf("%d octets of tables mapped, before an audit and a dump %d", after, before)
	}
	if _, err := d.Counters(t.Context(), []dataplane.Key{{Kind: dataplane.KindLSP, Name: swaps(1, 1)[0].Key().Name}}, nil); err != nil {
		t.Fatal(err)
	}
	// Labels, LSPs, groups, relays, and counters of each processor.
	if after, most := mappedTables(t), (1<<21)+ebpf.MustPossibleCPU()<<18; after == 0 || after > most {
		t.Errorf("%d octets of tables mapped for 100 LSPs, %d are plenty", after, most)
	}
}

// mappedTables is how much of tables is mapped into this process.
func mappedTables(t *testing.T) (octets int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "bpf-map") {
			continue
		}
		from, to, _ := strings.Cut(strings.Fields(line)[0], "-")
		first, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		octets += int(end - first)
	}
	return octets
}
