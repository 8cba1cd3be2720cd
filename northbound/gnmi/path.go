package gnmi

import (
	"fmt"
	"slices"
	"strings"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// OriginRFC7951 is the origin of all modules that the element serves. An empty
// origin means the same; the name of the module of the first element is
// understood too, as an assertion.
const OriginRFC7951 = "rfc7951"

// maxPatterns bounds what the wildcards of one path may expand to, maxSteps
// the schema nodes that are looked at for it: several ... in one path would
// otherwise visit the schema once for every way to divide a depth among them.
const (
	maxPatterns = 4096
	maxSteps    = 1 << 18
)

// selection is a request path: the patterns that it stands for in the schema.
// In a pattern a list step without keys, and a zero Value among keys, stands
// for any entry.
type selection struct {
	text     string // as requested, for messages
	patterns []tree.Path
	wild     bool // more than one instance can match
}

// responsePrefix is the prefix of responses: the target is echoed if and only
// if the request set it (section 2.2.2.1), and so is the origin. Paths in
// responses are absolute.
func responsePrefix(prefix *gpb.Path, origin string) *gpb.Path {
	if prefix.GetTarget() == "" && origin == "" {
		return nil
	}
	return &gpb.Path{Target: prefix.GetTarget(), Origin: origin}
}

// originOf checks the origins of a request (section 2.7) and returns the one
// that all its paths have, or "" if they differ.
func originOf(prefix *gpb.Path, paths []*gpb.Path) (string, error) {
	origin, several := prefix.GetOrigin(), false
	for i, p := range paths {
		o := p.GetOrigin()
		if p.GetTarget() != "" {
			return "", status.Errorf(codes.InvalidArgument, "path %s: the target belongs into the prefix", pathText(prefix, p))
		}
		if o != "" && prefix.GetOrigin() != "" {
			return "", status.Errorf(codes.InvalidArgument, "path %s: the origin is given in the prefix and in the path", pathText(prefix, p))
		}
		switch {
		case prefix.GetOrigin() != "":
		case i == 0:
			origin = o
		case o != origin:
			several = true
		}
	}
	if several {
		if len(prefix.GetElem()) > 0 {
			return "", status.Error(codes.InvalidArgument, "paths of several origins cannot share a path in the prefix")
		}
		return "", nil
	}
	return origin, nil
}

// resolver expands one request path.
type resolver struct {
	schema  *schema.Schema
	text    string
	unknown codes.Code     // for what the schema does not have
	origin  *schema.Module // that the request names, of the first element
	out     []tree.Path
	steps   int
	wild    bool
	err     error // why nothing matches
}

// resolve turns prefix and path into patterns. unknown is the code for a path
// that the schema does not have.
func (s *Server) resolve(prefix, path *gpb.Path, unknown codes.Code) (selection, error) {
	r := &resolver{schema: s.schema, text: pathText(prefix, path), unknown: unknown}
	elems := path.GetElem()
	if n := len(prefix.GetElem()); n > 0 {
		elems = append(slices.Clone(prefix.GetElem()), elems...)
	}
	// gnmi_cli fills the deprecated field besides elem.
	if len(elems) == 0 && len(path.GetElement())+len(prefix.GetElement()) > 0 {
		return selection{}, r.fail("the field element is not supported, use elem")
	}
	origin := path.GetOrigin()
	if origin == "" {
		origin = prefix.GetOrigin()
	}
	switch {
	case origin == "" || origin == OriginRFC7951:
	case s.schema.Module(origin) != nil && s.schema.Module(origin).Implemented:
		r.origin = s.schema.Module(origin)
		if len(elems) > 0 {
			name := localName(elems[0].GetName())
			if c := s.schema.Root().Child(name); c != nil && s.schema.Root().ChildIn(s.schema.Module(origin), name) == nil {
				return selection{}, r.fail("%q is of module %s, not of origin %q", elems[0].GetName(), c.Module.Name, origin)
			}
		}
	default:
		return selection{}, status.Errorf(codes.Unimplemented, "path %s: the origin %q is not served", r.text, origin)
	}
	if err := r.walk(s.schema.Root(), nil, elems); err != nil {
		return selection{}, err
	}
	if len(r.out) == 0 {
		if r.err == nil {
			r.err = status.Errorf(unknown, "path %s: the schema has nothing that matches", r.text)
		}
		return selection{}, r.err
	}
	return selection{text: r.text, patterns: r.out, wild: r.wild}, nil
}

func (r *resolver) fail(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, "path %s: %s", r.text, fmt.Sprintf(format, args...))
}

func localName(name string) string {
	if _, local, ok := strings.Cut(name, ":"); ok {
		return local
	}
	return name
}

