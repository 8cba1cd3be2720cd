package main

import (
	"testing"
	"time"
)

// BenchmarkStart is the restart of an element with 10,000 LSPs in its journal
// and in the data plane: from the start of the process to its first session,
// and the processor time of that.
func BenchmarkStart(b *testing.B) {
	l := pair(b, "bstart")
	s, err := l.NETCONF(b.Context(), "a", nil)
	if err != nil {
		b.Fatal(err)
	}
	call(b, s, edit(swaps(firstLabel, 10000)))
	call(b, s, `<commit/>`)
	applied(b, s, firstLabel+9999)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	var used time.Duration
	for b.Loop() {
		b.StopTimer()
		if err := l.Stop(b.Context(), "a"); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := l.Start("a"); err != nil {
			b.Fatal(err)
		}
		if err := l.WaitReady(b.Context(), "a"); err != nil {
			b.Fatal(err)
		}
		used += cpuTime(b, l, "a")
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/start")
	b.ReportMetric(float64(residentKiB(b, l, "a"))/1024, "MiB-resident")
	b.ReportMetric(float64(used.Microseconds())/1000/float64(b.N), "cpu-ms/start")
}
