package codec

import (
	"errors"
	"math/big"
	"slices"
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// JSONOptions steers the JSON decoders.
type JSONOptions struct {
	// IETF demands RFC 7951: names qualified where the module changes, 64-bit
	// numbers and decimal64 as strings. Without it (gNMI JSON) names carry no
	// module and numbers may be JSON numbers whatever their size.
	IETF bool
	// ConfigOnly refuses state data.
	ConfigOnly bool
}

// DecodeJSONData reads data, a JSON object, as an instance of at: the
// schema's root, the input or output of an operation, or a notification. The
// error is a yangerr.List.
func DecodeJSONData(s *schema.Schema, at *schema.Node, data []byte, opt JSONOptions) (*tree.Node, error) {
	a := newAssembler(s, at, basePath(at), tree.Merge)
	a.config = opt.ConfigOnly
	a.whole(tree.New(at))
	if err := decodeJSON(a, data, opt, func(d *jsonDecoder) error { return d.object() }); err != nil {
		return nil, err
	}
	return a.tree()
}

// DecodeJSONEdits reads data as the value of the instance at path and returns
// the edits that give it to that instance with operation op (Merge or
// Replace). The value of a container, list entry or the root is an object, of
// which keys that the path names may be left out; that of a leaf is its value;
// that of a leaf-list without value in the path an array, which replaces the
// whole leaf-list whatever op is (gNMI: an update of a leaf-list is not an
// append). State data is refused. The error is a yangerr.List.
func DecodeJSONEdits(s *schema.Schema, path tree.Path, data []byte, op tree.Op, opt JSONOptions) ([]tree.Edit, error) {
	if len(path) == 0 {
		a := newAssembler(s, s.Root(), nil, op)
		a.config = true
		a.whole(tree.Empty(s))
		if err := decodeJSON(a, data, opt, func(d *jsonDecoder) error { return d.object() }); err != nil {
			return nil, err
		}
		return a.finish()
	}
	last := path[len(path)-1]
	n := last.Node
	if !n.Config {
		return nil, yangerr.List{yangerr.New(yangerr.UnknownElement, path, "%q is state data, which cannot be set", n.Name)}
	}
	parent := s.Root()
	if n.Parent != nil {
		parent = n.Parent
	}
	a := newAssembler(s, parent, path[:len(path)-1], tree.None)
	a.config = true
	in := instruction{op: op}
	err := decodeJSON(a, data, opt, func(d *jsonDecoder) error {
		switch n.Kind {
		case schema.Container:
			a.enter(n, nil, in)
		case schema.List:
			if len(last.Keys) == 0 {
				return d.report(yangerr.New(yangerr.MissingElement, path, "the path names no entry of list %q", n.Name))
			}
			a.enter(n, last.Keys, in)
		case schema.LeafList:
			return d.leafListAt(n, last.Keys, in)
		default:
			return d.member(n, in)
		}
		if err := d.object(); err != nil {
			return err
		}
		if len(a.errs) == 0 {
			a.leave()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a.finish()
}

// decodeJSON runs read on the one value of data.
func decodeJSON(a *assembler, data []byte, opt JSONOptions, read func(*jsonDecoder) error) error {
	j, err := newJSONScanner(data)
	if err == nil {
		d := newJSONDecoder(a, j, opt)
		if err = read(d); err == nil {
			err = j.end()
		}
	}
	var je *JSONError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &je):
		tag := yangerr.MalformedMessage
		if je.TooBig {
			tag = yangerr.TooBig
		}
		return yangerr.List{yangerr.New(tag, nil, "%s", je.Error()).WithType(yangerr.RPC)}
	}
	return yangerr.From(err)
}

type jsonDecoder struct {
	*assembler
	j    *jsonScanner
	opt  JSONOptions
	leaf *schema.Node // whose value is being parsed

	match func(*schema.Module) bool // whether a module is the one wanted
	want  string                    // its name, empty if the member has none
}

func newJSONDecoder(a *assembler, j *jsonScanner, opt JSONOptions) *jsonDecoder {
	d := &jsonDecoder{assembler: a, j: j, opt: opt}
	d.match = func(m *schema.Module) bool {
		switch {
		case d.want != "":
			return m.Name == d.want
		case d.opt.IETF:
			return m == d.top().s.Module // at the root every name is qualified
		}
		return true
	}
	return d
}

// Module resolves the module names of values: jsonDecoder is a
// schema.Resolver (RFC 7951 sections 6.8 and 6.11).
func (d *jsonDecoder) Module(prefix string) *schema.Module {
	if prefix == "" {
		return d.leaf.Module
	}
	return d.schema.Module(prefix)
}

// report records an error and skips the value that comes next.
func (d *jsonDecoder) report(e *yangerr.Error) error {
	if !d.fail(e) {
		return d.errs
	}
	return d.j.skip()
}

// object reads the members of the innermost frame.
func (d *jsonDecoder) object() error {
	f := d.top()
	if k := d.j.kind(); k != jsonObject {
		if k == jsonInvalid {
			_, err := d.j.literal()
			return err
		}
		return d.report(badValue(d.path(), f.s, "is %s where an object is expected", k))
	}
	if err := d.j.open('{'); err != nil {
		return err
	}
	for first := true; ; {
		more, err := d.j.more(&first, '}')
		if err != nil || !more {
			return err
		}
		name, err := d.j.name()
		if err != nil {
			return err
		}
		s, e := d.find(name)
		if e == nil && d.config && !s.Config {
			e = yangerr.New(yangerr.UnknownElement, d.path().Child(s), "%q is state data, which a configuration does not contain", s.Name).
				WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Name})
		}
		in := instruction{op: d.top().op}
		if e == nil {
			e = d.onceJSON(s, in.op)
		}
		if e != nil {
			if err := d.report(e); err != nil {
				return err
			}
			continue
		}
		if err := d.member(s, in); err != nil {
			return err
		}
		if len(d.errs) >= maxErrors {
			return d.errs
		}
	}
}

