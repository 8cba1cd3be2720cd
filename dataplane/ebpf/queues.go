package ebpf

import (
	"errors"
	"fmt"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// setQueues puts the queues of a section on its interface, before frames are
// sent through them. It needs d.mu.
func (d *Driver) setQueues(l link.Link, o dataplane.Section) error {
	if !o.Queues.Enabled {
		return nil // Taken off after the section has ceased to use them.
	}
	err := d.queues.Set(l.Index, hashName(o.Name), linkQueues(o.Queues))
	if errors.Is(err, link.ErrForeignQueues) || errors.Is(err, link.ErrOtherQueues) {
		return &fault{fmt.Sprintf("interface %s: %v", l.Name, err), err}
	}
	return err
}

func linkQueues(q dataplane.Queues) link.Queues {
	return link.Queues{Rate: q.Rate, Weights: q.Weights}
}

// clearQueues ends a section's use of queues. It is called after frames have
// ceased to be sent through them.
func (d *Driver) clearQueues(ifindex int, section uint64) {
	if err := d.queues.Clear(ifindex, section); err != nil {
		d.log.Warn("queues not removed", "interface-index", ifindex, "error", err)
	}
}

// queuesOf returns the queues on an interface as the kernel has them, for the
// dump of a section that uses them; zero where they are gone or changed. A
// section that was adopted has used them since before this process.
func (d *Driver) queuesOf(ifindex int, section uint64) dataplane.Queues {
	q, ok, err := d.net.Queues(ifindex)
	if err != nil || !ok || q.ByLabel {
		return dataplane.Queues{}
	}
	if !d.queues.Uses(ifindex, section) {
		d.queues.Note(ifindex, section, q)
	}
	return dataplane.Queues{Enabled: true, Rate: q.Rate, Weights: q.Weights}
}

// queueDrift returns the sections whose queues were changed behind our back.
func (d *Driver) queueDrift() (names []string) {
	for _, section := range d.queues.Drift() {
		if s := d.sections[section]; s != nil {
			names = append(names, s.name)
		}
	}
	return names
}
