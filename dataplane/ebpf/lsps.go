package ebpf

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
)

// lsp is an LSP as it is in the tables.
type lsp struct {
	name     string
	id       uint32
	entry    tandemLsp
	prefixes map[netip.Prefix]bool
	branches map[uint64]*branch // by name
}

func (l *lsp) labelKey() labelKey { return labelKey{l.entry.InSection, l.entry.InLabel} }

// hop returns the reference of a next hop: a section, or a group.
func (d *Driver) hop(h dataplane.NextHop) (uint32, error) {
	switch {
	case h.Section != "":
		s := d.sections[hashName(h.Section)]
		if s == nil {
			return 0, &fault{reason: "section " + h.Section + " is not in the data plane"}
		}
		return s.id, nil
	case h.Group != "":
		g := d.groups[hashName(h.Group)]
		if g == nil {
			return 0, &fault{reason: "group " + h.Group + " is not in the data plane"}
		}
		return refGroup | g.id, nil
	}
	return 0, nil
}

// newEntry builds the entry of an LSP as far as other objects have to do with it.
func (d *Driver) newEntry(o dataplane.LSP) (tandemLsp, error) {
	var in uint32
	if o.InSection != "" {
		s := d.sections[hashName(o.InSection)]
		if s == nil {
			return tandemLsp{}, &fault{reason: "section " + o.InSection + " is not in the data plane"}
		}
		in = s.id
	}
	out, err := d.hop(o.Out)
	if err != nil {
		return tandemLsp{}, err
	}
	e := lspEntry(o, in, out)
	e.Name = hashName(o.Name)
	if o.Selector != "" {
		g := d.groups[hashName(o.Selector)]
		if g == nil {
			return tandemLsp{}, &fault{reason: "group " + o.Selector + " is not in the data plane"}
		}
		e.Selector, e.SelectorLeg = g.id, o.SelectorLeg
	}
	if o.Loop != "" {
		e.Flags |= flagLoop
		e.LoopName = hashName(o.Loop)
		if l := d.lsps[e.LoopName]; l != nil {
			e.Loop = l.id
		}
	}
	return e, nil
}

func (d *Driver) putLSP(o dataplane.LSP, rt *routes) error {
	e, err := d.newEntry(o)
	if err != nil {
		return err
	}
	old := d.lsps[e.Name]
	if old != nil && old.name != "" && old.name != o.Name {
		return &fault{reason: fmt.Sprintf("name clashes with LSP %s", old.name)}
	}
	if err := d.keepCounter(&e, old); err != nil {
		return err
	}
	branches, gone, err := d.putBranches(o, &e, old)
	if err == nil {
		var l *lsp
		if l, err = d.writeLSP(e, old); err == nil {
			return d.turnTo(o, l, old, branches, gone, rt)
		}
	}
	if old == nil {
		d.counterIDs.put(e.Counter, time.Now())
	}
	return err
}

// keepCounter gives the entry the counter of the one that it replaces, or one
// of its own.
func (d *Driver) keepCounter(e *tandemLsp, old *lsp) error {
	if old != nil {
		e.Counter, e.Since, e.Generation = old.entry.Counter, old.entry.Since, old.entry.Generation
		return nil
	}
	var err error
	e.Since = uint64(time.Now().UnixNano())
	e.Counter, err = d.newCounter()
	return err
}

// turnTo leads everything that leads to an LSP to its new entry, and then takes
// away what the old one has too much.
func (d *Driver) turnTo(o dataplane.LSP, l, old *lsp, branches map[uint64]*branch, gone *discard, rt *routes) error {
	l.name, l.branches = o.Name, branches
	d.lsps[l.entry.Name] = l
	if l.entry.InLabel != 0 {
		if err := d.objs.setLSPLabel(l); err != nil {
			return fmt.Errorf("write label: %w", err)
		}
		d.labels[l.labelKey()] = l
	}
	was := l.prefixes
	if err := d.putPrefixes(l, o.Prefixes, rt); err != nil {
		return err
	}
	if err := d.turnReferences(l, old, rt); err != nil {
		return err
	}
	d.discard(gone)
	if old == nil || old == l {
		return d.dropPrefixes(l, was, rt)
	}
	return d.retire(old, rt)
}

