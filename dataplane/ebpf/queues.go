package ebpf

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// setQueues puts the queues of a section on its interface, before frames are
// sent through them. Sections on VLANs of one interface share its queues, so
// they must agree. It needs d.mu.
func (d *Driver) setQueues(l link.Link, o dataplane.Section) error {
	if !o.Queues.Enabled {
		return nil // Taken off after the section has ceased to use them.
	}
	name := hashName(o.Name)
	for other, q := range d.queues[l.Index] {
		if other != name && q != o.Queues {
			return &fault{reason: fmt.Sprintf("interface %s has the queues of another section, which differ", l.Name)}
		}
	}
	err := d.net.SetQueues(l.Index, link.Queues{Rate: o.Queues.Rate, Weights: o.Queues.Weights})
	if errors.Is(err, link.ErrForeignQueues) {
		return &fault{fmt.Sprintf("interface %s: %v", l.Name, err), err}
	}
	if err != nil {
		return err
	}
	d.noteQueues(l.Index, name, o.Queues)
	return nil
}

func (d *Driver) noteQueues(ifindex int, section uint64, q dataplane.Queues) {
	if d.queues[ifindex] == nil {
		d.queues[ifindex] = map[uint64]dataplane.Queues{}
	}
	d.queues[ifindex][section] = q
}

// clearQueues ends a section's use of queues; the last one takes them off the
// interface. It is called after frames have ceased to be sent through them.
func (d *Driver) clearQueues(ifindex int, section uint64) {
	users := d.queues[ifindex]
	if _, ok := users[section]; !ok {
		return
	}
	delete(users, section)
	if len(users) > 0 {
		return
	}
	delete(d.queues, ifindex)
	if err := d.net.ClearQueues(ifindex); err != nil {
		d.log.Warn("queues not removed", "interface-index", ifindex, "error", err)
	}
}

// queuesOf returns the queues on an interface as the kernel has them, for the
// dump of a section that uses them; zero where they are gone or changed. A
// section that was adopted has used them since before this process.
func (d *Driver) queuesOf(ifindex int, section uint64) dataplane.Queues {
	q, ok, err := d.net.Queues(ifindex)
	if err != nil || !ok {
		return dataplane.Queues{}
	}
	out := dataplane.Queues{Enabled: true, Rate: q.Rate, Weights: q.Weights}
	if _, known := d.queues[ifindex][section]; !known {
		d.noteQueues(ifindex, section, out)
	}
	return out
}

// queueDrift returns the sections whose queues were changed behind our back.
func (d *Driver) queueDrift() (names []string) {
	for ifindex, users := range d.queues {
		q, ok, err := d.net.Queues(ifindex)
		if err != nil {
			continue
		}
		now := dataplane.Queues{Enabled: ok, Rate: q.Rate, Weights: q.Weights}
		for section, want := range users {
			if s := d.sections[section]; s != nil && now != want {
				names = append(names, s.name)
			}
		}
	}
	return names
}

// queueing describes queues for people.
func queueing(q dataplane.Queues) string {
	var strict, weighted []string
	for class, w := range slices.Backward(q.Weights[:]) {
		if w == 0 {
			strict = append(strict, strconv.Itoa(class))
		} else {
			weighted = append(weighted, fmt.Sprintf("%d:%d", class, w))
		}
	}
	s := "htb"
	if q.Rate != 0 {
		s += fmt.Sprintf(", %d bit/s", q.Rate)
	}
	if strict != nil {
		s += ", strict " + strings.Join(strict, " ")
	}
	if weighted != nil {
		s += ", weights " + strings.Join(weighted, " ")
	}
	return s
}
