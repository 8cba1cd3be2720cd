package ebpf

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
)

// kernelIDs are the IDs of all tables and programs of a driver. IDs are given
// once: what has the same one has not been made again.
func kernelIDs(t *testing.T, d *Driver) map[string]uint32 {
	t.Helper()
	ids := map[string]uint32{}
	tables := d.objs.named()
	tables[foundPin] = d.found.table
	for name, m := range tables {
		info, err := m.Info()
		if err != nil {
			t.Fatal(err)
		}
		id, _ := info.ID()
		ids["map "+name] = uint32(id)
	}
	for name, p := range fieldsOf[*ebpf.Program](&d.objs.tandemPrograms) {
		info, err := p.Info()
		if err != nil {
			t.Fatal(err)
		}
		id, _ := info.ID()
		ids["program "+name] = uint32(id)
	}
	return ids
}

// TestWarmStart counts what a start makes: everything the first time, nothing
// the second time, and only what is missing after some of it was taken away.
func TestWarmStart(t *testing.T) {
	s := newSpace(t)
	o := Options{BPFFS: testFS(t), Instance: "warm", MaxLSPs: 1 << 10}
	start := func() (ids map[string]uint32, root string) {
		t.Helper()
		var d *Driver
		s.do(t, func() (err error) { d, err = Open(o); return err })
		defer d.Close()
		return kernelIDs(t, d), d.pins.root
	}
	made := func(before, after map[string]uint32) (programs, tables int) {
		for what, id := range after {
			if before[what] == id {
				continue
			}
			if what[0] == 'p' {
				programs++
			} else {
				tables++
			}
		}
		return programs, tables
	}
	first, root := start()
	if programs, tables := made(nil, first); programs != 4 || tables < 20 {
		t.Fatalf("the first start made %d programs and %d tables", programs, tables)
	}
	second, _ := start()
	if !maps.Equal(first, second) {
		programs, tables := made(first, second)
		t.Errorf("the second start made %d programs and %d tables", programs, tables)
	}
	// One pinned program less, and none is trusted.
	programs, err := filepath.Glob(filepath.Join(root, programsPrefix+"*", "tandem_section"))
	if err != nil || len(programs) != 1 {
		t.Fatal(programs, err)
	}
	if err := os.Remove(programs[0]); err != nil {
		t.Fatal(err)
	}
	third, _ := start()
	if programs, tables := made(second, third); programs != 4 || tables != 0 {
		t.Errorf("a start without one program made %d programs and %d tables", programs, tables)
	}
	// Programs on another table than the one that is there are no good.
	if err := os.Remove(filepath.Join(filepath.Dir(filepath.Dir(programs[0])), filepath.Base(pins{}.maps()), "events")); err != nil {
		t.Fatal(err)
	}
	fourth, _ := start()
	if programs, tables := made(third, fourth); programs != 4 || tables != 1 {
		t.Errorf("a start without one table made %d programs and %d tables", programs, tables)
	}
}