// turnReferences leads groups and loops to the entry that an LSP has now.
func (d *Driver) turnReferences(l, old *lsp, rt *routes) error {
	for g := range d.legOf[l.entry.Name] {
		if err := d.turnLeg(g, l); err != nil {
			return err
		}
		if old != nil && (old.entry.N != l.entry.N || old.entry.Out != l.entry.Out) {
			d.reroute(rt, func(ref uint32) bool { return ref == refGroup|g.id })
		}
	}
	for from := range d.loopsTo[l.entry.Name] {
		x := d.lsps[from]
		if x == nil || x.entry.LoopName != l.entry.Name {
			delete(d.loopsTo[l.entry.Name], from)
			continue
		}
		x.entry.Loop = l.id
		if err := d.objs.setLoop(x.id, l.id); err != nil {
			return fmt.Errorf("write loop: %w", err)
		}
	}
	if n := l.entry.LoopName; n != 0 {
		if d.loopsTo[n] == nil {
			d.loopsTo[n] = map[uint64]bool{}
		}
		d.loopsTo[n][l.entry.Name] = true
	}
	return nil
}

// writeLSP writes the entry: into the slot that it has if the content is the
// same, to repair it, and else into a new one, so that no program ever sees
// half of a change. Counters go on.
func (d *Driver) writeLSP(e tandemLsp, old *lsp) (*lsp, error) {
	if old != nil && e == old.entry {
		return old, d.objs.Lsps.Update(old.id, e, ebpf.UpdateAny)
	}
	d.generation++
	e.Generation = d.generation
	id, err := d.writeEntry(e)
	if err != nil {
		return nil, err
	}
	return &lsp{entry: e, id: id}, nil
}

// writeEntry writes an entry into a new slot.
func (d *Driver) writeEntry(e tandemLsp) (uint32, error) {
	now := time.Now()
	id := d.lspIDs.get(now)
	if id == 0 && d.clearRetired() == nil {
		id = d.lspIDs.get(now)
	}
	if id == 0 {
		return 0, &fault{reason: "the table of LSPs is full"}
	}
	if err := d.objs.Lsps.Update(id, e, ebpf.UpdateAny); err != nil {
		d.lspIDs.put(id, now)
		return 0, fmt.Errorf("write LSP: %w", err)
	}
	return id, nil
}

// retire removes an entry and the references that still lead to it; another
// LSP may have taken over its label or a prefix. Its counters stay.
func (d *Driver) retire(l *lsp, rt *routes) error {
	if k := l.labelKey(); d.labels[k] == l {
		delete(d.labels, k)
		if err := d.objs.clearLabel(k); err != nil {
			return fmt.Errorf("remove label: %w", err)
		}
	}
	for p := range l.prefixes {
		if d.prefixes[p] == client(l) {
			if err := d.unroute(p, rt); err != nil {
				return err
			}
		}
	}
	d.retired = append(d.retired, l.id)
	return nil
}

// clearRetired empties the entries to which no reference has led since they were
// retired. A program may still be reading one that it looked up just before, so
// a grace period comes first.
func (d *Driver) clearRetired() error {
	if len(d.retired) == 0 {
		return nil
	}
	awaitPrograms()
	var failed error
	for _, id := range d.retired {
		if err := d.objs.Lsps.Update(id, tandemLsp{}, ebpf.UpdateAny); err != nil {
			failed = fmt.Errorf("remove LSP: %w", err)
			continue // The slot stays taken; an audit finds the entry.
		}
		d.lspIDs.put(id, time.Now())
	}
	d.retired = d.retired[:0]
	return failed
}

// awaitPrograms returns when every program that runs now has ended: they run in
// read-side critical sections of RCU, and this command of membarrier(2) waits for
// a grace period.
func awaitPrograms() {
	const global = 1 // MEMBARRIER_CMD_GLOBAL
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0); errno != 0 {
		// A kernel with full dynamic ticks has no such command.
		<-time.After(rest)
	}
}

func (d *Driver) deleteLSP(l *lsp, rt *routes) error {
	if l == nil {
		return nil
	}
	if err := d.retire(l, rt); err != nil {
		return err
	}
	for g := range d.legOf[l.entry.Name] {
		if err := d.turnLeg(g, &lsp{entry: tandemLsp{Name: l.entry.Name}}); err != nil {
			return err
		}
	}
	d.discard(&discard{branches: l.branches, list: l.entry.Copies})
	delete(d.lsps, l.entry.Name)
	delete(d.loopsTo, l.entry.Name)
	d.counterIDs.put(l.entry.Counter, time.Now())
	return nil
}
