package kernel

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// BenchmarkParse10000 is the part of Dump that is not the kernel's.
func BenchmarkParse10000(b *testing.B) {
	d := &Driver{lo: 1, model: newModel(0)}
	sec := &section{Section: dataplane.Section{Name: "east", Interface: "eth0"}, index: 3}
	var desired []dataplane.Object
	var f found
	for i := range uint32(10000) {
		l := dataplane.LSP{
			Name: fmt.Sprintf("l%d", i), Op: dataplane.SwapAndForward, InLabel: 1000 + i,
			Out: dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: 20000 + i}}},
		}
		desired = append(desired, l)
		f.routes = append(f.routes, mplsnl.Route{
			Label: l.InLabel, Protocol: link.Protocol, Propagate: mplsnl.PropagateOff,
			Hops: []mplsnl.Hop{{Interface: 3, Out: []uint32{20000 + i}, Via: mplsnl.ViaLink(dataplane.MulticastMAC())}},
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		p := parse{d: d, found: f, model: newModel(len(f.routes)), wanted: map[uint32]dataplane.LSP{}, prefixes: map[netip.Prefix]string{}}
		p.model.sections["east"] = sec
		p.lsps(desired)
		if len(p.wanted) != 0 || len(p.objects) != len(desired) {
			b.Fatalf("%d objects, %d differ", len(p.objects), len(p.wanted))
		}
	}
}

// BenchmarkCollect10000 is the part of Apply that is not the kernel's.
func BenchmarkCollect10000(b *testing.B) {
	d := &Driver{lo: 1, model: newModel(0), caps: RouteCapabilities()}
	d.model.sections["east"] = &section{Section: dataplane.Section{Name: "east", Interface: "eth0"}, index: 3}
	var ops []dataplane.Op
	for i := range uint32(10000) {
		l := dataplane.LSP{
			Name: fmt.Sprintf("l%d", i), Op: dataplane.SwapAndForward, InLabel: 1000 + i,
			Out: dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: 20000 + i}}},
		}
		ops = append(ops, dataplane.Op{Verb: dataplane.Put, Key: l.Key(), Object: l})
	}
	b.ReportAllocs()
	for b.Loop() {
		x := newBatch(d, len(ops))
		for _, op := range ops {
			x.operation(op)
		}
		x.collect()
		if len(x.changes) != len(ops) || len(x.failed) != 0 {
			b.Fatalf("%d changes, %d failures", len(x.changes), len(x.failed))
		}
	}
}