// onceJSON is once with the rule that in JSON a list or leaf-list is one
// member too.
func (d *jsonDecoder) onceJSON(s *schema.Node, op tree.Op) *yangerr.Error {
	if s.Kind == schema.List || s.Kind == schema.LeafList {
		f := d.top()
		word, bit := s.Index/64, uint64(1)<<(s.Index%64)
		for len(f.seen) <= word {
			f.seen = append(f.seen, 0)
		}
		if f.seen[word]&bit != 0 {
			return badElement(d.path().Child(s), s.Name, "the member %q occurs twice", s.Name)
		}
		f.seen[word] |= bit
	}
	return d.once(s, op)
}

// find resolves the name of a member (RFC 7951 section 4).
func (d *jsonDecoder) find(name string) (*schema.Node, *yangerr.Error) {
	f := d.top()
	local, qualified := name, false
	d.want = ""
	if i := strings.IndexByte(name, ':'); i >= 0 {
		d.want, local, qualified = name[:i], name[i+1:], true
	}
	var at yangerr.Path
	info := yangerr.Info{Name: yangerr.InfoBadElement, Value: name}
	if s := d.child(local, d.match); s != nil && (s.Plain == s.Name || qualified || d.opt.IETF) {
		return s, nil
	} else if s != nil {
		return nil, yangerr.New(yangerr.UnknownElement, d.path(), "the member %q is of several modules and needs the name of one, as in %q", name, s.Plain).WithInfo(info)
	}
	if p := d.path(); len(p) > 0 {
		at = p
	}
	if strings.HasPrefix(name, "@") {
		return nil, yangerr.New(yangerr.UnknownAttribute, at, "the annotation %q (RFC 7952) is not supported", name).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadAttribute, Value: name}, info)
	}
	if qualified {
		if m := d.schema.Module(d.want); m == nil || !m.Implemented {
			return nil, yangerr.New(yangerr.UnknownNamespace, at, "the member %q is of module %q, which is not implemented", name, d.want).
				WithInfo(info, yangerr.Info{Name: yangerr.InfoBadNamespace, Value: d.want})
		}
	}
	if !qualified && f.s.Child(local) != nil {
		return nil, yangerr.New(yangerr.UnknownElement, at, "the member %q needs its module's name, %s:%s (RFC 7951 section 4)",
			local, f.s.Child(local).Module.Name, local).WithInfo(info)
	}
	where := "the top level"
	if f.s.Module != nil {
		where = f.s.Kind.String() + " \"" + f.s.Name + "\""
	}
	return nil, yangerr.New(yangerr.UnknownElement, at, "%s has no member %q", where, name).WithInfo(info)
}

// member reads the value of the member s of the innermost frame.
func (d *jsonDecoder) member(s *schema.Node, in instruction) error {
	switch s.Kind {
	case schema.Leaf:
		if s.IsKey() && len(d.top().keys) > 0 {
			return d.keyAgain(s)
		}
		v, ok, err := d.value(s)
		if err != nil || !ok {
			return err
		}
		d.assembler.leaf(s, v, in)
		return nil
	case schema.LeafList:
		return d.array(s, func() error {
			v, ok, err := d.value(s)
			if err != nil || !ok {
				return err
			}
			d.assembler.leaf(s, v, in)
			return nil
		})
	case schema.List:
		return d.array(s, func() error { return d.entry(s, in) })
	case schema.Anydata, schema.Anyxml:
		d.j.space()
		start := d.j.pos
		if s.Kind == schema.Anydata && d.j.kind() != jsonObject {
			return d.report(badValue(d.path().Child(s), s, "is %s where an object is expected", d.j.kind()))
		}
		if err := d.j.skip(); err != nil {
			return err
		}
		d.any(s, &tree.Any{JSON: slices.Clone(d.j.data[start:d.j.pos])}, in)
		return nil
	}
	d.enter(s, nil, in)
	if err := d.object(); err != nil {
		return err
	}
	d.leave()
	return nil
}

