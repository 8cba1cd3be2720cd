package configure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// command is one command of the mode.
type command struct {
	name, usage, help string
	prints            bool // takes | display and | match
	run               func(m *Mode, ctx context.Context, tokens []string, f filters) error
	complete          func(m *Mode, tokens []string) []Candidate
}

// commands is the table, in the order of help.
func commands() []command {
	config := func(m *Mode, tokens []string) []Candidate { return m.complete(tokens, completion{config: true}) }
	set := func(m *Mode, tokens []string) []Candidate {
		return m.complete(tokens, completion{config: true, values: true})
	}
	state := func(m *Mode, tokens []string) []Candidate { return m.complete(tokens, completion{}) }
	return []command{
		{"set", "PATH [VALUE] [LEAF VALUE]…", "make an entry or container, or give leafs their values", false, (*Mode).set, set},
		{"delete", "PATH", "take away a leaf, an entry, or all that is below", false, (*Mode).delete, config},
		{"insert", "PATH first|last|before KEY|after KEY", "place an entry in a list that the user orders", false, (*Mode).insert, config},
		{"edit", "PATH", "go down: paths then begin there", false, (*Mode).edit, set},
		{"up", "", "go up one level", false, (*Mode).up, nil},
		{"top", "", "go to the top", false, (*Mode).top, nil},
		{"show", "[PATH]", "print the configuration with the changes of this visit", true, (*Mode).show, config},
		{"get", "[PATH]", "print running configuration and state, as the element has them now", true, (*Mode).getState, state},
		{"compare", "[COMMIT [COMMIT]]", "print what differs: from running, from a commit, or between two", true, (*Mode).compare, completeHistory},
		{"commit", "[check] [confirmed [SECONDS] [persist TOKEN]] [comment TEXT]", "make the changes running; without changes, confirm a confirmed commit", false, (*Mode).commit, completeCommit},
		{"cancel-commit", "[TOKEN]", "roll a confirmed commit back now", false, (*Mode).cancelCommit, nil},
		{"discard", "", "forget the changes of this visit", false, (*Mode).discard, nil},
		{"history", "", "list the element's commits", true, (*Mode).history, nil},
		{"rollback", "COMMIT", "take the configuration of an earlier commit; commit makes it running", false, (*Mode).rollback, completeHistory},
		{"load", "merge|replace|set FILE", "read XML, or set lines, from a file", false, (*Mode).load, completeLoad},
		{"save", "FILE", "write what show prints to a file: XML, JSON or set lines by its ending", false, (*Mode).save, nil},
		{"help", "[COMMAND]", "list the commands", true, (*Mode).help, completeCommands},
		{"exit", "", "go up to the top, or leave the mode", false, (*Mode).exit, nil},
		{"quit", "", "leave the mode; changes that were not committed are gone", false, func(*Mode, context.Context, []string, filters) error { return ErrExit }, nil},
	}
}

