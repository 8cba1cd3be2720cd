package xpath_test

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/xpath"
)

// yard compiles the modules of testdata and reads the data for them.
func yard(t testing.TB) (*schema.Schema, *tree.Node) {
	t.Helper()
	o := schema.Options{Implement: []string{"yard", "crew"}}
	for _, name := range o.Implement {
		text, err := os.ReadFile(filepath.Join("testdata", name+".yang"))
		if err != nil {
			t.Fatal(err)
		}
		o.Sources = append(o.Sources, schema.Source{Name: name + ".yang", Text: text})
	}
	s, err := schema.Compile(o)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("testdata/yard.xml")
	if err != nil {
		t.Fatal(err)
	}
	return s, load(t, s, data)
}

// options are the prefixes of the tests: y and c, and y for names without one.
func options(s *schema.Schema) xpath.Options {
	return xpath.Options{
		Prefixes: map[string]*schema.Module{"y": s.Module("yard"), "c": s.Module("crew")},
		Default:  s.Module("yard"), Config: true,
	}
}

// at is the context with the given path.
func at(t testing.TB, s *schema.Schema, root *tree.Node, path string) (*schema.Node, xpath.Context) {
	t.Helper()
	p, err := tree.ParsePath(s, path)
	if err != nil {
		t.Fatal(err)
	}
	n := s.Root()
	if len(p) > 0 {
		n = p[len(p)-1].Node
	}
	return n, xpath.Context{Root: root, Path: p}
}

