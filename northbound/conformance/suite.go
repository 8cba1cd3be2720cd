package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// Case is what one clause of an RFC demands.
type Case struct {
	// Name starts with the RFC and the section: rfc6241-7.2-create-existing.
	Name string
	// Clause is what the section demands, in a sentence.
	Clause string
	// Needs are what the server has to announce for the clause to apply to it:
	// ":candidate" for a capability, "module-name" for a module, and
	// "can:name" for a property of the target (see Target.Can). A "!" in
	// front turns it around.
	Needs []string
	// Run carries the case out, from the empty configuration of the test module.
	Run func(*Context)
}

var caseName = regexp.MustCompile(`^rfc([0-9]+)-([0-9A-F.]+)-[a-z0-9-]+$`)

// RFC returns the number of the document.
func (c Case) RFC() string { return caseName.FindStringSubmatch(c.Name)[1] }

// Section returns the section of the document.
func (c Case) Section() string { return caseName.FindStringSubmatch(c.Name)[2] }

// Target is the server under test.
type Target struct {
	Name string
	// Dial opens a transport stream of a NETCONF session as user; the empty
	// user is one who may do everything.
	Dial func(user string) (io.ReadWriteCloser, error)
	// Can names further properties that the target has. "users": Dial takes
	// any user name. "emit": the RPCs poke and emit and the action echo of
	// the test modules are implemented.
	Can []string
	// Known maps the cases that the server is known to fail to the reason;
	// they must fail.
	Known map[string]string
	// NotApplicable maps the cases that may be not applicable to the reason.
	// nil allows every case to be.
	NotApplicable map[string]string
	// Tries is how often Run tries a case before it believes that the outcome is
	// another than Known says, default 1: more for a server that crashes by itself.
	Tries int
	// Patience is how long the suite waits for a message, default 10 s.
	Patience time.Duration
	// Record, if there, gets every message of the server, with the request
	// that it answers: "" for a hello, a notification, and a reply whose
	// message-id is that of no whole message sent. It is called from several
	// goroutines.
	Record func(sent, got string)
}

func (t *Target) patience() time.Duration {
	if t.Patience == 0 {
		return 10 * time.Second
	}
	return t.Patience
}

// Status is the outcome of a case.
type Status string

// The outcomes. A case whose capability the server lacks is not applicable: that
// is counted, never passed over.
const (
	Pass          Status = "pass"
	Fail          Status = "fail"
	NotApplicable Status = "not applicable"
)

// Result is the outcome of one case.
type Result struct {
	Case    string        `json:"case"`
	RFC     string        `json:"rfc"`
	Section string        `json:"section"`
	Clause  string        `json:"clause"`
	Status  Status        `json:"status"`
	Reason  string        `json:"reason,omitempty"` // what went wrong, or the capability that is missing
	Took    time.Duration `json:"took"`             // nanoseconds
}

// Results are those of a run, in the order of the cases.
type Results []Result

// Count returns how many cases have that outcome.
func (r Results) Count(s Status) int {
	n := 0
	for _, one := range r {
		if one.Status == s {
			n++
		}
	}
	return n
}

// WriteJSON writes the results as one JSON array.
func (r Results) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteText writes the counts for each RFC, and each case that did not pass.
func (r Results) WriteText(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "RFC\tcases\tpass\tfail\tnot applicable")
	var rfcs []string
	for _, one := range r {
		if !slices.Contains(rfcs, one.RFC) {
			rfcs = append(rfcs, one.RFC)
		}
	}
	row := func(name string, part Results) {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\n", name, len(part), part.Count(Pass), part.Count(Fail), part.Count(NotApplicable))
	}
	for _, rfc := range rfcs {
		row(rfc, slices.DeleteFunc(slices.Clone(r), func(one Result) bool { return one.RFC != rfc }))
	}
	row("all", r)
	if err := table.Flush(); err != nil {
		return err
	}
	for _, one := range r {
		if one.Status == Pass {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s: %s\n  %s\n  %s\n", one.Status, one.Case, one.Clause,
			strings.ReplaceAll(one.Reason, "\n", "\n    ")); err != nil {
			return err
		}
	}
	return nil
}

// Cases returns the suite.
func Cases() []Case {
	return slices.Concat(
		helloCases(), framingCases(), rpcCases(), filterCases(), editCases(), insertCases(),
		sessionCases(), candidateCases(), constraintCases(), typeCases(),
		defaultsCases(), monitoringCases(), eventCases(), operationCases(),
		partialLockCases(), nacmCases(), nmdaCases(),
		subscriptionCases(), urlCases(),
	)
}

// Run runs the cases whose names match, each as a subtest, and returns the
// results. A case in target.Known must fail, every other one must not.
func Run(t *testing.T, target Target, match *regexp.Regexp) Results {
	t.Helper()
	r, err := newRunner(&target)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	var results Results
	for _, c := range Cases() {
		if match != nil && !match.MatchString(c.Name) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			reason, known := target.Known[c.Name]
			got := r.run(c)
			for try := 1; try < target.Tries && got.Status != NotApplicable && known != (got.Status == Fail); try++ {
				t.Logf("tried again after: %s %s", got.Status, got.Reason)
				got = r.run(c)
			}
			results = append(results, got)
			_, excused := target.NotApplicable[c.Name]
			switch {
			case got.Status == NotApplicable && target.NotApplicable != nil && !excused:
				t.Errorf("is not applicable, which nothing excuses: %s", got.Reason)
			case got.Status != NotApplicable && excused:
				t.Errorf("is applicable: the excuse is out of date")
			case got.Status == NotApplicable:
				t.Logf("not applicable: %s", got.Reason)
			case known && got.Status == Pass:
				t.Errorf("passes, but is known to fail: %s", reason)
			case known:
				t.Logf("fails as known: %s", reason)
			case got.Status == Fail:
				t.Errorf("%s\n%s", c.Clause, got.Reason)
			}
		})
	}
	return results
}

// RunAll runs the cases whose names match, outside a Go test.
func RunAll(target Target, match *regexp.Regexp) (Results, error) {
	r, err := newRunner(&target)
	if err != nil {
		return nil, err
	}
	defer r.close()
	var results Results
	for _, c := range Cases() {
		if match == nil || match.MatchString(c.Name) {
			results = append(results, r.run(c))
		}
	}
	return results, nil
}
