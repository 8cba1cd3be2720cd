package configure

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// wordsMode is a mode on the test module alone, without an element.
func wordsMode(t *testing.T) (*Mode, *bytes.Buffer) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "words.yang"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Compile(schema.Options{Sources: []schema.Source{{Name: "words.yang", Text: text}}, Implement: []string{"words"}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	return &Mode{schema: s, out: &out, running: tree.Empty(s), work: tree.Empty(s)}, &out
}

// do carries out lines that must succeed.
func do(t *testing.T, m *Mode, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if err := m.editLine(t.Context(), line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
}

// carryOut applies an edit-config to a tree as an element does.
func carryOut(t *testing.T, s *schema.Schema, root *tree.Node, message []byte) *tree.Node {
	t.Helper()
	r := xmltok.NewReader([]byte("<config>"+string(message)+"</config>"), xmltok.Limits{Bytes: 1 << 20})
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	edits, err := codec.DecodeEdits(s, r, codec.EditOptions{Default: tree.Merge})
	if err != nil {
		t.Fatalf("%v\n%s", err, message)
	}
	next, errs := tree.Apply(root, edits)
	if len(errs) > 0 {
		t.Fatalf("%v\n%s", errs, message)
	}
	return next
}

func TestEditConfig(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after []string
		want          string // part of the message
	}{
		{"leaf", nil, []string{"set words left x"}, `<left>x</left>`},
		{"other case", []string{"set words left x"}, []string{"set words right y"}, `<left xmlns:nc`},
		{"presence", nil, []string{"set words plain"}, `<plain`},
		{"empty leaf", []string{"set words plain"}, []string{"set words plain flag"}, `<flag`},
		{"identity", []string{"set words plain"}, []string{"set words plain shape round"}, `round</shape>`},
		{"special characters", []string{"set words plain"}, []string{`set words plain text "<&\"> \\ | # \n"`}, `&lt;&amp;`},
		{"entry", nil, []string{"set words sorted a in x 1"}, `<x>1</x>`},
		{"delete an entry", []string{"set words sorted a", "set words sorted b"}, []string{"delete words sorted a"}, `nc:operation="remove"`},
		{"delete all entries", []string{"set words sorted a", "set words sorted b"}, []string{"delete words sorted"}, `nc:operation="remove"`},
		{"append to an order", []string{"set words order b"}, []string{"set words order a"}, `yang:value="b"`},
		{"insert in front", []string{"set words order b"}, []string{"set words order a", "insert words order a first"}, `yang:insert="first"`},
		{"insert a new entry", []string{"set words pair x 1", "set words pair z 1"}, []string{"set words pair y 1 note n", "insert words pair y 1 before z 1"}, `yang:key="[at:a='x'][at:b='1']"`},
		{"move an entry", []string{"set words pair x 1", "set words pair y 2", "set words pair z 3"}, []string{"insert words pair x 1 after z 3"}, `yang:insert="after"`},
		{"quotes in an anchor", []string{`set words order "it's"`, `set words order "a \"b\""`}, []string{`insert words order "it's" after "a \"b\""`}, `yang:value="a &quot;b&quot;"`},
		{"quotes in a key", []string{`set words pair "it's" 1`, "set words pair b 2"}, []string{`insert words pair b 2 first`, `set words pair c 3`}, `it's`},
		{"union", []string{"set words plain"}, []string{"set words plain either none"}, `none`},
		{"instance", []string{"set words plain"}, []string{"set words plain where \"/words:words/sorted[name='a']\""}, `where`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, _ := wordsMode(t)
			do(t, m, c.before...)
			m.running = m.work
			do(t, m, c.after...)
			message := config(tree.Edits(m.running, m.work))
			if !strings.Contains(string(message), c.want) {
				t.Errorf("no %s in %s", c.want, message)
			}
			if got := carryOut(t, m.schema, m.running, message); !tree.Equal(got, m.work) {
				t.Errorf("%s leads to\n%s\nwant\n%s", message, lines(got), lines(m.work))
			}
		})
	}
}