// array reads the elements of a list or leaf-list.
func (d *jsonDecoder) array(s *schema.Node, element func() error) error {
	if k := d.j.kind(); k != jsonArray {
		if k == jsonInvalid {
			_, err := d.j.literal()
			return err
		}
		return d.report(badValue(d.path().Child(s), s, "is %s where an array is expected", k))
	}
	if err := d.j.open('['); err != nil {
		return err
	}
	for first := true; ; {
		more, err := d.j.more(&first, ']')
		if err != nil || !more {
			return err
		}
		if err := element(); err != nil {
			return err
		}
		if len(d.errs) >= maxErrors {
			return d.errs
		}
	}
}

// entry reads one list entry.
func (d *jsonDecoder) entry(s *schema.Node, in instruction) error {
	if k := d.j.kind(); k != jsonObject && k != jsonInvalid {
		return d.report(badValue(d.path().Child(s), s, "has an entry that is %s, not an object", k))
	}
	keys, err := d.keys(s)
	if err != nil {
		return err
	}
	if keys == nil && len(s.Keys) > 0 {
		if len(d.errs) >= maxErrors {
			return d.errs
		}
		return d.j.skip()
	}
	d.enter(s, keys, in)
	if err := d.object(); err != nil {
		return err
	}
	d.leave()
	return nil
}

// keys reads ahead for the keys of the entry that comes next.
func (d *jsonDecoder) keys(s *schema.Node) ([]schema.Value, error) {
	if len(s.Keys) == 0 {
		return nil, nil
	}
	pos, depth := d.j.pos, d.j.depth
	defer func() { d.j.pos, d.j.depth = pos, depth }()
	if err := d.j.open('{'); err != nil {
		return nil, err
	}
	keys := make([]schema.Value, len(s.Keys))
	bad := false
	for first, missing := true, len(keys); missing > 0; {
		more, err := d.j.more(&first, '}')
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		name, err := d.j.name()
		if err != nil {
			return nil, err
		}
		if m, local, ok := strings.Cut(name, ":"); ok && m == s.Module.Name {
			name = local
		}
		i := slices.IndexFunc(s.Keys, func(k *schema.Node) bool { return k.Name == name })
		if i < 0 || !keys[i].IsZero() {
			if err := d.j.skip(); err != nil {
				return nil, err
			}
			continue
		}
		v, ok, err := d.valueAt(s.Keys[i], func() tree.Path { return d.path().Child(s).Child(s.Keys[i]) })
		if err != nil {
			return nil, err
		}
		if missing--; !ok {
			bad = true
			break
		}
		keys[i] = v
	}
	if bad {
		return nil, nil
	}
	return d.complete(s, keys), nil
}

// keyAgain reads a key whose value the entry's own keys, or the path, already
// gave: it must be the same.
func (d *jsonDecoder) keyAgain(s *schema.Node) error {
	v, ok, err := d.value(s)
	if err != nil || !ok {
		return err
	}
	if want := d.top().keys[s.KeyIndex()]; v.String() != want.String() {
		d.fail(yangerr.New(yangerr.InvalidValue, d.path().Child(s), "the key %q is %q, but the path says %q", s.Name, v.String(), want.String()).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Name}))
	}
	return nil
}

// leafListAt reads the value of a leaf-list, or of its entry keys.
func (d *jsonDecoder) leafListAt(s *schema.Node, keys []schema.Value, in instruction) error {
	if len(keys) > 0 {
		v, ok, err := d.value(s)
		if err != nil || !ok {
			return err
		}
		if v.String() != keys[0].String() {
			d.fail(yangerr.New(yangerr.InvalidValue, d.path().Child(s, keys[0]), "the value is %q, but the path says %q", v.String(), keys[0].String()))
			return nil
		}
		d.assembler.leaf(s, v, instruction{op: tree.Merge})
		return nil
	}
	var values []schema.Value
	err := d.array(s, func() error {
		v, ok, err := d.value(s)
		if err == nil && ok {
			values = append(values, v)
		}
		return err
	})
	if err != nil || len(d.errs) > 0 {
		return err
	}
	edits, e := LeafListEdits(d.base.Child(s), values)
	if e != nil {
		d.fail(e)
		return nil
	}
	d.edits = append(d.edits, edits...)
	return nil
}

