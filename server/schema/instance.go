package schema

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// parseInstance reads an instance-identifier (RFC 7950 section 9.13) and returns
// it in the form of RFC 7951 section 6.11: module names where the module changes,
// keys in the order of the key statement.
func (t *Type) parseInstance(lexical string, r Resolver) (Value, *ValueError) {
	p := instanceParser{text: strings.Trim(lexical, space), resolver: r, node: t.owner.root}
	if err := p.parse(); err != nil {
		return Value{}, t.invalid(lexical, "%v", err)
	}
	return Value{t, p.out.String()}, nil
}

type instanceParser struct {
	text     string
	resolver Resolver
	node     *Node
	mod      *Module
	out      strings.Builder
	rule     bool // reads a node-instance-identifier
}

func (p *instanceParser) parse() error {
	if p.text == "" {
		return errors.New("it is empty")
	}
	for p.text != "" {
		if !p.accept('/') {
			return fmt.Errorf("a slash is expected before %s", quote(p.text))
		}
		if err := p.step(); err != nil {
			return err
		}
	}
	return nil
}

func (p *instanceParser) accept(b byte) bool {
	if p.text != "" && p.text[0] == b {
		p.text = p.text[1:]
		return true
	}
	return false
}

func (p *instanceParser) skipSpace() { p.text = strings.TrimLeft(p.text, space) }

// name reads [prefix:]identifier and returns the module it belongs to; without a
// prefix that is mod.
func (p *instanceParser) name(mod *Module) (*Module, string, error) {
	end := 0
	for end < len(p.text) && (isIdentByte(p.text[end]) || p.text[end] == ':') {
		end++
	}
	word := p.text[:end]
	if !isIdentifier(word, true) {
		return nil, "", fmt.Errorf("a node name is expected before %s", quote(p.text))
	}
	p.text = p.text[end:]
	prefix, local, ok := strings.Cut(word, ":")
	if !ok {
		if mod == nil {
			return nil, "", fmt.Errorf("the first name %q has no prefix", word)
		}
		return mod, word, nil
	}
	if p.resolver != nil {
		if m := p.resolver.Module(prefix); m != nil {
			return m, local, nil
		}
	}
	return nil, "", fmt.Errorf("no module is known by the prefix %q", prefix)
}

func (p *instanceParser) step() error {
	mod, name, err := p.name(p.mod)
	if err != nil {
		return err
	}
	n := p.node.ChildIn(mod, name)
	if n == nil && p.rule {
		n = p.node.tiedTo(mod, name)
	}
	if n == nil {
		return fmt.Errorf("module %s has no data node %q below %s", mod.Name, name, p.node.Path())
	}
	p.out.WriteByte('/')
	if mod != p.mod {
		p.out.WriteString(mod.Name)
		p.out.WriteByte(':')
	}
	p.out.WriteString(name)
	p.node, p.mod = n, mod
	return p.predicates(n)
}

func (p *instanceParser) predicates(n *Node) error {
	keys := make([]string, len(n.Keys))
	found := 0
	for p.skipSpace(); p.text != "" && p.text[0] == '['; p.skipSpace() {
		p.text = p.text[1:]
		p.skipSpace()
		if p.text != "" && p.text[0] >= '0' && p.text[0] <= '9' {
			if err := p.position(n, found); err != nil {
				return err
			}
			return p.noMore(n)
		}
		leaf, slot, err := p.subject(n)
		if err != nil {
			return err
		}
		p.skipSpace()
		if !p.accept('=') {
			return fmt.Errorf("an equals sign is expected before %s", quote(p.text))
		}
		p.skipSpace()
		value, err := p.value(leaf)
		if err != nil {
			return err
		}
		p.skipSpace()
		if !p.accept(']') {
			return fmt.Errorf("a closing bracket is expected before %s", quote(p.text))
		}
		if n.Kind == LeafList {
			p.out.WriteString("[.=" + value + "]")
			return p.noMore(n)
		}
		if keys[slot] != "" {
			return fmt.Errorf("the key %q of %s is there twice", leaf.Name, n.Name)
		}
		keys[slot] = "[" + p.keyName(leaf, n) + "=" + value + "]"
		found++
	}
	if n.Kind == List && found < len(n.Keys) && !p.rule {
		for i, k := range keys {
			if k == "" {
				return fmt.Errorf("list %s lacks its key %q", n.Name, n.Keys[i].Name)
			}
		}
	}
	for _, k := range keys {
		p.out.WriteString(k)
	}
	return nil
}