// show prints a node-set.
func show(nodes []xpath.Node) string {
	var out []string
	for _, n := range nodes {
		text := strings.ReplaceAll(n.Path.String(), "/yard:yard", "")
		if text == "" {
			text = "yard"
		}
		if n.Text {
			text += "/text()"
		}
		if n.Node == nil {
			text += "*" // implied
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

// value evaluates an expression to text: node-sets as show prints them.
func value(t testing.TB, x *xpath.Expr, c xpath.Context) string {
	t.Helper()
	if !x.IsNodes() {
		s, err := x.Text(c)
		if err != nil {
			t.Fatalf("%s: %v", x, err)
		}
		return s
	}
	nodes, err := x.Nodes(c)
	if err != nil {
		t.Fatalf("%s: %v", x, err)
	}
	return show(nodes)
}

const trackA = "/yard:yard/track[name='a']"

func TestEvaluate(t *testing.T) {
	s, root := yard(t)
	for _, tc := range []struct{ at, expr, want string }{
		// Numbers (3.5, 4.2, 4.4).
		{"/", "1 + 2 * 3", "7"}, {"/", "(1 + 2) * 3", "9"}, {"/", "7 mod 3", "1"}, {"/", "5 mod -2", "1"}, {"/", "-5 mod 2", "-1"},
		{"/", "1.5 mod .5", "0"}, {"/", "7 div 2", "3.5"}, {"/", "1 div 0", "Infinity"}, {"/", "-1 div 0", "-Infinity"}, {"/", "0 div 0", "NaN"},
		{"/", "-0", "0"}, {"/", "1 div -0", "-Infinity"}, {"/", "--3", "3"}, {"/", "10 - 2 - 3", "5"}, {"/", "0.1 + 0.2", "0.30000000000000004"},
		{"/", "100000000000000000000000", "100000000000000000000000"}, {"/", "1 div 3", "0.3333333333333333"}, {"/", ".000001", "0.000001"},
		{"/", "number(' 12 ')", "12"}, {"/", "number('1e3')", "NaN"}, {"/", "number('+1')", "NaN"}, {"/", "number('-.5')", "-0.5"}, {"/", "number('1.')", "1"},
		{"/", "number('')", "NaN"}, {"/", "number('.')", "NaN"}, {"/", "number('- 1')", "NaN"}, {"/", "number(true())", "1"}, {"/", "number(false())", "0"},
		{"/", "floor(2.6)", "2"}, {"/", "floor(-2.5)", "-3"}, {"/", "ceiling(2.2)", "3"}, {"/", "ceiling(-2.5)", "-2"}, {"/", "1 div ceiling(-0.5)", "-Infinity"},
		{"/", "round(2.5)", "3"}, {"/", "round(-2.5)", "-2"}, {"/", "round(2.4)", "2"}, {"/", "1 div round(-0.2)", "-Infinity"}, {"/", "1 div round(-0)", "-Infinity"},
		{"/", "round(0 div 0)", "NaN"}, {"/", "round(1 div 0)", "Infinity"}, {"/", "round(0.49999999999999994)", "0"},
		// Strings (4.2).
		{"/", "string(1 = 1)", "true"}, {"/", "string(-1.50)", "-1.5"}, {"/", "concat('a', 1, true())", "a1true"},
		{"/", "starts-with('abc', 'ab')", "true"}, {"/", "starts-with('abc', '')", "true"}, {"/", "starts-with('abc', 'b')", "false"},
		{"/", "contains('abc', 'bc')", "true"}, {"/", "contains('abc', 'x')", "false"}, {"/", "contains('', '')", "true"},
		{"/", "substring-before('1999/04/01', '/')", "1999"}, {"/", "substring-before('a', 'x')", ""}, {"/", "substring-after('1999/04/01', '/')", "04/01"},
		{"/", "substring-after('1999/04/01', '19')", "99/04/01"}, {"/", "substring-after('a', '')", "a"}, {"/", "substring-after('a', 'x')", ""},
		{"/", "substring('12345', 2, 3)", "234"}, {"/", "substring('12345', 2)", "2345"}, {"/", "substring('12345', 1.5, 2.6)", "234"},
		{"/", "substring('12345', 0, 3)", "12"}, {"/", "substring('12345', 0 div 0, 3)", ""}, {"/", "substring('12345', 1, 0 div 0)", ""},
		{"/", "substring('12345', -42, 1 div 0)", "12345"}, {"/", "substring('12345', -1 div 0, 1 div 0)", ""}, {"/", "substring('äöü', 2, 1)", "ö"},
		{"/", "string-length('äöü')", "3"}, {"/", "string-length('')", "0"}, {"/", "normalize-space('  a \t b\n')", "a b"},
		{"/", "translate('bar', 'abc', 'AB')", "BAr"}, {"/", "translate('--aaa--', 'abc-', 'ABC')", "AAA"}, {"/", "translate('aa', 'aa', 'bc')", "bb"},
		{trackA + "/name", "string-length()", "1"}, {trackA + "/name", "string()", "a"}, {trackA + "/length", "number() + 1", "51"}, {trackA + "/name", "normalize-space()", "a"},
		// Booleans (3.4, 4.3).
		{"/", "boolean(0)", "false"}, {"/", "boolean(0 div 0)", "false"}, {"/", "boolean(-1)", "true"}, {"/", "boolean('')", "false"}, {"/", "boolean('false')", "true"},
		{"/", "boolean(/yard)", "true"}, {"/", "boolean(/yard/gate)", "false"}, {"/", "not(1 = 2)", "true"}, {"/", "true() and false()", "false"}, {"/", "true() or false() and false()", "true"},
		{"/", "1 < 2 < 3", "true"}, {"/", "3 > 2 > 1", "false"}, {"/", "'a' = 'a'", "true"}, {"/", "'1' = 1", "true"}, {"/", "'1.0' = 1", "true"}, {"/", "'1.0' = '1'", "false"},
		{"/", "'a' != 'b'", "true"}, {"/", "'a' < 'b'", "false"}, {"/", "'1' < '2'", "true"}, {"/", "true() = 'x'", "true"}, {"/", "true() = 2", "true"}, {"/", "true() > false()", "true"},
		{"/", "0 div 0 = 0 div 0", "false"}, {"/", "0 div 0 != 0 div 0", "true"}, {"/", "0 div 0 < 1", "false"}, {"/", "lang('en')", "false"},
		// Comparisons with node-sets.
		{"/", "/yard/track/length = 50", "true"}, {"/", "/yard/track/length = 100", "true"}, {"/", "/yard/track/length != 50", "true"}, {"/", "/yard/track/length > 100", "false"},
		{"/", "50 <= /yard/track/length", "true"}, {"/", "100 < /yard/track/length", "false"}, {"/", "/yard/track/length = '50'", "true"}, {"/", "/yard/track/length = '050'", "false"},
		{"/", "/yard/track/name = /yard/main", "true"}, {"/", "/yard/track/name = /yard/other", "false"}, {"/", "/yard/track/name != /yard/main", "true"}, {"/", "/yard/main != /yard/main", "false"},
		{"/", "/yard/month < /yard/day", "true"}, {"/", "/yard/month <= /yard/day[. = 1]", "false"}, {"/", "/yard/month > /yard/day", "true"}, {"/", "/yard/none = /yard/none", "false"}, {"/", "/yard/none != 1", "false"},
		{"/", "/yard/none = false()", "true"}, {"/", "/yard/none < true()", "true"}, {"/", "true() = /yard/track", "true"}, {"/", "/yard/day = /yard/month", "false"},
		{"/", "/yard/track/name < 5", "false"}, {"/", "/yard/track/wagon/load >= /yard/track/wagon/number", "true"},
		// Defaults in use, implied containers, values.
		{"/", "/yard/limit + 0", "3"}, {"/", "count(/yard/day)", "2"}, {"/", "sum(/yard/day)", "6"}, {"/", "string(/yard/track[name='b']/length)", "100"}, {"/", "/yard/track[name='b']/length", "/track[name='b']/length*"},
		{"/", "/yard/track/signal", "/track[name='a']/signal* /track[name='b']/signal /track[name='c']/signal"},
		{"/", "/yard/track[name='a']/signal/*", "/track[name='a']/signal/height* /track[name='a']/signal/volts* /track[name='a']/signal/fuse*"},
		{"/", "/yard/track[name='b']/signal/*", "/track[name='b']/signal/height* /track[name='b']/signal/pressure"},
		{"/", "/yard/track[name='a']/gate", ""}, {"/", "string(/yard/track/gate/width)", "4"}, {"/", "/yard/track/signal/fuse/amps = 10", "true"},
		{"/", "string(/yard/track/signal)", "-523010"}, {"/", "string(/yard/track/kind)", "yard:freight"}, {"/", "string(/yard/track/flags)", "lit crane"},
		{"/", "string(/yard/track/grade)", "1.5"}, {"/", "/yard/track/closed", "/track[name='b']/closed"}, {"/", "/yard/track/closed/text()", ""}, {"/", "/yard/track/closed = ''", "true"},
		{"/", "/yard/count", ""}, {"/", "/yard/track/passed", ""}, {"/", "/yard/main/text()", "/main/text()"}, {"/", "string(/yard/main/text())", "b"},
		// Axes from track b.
		{trackBNode, ".", "/track[name='b']"}, {trackBNode, "..", "yard"}, {trackBNode, "../..", "/*"[:1]}, {trackBNode, "../../..", ""},
		{trackBNode, "preceding-sibling::track/name", "/track[name='a']/name"}, {trackBNode, "following-sibling::track/name", "/track[name='c']/name"},
		{trackBNode, "preceding-sibling::*[1]", "/track[name='a']"}, {trackBNode, "preceding-sibling::*[last()]", "/name"}, {trackBNode, "following-sibling::*[2]", "/main"},
		{trackBNode, "ancestor::*", "yard"}, {trackBNode, "ancestor-or-self::*", "yard /track[name='b']"}, {trackBNode, "ancestor-or-self::*[1]", "/track[name='b']"}, {trackBNode, "ancestor::node()[last()]", "/"},
		{trackBNode, "descendant::number", "/track[name='b']/wagon[owner='x'][number='1']/number"}, {trackBNode, "self::track/name", "/track[name='b']/name"}, {trackBNode, "self::yard", ""},
		{trackBNode, "following::name", "/track[name='c']/name"}, {trackBNode, "preceding::name", "/name /track[name='a']/name"}, {trackBNode, "preceding::number[1]", "/track[name='a']/wagon[owner='w'][number='2']/number"},
		{trackBNode, "following::height", "/track[name='c']/signal/height"}, {trackBNode, "following::tag", ""}, {trackBNode, "preceding::text()[1]", "/track[name='a']/wagon[owner='w'][number='2']/number/text()"},
		{trackBNode, "@name", ""}, {trackBNode, "attribute::*", ""}, {trackBNode, "namespace::*", ""}, {trackBNode, "comment()", ""}, {trackBNode, "processing-instruction('x')", ""}, {trackBNode, "descendant::text()[. = 'x']", "/track[name='b']/wagon[owner='x'][number='1']/owner/text()"},
		{trackBNode, "child::node()[1]", "/track[name='b']/name"}, {trackBNode, "name/text()/..", "/track[name='b']/name"}, {trackBNode, "descendant-or-self::track", "/track[name='b']"},
		// Predicates.
		{"/", "/yard/track[2]/name", "/track[name='b']/name"}, {"/", "/yard/track[last()]/name", "/track[name='c']/name"}, {"/", "/yard/track[position() < 3]/name", "/track[name='a']/name /track[name='b']/name"},
		{"/", "/yard/track[length = 50][2]/name", "/track[name='c']/name"}, {"/", "/yard/track[2][length = 50]/name", ""}, {"/", "/yard/track[position() = last() - 1]/name", "/track[name='b']/name"},
		{"/", "/yard/track[0]", ""}, {"/", "/yard/track[1.5]", ""}, {"/", "/yard/track[last() > 5]", ""}, {"/", "/yard/track[gate]/name", "/track[name='b']/name"}, {"/", "/yard/track['']", ""}, {"/", "/yard/track['x'][3]/name", "/track[name='c']/name"},
		{"/", "/yard/track[wagon[load > 10]]/name", "/track[name='a']/name"}, {"/", "/yard/track[count(wagon) = 3]/wagon[2]/load", "/track[name='a']/wagon[owner='x'][number='1']/load"},
		{"/", "/yard/track/wagon[1]/number", "/track[name='a']/wagon[owner='x'][number='3']/number /track[name='b']/wagon[owner='x'][number='1']/number"},
		{"/", "(/yard/track/wagon)[1]/number", "/track[name='a']/wagon[owner='x'][number='3']/number"}, {"/", "(/yard/track/wagon)[last()]/load", "/track[name='b']/wagon[owner='x'][number='1']/load"},
		{"/", "(//wagon/..)[2]/name", "/track[name='b']/name"}, {"/", "//wagon[1]/number", "/track[name='a']/wagon[owner='x'][number='3']/number /track[name='b']/wagon[owner='x'][number='1']/number"},
		{"/", "/descendant::wagon[1]/number", "/track[name='a']/wagon[owner='x'][number='3']/number"}, {"/", "//wagon[last()]/number", "/track[name='a']/wagon[owner='w'][number='2']/number /track[name='b']/wagon[owner='x'][number='1']/number"},
		// Lookups by key.
		{"/", "/yard/track[name = 'c']/length", "/track[name='c']/length"}, {"/", "/yard/track['c' = name]/length", "/track[name='c']/length"}, {"/", "/yard/track[name = 'zz']", ""},
		{"/", "/yard/track[name = 'a' and length = 50]/name", "/track[name='a']/name"}, {"/", "/yard/track[name = 'a' and length = 51]/name", ""}, {"/", "/yard/track[name = 'c'][1]/name", "/track[name='c']/name"},
		{"/", "/yard/track[name = 'c'][3]/name", ""}, {"/", "/yard/track[3][name = 'c']/name", "/track[name='c']/name"}, {"/", "/yard/track[name = 'c'][last()]/name", "/track[name='c']/name"},
		{"/", "/yard/track[name = /yard/main]/name", "/track[name='b']/name"}, {"/", "/yard/track[name = /yard/c:worker/c:track]/name", "/track[name='a']/name /track[name='c']/name"},
		{"/", "/yard/track/wagon[owner = 'x'][number = 1]/load", "/track[name='a']/wagon[owner='x'][number='1']/load /track[name='b']/wagon[owner='x'][number='1']/load"},
		{"/", "/yard/track/wagon[number = '1' and owner = 'x']/load", "/track[name='a']/wagon[owner='x'][number='1']/load /track[name='b']/wagon[owner='x'][number='1']/load"},
		{"/", "/yard/track/wagon[owner = 'x'][number = '01']/load", ""}, {"/", "/yard/c:worker[c:id = 12]/c:track", "/crew:worker[id='12']/track"}, {"/", "/yard/c:worker[c:id = 12.0]/c:track", "/crew:worker[id='12']/track"},
		{"/", "/yard/c:worker[c:id = 12.5]/c:track", ""}, {"/", "/yard/c:worker[c:id = 'x']/c:track", ""}, {"/", "/yard/c:worker[c:id = 0 div 0]", ""}, {"/", "/yard/month[. = 7]", "/month[.='7']"},
		{"/", "/yard/month[. = '7']", "/month[.='7']"}, {"/", "/yard/month[. = 8]", ""}, {"/", "/yard/day[. = 5]", "/day[.='5']*"}, {"/", "/yard/track/tag[. = 'wet']", "/track[name='a']/tag[.='wet']"},
		{"/", "/yard/track[name = true()]/name", "/track[name='a']/name /track[name='b']/name /track[name='c']/name"}, {trackBNode, "../track[name = current()/name]/length", "/track[name='b']/length*"},
		{trackBNode, "../track[name = ../main]/name", "/track[name='b']/name"},
		{"/", "//track[name = 'c']/length", "/track[name='c']/length"}, {"/", "//wagon[owner = 'x'][number = 1]/load", "/track[name='a']/wagon[owner='x'][number='1']/load /track[name='b']/wagon[owner='x'][number='1']/load"},
		{"/", "//wagon[owner = 'x' and number = 1][load > 5]/number", ""}, {"/", "/descendant::wagon[owner = 'x'][number = 1][2]/load", "/track[name='b']/wagon[owner='x'][number='1']/load"}, {"/", "//track[name = 'zz']", ""},
		{"/", "count(//wagon[number = '3' and owner = 'x'][load])", "1"}, {trackBNode, ".//wagon[owner = 'x'][number = 1]/load", "/track[name='b']/wagon[owner='x'][number='1']/load"}, {trackBNode, ".//track[name = 'a']", ""},
		{trackBNode, "name//wagon[owner = 'x'][number = 1]", ""}, {trackBNode, "//track[name = current()/name]/length", "/track[name='b']/length*"}, {"/", "//track[name = /yard/main]/name", "/track[name='b']/name"},
		{"/", "//track[name = (/yard/main | /yard/c:worker/c:track)]/name", "/track[name='a']/name /track[name='b']/name /track[name='c']/name"},
		{"/", "//track[name = 'a' or name = 'b'][name = 'b']/name", "/track[name='b']/name"},
		// Document order, unions, ordered-by user.
		{"/", "/yard/track[name='c'] | /yard/name | /yard/track[name='a']", "/name /track[name='a'] /track[name='c']"}, {"/", "/yard/month", "/month[.='12'] /month[.='2'] /month[.='7']"},
		{"/", "/yard/month[2]", "/month[.='2']"}, {"/", "count(/yard/track | /yard/track[1])", "3"}, {"/", "string(/yard/track[3]/name | /yard/track[2]/name)", "b"}, {"/", "//load/../..", "/track[name='a'] /track[name='b']"},
		{"/", "count(//node()/..) = count(//*[node()]) + 1", "true"}, {"/", "count(//*) = count(//node()/self::*)", "true"}, {trackBNode, "(../track | .)/name", "/track[name='a']/name /track[name='b']/name /track[name='c']/name"},
		{"/", "/yard/track[3]/preceding-sibling::track/wagon/preceding-sibling::wagon/number", "/track[name='a']/wagon[owner='x'][number='3']/number /track[name='a']/wagon[owner='x'][number='1']/number"},
		// Names.
		{"/", "name(/yard/c:worker)", "c:worker"}, {"/", "local-name(/yard/c:worker)", "worker"}, {"/", "namespace-uri(/yard/c:worker)", "urn:test:crew"}, {"/", "name(/)", ""}, {"/", "name(/yard/none)", ""},
		{trackBNode, "name()", "y:track"}, {trackBNode, "local-name(..)", "yard"}, {trackBNode, "namespace-uri()", "urn:test:yard"}, {"/", "/y:yard/c:*[1]", "/crew:worker[id='1']"}, {"/", "/*/*[local-name() = 'worker'][2]/*[1]", "/crew:worker[id='12']/id"},
		{"/", "/yard/worker", ""}, {"/", "/y:yard/y:track/y:gate", "/track[name='b']/gate"}, {"/", "id('x')", ""}, {"/", "count(id(/yard/name))", "0"},
		// RFC 7950 section 10.
		{trackBNode, "current()", "/track[name='b']"}, {trackBNode, "../track[length = current()/length]/name", "/track[name='b']/name"}, {trackBNode, "current()[gate]/name", "/track[name='b']/name"},
		{"/", "deref(/yard/main)", "/track[name='b']/name"}, {"/", "deref(/yard/main)/../length", "/track[name='b']/length*"}, {"/", "deref(/yard/other)", ""}, {"/", "deref(/yard/mark)", "/track[name='a']/grade"},
		{"/", "deref(/yard/c:worker[2]/c:track)/../length", "/track[name='c']/length"}, {"/", "deref(/yard/track/wagon/behind)/../load", "/track[name='a']/wagon[owner='x'][number='3']/load"}, {"/", "deref(/yard/name)", ""}, {"/", "deref(/yard/none)", ""}, {"/", "deref(/yard)", ""},
		{"/", "derived-from(/yard/track/kind, 'y:train')", "true"}, {"/", "derived-from(/yard/track/kind, 'y:freight')", "false"}, {"/", "derived-from-or-self(/yard/track/kind, 'y:freight')", "true"},
		{"/", "/yard/track[derived-from(kind, 'vehicle')]/name", "/track[name='a']/name /track[name='b']/name"}, {"/", "derived-from(/yard/c:worker/c:drives, 'y:train')", "true"}, {"/", "derived-from-or-self(/yard/c:worker/c:drives, concat('c:', 'tram'))", "true"},
		{"/", "derived-from(/yard/track/kind, 'y:nothing')", "false"}, {"/", "derived-from(/yard/name, 'y:train')", "false"}, {"/", "/yard/track/kind = 'y:bus'", "true"}, {"/", "/yard/track/kind = 'bus'", "true"}, {"/", "/yard/track/kind = 'yard:bus'", "true"}, {"/", "/yard/track/kind = 'c:tram'", "false"}, {"/", "/yard/track[name='a']/kind != 'y:freight'", "false"},
		{"/", "enum-value(/yard/track/state)", "7"}, {"/", "/yard/track[enum-value(state) < 5]/name", "/track[name='b']/name"}, {"/", "enum-value(/yard/name)", "NaN"}, {"/", "enum-value(/yard/none)", "NaN"},
		{"/", "bit-is-set(/yard/track/flags, 'crane')", "true"}, {"/", "bit-is-set(/yard/track/flags, 'roof')", "false"}, {"/", "bit-is-set(/yard/name, 'lit')", "false"}, {"/", "bit-is-set(/yard/none, 'lit')", "false"},
		{"/", "re-match('1.22.333', '\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}')", "true"}, {"/", "re-match('aXb', 'X')", "false"}, {"/", "re-match(/yard/name, concat('no', '.*'))", "true"}, {"/", "/yard/track[re-match(name, '[a-b]')]/name", "/track[name='a']/name /track[name='b']/name"},
	} {
		n, c := at(t, s, root, tc.at)
		x, err := xpath.Compile(tc.expr, n, options(s))
		if err != nil {
			t.Errorf("%s: %v", tc.expr, err)
			continue
		}
		if got := value(t, x, c); got != tc.want {
			t.Errorf("%s at %s: got %q, want %q", tc.expr, tc.at, got, tc.want)
		}
		known := c
		for i := range c.Path {
			known.Nodes = append(known.Nodes, root.Get(c.Path[:i+1]))
		}
		if got := value(t, x, known); got != tc.want {
			t.Errorf("%s at %s, of known nodes: got %q, want %q", tc.expr, tc.at, got, tc.want)
		}
		again, err := xpath.Compile(x.String(), n, options(s))
		if err != nil {
			t.Errorf("%s printed as %s: %v", tc.expr, x, err)
		} else if got := value(t, again, c); got != tc.want || again.String() != x.String() {
			t.Errorf("%s printed as %s, then %s: got %q", tc.expr, x, again, got)
		}
	}
}

const trackBNode = "/yard:yard/track[name='b']"

func TestCompileErrors(t *testing.T) {
	s, _ := yard(t)
	for _, tc := range []struct{ expr, want string }{
		{"", "expected a step and found end"}, {" ", "expected a step"}, {"1 +", "expected a step"}, {"/yard/", "expected a step"}, {"//", "expected a step"}, {"a b", "expected an operator"},
		{"(1", `expected ")"`}, {"a[1", `expected "]"`}, {"a]", `unexpected "]"`}, {"'a", "has no end"}, {"a::b", "no axis"}, {"child::", "expected a step"}, {"foo()", "no function foo()"}, {"y:foo()", "no function"},
		{"$x", "no variables"}, {"count()", "does not take 0"}, {"count(1)", "must be a node-set"}, {"not()", "does not take"}, {"true(1)", "does not take 1"}, {"concat('a')", "does not take 1"}, {"substring('a')", "does not take"},
		{"1 | a", "joins node-sets"}, {"a | 'b'", "joins node-sets"}, {"1[1]", "only a node-set"}, {"'a'/b", "only a node-set"}, {"string()/a", "only a node-set"}, {"p:a", `prefix "p"`}, {"p:*", `prefix "p"`}, {"a:", "expected a name"},
		{"a ! b", "unexpected '!'"}, {"a = = b", "expected a step"}, {"#", "unexpected '#'"}, {"\xff", "unexpected"}, {"'\xff'", "not UTF-8"}, {"a/", "expected a step"}, {"..[1]", `unexpected "["`}, {".name", "expected an operator"},
		{"text(", `expected ")"`}, {"node('x')", `expected ")"`}, {"sum('1')", "must be a node-set"}, {"derived-from(name, 'q:x')", `prefix "q"`}, {"re-match('a', '[')", "re-match"}, {"enum-value('x')", "node-set"}, {"deref('x')", "node-set"}, {"current(1)", "does not take"},
		{strings.Repeat("(", 200) + "1" + strings.Repeat(")", 200), "nested deeper"}, {strings.Repeat("-", 200) + "1", "signs in a row"}, {"1" + strings.Repeat("+1", 5000), "more than 4096 parts"}, {strings.Repeat(" ", 70000), "longer than"},
		{strings.Repeat("a[", 200) + "1" + strings.Repeat("]", 200), "nested deeper"}, {"1" + strings.Repeat("0", 400), "out of range"}, {"1 2", "unexpected"}, {"@@a", "expected a step"}, {"a(b)", "no function a()"}, {"*:a", "unexpected"},
	} {
		_, err := xpath.Compile(tc.expr, s.Root(), options(s))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.40q: got %v, want %q", tc.expr, err, tc.want)
		}
	}
}

// TestEvaluationFails: what costs too much or is no pattern is an error.
func TestEvaluationFails(t *testing.T) {
	s, root := yard(t)
	for _, tc := range []struct{ expr, want string }{
		{"re-match('a', concat('[', ''))", "re-match"},
		{"count(//*[count(//*[count(//*[count(//*[count(//*) > 0]) > 0]) > 0]) > 0])", "too many nodes"},
	} {
		x, err := xpath.Compile(tc.expr, s.Root(), options(s))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.Bool(xpath.Context{Root: root}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.expr, err, tc.want)
		}
		if _, err := x.Number(xpath.Context{}); tc.want == "too many nodes" && err != nil {
			t.Errorf("%s on nothing: %v", tc.expr, err)
		}
	}
	x, err := xpath.Compile("1 + 1", s.Root(), options(s))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Nodes(xpath.Context{}); err == nil {
		t.Error("the nodes of a number")
	}
	if n, err := x.Number(xpath.Context{}); n != 2 || err != nil || math.IsNaN(n) {
		t.Errorf("got %v, %v", n, err)
	}
}

// TestState: without Config, state is visible with its defaults.
func TestState(t *testing.T) {
	s, root := yard(t)
	o := options(s)
	o.Config, o.Default = false, nil
	x, err := xpath.Compile("/yard/count/total + /yard/worker[1]/id", s.Root(), o)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := x.Number(xpath.Context{Root: root}); n != 10 || err != nil {
		t.Errorf("got %v, %v, want 10", n, err)
	}
}

// TestOperations: an operation, an action and a notification are children of
// the node that they belong to.
func TestOperations(t *testing.T) {
	s, root := yard(t)
	m := s.Module("yard")
	track := s.Root().Child("yard").Child("track")
	leaf := func(parent *schema.Node, name, text string) *tree.Node {
		b := tree.NewBuilder(tree.New(parent))
		b.Leaf(parent.Child(name), schema.MustParse(parent.Child(name).Type, text))
		return b.Seal()
	}
	rpc, sweep, blocked := s.RPC(m, "close").Input, track.Actions()[0].Input, track.Notifications()[0]
	_, a := at(t, s, root, trackA)
	for _, tc := range []struct {
		name string
		ctx  *schema.Node
		c    xpath.Context
		expr string
		want string
	}{
		{"RPC", rpc, xpath.Context{Root: root, Operation: leaf(rpc, "track", "b")}, "/yard/track[name = current()/track]/length", "100"},
		{"RPC by its name", rpc, xpath.Context{Root: root, Operation: leaf(rpc, "track", "b")}, "/close/track", "b"},
		{"leaf of an RPC", rpc.Child("track"), xpath.Context{Root: root, Operation: leaf(rpc, "track", "c"), Inside: tree.Path{{Node: rpc.Child("track")}}}, "concat(name(..), deref(.)/../length)", "y:close50"},
		{"what is not there", rpc.Child("why"), xpath.Context{Root: root, Operation: leaf(rpc, "track", "c"), Inside: tree.Path{{Node: rpc.Child("why")}}}, "concat(name(), ., count(../why), count(../track))", "y:why01"},
		{"action", sweep, xpath.Context{Root: root, Path: a.Path, Operation: leaf(sweep, "times", "2")}, "concat(../name, force, times, ../sweep/times, count(../../track/sweep), count(//sweep))", "afalse2211"},
		{"nested notification", blocked, xpath.Context{Root: root, Path: a.Path, Operation: leaf(blocked, "by", "me")}, "concat(by, ../length, count(/yard/track/blocked))", "me501"},
	} {
		o := options(s)
		o.Config = false
		x, err := xpath.Compile(tc.expr, tc.ctx, o)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if got, err := x.Text(tc.c); got != tc.want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", tc.name, got, err, tc.want)
		}
	}
}

