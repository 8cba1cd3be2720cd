package netconf

import (
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// keyedFilter returns the tree.Filter of an XPath expression that is no more than
// an absolute path of names with predicates for keys,
// "/p:lists/list[name='x']/leaf", which is what most clients send: the state that
// it does not touch is then not asked for. It is nil for anything else.
func keyedFilter(s *schema.Schema, text string, prefix map[string]*schema.Module) *tree.Filter {
	p := keyedPath{schema: s, text: text, prefix: prefix}
	top := &tree.Filter{Node: s.Root()}
	at := top
	for p.text != "" {
		if !p.take('/') {
			return nil
		}
		n := p.name(at.Node)
		if n == nil {
			return nil
		}
		f := &tree.Filter{Node: n}
		for p.take('[') {
			if !p.key(f) {
				return nil
			}
		}
		at.Children = []*tree.Filter{f}
		at = f
	}
	if at == top {
		return nil
	}
	at.All = true
	return top
}

// keyedPath reads such an expression from its front.
type keyedPath struct {
	schema *schema.Schema
	text   string
	prefix map[string]*schema.Module
}

func (p *keyedPath) blanks() { p.text = strings.TrimLeft(p.text, " \t\r\n") }

// take reads the character c with the blanks around it, if it is next.
func (p *keyedPath) take(c byte) bool {
	p.blanks()
	if p.text == "" || p.text[0] != c {
		return false
	}
	p.text = p.text[1:]
	p.blanks()
	return true
}

// name reads the name of a child of at; nil if it is not one, or is followed by
// what makes it a function or an axis.
func (p *keyedPath) name(at *schema.Node) *schema.Node {
	end := strings.IndexFunc(p.text, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && r != ':' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if end < 0 {
		end = len(p.text)
	}
	name := p.text[:end]
	p.text = p.text[end:]
	p.blanks()
	prefix, local, qualified := strings.Cut(name, ":")
	if !qualified {
		return at.Child(name)
	}
	m := p.prefix[prefix]
	if m == nil {
		m = p.schema.Module(prefix) // canonical expressions have the names of modules
	}
	if m == nil {
		return nil
	}
	return at.ChildIn(m, local)
}

// key reads "name = 'literal']" and adds it to f. Values that an XPath comparison
// sees in another form than the text are left to the evaluator.
func (p *keyedPath) key(f *tree.Filter) bool {
	leaf := p.name(f.Node)
	if leaf == nil || !leaf.IsKey() || !p.take('=') || p.text == "" {
		return false
	}
	quote := p.text[0]
	if quote != '\'' && quote != '"' {
		return false
	}
	literal, rest, ok := strings.Cut(p.text[1:], string(quote))
	if p.text = rest; !ok || !p.take(']') {
		return false
	}
	v, err := leaf.Type.Parse(literal, nil)
	if err != nil || v.String() != literal {
		return false
	}
	i := leaf.KeyIndex()
	if _, twice := f.Keys[i]; twice {
		return false
	}
	if f.Keys == nil {
		f.Keys = map[int]schema.Value{}
	}
	f.Keys[i] = v
	return true
}
