package ebpf

import (
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane"
)

// switching is a switching point as it is in the tables.
type switching struct {
	name string
	hash uint64
	segs tandemSegments
}

func (d *Driver) putSwitchingPoint(o dataplane.SwitchingPoint) error {
	a, err := d.pwNamed(o.Segments[0])
	if err != nil {
		return err
	}
	b, err := d.pwNamed(o.Segments[1])
	if err != nil {
		return err
	}
	hash := hashName(o.Name)
	old := d.clients.switching[hash]
	if old != nil && old.name != "" && old.name != o.Name {
		return &fault{reason: fmt.Sprintf("name clashes with switching point %s", old.name)}
	}
	sp := &switching{name: o.Name, hash: hash, segs: tandemSegments{A: a.entry.Id, B: b.entry.Id}}
	if err := d.objs.SwitchingPoints.Update(hash, sp.segs, ebpf.UpdateAny); err != nil {
		return fmt.Errorf("write switching point: %w", err)
	}
	d.clients.switching[hash] = sp
	if err := d.direct(a, refPW|b.entry.Id); err != nil {
		return err
	}
	if err := d.direct(b, refPW|a.entry.Id); err != nil {
		return err
	}
	if old != nil && old.segs != sp.segs {
		return d.separate(old, sp)
	}
	return nil
}

// separate stops the frames of the segments of old from being switched, as far
// as new does not join them.
func (d *Driver) separate(old, now *switching) error {
	for _, s := range [][2]uint32{{old.segs.A, old.segs.B}, {old.segs.B, old.segs.A}} {
		if now != nil && (s == [2]uint32{now.segs.A, now.segs.B} || s == [2]uint32{now.segs.B, now.segs.A}) {
			continue
		}
		if err := d.undirect(d.clients.pwByID[s[0]], refPW|s[1]); err != nil {
			return err
		}
	}
	return nil
}

func (d *Driver) deleteSwitchingPoint(sp *switching) error {
	if sp == nil {
		return nil
	}
	if err := d.separate(sp, nil); err != nil {
		return err
	}
	if err := absent(d.objs.SwitchingPoints.Delete(sp.hash)); err != nil {
		return fmt.Errorf("remove switching point: %w", err)
	}
	delete(d.clients.switching, sp.hash)
	return nil
}

// switchingCounters are those of both segments.
func (d *Driver) switchingCounters(sp *switching) (dataplane.Counters, error) {
	var out dataplane.Counters
	for _, id := range []uint32{sp.segs.A, sp.segs.B} {
		pw := d.clients.pwByID[id]
		if pw == nil {
			continue
		}
		t, err := d.objs.total(pw.entry.Counter)
		if err != nil {
			return out, err
		}
		out.In.Packets += t.InPackets
		out.In.Octets += t.InOctets
		out.Out.Packets += t.OutPackets
		out.Out.Octets += t.OutOctets
		out.InDrops += t.InDrops
		out.OutDrops += t.OutDrops
		if since := time.Unix(0, int64(pw.entry.Since)); out.Since.IsZero() || since.Before(out.Since) {
			out.Since = since
		}
	}
	return out, nil
}