// TestDummy: a context node that does not exist is taken to exist.
func TestDummy(t *testing.T) {
	s, root := yard(t)
	for path, want := range map[string]string{
		"/yard:yard/track[name='zz']/grade": "grade| 0 3",
		"/yard:yard/track[name='b']/grade":  "grade| 1 3",
		"/yard:yard/track[name='b']/length": "length|100 1 3",
		"/yard:yard/day[.='5']":             "day|5 0 0",
		"/yard:yard/day[.='6']":             "day| 0 0",
		"/yard:yard/track[name='a']/gate":   "gate| 1 3",
		"/yard:yard/track[name='a']/signal": "signal|-523010 1 3",
	} {
		n, c := at(t, s, root, path)
		x, err := xpath.Compile("concat(local-name(), '|', ., ' ', count(../name[../kind or true()]) * count(../name) * count(../length), ' ', count(../../track))", n, options(s))
		if err != nil {
			t.Fatal(err)
		}
		got, err := x.Text(c)
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", path, got, err, want)
		}
	}
}

// TestAgainstYanglint asks yanglint for the node-sets of many expressions on
// the same data.
func TestAgainstYanglint(t *testing.T) {
	program, err := exec.LookPath("yanglint")
	if err != nil {
		t.Fatal("yanglint is missing: install the package libyang2-tools")
	}
	s, root := yard(t)
	o := options(s)
	o.Prefixes = map[string]*schema.Module{"yard": s.Module("yard"), "crew": s.Module("crew")}
	o.Config = false
	exprs := yanglintExpressions()
	var in strings.Builder
	in.WriteString("load yard\nload crew\n")
	for _, e := range exprs {
		fmt.Fprintf(&in, "data -x \"%s\" yard.xml\n", e)
	}
	cmd := exec.Command(program)
	var complaints strings.Builder
	cmd.Dir, cmd.Stdin, cmd.Stderr = "testdata", strings.NewReader(in.String()), &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs := strings.Split(string(out), "XPath \"")[1:]
	if len(theirs) != len(exprs) {
		t.Fatalf("yanglint answers %d of %d expressions:\n%s", len(theirs), len(exprs), complaints.String())
	}
	for i, e := range exprs {
		_, want, _ := strings.Cut(theirs[i], "evaluation result:\n")
		x, err := xpath.Compile(e, s.Root(), o)
		if err != nil {
			t.Errorf("%s: %v", e, err)
			continue
		}
		nodes, err := x.Nodes(xpath.Context{Root: root})
		if err != nil {
			t.Fatal(err)
		}
		if got := likeYanglint(nodes); squeeze(got) != squeeze(want) {
			t.Errorf("%s: got\n%syanglint\n%s", e, got, want)
		}
	}
}
