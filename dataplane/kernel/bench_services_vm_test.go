//go:build vm

package kernel_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// serviceSizes are numbers of services that are there, servicePart how many are
// put and deleted at once to be measured beside them, and serviceLimit is how
// long a driver is waited for.
var serviceSizes = []int{100, 1000, 5000}

const (
	servicePart  = 100
	serviceLimit = 100 * time.Second
)

// subscriber is a pseudowire with a control word into the tunnel of r.tunnelled,
// and its service: two tags, and a bandwidth profile for every second.
func (r rig) subscriber(i int) []dataplane.Object {
	n := uint32(i)
	pw := dataplane.Pseudowire{
		Name: fmt.Sprintf("p%d", i), InLabel: 100_000 + n, ControlWord: true,
		Out: dataplane.NextHop{Group: "t", Stack: []dataplane.LabelEntry{{Label: 500_000 + n}}},
	}
	s := dataplane.Service{
		Name: fmt.Sprintf("s%d", i), Send: pw.Name, Receive: []string{pw.Name},
		Attachment: dataplane.Attachment{Interface: r.Port(drivertest.Customer).Name, OuterVLAN: uint16(2 + i/4000), InnerVLAN: uint16(2 + i%4000)},
	}
	if i%2 == 1 {
		s.Profile = &dataplane.Profile{CIR: 10_000_000, CBS: 20_000, EIR: 10_000_000, EBS: 20_000}
	}
	return []dataplane.Object{pw, s}
}

// tunnelled is what subscribers need.
func (r rig) tunnelled() []dataplane.Object {
	return append(r.sections(),
		dataplane.LSP{Name: "to", Op: dataplane.ImposeAndForward, Out: dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: 300}}}},
		dataplane.Group{Name: "t", Legs: []string{"to"}})
}

// services is what is measured with a number of services.
type services struct {
	put, rise, fall, audit time.Duration // Of all; of servicePart more; of their deletion; of everything.
	process, kernelSpace   float64       // Octets for each.
}

// BenchmarkServices puts services with their pseudowires into the data plane,
// then some more beside them and away again.
func BenchmarkServices(b *testing.B) {
	for _, c := range contenders() {
		if c.name != "chains" {
			continue // Only this way of the kernel driver has services.
		}
		got := make([]services, len(serviceSizes))
		err := netlab.Attempt(b, func(t testing.TB) { c.serve(t, got) })
		for i, n := range serviceSizes {
			b.Run(fmt.Sprintf("%s-%d", c.name, n), func(b *testing.B) {
				s := got[i]
				if s.put == 0 || s.audit == 0 {
					b.Fatal(err)
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(n)/s.put.Seconds(), "services/s")
				b.ReportMetric(servicePart/s.rise.Seconds(), "beside-services/s")
				b.ReportMetric(servicePart/s.fall.Seconds(), "deleted-services/s")
				b.ReportMetric(float64(s.audit.Microseconds())/1e3, "ms-audit")
				b.ReportMetric(s.process, "B-process/service")
				b.ReportMetric(s.kernelSpace, "B-kernel/service")
			})
		}
	}
}

// serve fills got, one entry for each of serviceSizes, as far as it comes.
func (c contender) serve(t testing.TB, got []services) {
	r := rig{Lab: netlab.New(t)}
	r.Driver = c.open(t, r)
	defer r.Driver.Close()
	desired := r.tunnelled()
	r.put(t, desired...)
	kernelBefore := kernelMemory(t)
	var took time.Duration
	var grown float64
	have := 0
	apply := func(ops []dataplane.Op) time.Duration {
		start := time.Now()
		for _, err := range r.Apply(t.Context(), ops) {
			t.Fatalf("Apply: %v (%v)", err, err.Err)
		}
		return time.Since(start)
	}
	for i, n := range serviceSizes {
		before := heap()
		for ; have < n; have += servicePart {
			var part []dataplane.Object
			for j := have; j < have+servicePart; j++ {
				part = append(part, r.subscriber(j)...)
			}
			desired = append(desired, part...)
			if took += apply(plan.Full(nil, part)); took > serviceLimit && have+servicePart < n {
				t.Fatalf("%d of %d services after %.0f s: not waited for", have, n, took.Seconds())
			}
		}
		grown += heap() - before
		got[i].put = took
		got[i].process = grown / float64(n)
		got[i].kernelSpace = (kernelMemory(t) - kernelBefore) / float64(n)
		var more []dataplane.Object
		for j := range servicePart {
			more = append(more, r.subscriber(have+j)...)
		}
		got[i].rise = apply(plan.Full(nil, more))
		got[i].fall = apply(plan.Full(more, nil))
		got[i].audit = audit(t, r.Driver, desired)
	}
}
