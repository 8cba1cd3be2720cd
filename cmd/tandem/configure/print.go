package configure

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// setLines calls line with the words that make n, found at path, again. What no
// words can make becomes a comment.
func setLines(n *tree.Node, path tree.Path, line func(text string)) {
	s := n.Schema()
	if n.IsHolder() {
		parent := path[:len(path)-1]
		i := 0
		for entry := range n.Children() {
			i++
			if keys := entry.Keys(); len(keys) > 0 {
				setLines(entry, parent.Child(s, keys...), line)
			} else if s.Kind == schema.List {
				line(fmt.Sprintf("# %s: entry %d of a list without keys", words(path), i))
			}
		}
		return
	}
	switch s.Kind {
	case schema.Leaf:
		if text := n.Value().String(); s.Type.Kind() == schema.Empty {
			line("set " + words(path))
		} else {
			line("set " + words(path) + " " + quote(text))
		}
	case schema.LeafList:
		line("set " + words(path))
	case schema.Anydata, schema.Anyxml:
		line("# " + words(path) + " is " + s.Kind.String())
	default:
		inner := false
		for c := range n.Children() {
			if c.Schema().IsKey() {
				continue
			}
			inner = true
			p := path.Child(c.Schema())
			setLines(c, p, line)
		}
		if !inner && (s.Presence || s.Kind == schema.List) {
			line("set " + words(path))
		}
	}
}

// print writes what is at the paths of a tree, one after the other; lines begin
// with prefix.
func (m *Mode) print(root *tree.Node, paths []tree.Path, whole bool, prefix string, f filters) error {
	var out bytes.Buffer
	line := func(text string) {
		if rest, ok := strings.CutPrefix(text, "set "); ok {
			text = prefix + rest
		}
		fmt.Fprintln(&out, text)
	}
	switch f.display {
	case "", "set":
		for _, p := range paths {
			if n := root.Get(p); n != nil {
				setLines(n, p, line)
			}
		}
	default:
		selected := root
		if !whole {
			selected = tree.Empty(m.schema)
			for _, p := range paths {
				if part := tree.Select(root, filterOf(m.schema, p)); part != nil {
					selected = tree.MergeTrees(selected, part)
				}
			}
		}
		if f.display == "xml" {
			out.Write(codec.AppendXML(nil, selected, codec.EncodeOptions{Indent: "  "}))
		} else {
			out.Write(codec.AppendJSON(nil, selected, codec.EncodeOptions{Indent: "  ", IETF: true}))
		}
		line("")
	}
	return emit(m.out, strings.TrimLeft(out.String(), "\n"), f)
}

func filterOf(s *schema.Schema, p tree.Path) *tree.Filter {
	if len(p) == 0 {
		return &tree.Filter{Node: s.Root(), All: true}
	}
	return tree.FilterOf(s.Root(), p)
}

// emit writes the lines of text that match admits.
func emit(w io.Writer, text string, f filters) error {
	if f.match == nil {
		_, err := io.WriteString(w, text)
		return err
	}
	for line := range strings.Lines(text) {
		if f.match.MatchString(strings.TrimRight(line, "\n")) {
			if _, err := io.WriteString(w, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare writes what differs between two trees, line by line.
func compare(old, new *tree.Node) string {
	var b strings.Builder
	with := func(sign string) func(string) {
		return func(text string) { b.WriteString(sign + " " + text + "\n") }
	}
	for c := range tree.Diff(old, new) {
		switch c.Op {
		case tree.Created:
			setLines(c.New, c.Path, with("+"))
		case tree.Deleted:
			setLines(c.Old, c.Path, with("-"))
		case tree.Modified:
			setLines(c.Old, c.Path, with("-"))
			setLines(c.New, c.Path, with("+"))
		case tree.Moved:
			b.WriteString("~ insert " + words(c.Path))
			if len(c.After) == 0 {
				b.WriteString(" first\n")
				continue
			}
			b.WriteString(" after")
			for _, k := range c.After {
				b.WriteString(" " + quote(k.String()))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}
