package configure

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// Candidate is one way to go on at the end of a line.
type Candidate struct {
	Word string // empty for one that only the user can know
	Help string
}

// maxCandidates bounds the values of one completion.
const maxCandidates = 500

// Complete returns the ways to go on with the last word of line, which is the
// empty word behind a blank, and that word. Words that the configuration holds
// already come before those that only the schema knows.
func (m *Mode) Complete(line string) (candidates []Candidate, word string) {
	tokens, err := split(line)
	if err != nil {
		return nil, ""
	}
	if len(tokens) > 0 && !strings.HasSuffix(line, " ") {
		word, tokens = tokens[len(tokens)-1], tokens[:len(tokens)-1]
	}
	if word == pipe {
		return nil, ""
	}
	if len(tokens) == 0 {
		for _, c := range commands() {
			candidates = append(candidates, Candidate{c.name, c.help})
		}
	} else if c, err := lookup(tokens[0]); err == nil {
		if i := slices.Index(tokens, pipe); i >= 0 {
			candidates = completePipe(tokens[i+1:])
		} else if c.complete != nil {
			candidates = c.complete(m, tokens[1:])
		}
	}
	return slices.DeleteFunc(candidates, func(c Candidate) bool {
		return !strings.HasPrefix(c.Word, word) && (c.Word != "" || word != "")
	}), word
}

func completePipe(tokens []string) []Candidate {
	if i := lastPipe(tokens); i >= 0 {
		tokens = tokens[i+1:]
	}
	switch {
	case len(tokens) == 0:
		return []Candidate{{"display", "another form"}, {"match", "only the lines that match a regular expression"}}
	case len(tokens) == 1 && tokens[0] == "display":
		return []Candidate{{"set", "lines for this mode"}, {"xml", "RFC 7950"}, {"json", "RFC 7951"}}
	case len(tokens) == 1 && tokens[0] == "match":
		return []Candidate{{"", "a regular expression"}}
	}
	return nil
}

func lastPipe(tokens []string) int {
	for i := len(tokens) - 1; i >= 0; i-- {
		if tokens[i] == pipe {
			return i
		}
	}
	return -1
}

// completion says which nodes complete.
type completion struct {
	config bool // configuration only
	values bool // leafs take values: set
}

// path completes the words of a path.
func (m *Mode) complete(tokens []string, o completion) []Candidate {
	at, path := m.schema.Root(), m.at
	if len(m.at) > 0 {
		at = m.at[len(m.at)-1].Node
	}
	for len(tokens) > 0 {
		n, err := child(at, tokens[0], o.config)
		if err != nil {
			return nil
		}
		tokens = tokens[1:]
		switch n.Kind {
		case schema.List:
			keys := make([]schema.Value, 0, len(n.Keys))
			for _, k := range n.Keys {
				if len(tokens) == 0 {
					return m.completeKey(path, n, keys, o)
				}
				v, err := m.value(k, tokens[0])
				if err != nil {
					return nil
				}
				keys, tokens = append(keys, v), tokens[1:]
			}
			at, path = n, path.Child(n, keys...)
		case schema.Leaf, schema.LeafList:
			empty := n.Kind == schema.Leaf && n.Type.Kind() == schema.Empty
			switch {
			case n.Kind == schema.Leaf && !o.values:
				return nil
			case empty:
			case len(tokens) == 0 && o.values:
				return m.completeValue(n)
			case len(tokens) == 0:
				return m.existing(m.work.Get(path.Child(n)))
			default:
				tokens = tokens[1:]
			}
		default:
			at, path = n, path.Child(n)
		}
	}
	present := m.work.Get(path)
	var all []Candidate
	for _, c := range at.Children() {
		if o.config && !c.Config || c.IsKey() || c.Status == schema.Obsolete {
			continue
		}
		all = append(all, Candidate{c.Plain, help(c, present)})
	}
	return all
}

// help is the line behind a name: the first sentence of the description, and
// what the node demands.
func help(n *schema.Node, parent *tree.Node) string {
	text := sentence(n.Description)
	var notes []string
	if parent != nil && n.Kind == schema.Leaf {
		if c := parent.Child(n); c != nil {
			notes = append(notes, "now "+quote(c.Value().String()))
		}
	}
	if n.Mandatory {
		notes = append(notes, "mandatory")
	}
	if len(n.Defaults) == 1 {
		notes = append(notes, "default "+quote(n.Defaults[0].String()))
	}
	if n.Units != "" {
		notes = append(notes, n.Units)
	}
	if n.Status != schema.Current {
		notes = append(notes, n.Status.String())
	}
	if len(notes) > 0 {
		text = strings.TrimSpace(text + " (" + strings.Join(notes, ", ") + ")")
	}
	return text
}

// sentence returns the first sentence of a description on one line.
func sentence(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if i := strings.Index(text, ". "); i >= 0 {
		text = text[:i]
	}
	return strings.TrimSuffix(text, ".")
}