// noMore refuses a second predicate where one is the limit.
func (p *instanceParser) noMore(n *Node) error {
	p.skipSpace()
	if p.text != "" && p.text[0] == '[' {
		return fmt.Errorf("%s %s takes one predicate", n.Kind, n.Name)
	}
	return nil
}

func (p *instanceParser) keyName(leaf, list *Node) string {
	if leaf.Module != list.Module {
		return leaf.Module.Name + ":" + leaf.Name
	}
	return leaf.Name
}

// position reads a predicate [n], which only a list without keys or a state
// leaf-list takes.
func (p *instanceParser) position(n *Node, found int) error {
	end := 0
	for end < len(p.text) && p.text[end] >= '0' && p.text[end] <= '9' {
		end++
	}
	pos, err := strconv.ParseUint(p.text[:end], 10, 64)
	if err != nil || pos == 0 {
		return fmt.Errorf("%s is not a position from 1", quote(p.text[:end]))
	}
	if found > 0 || n.Kind != LeafList && (n.Kind != List || len(n.Keys) > 0) {
		return fmt.Errorf("%s %s takes no position", n.Kind, n.Name)
	}
	p.text = p.text[end:]
	p.skipSpace()
	if !p.accept(']') {
		return fmt.Errorf("a closing bracket is expected before %s", quote(p.text))
	}
	p.out.WriteString("[" + strconv.FormatUint(pos, 10) + "]")
	return nil
}

// subject reads what a predicate compares: a key, or "." for a leaf-list.
func (p *instanceParser) subject(n *Node) (leaf *Node, slot int, err error) {
	if p.accept('.') {
		if n.Kind != LeafList {
			return nil, 0, fmt.Errorf("%s %s takes no predicate [.=value]", n.Kind, n.Name)
		}
		return n, 0, nil
	}
	mod, name, err := p.name(n.Module)
	if err != nil {
		return nil, 0, err
	}
	leaf = n.ChildIn(mod, name)
	if leaf == nil || !leaf.IsKey() {
		return nil, 0, fmt.Errorf("%q is not a key of %s %s", name, n.Kind, n.Name)
	}
	return leaf, leaf.keyIndex, nil
}

// value reads what leaf is compared with and returns it as an XPath literal.
func (p *instanceParser) value(leaf *Node) (string, error) {
	if p.rule && strings.HasPrefix(p.text, UserVariable) {
		p.text = p.text[len(UserVariable):]
		return UserVariable, nil
	}
	text, err := p.literal()
	if err != nil {
		return "", err
	}
	v, verr := leaf.Type.parse(text, p.resolver, false)
	if verr != nil {
		return "", verr
	}
	return xpathLiteral(v.str), nil
}

func (p *instanceParser) literal() (string, error) {
	if p.text == "" || p.text[0] != '\'' && p.text[0] != '"' {
		return "", fmt.Errorf("a quoted value is expected before %s", quote(p.text))
	}
	text, rest, ok := strings.Cut(p.text[1:], p.text[:1])
	if !ok {
		return "", fmt.Errorf("the closing quote of %s is missing", quote(p.text))
	}
	p.text = rest
	return text, nil
}

// xpathLiteral quotes s; XPath 1.0 cannot quote a text with both kinds of quotes,
// so such a text cannot have come out of one either.
func xpathLiteral(s string) string {
	if strings.Contains(s, "'") {
		return `"` + s + `"`
	}
	return "'" + s + "'"
}
