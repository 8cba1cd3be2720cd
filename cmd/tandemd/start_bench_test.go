package main

import (
	"testing"
	"time"

	"github.com/tandem-ne/tandem/cmd/tandem/lab"
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
	b.ReportMetric(float64(settledKiB(b, l, "a"))/1024, "MiB-resident")
	b.ReportMetric(float64(used.Microseconds())/1000/float64(b.N), "cpu-ms/start")
}

// settledKiB is what a daemon keeps resident after its start: the first sessions
// are served before the garbage of the start has gone back to the system.
func settledKiB(b *testing.B, l *lab.Lab, node string) int {
	b.Helper()
	deadline := time.After(10 * time.Second)
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	resident := residentKiB(b, l, node)
	for same := 0; same < 10; {
		select {
		case <-look.C:
		case <-deadline:
			b.Fatalf("%d KiB resident and still changing", resident)
		}
		now := residentKiB(b, l, node)
		if same++; now != resident {
			resident, same = now, 0
		}
	}
	return resident
}
