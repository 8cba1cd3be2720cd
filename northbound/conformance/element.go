package conformance

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// The namespaces of the cases, by the prefix that the cases use for them. The
// empty prefix, and ct, stand for the module that the cases work on.
const (
	nsTest    = "urn:tandem:yang:mtp-conformance-test"
	nsAugment = "urn:tandem:yang:mtp-conformance-augment"
	nsBase    = "urn:ietf:params:xml:ns:netconf:base:1.0"
)

func namespace(prefix string) string {
	switch prefix {
	case "", "ct":
		return nsTest
	case "cx":
		return nsAugment
	case "cn":
		return "urn:tandem:yang:mtp-conformance-names"
	case "nc":
		return nsBase
	case "yang":
		return "urn:ietf:params:xml:ns:yang:1"
	case "ncm":
		return "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
	case "yanglib":
		return "urn:ietf:params:xml:ns:yang:ietf-yang-library"
	case "wd":
		return "urn:ietf:params:xml:ns:netconf:default:1.0"
	case "wda":
		return "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
	case "ncn":
		return "urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"
	case "ev":
		return "urn:ietf:params:xml:ns:netconf:notification:1.0"
	case "manage":
		return "urn:ietf:params:xml:ns:netmod:notification"
	case "nacm":
		return "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"
	case "nmda":
		return "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
	case "ds":
		return "urn:ietf:params:xml:ns:yang:ietf-datastores"
	case "or":
		return "urn:ietf:params:xml:ns:yang:ietf-origin"
	case "pl":
		return "urn:ietf:params:xml:ns:netconf:partial-lock:1.0"
	case "sn":
		return "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"
	case "yp":
		return "urn:ietf:params:xml:ns:yang:ietf-yang-push"
	case "cmp":
		return "urn:ietf:params:xml:ns:yang:ietf-nmda-compare"
	}
	panic("conformance: no namespace has the prefix " + prefix)
}

// Element is an XML element of a message.
type Element struct {
	Space, Local string
	Attrs        []xml.Attr
	Text         string // of the element itself, without that of its children
	Children     []*Element

	parent *Element
	scope  map[string]string // prefixes declared here
}

// parse reads a message, which must be one well-formed element.
func parse(msg []byte) (*Element, error) {
	d := xml.NewDecoder(bytes.NewReader(msg))
	var root, at *Element
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("not well-formed: %w", err)
		}
		switch tok := token.(type) {
		case xml.StartElement:
			e := &Element{Space: tok.Name.Space, Local: tok.Name.Local, parent: at, scope: map[string]string{}}
			for _, a := range tok.Attr {
				switch {
				case a.Name.Space == "xmlns":
					e.scope[a.Name.Local] = a.Value
				case a.Name.Space == "" && a.Name.Local == "xmlns":
					e.scope[""] = a.Value
				default:
					e.Attrs = append(e.Attrs, a)
				}
			}
			switch {
			case at != nil:
				at.Children = append(at.Children, e)
			case root != nil:
				return nil, errors.New("not well-formed: two elements at the top")
			default:
				root = e
			}
			at = e
		case xml.EndElement:
			at = at.parent
		case xml.CharData:
			if at != nil {
				at.Text += string(tok)
			}
		case xml.Directive:
			return nil, errors.New("a document type declaration (RFC 6241 section 3)")
		}
	}
	if root == nil {
		return nil, errors.New("not well-formed: no element")
	}
	return root, nil
}

// resolve returns the namespace that a prefix stands for here, "" for none.
func (e *Element) resolve(prefix string) string {
	for ; e != nil; e = e.parent {
		if ns, ok := e.scope[prefix]; ok {
			return ns
		}
	}
	return ""
}

// Attr returns an attribute; prefix is one of the cases' own.
func (e *Element) Attr(prefix, local string) (string, bool) {
	if e == nil {
		return "", false
	}
	space := ""
	if prefix != "" {
		space = namespace(prefix)
	}
	for _, a := range e.Attrs {
		if a.Name.Space == space && a.Name.Local == local {
			return a.Value, true
		}
	}
	return "", false
}

