package netconf

import (
	"testing"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/xpath"
)

// selectionTexts are XPath filters; those that keyedFilter takes over come first.
var selectionTexts = []struct {
	text  string
	keyed bool
}{
	{"/m:mpls-tp", true},
	{"/mpls-tp/sections/section", true},
	{"/mtp-node:mpls-tp/mtp-lsp:lsps/mtp-lsp:static-lsp[mtp-lsp:name='lsp-1']", true},
	{"/m:mpls-tp/m:sections/m:section[m:name='east']", true},
	{`/m:mpls-tp/l:lsps/l:static-lsp [ l:name = "lsp-1" ] / l:in-segment`, true},
	{"/m:mpls-tp/l:lsps/l:static-lsp[l:name='none']", true},
	{"/m:mpls-tp/l:lsps/l:static-lsp[l:name='lsp-1']/l:name", true},
	{"/m:mpls-tp/l:lsps/l:static-lsp[l:name='lsp-2']/l:out-segment/l:nhlfe-single/l:mpls-label-stack/l:entry[l:id='0']", true},
	{"/m:mpls-tp/l:lsps/l:static-lsp[l:name='lsp-2']/l:out-segment/l:nhlfe-single/l:mpls-label-stack/l:entry[l:id='00']", false},
	{"/m:mpls-tp/l:lsps/l:static-lsp[l:name='lsp-1'][l:name='lsp-2']", false},
	{"/m:mpls-tp/l:lsps/l:static-lsp[l:description='x']", false},
	{"/m:mpls-tp/l:lsps/l:static-lsp[l:name=current()/x]", false},
	{"/m:mpls-tp/l:lsps/l:static-lsp[2]", false},
	{"//l:static-lsp[l:in-segment/l:incoming-label > 100]/l:name", false},
	{"/m:mpls-tp/*", false},
	{"/m:mpls-tp/m:sections/m:section[m:name='ea' or m:name='west']", false},
	{"/m:mpls-tp/m:sections | /if:interfaces", false},
	{"/m:mpls-tp/..", false},
	{"/", false},
	{"/m:mpls-tp/child::m:sections", false},
	{"/m:nothing", false},
}

var selectionBindings = map[string]string{
	"m": "urn:tandem:yang:mtp-node", "l": "urn:tandem:yang:mtp-lsp", "if": "urn:ietf:params:xml:ns:yang:ietf-interfaces",
}

// TestKeyedFilterIsTheSame: what the short way selects is what the evaluation of
// the expression selects, and it is taken where it can be.
func TestKeyedFilterIsTheSame(t *testing.T) {
	e := newElement(t, nil)
	e.commit(lsps(3))
	root := e.store.Running().Root
	for _, tc := range selectionTexts {
		sel, err := newXPath(e.schema, tc.text, selectionBindings)
		if err != nil {
			t.Errorf("%s: %v", tc.text, err)
			continue
		}
		if got := sel.filter != nil; got != tc.keyed {
			t.Errorf("%s: taken over: %v, want %v", tc.text, got, tc.keyed)
		}
		checkSelection(t, sel, root)
	}
}

// checkSelection compares both ways, and the view that is gathered for a selection
// with the whole.
func checkSelection(t *testing.T, sel *selection, root *tree.Node) {
	t.Helper()
	nodes, err := sel.expr.Nodes(xpath.Context{Root: root})
	if err != nil {
		return
	}
	want := gather(root, nodes)
	got, err := sel.apply(root)
	if err != nil || !same(got, want) {
		t.Errorf("%s selects another tree (%v)", sel.text, err)
	}
	f, nothing := sel.view()
	if nothing {
		if want != nil {
			t.Errorf("%s selects something, but no data is gathered for it", sel.text)
		}
		return
	}
	part := tree.Select(root, f)
	if f == nil {
		part = root
	}
	if part == nil {
		part = tree.New(root.Schema())
	}
	if got, err := sel.apply(part); err != nil || !same(got, want) {
		t.Errorf("%s selects something else in what is gathered for it (%v)", sel.text, err)
	}
}

func same(a, b *tree.Node) bool {
	return a == nil && b == nil || a != nil && b != nil && tree.Equal(a, b)
}

// FuzzXPathFilter: no text makes a filter fail, and both ways agree.
func FuzzXPathFilter(f *testing.F) {
	for _, tc := range selectionTexts {
		f.Add(tc.text)
	}
	e := newElement(f, nil)
	e.commit(lsps(3))
	root := e.store.Running().Root
	f.Fuzz(func(t *testing.T, text string) {
		sel, err := newXPath(e.schema, text, selectionBindings)
		if err != nil {
			return
		}
		checkSelection(t, sel, root)
		for _, p := range sel.patterns() {
			for _, st := range p {
				if st.Node == nil {
					t.Fatalf("%s has the pattern %v", text, p)
				}
			}
		}
	})
}
