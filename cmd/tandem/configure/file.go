package configure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/tree"
)

// readFile reads a file; "-" is standard input.
func readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(name)
}

// load reads a configuration into the working copy: all of it or nothing.
func (m *Mode) load(ctx context.Context, tokens []string, _ filters) error {
	if len(tokens) != 2 {
		return errors.New("load needs merge, replace or set, and a file")
	}
	text, err := readFile(tokens[1])
	if err != nil {
		return err
	}
	switch tokens[0] {
	case "merge", "replace":
		return m.loadXML(text, tokens[0] == "replace")
	case "set":
		return m.loadLines(ctx, tokens[1], text)
	}
	return fmt.Errorf("load %s: merge, replace or set", tokens[0])
}

// loadXML reads the content of a <config>, or a whole <config> or <data>. It may
// have operation attributes when it is merged.
func (m *Mode) loadXML(text []byte, replace bool) error {
	if !wrapped(text) {
		text = []byte(`<config xmlns="` + codec.NamespaceNETCONF + `">` + string(text) + `</config>`)
	}
	r := xmltok.NewReader(text, xmltok.Limits{Bytes: len(text) + 1})
	if _, err := r.Next(); err != nil {
		return err
	}
	op := tree.Merge
	if replace {
		op = tree.Replace
	}
	edits, err := codec.DecodeEdits(m.schema, r, codec.EditOptions{Default: op})
	if err != nil {
		return err
	}
	return m.apply(edits)
}

// wrapped reports whether the document is one <config> or <data>.
func wrapped(text []byte) bool {
	r := xmltok.NewReader(text, xmltok.Limits{Bytes: len(text) + 1})
	if kind, err := r.Next(); err != nil || kind != xmltok.Start {
		return false
	}
	name := string(r.Local())
	return r.Space() == codec.NamespaceNETCONF && (name == "config" || name == "data")
}

// loadLines carries out the set, delete and insert lines of a text.
func (m *Mode) loadLines(ctx context.Context, name string, text []byte) error {
	work, at := m.work, m.at
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		if err := m.editLine(ctx, line); err != nil {
			m.work, m.at = work, at
			return fmt.Errorf("%s:%d: %w", name, number, err)
		}
	}
	m.at = at
	return nil
}

func (m *Mode) editLine(ctx context.Context, line string) error {
	tokens, err := split(line)
	if err != nil || len(tokens) == 0 {
		return err
	}
	c, err := lookup(tokens[0])
	if err != nil {
		return err
	}
	switch c.name {
	case "set", "delete", "insert", "edit", "up", "top":
		return c.run(m, ctx, tokens[1:], filters{})
	}
	return fmt.Errorf("%s edits nothing", c.name)
}

// save writes the working copy, from where edit has gone, to a file.
func (m *Mode) save(ctx context.Context, tokens []string, _ filters) error {
	if len(tokens) != 1 {
		return errors.New("save needs a file")
	}
	f := filters{display: "set"}
	switch {
	case strings.HasSuffix(tokens[0], ".xml"):
		f.display = "xml"
	case strings.HasSuffix(tokens[0], ".json"):
		f.display = "json"
	}
	var text bytes.Buffer
	out := m.out
	m.out = &text
	err := m.show(ctx, nil, f)
	m.out = out
	if err != nil {
		return err
	}
	return os.WriteFile(tokens[0], text.Bytes(), 0o600)
}
