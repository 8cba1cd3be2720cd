//go:build ignore

// Command bench runs the benchmarks behind the figures that design and README
// promise, prints each row as soon as it is measured, judges it by its target
// and appends it as a JSON object to the file named by BENCH_OUT. A figure of a
// peer is measured in the same run, on the same machine, or left out. A row that
// cannot be had says why; the exit code tells whether there was one.
//
// Read bench.go (the order of events), bench_rows.go (what is measured),
// bench_run.go (how a suite runs), bench_out.go (table, JSON, README).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	only := flag.String("only", "", "run the suites whose name matches this regular expression")
	list := flag.Bool("list", false, "print the names of the suites")
	readme := flag.Bool("readme", false, "write the newest complete run of the file into the figures of README.md")
	file := flag.String("file", os.Getenv("BENCH_OUT"), "JSON lines: rows are appended, -readme reads them")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if *readme {
		return writeReadme(*file, "README.md")
	}
	chosen := slices.DeleteFunc(suites(), func(s suite) bool { return !match.MatchString(s.name) })
	if *list {
		for _, s := range chosen {
			fmt.Printf("%s (about %d s)\n", s.name, s.seconds)
		}
		return nil
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no suite matches %q", *only)
	}
	return measure(ctx, chosen, *only == "", *file)
}

// measure runs suites one after the other.
func measure(ctx context.Context, chosen []suite, complete bool, file string) error {
	out, err := newOutput(file, complete)
	if err != nil {
		return err
	}
	defer out.close()
	b, err := newBuilder()
	if err != nil {
		return err
	}
	defer b.close()
	total := 0
	for _, s := range chosen {
		total += s.seconds
	}
	for i, s := range chosen {
		if ctx.Err() != nil {
			break
		}
		out.progress("%d of %d, %.0f s of about %d: %s", i+1, len(chosen), time.Since(out.began).Seconds(), total, s.name)
		out.suite(s)
		began := time.Now()
		c := collector{suite: s, emit: out.row}
		err := b.run(ctx, s, &c)
		c.finish(err)
		out.progress("%s took %.0f s", s.name, time.Since(began).Seconds())
	}
	missing, err := out.finish(ctx.Err() == nil)
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case missing > 0:
		return fmt.Errorf("%d rows were not measured; they say why", missing)
	}
	return nil
}
