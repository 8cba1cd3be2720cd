package intent

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/served"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
)

// servedSchema compiles what the element serves and more, without some modules.
func servedSchema(t testing.TB, without []string, more ...schema.Source) *schema.Schema {
	t.Helper()
	o, err := served.Options(more...)
	if err != nil {
		t.Fatal(err)
	}
	o.Implement = slices.DeleteFunc(o.Implement, func(m string) bool { return slices.Contains(without, m) })
	s, err := schema.Compile(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// everything is a driver that can do all there is.
func everything() dataplane.Capabilities {
	c := dataplane.Capabilities{Driver: "test", Features: map[dataplane.Feature]bool{}, MaxImpose: 4, MaxReceive: 8, MaxNesting: 3, MaxBranches: 8, MaxLabel: dataplane.MaxLabel}
	for _, f := range dataplane.Features() {
		c.Features[f] = true
	}
	return c
}

func newIntent(t testing.TB, caps dataplane.Capabilities) *Intent {
	t.Helper()
	i, err := New(Options{Schema: servedSchema(t, nil), Capabilities: caps})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// config reads XML, the content of a <config> element.
func config(t testing.TB, s *schema.Schema, content []byte) *tree.Node {
	t.Helper()
	r := xmltok.NewReader(slices.Concat([]byte("<config>"), content, []byte("</config>")), xmltok.Limits{})
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	root, err := codec.DecodeData(s, s.Root(), r, codec.DataOptions{ConfigOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func baseXML(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/base.xml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// build is Build for a configuration that must be good.
func build(t testing.TB, i *Intent, prev *State, new *tree.Node) *Result {
	t.Helper()
	var old *tree.Node
	if prev != nil {
		old = prev.Root()
	}
	r, errs := i.Build(prev, old, new)
	if len(errs) > 0 {
		t.Fatalf("Build: %v", errs)
	}
	return r
}

// text prints a result, one object a line.
func text(r *Result) string {
	var b strings.Builder
	for _, o := range r.Dataplane.Put {
		fmt.Fprintf(&b, "put %s\n", o)
	}
	for _, k := range r.Dataplane.Delete {
		fmt.Fprintf(&b, "delete %s\n", k)
	}
	for _, m := range r.OAM.Put {
		fmt.Fprintf(&b, "put meg %s\n", megText(m))
	}
	for _, name := range r.OAM.Delete {
		fmt.Fprintf(&b, "delete meg %s\n", name)
	}
	return b.String()
}

func megText(m oam.MEG) string {
	return fmt.Sprintf("%s entity=%s send=%s%s%v%s gal-tc=%d receive=%s/%d(%t) local=%s peer=%s cc=%t %v x%d cv=%t up=%t",
		m.Name, m.Entity, m.Path.Section, m.Path.Group, m.Path.Labels, map[bool]string{true: " pw-ach"}[m.Path.Control == oam.ControlPWACH], m.Path.GALTC, m.RxSection, m.RxLabel, m.RxHasLabel,
		m.Local, m.Peer, m.CC.Enabled, m.CC.TxInterval, m.CC.Multiplier, m.CV, m.AdminUp)
}

func TestBuildBase(t *testing.T) {
	i := newIntent(t, everything())
	got := text(build(t, i, nil, config(t, i.schema, baseXML(t))))
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("testdata/base.golden", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/base.golden")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("base.xml becomes\n%s\nwant (testdata/base.golden)\n%s", got, want)
	}
}

// edit is one replacement in a text.
type edit struct{ old, new string }

type script struct {
	name   string
	line   int
	edits  []edit
	caps   []string // "-feature" and "max-impose=N"
	errors []string
	want   []string
}

// scripts reads a file of cases; testdata/rejected.txt tells the form.
func scripts(t *testing.T, file string) []script {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []script
	for n, line := range strings.Split(string(data), "\n") {
		mark, rest, _ := strings.Cut(line, " ")
		if mark == "#" {
			cases = append(cases, script{name: rest, line: n + 1})
			continue
		}
		if len(cases) == 0 || mark == "" {
			continue
		}
		c := &cases[len(cases)-1]
		switch mark {
		case "-":
			c.edits = append(c.edits, edit{old: rest})
		case "+":
			c.edits[len(c.edits)-1].new = rest
		case "capability":
			c.caps = append(c.caps, strings.Fields(rest)...)
		case "!":
			c.errors = append(c.errors, rest)
		case ">":
			c.want = append(c.want, rest)
		default:
			t.Fatalf("%s:%d: cannot read %q", file, n+1, line)
		}
	}
	return cases
}

func (c script) apply(t *testing.T, base []byte) []byte {
	t.Helper()
	for _, e := range c.edits {
		if n := bytes.Count(base, []byte(e.old)); n != 1 {
			t.Fatalf("line %d: %q occurs %d times in base.xml, want once", c.line, e.old, n)
		}
		base = bytes.Replace(base, []byte(e.old), []byte(e.new), 1)
	}
	return base
}

func (c script) capabilities(t *testing.T) dataplane.Capabilities {
	caps := everything()
	for _, w := range c.caps {
		name, value, _ := strings.Cut(w, "=")
		switch {
		case name == "max-impose":
			fmt.Sscan(value, &caps.MaxImpose)
		case name == "max-label":
			fmt.Sscan(value, &caps.MaxLabel)
		case name == "max-nesting":
			fmt.Sscan(value, &caps.MaxNesting)
		case strings.HasPrefix(name, "-") && caps.Features[dataplane.Feature(name[1:])]:
			delete(caps.Features, dataplane.Feature(name[1:]))
		default:
			t.Fatalf("line %d: no capability %q", c.line, w)
		}
	}
	return caps
}

// TestRejected breaks one rule at a time and wants exactly the errors that the
// rule gives, from a change as well as from nothing. As in a commit the validator
// comes first, and Build sees only what is valid by the modules.
func TestRejected(t *testing.T) {
	s := servedSchema(t, nil)
	base := baseXML(t)
	validator := validate.New(s)
	valid, broken := validator.Full(config(t, s, base))
	if len(broken) > 0 {
		t.Fatal(broken)
	}
	byModel, byBuild := 0, 0
	for _, tc := range scripts(t, "testdata/rejected.txt") {
		t.Run(tc.name, func(t *testing.T) {
			i, err := New(Options{Schema: s, Capabilities: tc.capabilities(t)})
			if err != nil {
				t.Fatal(err)
			}
			root := config(t, s, tc.apply(t, base))
			all, err := New(Options{Schema: s, Capabilities: everything()})
			if err != nil {
				t.Fatal(err)
			}
			prev := build(t, all, nil, config(t, s, base)).State
			runs := map[string]*State{"from nothing": nil}
			if len(tc.caps) == 0 {
				state := *prev
				state.intent = i
				runs["as a change"] = &state
			}
			for how, state := range runs {
				var old *tree.Node
				before := valid
				if state != nil {
					old = state.root
				} else {
					before = nil
				}
				var result *Result
				_, errs := validator.Change(before, root)
				if len(errs) > 0 {
					byModel++
				} else {
					byBuild++
					result, errs = i.Build(state, old, root)
				}
				var got []string
				for _, e := range errs {
					got = append(got, fmt.Sprintf("%s %s %s: %s", e.Tag, e.AppTag, e.Path, e.Message))
				}
				if result != nil {
					t.Errorf("%s: a result in spite of %d errors", how, len(errs))
				}
				// From nothing the other side of a conflict is reported too.
				for _, want := range tc.errors {
					if !slices.Contains(got, want) {
						t.Errorf("%s: got\n  %s\nwant\n  %s", how, strings.Join(got, "\n  "), want)
					}
				}
				if how == "as a change" && len(got) != len(tc.errors) {
					t.Errorf("%s: got\n  %s\nwant %d", how, strings.Join(got, "\n  "), len(tc.errors))
				}
			}
		})
	}
	if byModel == 0 || byBuild == 0 {
		t.Errorf("%d refusals by the modules, %d by Build: one of them was not tested", byModel, byBuild)
	}
}

// TestChanges wants exactly the objects that a change touches.
func TestChanges(t *testing.T) {
	i := newIntent(t, everything())
	base := baseXML(t)
	for _, tc := range scripts(t, "testdata/changes.txt") {
		t.Run(tc.name, func(t *testing.T) {
			prev := build(t, i, nil, config(t, i.schema, base)).State
			next := build(t, i, prev, config(t, i.schema, tc.apply(t, base)))
			got := strings.Split(strings.TrimSuffix(text(next), "\n"), "\n")
			if got[0] == "" {
				got = nil
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("line %d: got\n> %s\nwant\n> %s", tc.line, strings.Join(got, "\n> "), strings.Join(tc.want, "\n> "))
			}
			back := build(t, i, next.State, config(t, i.schema, base))
			if len(back.Dataplane.Put)+len(back.Dataplane.Delete)+len(back.OAM.Put)+len(back.OAM.Delete) != len(tc.want) {
				t.Errorf("the way back takes other objects:\n%s", text(back))
			}
		})
	}
}

// TestSettingOfTheNodeChecksItsUsers takes the carrier code away from a node
// whose MEG needs it.
func TestSettingOfTheNodeChecksItsUsers(t *testing.T) {
	i := newIntent(t, everything())
	with := bytes.Replace(baseXML(t), []byte("<meg><name>ms</name><section>west</section><mep/></meg>"),
		[]byte("<meg><name>ms</name><icc-based>X</icc-based><section>west</section><mep><mep-id>1</mep-id><remote-mep-id>2</remote-mep-id><cv><enabled>false</enabled></cv></mep></meg>"), 1)
	withICC := bytes.Replace(with, []byte("<name>a</name>"), []byte("<name>a</name><icc>ABC</icc>"), 1)
	v := validate.New(i.schema)
	valid, errs := v.Full(config(t, i.schema, withICC))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	build(t, i, nil, valid.Root())
	if _, errs = v.Change(valid, config(t, i.schema, with)); len(errs) != 1 || errs[0].AppTag != "icc-missing" {
		t.Errorf("Change = %v, want icc-missing", errs)
	}
}

// TestErrorsAreBounded gives every LSP of a large configuration the same label.
func TestErrorsAreBounded(t *testing.T) {
	i := newIntent(t, everything())
	xml := regexp.MustCompile(`<incoming-label>\d+<`).ReplaceAll(network(1000), []byte("<incoming-label>999<"))
	r, errs := i.Build(nil, nil, config(t, i.schema, xml))
	if r != nil || len(errs) != enoughErrors {
		t.Errorf("Build gives %d errors, want %d", len(errs), enoughErrors)
	}
}

// TestBuildForgivesALostState gives Build a State of another configuration.
func TestBuildForgivesALostState(t *testing.T) {
	i := newIntent(t, everything())
	root := config(t, i.schema, baseXML(t))
	stale := build(t, i, nil, tree.Empty(i.schema)).State
	r, errs := i.Build(stale, root, root)
	if len(errs) > 0 || text(r) != "" {
		t.Errorf("Build = %q, %v, want nothing to do", text(r), errs)
	}
}

func TestStateTellsWhoUsesWhat(t *testing.T) {
	i := newIntent(t, everything())
	s := build(t, i, nil, config(t, i.schema, baseXML(t))).State
	lsp := func(name string) dataplane.Key { return dataplane.Key{Kind: dataplane.KindLSP, Name: name} }
	west := dataplane.Key{Kind: dataplane.KindSection, Name: "west"}
	for _, tc := range []struct {
		name      string
		got, want any
	}{
		{"MEGs of a section", s.MEGs(west), []string{"ms"}},
		{"MEGs of the forward LSP", s.MEGs(lsp("f1")), []string{"m1"}},
		{"MEGs of the reverse LSP", s.MEGs(lsp("r2")), []string{"m2"}},
		{"MEGs of a unidirectional LSP", s.MEGs(lsp("through")), []string{"mt"}},
		{"MEGs of nothing", s.MEGs(lsp("none")), []string(nil)},
		{"entity of an LSP MEG", s.Entity("m1"), []dataplane.Key{lsp("f1"), lsp("r1")}},
		{"entity of a section MEG", s.Entity("ms"), []dataplane.Key{west}},
		{"entity of a unidirectional MEG", s.Entity("mt"), []dataplane.Key{lsp("through")}},
		{"entity of nothing", s.Entity("none"), []dataplane.Key(nil)},
		{"bidirectional LSPs", s.BidirectionalLSPs("r1"), []string{"b1"}},
		{"tunnels by a pair", s.Tunnels("f2"), []string{"t1"}},
		{"tunnels by itself", s.Tunnels("spme"), []string{"t2"}},
		{"path of a section", i.Path(west).String(), "/mtp-node:mpls-tp/sections/section[name='west']"},
		{"path of an LSP", i.Path(lsp("a b")).String(), "/mtp-node:mpls-tp/mtp-lsp:lsps/static-lsp[name='a b']"},
		{"path of a MEG", i.MEGPath("m").String(), "/mtp-node:mpls-tp/mtp-oam:oam/meg[name='m']"},
	} {
		if fmt.Sprint(tc.got) != fmt.Sprint(tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, tc.got, tc.want)
		}
	}
	if p := i.Path(dataplane.Key{}); p != nil {
		t.Errorf("path of no object: %s", p)
	}
}

// TestCoverage prints who owns what, and holds the table of owners against the
// schema in both directions.
func TestCoverage(t *testing.T) {
	i := newIntent(t, everything())
	leafs := map[string]bool{}
	for _, c := range i.Coverage() {
		var parts []string
		for _, owner := range slices.Sorted(maps.Keys(c.Owners)) {
			parts = append(parts, fmt.Sprintf("%s %d", owner, c.Owners[owner]))
		}
		t.Logf("%-16s %3d leafs: %s", c.Module, c.Leafs, strings.Join(parts, ", "))
		if len(c.Unowned) > 0 {
			t.Errorf("%s: no owner: %v", c.Module, c.Unowned)
		}
	}
	for id := range i.schema.NumNodes() {
		if n := i.schema.NodeByID(id); n.Config {
			leafs[n.Path()] = true
		}
	}
	for path := range owners() {
		if !leafs[strings.TrimSuffix(path, "/")] {
			t.Errorf("the table of owners names %s, which the schema does not have", path)
		}
	}
}

// TestModuleOfTheOperator adds a leaf to our LSPs, which somebody else acts upon.
func TestModuleOfTheOperator(t *testing.T) {
	const module = `module acme-lsp { yang-version 1.1; namespace "urn:acme"; prefix acme;
		import mtp-node { prefix mtp; } import mtp-lsp { prefix lsp; }
		augment "/mtp:mpls-tp/lsp:lsps/lsp:static-lsp" { leaf ticket { type string; } container cost { leaf value { type uint8; } } } }`
	s := servedSchema(t, nil, schema.Source{Name: "acme-lsp.yang", Text: []byte(module)})
	if _, err := New(Options{Schema: s, Capabilities: everything()}); err == nil || !strings.Contains(err.Error(), "ticket") {
		t.Errorf("New = %v, want an error that names the leaf ticket", err)
	}
	i, err := New(Options{Schema: s, Capabilities: everything(), Stored: []string{"acme-lsp"}})
	if err != nil {
		t.Fatal(err)
	}
	xml := bytes.Replace(baseXML(t), []byte("<name>through</name>"),
		[]byte(`<name>through</name><ticket xmlns="urn:acme">42</ticket><cost xmlns="urn:acme"><value>1</value></cost>`), 1)
	prev := build(t, i, nil, config(t, s, baseXML(t))).State
	if got := text(build(t, i, prev, config(t, s, xml))); got != "" {
		t.Errorf("a leaf of the operator changes the engines: %s", got)
	}
}

// TestNewRefusesUnownedLeafs takes the deviations away.
func TestNewRefusesUnownedLeafs(t *testing.T) {
	s := servedSchema(t, []string{"mtp-ietf-deviations"})
	_, err := New(Options{Schema: s, Capabilities: everything()})
	if err == nil {
		t.Fatal("New takes configuration that nobody owns")
	}
	for _, want := range []string{"/ietf-interfaces:interfaces/interface/enabled", "/ietf-system:system/hostname"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	o := Options{Schema: s, Capabilities: everything(), Stored: []string{"ietf-interfaces", "ietf-system", "ietf-alarms", "ietf-subscribed-notifications", "ietf-yang-push"}}
	if _, err := New(o); err != nil {
		t.Errorf("New refuses modules that are declared as stored: %v", err)
	}
}
