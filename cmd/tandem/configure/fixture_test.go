package configure

import (
	"bytes"
	"testing"

	"github.com/tandem-ne/tandem/cmd/tandem/elementtest"
	"github.com/tandem-ne/tandem/cmd/tandem/model"
	"github.com/tandem-ne/tandem/server/schema"
)

// bed is an element with the schema that a client got from it.
type bed struct {
	*elementtest.Element
	schema *schema.Schema
}

func newBed(t *testing.T, more ...schema.Source) *bed {
	t.Helper()
	e := elementtest.New(t, more...)
	s, err := model.Load(t.Context(), e.Dial(t), model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &bed{e, s}
}

// open opens a mode that writes to the buffer.
func (b *bed) open(t *testing.T, o Options) (*Mode, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	o.Schema, o.Element, o.Out, o.Name = b.schema, b.Dial(t), &out, "admin@ne"
	m, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return m, &out
}