// step is one step of a path: prefix:local[child=value].
var step = regexp.MustCompile(`^(?:([a-z]+):)?([A-Za-z0-9_.-]+)(?:\[(?:([a-z]+):)?([a-z0-9-]+)=([^\]]*)\])?$`)

// All returns the elements that a path leads to, such as "top/item[name=a]/value".
func (e *Element) All(path string) []*Element {
	if e == nil {
		return nil
	}
	at := []*Element{e}
	for s := range strings.SplitSeq(path, "/") {
		m := step.FindStringSubmatch(s)
		if m == nil {
			panic("conformance: bad path " + path)
		}
		var next []*Element
		for _, p := range at {
			for _, c := range p.Children {
				if c.Local != m[2] || c.Space != namespace(m[1]) {
					continue
				}
				if m[4] != "" && !slices.ContainsFunc(c.Children, func(k *Element) bool {
					prefix := m[3]
					if prefix == "" {
						prefix = m[1]
					}
					return k.Local == m[4] && k.Space == namespace(prefix) && k.Value() == m[5]
				}) {
					continue
				}
				next = append(next, c)
			}
		}
		at = next
	}
	return at
}

// Get returns the first element of a path, or nil.
func (e *Element) Get(path string) *Element {
	if all := e.All(path); len(all) > 0 {
		return all[0]
	}
	return nil
}

// Has reports whether a path leads anywhere.
func (e *Element) Has(path string) bool { return e.Get(path) != nil }

// Value returns the text without white space around it.
func (e *Element) Value() string {
	if e == nil {
		return ""
	}
	return strings.TrimSpace(e.Text)
}

// Values returns the text of each element of a path, in document order.
func (e *Element) Values(path string) []string {
	var list []string
	for _, x := range e.All(path) {
		list = append(list, x.Value())
	}
	return list
}

// below returns every element below e with a local name.
func (e *Element) below(local string) []*Element {
	if e == nil {
		return nil
	}
	var list []*Element
	for _, c := range e.Children {
		if c.Local == local {
			list = append(list, c)
		}
		list = append(list, c.below(local)...)
	}
	return list
}

// canonical prints an element so that two with the same content are equal,
// whatever the order of siblings, which the cases look at where it counts.
func (e *Element) canonical() string {
	name := "{" + short(e.Space) + "}" + e.Local
	if len(e.Children) == 0 {
		return fmt.Sprintf("%s=%q", name, e.Value())
	}
	var children []string
	for _, c := range e.Children {
		children = append(children, c.canonical())
	}
	slices.Sort(children)
	return name + "(" + strings.Join(children, " ") + ")"
}

func short(ns string) string {
	if ns == nsTest {
		return ""
	}
	return ns
}

// name is a node name of an XPath expression, outside quotes.
var name = regexp.MustCompile(`"[^"]*"|'[^']*'|([A-Za-z_][A-Za-z0-9_.-]*):([A-Za-z_][A-Za-z0-9_.-]*)|[A-Za-z_][A-Za-z0-9_.-]*`)

// expand writes a path with its prefixes replaced by what resolve says, one
// kind of quote and no white space, so that two of the same meaning are equal. A
// name without a prefix stays as it is: in XPath 1.0 it is in no namespace.
func expand(path string, resolve func(prefix string) string) string {
	path = name.ReplaceAllStringFunc(path, func(s string) string {
		if s[0] == '"' || s[0] == '\'' {
			return "'" + s[1:len(s)-1] + "'"
		}
		if prefix, local, ok := strings.Cut(s, ":"); ok {
			return "{" + resolve(prefix) + "}" + local
		}
		return s
	})
	var b strings.Builder
	quoted := false
	for _, r := range path {
		if r == '\'' {
			quoted = !quoted
		}
		if quoted || !strings.ContainsRune(" \t\r\n", r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}
