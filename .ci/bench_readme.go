//go:build ignore

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// The table of figures stands in README between these lines.
const (
	readmeBegin = "<!-- bench: .ci/bench -readme -->"
	readmeEnd   = "<!-- /bench -->"
)

// writeReadme puts the newest complete run of file between the marks of readme.
func writeReadme(file, readme string) error {
	if file == "" {
		return fmt.Errorf("-readme: no file is named by -file or BENCH_OUT")
	}
	head, rows, err := newestRun(file)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), readmeBegin+"\n")
	_, after, closed := strings.Cut(rest, readmeEnd)
	if !found || !closed {
		return fmt.Errorf("%s has no lines %q and %q", readme, readmeBegin, readmeEnd)
	}
	return os.WriteFile(readme, []byte(before+readmeBegin+"\n"+table(head, rows)+readmeEnd+after), 0o644)
}

// newestRun returns the records of the newest run that went through all suites.
func newestRun(file string) (head record, rows []record, err error) {
	f, err := os.Open(file)
	if err != nil {
		return head, nil, err
	}
	defer f.Close()
	runs := map[string][]record{}
	newest := ""
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		var r record
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			return head, nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		if r.Run == "" {
			continue // Of an older form.
		}
		runs[r.Run] = append(runs[r.Run], r)
		if r.Complete {
			newest = r.Run
		}
	}
	if err := sc.Err(); err != nil {
		return head, nil, err
	}
	if newest == "" {
		return head, nil, fmt.Errorf("%s has no complete run", file)
	}
	for _, r := range runs[newest] {
		if r.Machine != "" {
			head = r
		}
		if r.Name != "" {
			rows = append(rows, r)
		}
	}
	return head, rows, nil
}

// table is the Markdown of a run.
func table(head record, rows []record) string {
	type key struct{ suite, name string }
	found := map[key]record{}
	unmet, without, worst := 0, 0, 0.0
	for _, r := range rows {
		found[key{r.Suite, r.Name}] = r
		worst = max(worst, r.JitterP99)
		switch {
		case r.Missing != "":
			without++
		case r.Met != nil && !*r.Met:
			unmet++
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Run of %s on %s, commit %s, load %.1f at its begin, a 1 ms sleep up to %.1f ms late: %d figures, %d of them miss their\ntarget, %d could not be had. \"Beside\" is what was measured in the same minute, and how many times that the figure is.\n\n",
		strings.Replace(head.Run, "T", " ", 1), head.Machine, head.Commit, head.Load, worst/1e3, len(rows)-without, unmet, without)
	b.WriteString("| work | figure | beside | wanted | met |\n|---|---|---|---|---|\n")
	for _, s := range suites() {
		for i := 0; i < len(s.rows); {
			as := s.rows[i].as
			var line []row
			for ; i < len(s.rows) && s.rows[i].as == as; i++ {
				line = append(line, s.rows[i])
			}
			if as == "" {
				continue
			}
			records := make([]record, len(line))
			for j, r := range line {
				var ok bool
				if records[j], ok = found[key{s.name, r.name}]; !ok {
					records[j] = record{Missing: "not in this run"}
				}
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", as, figureCell(line, records), besideCell(records), targetCell(line), metCell(records))
		}
	}
	return b.String()
}

func figureCell(line []row, records []record) string {
	var numbers, units []string
	for i, r := range records {
		if r.Missing != "" {
			numbers = append(numbers, "-")
			continue
		}
		n, u := display(r.Figure, line[i].metric)
		if line[i].of != "" {
			n += " of " + number(r.Of)
		}
		numbers = append(numbers, n)
		units = append(units, u)
	}
	if len(slices.Compact(slices.Clone(units))) > 1 {
		j := 0
		for i := range numbers {
			if numbers[i] != "-" {
				numbers[i] += " " + units[j]
				j++
			}
		}
		return strings.Join(numbers, " / ")
	}
	if len(units) == 0 {
		return "not measured"
	}
	return strings.Join(numbers, " / ") + " " + units[0]
}

func besideCell(records []record) string {
	var peers, figures, ratios []string
	unit := ""
	for _, r := range records {
		if r.Peer == "" {
			continue
		}
		if !slices.Contains(peers, r.Peer) {
			peers = append(peers, r.Peer)
		}
		var n string
		n, unit = display(r.PeerIs, r.Unit)
		figures = append(figures, n)
		ratios = append(ratios, number(r.Ratio))
	}
	if len(peers) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: %s %s, %s x", strings.Join(peers, ", "), strings.Join(figures, " / "), unit, strings.Join(ratios, " / "))
}

func targetCell(line []row) string {
	var targets []string
	for _, r := range line {
		if r.target != "" && !slices.Contains(targets, r.target) {
			targets = append(targets, strings.TrimSuffix(r.target, " LSPs"))
		}
	}
	return strings.Join(targets, ", ")
}

// metCell counts.
func metCell(records []record) string {
	met, of := 0, 0
	for _, r := range records {
		if r.Met != nil {
			of++
			if *r.Met {
				met++
			}
		}
	}
	switch {
	case of == 0:
		return ""
	case met == of:
		return "yes"
	case met == 0:
		return "**no**"
	}
	return fmt.Sprintf("**%d of %d**", met, of)
}