// lookup finds a command by its name or the beginning of one name only.
func lookup(word string) (command, error) {
	var found []command
	for _, c := range commands() {
		if c.name == word {
			return c, nil
		}
		if strings.HasPrefix(c.name, word) {
			found = append(found, c)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return command{}, fmt.Errorf("there is no command %q; help lists them", word)
	}
	var names []string
	for _, c := range found {
		names = append(names, c.name)
	}
	return command{}, fmt.Errorf("%q could be %s", word, strings.Join(names, " or "))
}

func none(tokens []string) error {
	if len(tokens) > 0 {
		return fmt.Errorf("%q is one word too many", strings.TrimPrefix(tokens[0], "\x00"))
	}
	return nil
}

func (m *Mode) set(_ context.Context, tokens []string, _ filters) error {
	edits, err := m.edits(tokens)
	if err != nil {
		return err
	}
	return m.apply(edits)
}

func (m *Mode) delete(_ context.Context, tokens []string, _ filters) error {
	if len(tokens) == 0 && len(m.at) == 0 {
		return errors.New("say what to delete")
	}
	p, err := m.find(tokens, true)
	if err != nil {
		return err
	}
	paths := m.instances(p)
	if len(paths) == 0 {
		return fmt.Errorf("there is no %s", words(p.path))
	}
	// Entries without keys are named by their position, which moves.
	var edits []tree.Edit
	for i := len(paths) - 1; i >= 0; i-- {
		edits = append(edits, tree.Edit{Op: tree.Delete, Path: paths[i]})
	}
	if err := m.apply(edits); err != nil {
		return err
	}
	if len(tokens) == 0 {
		m.at = m.at[:len(m.at)-1]
	}
	return nil
}

func (m *Mode) insert(_ context.Context, tokens []string, _ filters) error {
	var place tree.Insert
	at := -1
	for i := len(tokens) - 1; i > 0 && at < 0; i-- {
		switch tokens[i] {
		case "first", "last":
			if i != len(tokens)-1 {
				continue
			}
			place = map[string]tree.Insert{"first": tree.First, "last": tree.Last}[tokens[i]]
			at = i
		case "before", "after":
			place = map[string]tree.Insert{"before": tree.Before, "after": tree.After}[tokens[i]]
			at = i
		}
	}
	if at < 0 {
		return errors.New("say where: first, last, before KEY or after KEY")
	}
	p, err := m.find(tokens[:at], true)
	if err != nil {
		return err
	}
	if p.holder || p.node.Kind != schema.List && p.node.Kind != schema.LeafList {
		return fmt.Errorf("%s is no entry of a list", words(p.path))
	}
	if !p.node.UserOrdered {
		return fmt.Errorf("the element orders %s by itself", p.node.Name)
	}
	edit := tree.Edit{Op: tree.Merge, Path: p.path, Insert: place}
	if place == tree.Before || place == tree.After {
		if edit.Where, err = m.anchor(p.node, tokens[at+1:]); err != nil {
			return err
		}
	}
	return m.apply([]tree.Edit{edit})
}

// anchor reads the entry that another is placed beside.
func (m *Mode) anchor(n *schema.Node, tokens []string) ([]schema.Value, error) {
	if n.Kind == schema.List {
		keys, rest, err := m.keys(n, tokens)
		if err == nil {
			err = none(rest)
		}
		return keys, err
	}
	if len(tokens) != 1 {
		return nil, fmt.Errorf("say beside which value of %s", n.Name)
	}
	v, err := m.value(n, tokens[0])
	return []schema.Value{v}, err
}

func (m *Mode) edit(_ context.Context, tokens []string, _ filters) error {
	p, err := m.find(tokens, true)
	if err != nil {
		return err
	}
	if p.holder || p.node.Kind != schema.Container && p.node.Kind != schema.List {
		return fmt.Errorf("%s is no container and no entry of a list", words(p.path))
	}
	m.at = p.path
	return nil
}

func (m *Mode) up(_ context.Context, tokens []string, _ filters) error {
	if len(m.at) > 0 {
		m.at = m.at[:len(m.at)-1]
	}
	return none(tokens)
}

func (m *Mode) top(_ context.Context, tokens []string, _ filters) error {
	m.at = nil
	return none(tokens)
}

func (m *Mode) exit(_ context.Context, tokens []string, _ filters) error {
	if err := none(tokens); err != nil {
		return err
	}
	if len(m.at) > 0 {
		m.at = nil
		return nil
	}
	if m.Changed() {
		return errors.New("there are changes: commit or discard them, or quit without them")
	}
	return ErrExit
}

func (m *Mode) show(_ context.Context, tokens []string, f filters) error {
	p, err := m.find(tokens, true)
	if err != nil {
		return err
	}
	if len(p.path) == 0 {
		return m.print(m.work, roots(m.work), true, "set ", f)
	}
	return m.print(m.work, m.instances(p), false, "set ", f)
}

// roots are the paths of everything at the top.
func roots(root *tree.Node) []tree.Path {
	var all []tree.Path
	for n := range root.Children() {
		all = append(all, tree.Path{{Node: n.Schema()}})
	}
	return all
}

// getState reads configuration and state from the element.
func (m *Mode) getState(ctx context.Context, tokens []string, f filters) error {
	p, err := m.find(tokens, false)
	if err != nil {
		return err
	}
	root, err := m.get(ctx, "<get>"+subtree(p.path)+"</get>", false)
	if err != nil {
		return err
	}
	if len(p.path) == 0 {
		return m.print(root, roots(root), true, "", f)
	}
	return m.print(root, []tree.Path{p.path}, false, "", f)
}

// subtree returns a filter for what is at a path.
func subtree(p tree.Path) string {
	if len(p) == 0 {
		return ""
	}
	edit := tree.Edit{Path: p}
	top := &element{index: map[string]*element{}}
	e := top
	for _, step := range edit.Path {
		e = e.below(step)
	}
	return `<filter type="subtree">` + string(top.inner[0].append(nil, nil)) + `</filter>`
}

func (m *Mode) discard(ctx context.Context, tokens []string, _ filters) error {
	if err := none(tokens); err != nil {
		return err
	}
	return m.refresh(ctx)
}

func (m *Mode) help(_ context.Context, tokens []string, f filters) error {
	all := commands()
	if len(tokens) > 0 {
		c, err := lookup(tokens[0])
		if err != nil {
			return err
		}
		all = []command{c}
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	for _, c := range all {
		fmt.Fprintf(w, "%s\t%s\n", strings.TrimSpace(c.name+" "+c.usage), c.help)
	}
	if len(tokens) == 0 {
		fmt.Fprintf(w, "| %s\t%s\n", "display set|xml|json", "print in another form")
		fmt.Fprintf(w, "| %s\t%s\n", "match REGEX", "print the lines that match")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return emit(m.out, b.String(), f)
}

func completeCommands(*Mode, []string) []Candidate {
	var all []Candidate
	for _, c := range commands() {
		all = append(all, Candidate{c.name, c.help})
	}
	return all
}

func completeLoad(_ *Mode, tokens []string) []Candidate {
	if len(tokens) == 0 {
		return []Candidate{
			{"merge", "add XML to the configuration"}, {"replace", "take XML instead of the configuration"},
			{"set", "carry out the lines of a file"},
		}
	}
	return []Candidate{{"", "a file; - is standard input"}}
}

func completeHistory(*Mode, []string) []Candidate {
	return []Candidate{{"", cmp.Or("the id of a commit, or -1 for the one before the latest, as history shows them")}}
}