// walk matches elems below at, whose pattern is p. An error is one of the
// request's form; what the schema lacks is kept in r.err.
func (r *resolver) walk(at *schema.Node, p tree.Path, elems []*gpb.PathElem) error {
	if len(elems) == 0 {
		if len(r.out) >= maxPatterns {
			return r.fail("the wildcards match more than %d schema nodes", maxPatterns)
		}
		r.out = append(r.out, p)
		return nil
	}
	if r.steps++; r.steps > maxSteps {
		return r.fail("the wildcards match too much")
	}
	e := elems[0]
	switch name := e.GetName(); name {
	case "":
		return r.fail("an element has no name")
	case "...":
		if len(e.GetKey()) > 0 {
			return r.fail("... cannot have keys")
		}
		r.wild = true
		if len(elems) == 1 {
			return r.walk(at, p, nil)
		}
		if err := r.walk(at, p, elems[1:]); err != nil {
			return err
		}
		for _, c := range at.Children() {
			if c.Kind == schema.Container || c.Kind == schema.List {
				if err := r.walk(c, p.Child(c), elems); err != nil {
					return err
				}
			}
		}
		return nil
	case "*":
		r.wild = true
		for _, c := range at.Children() {
			if !hasKeys(c, e.GetKey()) {
				continue
			}
			step, err := r.step(c, e)
			if err != nil {
				continue // a key value of another type matches nothing here
			}
			if err := r.walk(c, append(slices.Clone(p), step), elems[1:]); err != nil {
				return err
			}
		}
		return nil
	default:
		c := at.Child(name)
		if module, local, ok := strings.Cut(name, ":"); ok {
			if c = at.Child(local); c != nil && c.Module.Name != module {
				c = at.ChildIn(r.schema.Module(module), local)
			}
		} else if c != nil && c.Plain != c.Name {
			if len(p) > 0 || r.origin == nil {
				return r.fail("%s has an element %q of several modules: name one, as in %q", at.Path(), name, c.Plain)
			}
			c = at.ChildIn(r.origin, name)
		}
		if c == nil {
			if r.err == nil {
				r.err = status.Errorf(r.unknown, "path %s: %s has no element %q", r.text, at.Path(), name)
			}
			return nil
		}
		step, err := r.step(c, e)
		if err != nil {
			return err
		}
		return r.walk(c, append(slices.Clone(p), step), elems[1:])
	}
}

// hasKeys reports whether every name in keys is a key of c.
func hasKeys(c *schema.Node, keys map[string]string) bool {
	for name := range keys {
		if name == "." && c.Kind == schema.LeafList {
			continue
		}
		if k := c.Child(localName(name)); c.Kind != schema.List || k == nil || !k.IsKey() {
			return false
		}
	}
	return true
}

// step turns the keys of e into those of c; an omitted key and * mean any.
func (r *resolver) step(c *schema.Node, e *gpb.PathElem) (tree.Step, error) {
	st := tree.Step{Node: c}
	if !hasKeys(c, e.GetKey()) {
		return st, r.fail("%s %q has no such key as in %v", c.Kind, c.Name, e.GetKey())
	}
	switch c.Kind {
	case schema.List:
		keys := make([]schema.Value, len(c.Keys))
		given := 0
		for i, k := range c.Keys {
			text, ok := e.GetKey()[k.Name]
			if !ok {
				text, ok = e.GetKey()[k.Module.Name+":"+k.Name]
			}
			if !ok || text == "*" {
				continue
			}
			v, err := k.Type.Parse(text, r.schema.NameResolver(k.Module))
			if err != nil {
				return st, r.fail("key %q: %s", k.Name, err.Error())
			}
			keys[i] = v
			given++
		}
		if given > 0 {
			st.Keys = keys
		}
		r.wild = r.wild || given < len(keys) || len(keys) == 0
	case schema.LeafList:
		if text, ok := e.GetKey()["."]; ok && text != "*" {
			v, err := c.Type.Parse(text, r.schema.NameResolver(c.Module))
			if err != nil {
				return st, r.fail("value of leaf-list %q: %s", c.Name, err.Error())
			}
			st.Keys = []schema.Value{v}
		}
	}
	return st, nil
}

// elemsOf is p as the elements of a gNMI path: names without modules, which
// are unique among siblings.
func elemsOf(p tree.Path) []*gpb.PathElem {
	elems := make([]*gpb.PathElem, len(p), len(p)+4)
	for i := range p {
		elems[i] = elemOf(p[i].Node, p[i].Keys)
	}
	return elems
}

func elemOf(s *schema.Node, keys []schema.Value) *gpb.PathElem {
	e := &gpb.PathElem{Name: s.Plain}
	switch {
	case len(keys) == 0:
	case s.Kind == schema.List:
		e.Key = make(map[string]string, len(keys))
		for i, k := range keys {
			e.Key[s.Keys[i].Name] = k.String()
		}
	case s.Kind == schema.LeafList:
		e.Key = map[string]string{".": keys[0].String()}
	}
	return e
}

// pathText is prefix and path joined, as people write it.
func pathText(prefix, path *gpb.Path) string {
	var b strings.Builder
	for _, p := range []*gpb.Path{prefix, path} {
		for _, e := range p.GetElem() {
			b.WriteByte('/')
			b.WriteString(e.GetName())
			writeKeys(&b, e)
		}
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

func writeKeys(b *strings.Builder, e *gpb.PathElem) {
	if len(e.GetKey()) == 0 {
		return
	}
	names := make([]string, 0, len(e.GetKey()))
	for name := range e.GetKey() {
		names = append(names, name)
	}
	slices.Sort(names)
	escape := strings.NewReplacer(`\`, `\\`, `]`, `\]`)
	for _, name := range names {
		b.WriteString("[" + name + "=" + escape.Replace(e.GetKey()[name]) + "]")
	}
}
