package configure

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// place is what words lead to.
type place struct {
	path   tree.Path
	node   *schema.Node
	holder bool // a list or leaf-list as a whole
}

// find follows words from where edit has gone. With config, state is refused.
func (m *Mode) find(tokens []string, config bool) (place, error) {
	p := place{path: m.at, node: m.schema.Root()}
	if len(m.at) > 0 {
		p.node = m.at[len(m.at)-1].Node
	}
	for len(tokens) > 0 {
		if p.holder || p.node.Kind == schema.Leaf || p.node.Kind == schema.LeafList || p.node.Kind == schema.Anydata || p.node.Kind == schema.Anyxml {
			return p, fmt.Errorf("%q is one word too many: nothing is below %s", tokens[0], p.node.Name)
		}
		n, err := child(p.node, tokens[0], config)
		if err != nil {
			return p, err
		}
		tokens = tokens[1:]
		p.node = n
		switch n.Kind {
		case schema.List:
			if len(tokens) == 0 || len(n.Keys) == 0 {
				p.path, p.holder = p.path.Child(n), true
				continue
			}
			keys, rest, err := m.keys(n, tokens)
			if err != nil {
				return p, err
			}
			p.path, tokens = p.path.Child(n, keys...), rest
		case schema.LeafList:
			if len(tokens) == 0 {
				p.path, p.holder = p.path.Child(n), true
				continue
			}
			v, err := m.value(n, tokens[0])
			if err != nil {
				return p, err
			}
			p.path, tokens = p.path.Child(n, v), tokens[1:]
		default:
			p.path = p.path.Child(n)
		}
	}
	return p, nil
}

// keys reads the keys of an entry.
func (m *Mode) keys(list *schema.Node, tokens []string) ([]schema.Value, []string, error) {
	if len(tokens) < len(list.Keys) {
		return nil, nil, fmt.Errorf("an entry of %s needs %s", list.Name, keyNames(list))
	}
	keys := make([]schema.Value, len(list.Keys))
	for i, k := range list.Keys {
		v, err := m.value(k, tokens[i])
		if err != nil {
			return nil, nil, err
		}
		keys[i] = v
	}
	return keys, tokens[len(keys):], nil
}

func keyNames(list *schema.Node) string {
	names := make([]string, len(list.Keys))
	for i, k := range list.Keys {
		names[i] = "<" + k.Name + ">"
	}
	return strings.Join(names, " ")
}

// value reads the value of a leaf or one of a leaf-list. An identity needs no
// module where only one has its name.
func (m *Mode) value(n *schema.Node, word string) (schema.Value, error) {
	if id := identities(n.Type)[word]; id != nil {
		word = id.String()
	}
	v, err := n.Type.Parse(word, m.schema.NameResolver(n.Module))
	if err != nil {
		return v, fmt.Errorf("%s: %w; %s", n.Name, err, typeHint(n.Type))
	}
	return v, nil
}

// identities returns the identities that an identityref takes, by the shortest
// name that means one only; nil for other types.
func identities(t *schema.Type) map[string]*schema.Identity {
	if l := t.Leafref(); l != nil {
		t = l.Target.Type
	}
	if t.Kind() != schema.Identityref {
		return nil
	}
	byName := map[string]*schema.Identity{}
	for i, base := range t.Identities() {
		for _, id := range base.Derived {
			if i > 0 && !allDerived(id, t.Identities()) {
				continue
			}
			switch other := byName[id.Name]; {
			case other != nil && other != id:
				byName[other.String()], byName[id.String()] = other, id
			default:
				byName[id.Name] = id
			}
		}
	}
	for name, id := range byName {
		if byName[id.String()] != nil && name == id.Name {
			delete(byName, name)
		}
	}
	return byName
}

func allDerived(id *schema.Identity, bases []*schema.Identity) bool {
	for _, base := range bases {
		if !id.DerivedFrom(base) {
			return false
		}
	}
	return true
}

// edits reads the words of set: containers, entries, leafs with their values;
// leafs of one place may follow each other on one line.
func (m *Mode) edits(tokens []string) ([]tree.Edit, error) {
	at, path := m.schema.Root(), m.at
	if len(m.at) > 0 {
		at = m.at[len(m.at)-1].Node
	}
	var all []tree.Edit
	var last *schema.Node // container or entry that the words end in
	for len(tokens) > 0 {
		n, err := child(at, tokens[0], true)
		if err != nil {
			return nil, err
		}
		tokens = tokens[1:]
		last = nil
		switch n.Kind {
		case schema.Container:
			at, path, last = n, path.Child(n), n
		case schema.List:
			if len(n.Keys) == 0 {
				return nil, fmt.Errorf("the entries of %s have no keys: load them from a file", n.Name)
			}
			keys, rest, err := m.keys(n, tokens)
			if err != nil {
				return nil, err
			}
			at, path, tokens, last = n, path.Child(n, keys...), rest, n
		case schema.Leaf, schema.LeafList:
			if n.IsKey() {
				return nil, fmt.Errorf("%s is the key of the entry: it follows the name %s", n.Name, n.Parent.Name)
			}
			word := ""
			switch {
			case n.Type.Kind() == schema.Empty:
			case len(tokens) == 0:
				return nil, fmt.Errorf("%s needs a value: %s", n.Name, typeHint(n.Type))
			default:
				word, tokens = tokens[0], tokens[1:]
			}
			v, err := m.value(n, word)
			if err != nil {
				return nil, err
			}
			if n.Kind == schema.LeafList {
				all = append(all, tree.Edit{Op: tree.Merge, Path: path.Child(n, v)})
			} else {
				all = append(all, tree.Edit{Op: tree.Merge, Path: path.Child(n), Value: v})
			}
		default:
			return nil, fmt.Errorf("%s is %s: load it from a file", n.Name, n.Kind)
		}
	}
	if last != nil {
		if last.Kind == schema.Container && !last.Presence {
			return nil, fmt.Errorf("say what to set in %s; %s", last.Name, known(last, true))
		}
		all = append(all, tree.Edit{Op: tree.Merge, Path: path})
	}
	if len(all) == 0 {
		return nil, errors.New("say what to set")
	}
	return all, nil
}

// apply makes edits on the working copy.
func (m *Mode) apply(edits []tree.Edit) error {
	root, errs := tree.Apply(m.work, edits)
	if err := errs.Err(); err != nil {
		return err
	}
	m.work = root
	return nil
}

// instances returns the paths of what a place stands for in the working copy.
func (m *Mode) instances(p place) []tree.Path {
	if !p.holder {
		if m.work.Get(p.path) == nil {
			return nil
		}
		return []tree.Path{p.path}
	}
	holder := m.work.Get(p.path)
	if holder == nil {
		return nil
	}
	parent := p.path[:len(p.path)-1]
	var all []tree.Path
	i := 0
	for entry := range holder.Children() {
		i++
		if keys := entry.Keys(); len(keys) > 0 {
			all = append(all, parent.Child(p.node, keys...))
		} else {
			step := tree.Step{Node: p.node, Pos: i}
			all = append(all, append(parent[:len(parent):len(parent)], step))
		}
	}
	return all
}