func lines(root *tree.Node) string {
	var b strings.Builder
	for _, p := range roots(root) {
		setLines(root.Get(p), p, func(text string) { b.WriteString(text + "\n") })
	}
	return b.String()
}

// TestRandomEdits edits at random, and holds that the message leads where the
// edits led, and that the printed lines make the same configuration again.
func TestRandomEdits(t *testing.T) {
	names := []string{"a", "b c", `it's`, `say "x"`, `back\slash`, "#", "|", "x\ny"}
	for seed := range uint64(60) {
		m, _ := wordsMode(t)
		r := rand.New(rand.NewPCG(seed, 1))
		pick := func() string { return quote(names[r.IntN(len(names))]) }
		for range 3 {
			m.running = m.work
			for range 12 {
				line := []func() string{
					func() string { return "set words sorted " + pick() + " in x 5" },
					func() string { return "set words sorted " + pick() },
					func() string {
						return "set words pair " + pick() + " " + string('0'+rune(r.IntN(3))) + " note " + pick()
					},
					func() string { return "set words order " + pick() },
					func() string { return "set words kinds round" },
					func() string { return "set words plain text " + pick() + " flag" },
					func() string { return "set words left " + pick() },
					func() string { return "set words right " + pick() },
					func() string { return "delete words sorted " + pick() },
					func() string { return "delete words plain" },
					func() string { return "insert words order " + pick() + " first" },
					func() string { return "insert words order " + pick() + " after " + pick() },
					func() string { return "insert words pair " + pick() + " 1 before " + pick() + " 1" },
				}[r.IntN(13)]()
				// What names nothing that exists is refused, and then nothing happens.
				before := m.work
				if err := m.editLine(t.Context(), line); err != nil && m.work != before {
					t.Fatalf("%s: refused with %v, but something changed", line, err)
				}
			}
			message := config(tree.Edits(m.running, m.work))
			if got := carryOut(t, m.schema, m.running, message); !tree.Equal(got, m.work) {
				t.Fatalf("seed %d: %s leads to\n%s\nwant\n%s", seed, message, lines(got), lines(m.work))
			}
			again, _ := wordsMode(t)
			again.schema, again.work, again.running = m.schema, tree.Empty(m.schema), tree.Empty(m.schema)
			if err := again.loadLines(t.Context(), "lines", []byte(lines(m.work))); err != nil {
				t.Fatalf("seed %d: %v in\n%s", seed, err, lines(m.work))
			}
			if !tree.Equal(again.work, m.work) {
				t.Fatalf("seed %d: the lines\n%s\nmake\n%s", seed, lines(m.work), lines(again.work))
			}
		}
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct{ line, want, err string }{
		{"", "", ""},
		{"  ", "", ""},
		{"a b", "a,b", ""},
		{"a\tb  c\n", "a,b,c", ""},
		{`a "b c" d`, "a,b c,d", ""},
		{`a""b`, "ab", ""},
		{`""`, "", ""},
		{`"a\"b\\c\nd"`, "a\"b\\c\nd", ""},
		{"a # rest", "a", ""},
		{"a#b", "a#b", ""},
		{"a | b", "a,\x00|,b", ""},
		{`a "|" b`, "a,|,b", ""},
		{"a|b", "a|b", ""},
		{`a "b`, "", `a " is not closed`},
		{`a "b\`, "", `the line ends behind a \`},
	} {
		got, err := split(c.line)
		if text := strings.Join(got, ","); text != c.want && c.err == "" || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%q: %q, %v; want %q, %s", c.line, text, err, c.want, c.err)
		}
	}
}

// FuzzWords holds that a quoted word is read back as it was, and that no line
// can make split fail in another way than with an error.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"", "a", "a b", `"`, `\`, "#", "|", "\n", "a\x00|", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := split(quote(s)); err != nil || len(got) != 1 || got[0] != s {
			t.Errorf("%q is quoted as %s and read as %q, %v", s, quote(s), got, err)
		}
		_, _ = split(s)
	})
}
