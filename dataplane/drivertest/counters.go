package drivertest

import (
	"context"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
)

// counters checks exact counters where there are any, and zero ones elsewhere.
func (s suite) counters(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	x := lsp(swap, 100, out("east", 300, 200))
	off := down(lsp(swap, 101, out("east", 201)))
	off.Name = "off"
	imp := imposing(out("east", 400), "198.51.100.0/24")
	imp.Name = "imp"
	d.put(t, append(e.sections(), x, off, imp)...)
	inner := ip(remoteIPv4, clientIPv4, 64)
	keys := []dataplane.Key{x.Key(), off.Key(), imp.Key(), sectionKey("west"), sectionKey("east"), lspKey("never")}
	before := d.count(t, keys)
	s.drain(t)
	const packets = 5
	for range packets {
		s.lab.Send(t, West, e.fromWest(stack(label{100, 0, 64}), inner))
		s.lab.Send(t, West, e.fromWest(stack(label{101, 0, 64}), inner))
		s.lab.Send(t, Client, e.fromClient(ip(clientIPv4, remoteIPv4, 64)))
		for range 2 {
			if s.next(t, East, patience) == nil {
				t.Fatal("packet lost")
			}
		}
	}
	s.quiet(t)
	after := d.count(t, keys)
	n := uint64(len(inner))
	want := []dataplane.Counters{
		{In: times(packets, 4+n), Out: times(packets, 8+n)},
		{In: times(packets, 4+n), InDrops: packets},
		{In: times(packets, n), Out: times(packets, 4+n)},
		{In: times(2*packets, 4+n)},
		{Out: dataplane.Counter{Packets: 2 * packets, Octets: packets * (8 + n + 4 + n)}},
		{},
	}
	if !d.has(dataplane.FeatureLSPCounters) {
		want[0], want[1], want[2] = dataplane.Counters{}, dataplane.Counters{}, dataplane.Counters{}
	}
	if !d.has(dataplane.FeatureSectionCounters) {
		want[3], want[4] = dataplane.Counters{}, dataplane.Counters{}
	}
	for i, k := range keys {
		if k.Kind == dataplane.KindSection {
			// Where a dropped packet is counted besides its LSP is open.
			after[i].InDrops, after[i].OutDrops = before[i].InDrops, before[i].OutDrops
		}
		got := dataplane.Counters{
			In: less(after[i].In, before[i].In), Out: less(after[i].Out, before[i].Out),
			InDrops: after[i].InDrops - before[i].InDrops, OutDrops: after[i].OutDrops - before[i].OutDrops,
		}
		if got != want[i] {
			t.Errorf("counters of %s: got %+v, want %+v", k, got, want[i])
		}
	}
}

func (d driver) count(t *testing.T, keys []dataplane.Key) []dataplane.Counters {
	t.Helper()
	first := dataplane.Counters{InDrops: 12345}
	got, err := d.Counters(context.Background(), keys, []dataplane.Counters{first})
	if err != nil {
		t.Fatalf("Counters: %v", err)
	}
	if len(got) != 1+len(keys) || got[0] != first {
		t.Fatalf("Counters returns %d elements for %d keys behind one, first %+v", len(got), len(keys), got[0])
	}
	return got[1:]
}

func times(packets, octets uint64) dataplane.Counter {
	return dataplane.Counter{Packets: packets, Octets: packets * octets}
}

func less(a, b dataplane.Counter) dataplane.Counter {
	return dataplane.Counter{Packets: a.Packets - b.Packets, Octets: a.Octets - b.Octets}
}
