package codec_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

const manyModule = `module many { yang-version 1.1; namespace "urn:many"; prefix m;
  container top { list item { key name; leaf name { type string; } leaf v { type int32; default 7; } }
    leaf-list tag { type string; } container empty { presence "here"; } } }`

// manyItems returns a tree that prints to more than EncodeXML holds at once.
func manyItems(t testing.TB) *tree.Node {
	t.Helper()
	s, err := schema.Compile(schema.Options{Sources: []schema.Source{{Name: "many.yang", Text: []byte(manyModule)}}, Implement: []string{"many"}})
	if err != nil {
		t.Fatal(err)
	}
	top := s.Root().Child("top")
	item := top.Child("item")
	b := tree.NewBuilder(tree.Empty(s))
	b.Enter(top)
	for i := range 5000 {
		b.Enter(item, schema.MustParse(item.Child("name").Type, fmt.Sprint("item-", i)))
		b.Leaf(item.Child("v"), schema.MustParse(item.Child("v").Type, fmt.Sprint(i)))
		b.Leave()
		b.Leaf(top.Child("tag"), schema.MustParse(top.Child("tag").Type, fmt.Sprint("tag-", i)))
	}
	b.Enter(top.Child("empty"))
	b.Leave()
	b.Leave()
	return b.Seal()
}

func TestEncodeXMLWritesWhatAppendXMLAppends(t *testing.T) {
	root := manyItems(t)
	for _, opt := range []codec.EncodeOptions{{}, {Indent: "  "}, {Defaults: tree.ReportAllTagged}, {Defaults: tree.Trim, Indent: " "}} {
		w := &pieces{}
		if err := codec.EncodeXML(w, root, opt); err != nil {
			t.Fatal(err)
		}
		if want := codec.AppendXML(nil, root, opt); !bytes.Equal(w.all.Bytes(), want) {
			t.Errorf("%+v: %d octets written, %d appended, or they differ", opt, w.all.Len(), len(want))
		}
		if w.largest > 80<<10 || w.all.Len() < 3*w.largest {
			t.Errorf("%+v: the largest piece has %d of %d octets", opt, w.largest, w.all.Len())
		}
	}
}

func TestEncodeXMLStopsAtAnError(t *testing.T) {
	w := &pieces{limit: 100_000}
	if err := codec.EncodeXML(w, manyItems(t), codec.EncodeOptions{}); !errors.Is(err, errFull) {
		t.Errorf("the error is %v", err)
	}
	if w.calls > 3 {
		t.Errorf("%d writes after the disk was full", w.calls)
	}
}

var errFull = errors.New("full")

// pieces records what is written to it.
type pieces struct {
	all                   bytes.Buffer
	largest, limit, calls int
}

func (p *pieces) Write(b []byte) (int, error) {
	p.calls++
	p.largest = max(p.largest, len(b))
	if p.all.Write(b); p.limit > 0 && p.all.Len() > p.limit {
		return 0, errFull
	}
	return len(b), nil
}
