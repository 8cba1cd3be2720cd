package kernel

import (
	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/tap"
)

// inform tells the tap what a batch has touched.
func (b *batch) inform(ops []dataplane.Op) {
	d := b.d
	if d.tap == nil {
		return
	}
	for _, op := range ops {
		switch op.Key.Kind {
		case dataplane.KindSection:
			d.tapSection(op.Key.Name)
		case dataplane.KindLSP:
			if l, ok := d.model.lsps[op.Key.Name]; ok {
				d.tapLabel(l.InLabel)
			}
		}
	}
	for label := range b.labels {
		d.tapLabel(label)
	}
	for _, s := range b.leaving {
		d.untap(s.index)
	}
}

// untap takes the tap off an interface that no section uses.
func (d *Driver) untap(index int) {
	for _, s := range d.model.sections {
		if s.index == index {
			return
		}
	}
	d.tap.unhook(index)
}

// tapSection tells where a section is.
func (d *Driver) tapSection(name string) {
	s, ok := d.model.sections[name]
	if !ok || s.index == 0 {
		d.tap.gone(name)
		return
	}
	l, err := d.link.ByIndex(s.index)
	if err != nil {
		d.tap.gone(name) // An event tells when it is there again.
		return
	}
	d.tap.section(s.Section, chain.Port{Name: l.Name, Index: l.Index, MAC: l.MAC}, 0)
	d.tap.hook(s.index)
}

// tapLabel tells what a label is now.
func (d *Driver) tapLabel(label uint32) {
	k := tap.Kind(0)
	if name, ok := d.model.labels[label]; ok && label != 0 {
		k = d.tap.kindOf(d.model.lsps[name], true)
	}
	d.tap.tell(d.tap.SetLabel(0, label, k))
}

// retap tells the tap everything, after a dump.
func (d *Driver) retap() {
	if d.tap == nil {
		return
	}
	ports, labels := map[tap.Port]bool{}, map[spaceNumber]bool{}
	for name := range d.model.sections {
		d.tapSection(name)
		ports[d.tap.at[name]] = true
	}
	for label := range d.model.labels {
		d.tapLabel(label)
		labels[spaceNumber{0, label}] = true
	}
	d.tap.keep(ports, labels)
	for index := range d.tap.hooked {
		d.untap(index)
	}
}
