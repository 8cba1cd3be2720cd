package ebpf

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
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
	if _, err := d.attachmentProgram.get(); err != nil {
		t.Fatal(err)
	}
	for name, p := range d.programs() {
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
	// One pinned program less, as after a kill amid a start.
	programs, err := filepath.Glob(filepath.Join(root, programsPrefix+"*", "tandem_section"))
	if err != nil || len(programs) != 1 {
		t.Fatal(programs, err)
	}
	if err := os.Remove(programs[0]); err != nil {
		t.Fatal(err)
	}
	third, _ := start()
	if programs, tables := made(second, third); programs != 1 || tables != 0 {
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

// TestProgramThatCannotBeLoaded has a driver without the program that a start
// does not wait for: what needs it is refused with the reason, before a commit
// and in it, what does not need it works, and a start that finds such a circuit
// in the tables fails.
func TestProgramThatCannotBeLoaded(t *testing.T) {
	s := newSpace(t)
	newTap(t, s, "card0", dataplane.MAC{2, 0, 0, 0, 9, 1})
	s.sh(t, "ip link add east0 type veth peer name far0; ip link set east0 up; ip link set far0 up")
	o := Options{BPFFS: testFS(t), Instance: "later", MaxLSPs: 1 << 10, hardware: func(name string) (link.Hardware, error) {
		if name == "card0" {
			return link.Hardware{Driver: "card", Bus: "0000:00:01.0"}, nil
		}
		return link.Hardware{Driver: "veth"}, nil
	}}
	open := func() (d *Driver, err error) {
		s.do(t, func() error { d, err = Open(o); return nil })
		return d, err
	}
	d, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.attachmentProgram.get(); err != nil {
		t.Fatal(err)
	}
	apply(t, d,
		dataplane.Section{Name: "east", Interface: "east0"},
		dataplane.Pseudowire{Name: "pw", InLabel: 800, Out: dataplane.NextHop{Section: "east", Stack: entries(800)}})
	wire := func(ifc string) []dataplane.Op {
		return puts([]dataplane.Object{dataplane.Service{
			Name: "wire", Attachment: dataplane.Attachment{Interface: ifc}, Send: "pw", Receive: []string{"pw"},
		}})
	}
	have := func(p *laterProgram) {
		d.mu.Lock()
		d.attachmentProgram = p
		d.mu.Unlock()
	}
	loaded := d.attachmentProgram
	failed := &laterProgram{done: make(chan struct{}), load: func() (*ebpf.Program, error) {
		return nil, &fault{reason: "the verifier is not pleased"}
	}}
	have(failed)
	if err := d.Prepare(t.Context(), wire("card0")); err != nil {
		t.Errorf("refused before it is known: %v", err)
	}
	if _, err := failed.get(); err == nil {
		t.Fatal("loaded")
	}
	if err := d.Prepare(t.Context(), wire("card0")); err == nil || !strings.Contains(err.Error(), "not pleased") {
		t.Errorf("a circuit on a card: %v", err)
	}
	if errs := d.Apply(t.Context(), wire("card0")); len(errs) != 1 || errs[0].Retry || !strings.Contains(errs[0].Reason, "not pleased") {
		t.Errorf("a circuit on a card: %v", errs)
	}
	if err := d.Prepare(t.Context(), wire("east0")); err != nil {
		t.Errorf("a circuit that is relayed: %v", err)
	}
	if errs := d.Apply(t.Context(), wire("east0")); len(errs) != 0 {
		t.Errorf("a circuit that is relayed: %v", errs)
	}
	have(loaded)
	if errs := d.Apply(t.Context(), wire("card0")); len(errs) != 0 {
		t.Error(errs)
	}
	have(failed)
	if err := d.openHooks(true); err == nil || !strings.Contains(err.Error(), "not pleased") {
		t.Errorf("a start with a circuit on a card: %v", err)
	}
	have(loaded)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}