// completeKey completes the key behind those of an entry that are known.
func (m *Mode) completeKey(path tree.Path, list *schema.Node, known []schema.Value, o completion) []Candidate {
	key := list.Keys[len(known)]
	var all []Candidate
	seen := map[string]bool{}
	if holder := m.work.Get(path.Child(list)); holder != nil {
		for entry := range holder.Children() {
			keys := entry.Keys()
			text := quote(keys[len(known)].String())
			if len(all) == maxCandidates {
				break
			}
			if slices.Equal(keys[:len(known)], known) && !seen[text] {
				seen[text] = true
				all = append(all, Candidate{text, ""})
			}
		}
	}
	if o.values {
		for _, c := range m.completeValue(key) {
			if !seen[c.Word] {
				all = append(all, c)
			}
		}
	}
	return all
}

// existing completes with the entries of a leaf-list.
func (m *Mode) existing(holder *tree.Node) []Candidate {
	if holder == nil {
		return nil
	}
	var all []Candidate
	for entry := range holder.Children() {
		all = append(all, Candidate{quote(entry.Value().String()), ""})
	}
	return all
}

// completeValue completes a value: the words of the type, what a leafref refers
// to in the working copy, and a hint for all else.
func (m *Mode) completeValue(n *schema.Node) []Candidate {
	all := m.completeType(n.Type)
	if len(all) == 0 || all[0].Word == "" || n.Type.Kind() == schema.Union {
		all = append(all, Candidate{"", "<" + n.Name + ">: " + typeHint(n.Type)})
	}
	return all
}

func (m *Mode) completeType(t *schema.Type) []Candidate {
	var all []Candidate
	switch t.Kind() {
	case schema.Boolean:
		return []Candidate{{"true", ""}, {"false", ""}}
	case schema.Enumeration:
		for _, e := range t.Enums() {
			all = append(all, Candidate{quote(e.Name), ""})
		}
	case schema.Bits:
		for _, b := range t.Bits() {
			all = append(all, Candidate{b.Name, ""})
		}
	case schema.Identityref:
		byName := identities(t)
		for _, name := range slices.Sorted(maps.Keys(byName)) {
			all = append(all, Candidate{name, sentence(byName[name].Description)})
		}
	case schema.Leafref:
		target := t.Leafref().Target
		seen := map[string]bool{}
		m.values(m.work, ancestry(target), func(v schema.Value) bool {
			if text := quote(v.String()); !seen[text] {
				seen[text] = true
				all = append(all, Candidate{text, ""})
			}
			return len(all) < maxCandidates
		})
		if len(all) == 0 {
			return m.completeType(target.Type)
		}
	case schema.Union:
		for _, member := range t.Union() {
			all = append(all, m.completeType(member)...)
		}
	}
	return all
}

// ancestry returns the nodes from below the root to n.
func ancestry(n *schema.Node) []*schema.Node {
	var all []*schema.Node
	for ; n.Parent != nil; n = n.Parent {
		all = append(all, n)
	}
	slices.Reverse(all)
	return all
}

// values yields the values of the leaf at the end of steps below n.
func (m *Mode) values(n *tree.Node, steps []*schema.Node, yield func(schema.Value) bool) bool {
	if len(steps) == 0 {
		return yield(n.Value())
	}
	c := n.Child(steps[0])
	if c == nil {
		return true
	}
	if !c.IsHolder() {
		return m.values(c, steps[1:], yield)
	}
	for entry := range c.Children() {
		if !m.values(entry, steps[1:], yield) {
			return false
		}
	}
	return true
}

// typeHint says what a value must look like.
func typeHint(t *schema.Type) string {
	if l := t.Leafref(); l != nil {
		return "the " + l.Target.Name + " of one " + title(l.Target.Parent)
	}
	var b strings.Builder
	b.WriteString(cmp.Or(t.Name(), t.Kind().String()))
	switch t.Kind() {
	case schema.Enumeration:
		var names []string
		for _, e := range t.Enums() {
			names = append(names, e.Name)
		}
		return "one of " + strings.Join(names, ", ")
	case schema.Identityref:
		return "an identity derived from " + t.Identities()[0].Name
	case schema.Union:
		var members []string
		for _, u := range t.Union() {
			members = append(members, typeHint(u))
		}
		return strings.Join(slices.Compact(members), ", or ")
	}
	for i, r := range t.Range() {
		b.WriteString(separator(i))
		if r.Min == r.Max {
			b.WriteString(r.Min)
		} else {
			b.WriteString(r.Min + ".." + r.Max)
		}
	}
	for i, l := range t.Length() {
		b.WriteString(separator(i))
		if i == 0 {
			b.WriteString("length ")
		}
		fmt.Fprintf(&b, "%d..%d", l.Min, l.Max)
	}
	return b.String()
}

func separator(i int) string {
	if i == 0 {
		return " "
	}
	return "|"
}
