package codec

import (
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

const txidPrefix = ` xmlns:t="` + NamespaceTxid + `"`

func TestEtagsOfEdits(t *testing.T) {
	s := testSchema(t)
	for _, tc := range []struct{ name, in, want string }{
		{"none", `<top><u8>5</u8></top>`, ""},
		{"a container", `<top` + txidPrefix + ` t:etag="a-1"><u8>5</u8></top>`, "/kitchen:top a-1\n"},
		{"an entry, keys last", `<top><entry` + txidPrefix + ` t:etag="x"><value>v</value><id>1</id><name>a</name></entry></top>`,
			"/kitchen:top/entry[name='a'][id='1'] x\n"},
		{"an entry that is deleted", `<top><entry` + txidPrefix + ` t:etag="x" nc:operation="delete"><id>1</id><name>a</name></entry></top>`,
			"/kitchen:top/entry[name='a'][id='1'] x\n"},
		{"a leaf", `<top><u8` + txidPrefix + ` t:etag="?">5</u8></top>`, "/kitchen:top/u8 ?\n"},
		{"each element its own", `<top` + txidPrefix + ` t:etag="1"><inner t:etag="2"><y>1</y></inner><u8>5</u8></top>`,
			"/kitchen:top 1\n/kitchen:top/inner 2\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got strings.Builder
			_, err := DecodeEdits(s, open(t, tc.in), EditOptions{Default: tree.Merge, Etag: func(at tree.Path, value string) {
				got.WriteString(at.String() + " " + value + "\n")
			}})
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != tc.want {
				t.Errorf("got\n%swant\n%s", got.String(), tc.want)
			}
		})
	}
}

func TestEtagsThatAreRefused(t *testing.T) {
	s := testSchema(t)
	ignore := func(tree.Path, string) {}
	for _, tc := range []struct {
		name, in string
		etag     func(tree.Path, string)
		want     yangerr.Tag
	}{
		{"not asked for", `<top` + txidPrefix + ` t:etag="1"/>`, nil, yangerr.UnknownAttribute},
		{"empty", `<top` + txidPrefix + ` t:etag=""/>`, ignore, yangerr.BadAttribute},
		{"a time", `<top` + txidPrefix + ` t:last-modified="2026-11-22T00:00:00Z"/>`, ignore, yangerr.UnknownAttribute},
		{"without namespace", `<top etag="1"/>`, ignore, yangerr.UnknownAttribute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := DecodeEdits(s, open(t, tc.in), EditOptions{Default: tree.Merge, Etag: tc.etag})
			if err == nil || !yangerr.From(err).Has(tc.want) {
				t.Errorf("the error is %v, want %s", err, tc.want)
			}
		})
	}
}

// cutter marks every element with its depth and cuts what is called cut.
type cutter struct {
	cut   string
	depth int
}

func (c *cutter) Enter(n *tree.Node) (string, bool) {
	c.depth++
	return ` d="` + strings.Repeat("i", c.depth) + `"`, n.Schema().Name == c.cut
}

func (c *cutter) Leave() { c.depth-- }

func TestMarkedPrint(t *testing.T) {
	s := testSchema(t)
	edits, err := DecodeEdits(s, open(t, `<top><u8>5</u8><entry><name>a</name><id>1</id><value>v</value></entry><inner><y>1</y></inner></top>`), EditOptions{Default: tree.Merge})
	if err != nil {
		t.Fatal(err)
	}
	root, errs := tree.Apply(tree.Empty(s), edits)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, tc := range []struct {
		cut   string
		parts []string
		not   string
	}{
		{"", []string{`<u8 d="ii">5</u8>`, `<entry d="ii"><name>a</name><id>1</id><value d="iii">v</value></entry>`, `<inner d="ii"><y d="iii">1</y></inner>`}, "/>"},
		{"entry", []string{`<entry d="ii"><name>a</name><id>1</id></entry>`, `<u8 d="ii">5</u8>`}, "<value"},
		{"inner", []string{`<inner d="ii"/>`}, "<y"},
		{"u8", []string{`<u8 d="ii"/>`}, "5"},
		{"top", []string{` d="i"/>`}, "<u8"},
	} {
		m := &cutter{cut: tc.cut}
		got := string(AppendXML(nil, root, EncodeOptions{Marker: m}))
		for _, part := range tc.parts {
			if !strings.Contains(got, part) {
				t.Errorf("cut %q: %s has no %s", tc.cut, got, part)
			}
		}
		if strings.Contains(got, tc.not) || m.depth != 0 {
			t.Errorf("cut %q: %s has %s, or %d elements were not left", tc.cut, got, tc.not, m.depth)
		}
	}
}