// LeafListEdits returns the edits that make values the whole leaf-list at
// path, which names no value. A value that occurs twice is an error.
func LeafListEdits(path tree.Path, values []schema.Value) ([]tree.Edit, *yangerr.Error) {
	s := path[len(path)-1].Node
	edits := make([]tree.Edit, 1, len(values)+1)
	edits[0] = tree.Edit{Op: tree.Remove, Path: path}
	seen := make(map[string]bool, len(values))
	for _, v := range values {
		if seen[v.String()] {
			return nil, badElement(path[:len(path)-1].Child(s, v), s.Name, "the value %q of leaf-list %q occurs twice", v.String(), s.Name)
		}
		seen[v.String()] = true
		edits = append(edits, tree.Edit{Op: tree.Merge, Path: path[:len(path)-1].Child(s, v), Value: v})
	}
	return edits, nil
}

func (d *jsonDecoder) value(s *schema.Node) (schema.Value, bool, error) {
	return d.valueAt(s, func() tree.Path { return d.path().Child(s) })
}

// valueAt reads a value of s; at gives its path for a message.
func (d *jsonDecoder) valueAt(s *schema.Node, at func() tree.Path) (schema.Value, bool, error) {
	text, kind, err := d.scalar(s)
	if err != nil {
		return schema.Value{}, false, err
	}
	d.leaf = s
	v, err := parseJSONValue(s.Type, text, kind, d, d.opt.IETF)
	if err == nil {
		return v, true, nil
	}
	if !d.fail(valueError(at(), s, err)) {
		return v, false, d.errs
	}
	return v, false, nil
}

// scalar reads the text and kind of any value; [null], the empty type, has
// the kind jsonArray.
func (d *jsonDecoder) scalar(s *schema.Node) (string, jsonKind, error) {
	k := d.j.kind()
	switch k {
	case jsonString:
		text, err := d.j.str()
		return text, k, err
	case jsonNumber:
		text, err := d.j.number()
		return text, k, err
	case jsonArray:
		start := d.j.pos
		if err := d.j.skip(); err != nil {
			return "", k, err
		}
		text := strings.Join(strings.Fields(string(d.j.data[start:d.j.pos])), "")
		if text == "[null]" {
			return "", k, nil
		}
		return text, jsonObject, nil
	case jsonObject:
		return "", k, d.j.skip()
	}
	text, err := d.j.literal()
	return text, k, err
}

// parseJSONValue parses the text of a JSON value of this kind as a value of t
// (RFC 7951 section 6): of a union only the members that the kind allows.
func parseJSONValue(t *schema.Type, text string, kind jsonKind, r schema.Resolver, ietf bool) (schema.Value, error) {
	for t.Kind() == schema.Leafref && t.Leafref().Target != nil {
		t = t.Leafref().Target.Type
	}
	if t.Kind() == schema.Union {
		for _, member := range t.Union() {
			if v, err := parseJSONValue(member, text, kind, r, ietf); err == nil {
				return v, nil
			}
		}
		return schema.Value{}, &schema.ValueError{Message: kind.String() + " of this value matches no member of the union"}
	}
	allowed, want := false, ""
	switch t.Kind() {
	case schema.Int8, schema.Int16, schema.Int32, schema.Uint8, schema.Uint16, schema.Uint32:
		allowed, want = kind == jsonNumber, "a number"
	case schema.Int64, schema.Uint64, schema.Decimal64:
		allowed, want = kind == jsonString || kind == jsonNumber && !ietf, "a string"
	case schema.Boolean:
		allowed, want = kind == jsonBool, "true or false"
	case schema.Empty:
		allowed, want = kind == jsonArray, "[null]"
	default:
		allowed, want = kind == jsonString, "a string"
	}
	if !allowed {
		return schema.Value{}, &schema.ValueError{Message: kind.String() + " where JSON needs " + want}
	}
	if kind == jsonNumber {
		text = plainNumber(text)
	}
	return t.Parse(text, r)
}

// plainNumber rewrites a JSON number with an exponent or a fraction of zeros
// in plain digits, as far as any YANG type could hold it.
func plainNumber(text string) string {
	mantissa, exponent, hasExp := strings.Cut(strings.ToLower(text), "e")
	if !hasExp {
		if whole, frac, ok := strings.Cut(mantissa, "."); ok && strings.Trim(frac, "0") == "" {
			return whole
		}
		return text
	}
	if len(strings.TrimLeft(exponent, "+-0")) > 2 || len(mantissa) > 64 {
		return text // no YANG type reaches that far: its parser refuses it
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return text
	}
	if r.IsInt() {
		return r.Num().String()
	}
	return strings.TrimRight(r.FloatString(20), "0")
}

// badValue is the error for a JSON value of the wrong form.
func badValue(p tree.Path, s *schema.Node, format string, args ...any) *yangerr.Error {
	args = append([]any{s.Kind, s.Name}, args...)
	return yangerr.New(yangerr.InvalidValue, p, "%s %q "+format, args...).
		WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Name})
}
