package server

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// operatorYANG holds modules of an operator: YANG 1.0 and 1.1, a submodule,
// features, leafs added to ours, deviations of ours.
const operatorYANG = "testdata/yang"

// TestOperatorModules: modules of an operator are validated, kept and prune like
// the element's own.
func TestOperatorModules(t *testing.T) {
	dir := t.TempDir()
	r, err := open(t, dir, nil, operatorYANG)
	must(t, err)
	const site = "/acme-site:site"
	transit := lsps + "[name='transit']"
	must(t, r.commit(t, append(append(basics(), swap("transit", "100", "200")...),
		site+"/name = north", site+"/gateway = 192.0.2.254", site+"/feeds = 2", site+"/rack[id='7']/units = 42",
		transit+"/description = first", transit+"/acme-ticket:ticket = T1", transit+"/acme-ticket:urgent = true")...))
	if d := r.Schema.Module("mtp-lsp").Deviations; len(d) == 0 {
		t.Error("mtp-lsp is not said to be deviated")
	}
	if n, _ := r.Schema.Find(site + "/fans"); n != nil {
		t.Error("a leaf of a feature that is off is served")
	}
	for _, tc := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"a must of the operator", []string{transit + "/description"}, "operation-failed acme-ticket " + transit + "/acme-ticket:ticket: a ticket needs a description"},
		{"a deviation of ours", append(swap("two", "101", "201"), swap("three", "102", "202")...), "operation-failed too-many-elements " + lsps + ": \"static-lsp\" takes 2 entries at most and has 3."},
	} {
		var got []string
		err := r.commit(t, tc.lines...)
		for _, e := range yangerr.From(err) {
			got = append(got, string(e.Tag)+" "+e.AppTag+" "+e.Path.String()+": "+e.Message)
		}
		if strings.Join(got, "\n") != tc.want {
			t.Errorf("%s: got %v, want %s", tc.name, got, tc.want)
		}
	}
	r.stop(t)

	// The journal keeps it.
	r, err = open(t, dir, nil, operatorYANG)
	must(t, err)
	for path, want := range map[string]string{site + "/name": "north", site + "/rack[id='7']/units": "42", transit + "/acme-ticket:ticket": "T1"} {
		if got := r.value(t, path); got != want {
			t.Errorf("after a restart %s is %q, want %q", path, got, want)
		}
	}
	r.stop(t)

	// Without the modules there is no place for the data: the start is refused,
	// says of which node, and spoils nothing.
	_, err = open(t, dir, nil, "")
	if err == nil || !strings.Contains(err.Error(), "acme-") || !strings.Contains(err.Error(), "written under other YANG modules") {
		t.Fatalf("without the modules: %v", err)
	}
	r, err = open(t, dir, nil, operatorYANG)
	must(t, err)
	if got := r.value(t, site+"/name"); got != "north" {
		t.Errorf("after the refused start the name of the site is %q", got)
	}
	r.stop(t)
}

// TestOperatorModulesRefused: a start is refused with file, line and reason.
func TestOperatorModulesRefused(t *testing.T) {
	broken := t.TempDir()
	text := "module acme-broken {\n  namespace \"urn:acme:broken\";\n  prefix b;\n  import mtp-node { prefix mtp; }\n  augment \"/mtp:mpls-tp\" {\n    leaf speed { type nothing; }\n  }\n}\n"
	must(t, os.WriteFile(filepath.Join(broken, "acme-broken.yang"), []byte(text), 0o600))
	for _, tc := range []struct{ dir, want string }{
		{broken, filepath.Join(broken, "acme-broken.yang") + ":6: "},
		{filepath.Join(broken, "nowhere"), "no such file or directory"},
		{filepath.Join(broken, "acme-broken.yang"), "not a directory"},
	} {
		state := t.TempDir()
		_, err := open(t, state, nil, tc.dir)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", tc.dir, err, tc.want)
		}
		if entries, err := os.ReadDir(filepath.Join(state, "datastore")); len(entries) > 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the refused start left %v, %v", tc.dir, entries, err)
		}
	}
	var faults schema.CompileErrors
	if _, err := open(t, t.TempDir(), nil, broken); !errors.As(err, &faults) || len(faults) != 1 {
		t.Errorf("the faults are %v", faults)
	}
}

// TestPruneAtCommit: data of the operator under a when goes with what it depends
// on, as RFC 7950 section 8.3.2 wants it.
func TestPruneAtCommit(t *testing.T) {
	r, err := open(t, "", nil, operatorYANG)
	must(t, err)
	defer r.stop(t)
	transit := lsps + "[name='transit']"
	must(t, r.commit(t, append(append(basics(), swap("transit", "100", "200")...),
		transit+"/description = first", transit+"/acme-ticket:ticket = T1", transit+"/acme-ticket:urgent = true")...))
	p, err := tree.ParsePath(r.Schema, transit+"/acme-ticket:ticket")
	must(t, err)
	_, err = r.session.Transact(t.Context(), func(*tree.Node) ([]tree.Edit, error) {
		return []tree.Edit{{Op: tree.Remove, Path: p}}, nil
	}, datastore.CommitOptions{})
	must(t, err)
	if got := r.value(t, transit+"/acme-ticket:urgent"); got != "" {
		t.Errorf("urgent is %q although there is no ticket", got)
	}
	err = r.commit(t, transit+"/acme-ticket:urgent = true")
	if list := yangerr.From(err); len(list) != 1 || list[0].Tag != yangerr.UnknownElement || list[0].Path.String() != transit+"/acme-ticket:urgent" {
		t.Errorf("a request for urgent without a ticket: %v", err)
	}
}
