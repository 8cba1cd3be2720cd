package intent

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/openconfig/ygot/ygot"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// plan tells how instances of one schema node go into one generated struct. It
// is made once, when the process starts: decoding looks nothing up by name.
type plan struct {
	typ      reflect.Type
	fields   []field // by the Index of the schema child; the zero field is skipped
	defaults []field // of leafs with a default, outside of any choice
	implied  []field // non-presence containers that hold defaults
}

type field struct {
	index  int // of the struct field, from 1; 0 when there is none
	schema *schema.Node
	set    func(dst reflect.Value, v schema.Value) error
	plan   *plan // of a container or list
}

// enumerated is a generated enumeration.
type enumerated interface {
	ΛMap() map[string]map[int64]ygot.EnumDefinition
}

// newPlan compares the generated struct with the schema node. A configuration
// node that the struct cannot hold is an error; state, and what the modules in
// stored add, is left out.
func newPlan(model any, n *schema.Node, stored []string) (*plan, error) {
	return planFor(reflect.TypeOf(model), n, stored)
}

func planFor(t reflect.Type, n *schema.Node, stored []string) (*plan, error) {
	byName := map[string]int{}
	for i := range t.NumField() {
		byName[t.Field(i).Tag.Get("path")] = i
	}
	p := &plan{typ: t, fields: make([]field, len(n.Children()))}
	for _, c := range n.Children() {
		if !c.Config || slices.Contains(stored, c.Module.Name) {
			continue
		}
		at, ok := byName[c.Name]
		if !ok {
			return nil, fmt.Errorf("the generated type %s has no field for %s: run go generate ./gen", t.Name(), c.Path())
		}
		f, err := fieldFor(t.Field(at).Type, c, stored)
		if err != nil {
			return nil, err
		}
		f.index, f.schema = at+1, c
		p.fields[c.Index] = f
		if c.Case != nil {
			continue
		}
		switch {
		case c.Kind == schema.Leaf && len(c.Defaults) == 1:
			p.defaults = append(p.defaults, f)
		case c.Kind == schema.Container && !c.Presence && c.HasDefaults():
			p.implied = append(p.implied, f)
		}
	}
	return p, nil
}

func fieldFor(t reflect.Type, c *schema.Node, stored []string) (f field, err error) {
	unfit := func() (field, error) {
		return f, fmt.Errorf("the generated type %s cannot hold %s", t, c.Path())
	}
	switch c.Kind {
	case schema.Container:
		if t.Kind() != reflect.Pointer {
			return unfit()
		}
		f.plan, err = planFor(t.Elem(), c, stored)
	case schema.List:
		if t.Kind() != reflect.Map || len(c.Keys) != 1 {
			return unfit()
		}
		f.plan, err = planFor(t.Elem().Elem(), c, stored)
	case schema.Leaf:
		if f.set = setter(t); f.set == nil {
			return unfit()
		}
	case schema.LeafList:
		if t.Kind() != reflect.Slice {
			return unfit()
		}
		set := setter(t.Elem())
		if set == nil {
			return unfit()
		}
		f.set = func(dst reflect.Value, v schema.Value) error {
			elem := reflect.New(t.Elem()).Elem()
			if err := set(elem, v); err != nil {
				return err
			}
			dst.Set(reflect.Append(dst, elem))
			return nil
		}
	default:
		return unfit()
	}
	return f, err
}

// setter returns what puts a value into a field of type t, nil for a type that
// no configuration leaf has.
func setter(t reflect.Type) func(reflect.Value, schema.Value) error {
	if e, ok := reflect.Zero(t).Interface().(enumerated); ok {
		return enumSetter(t, e)
	}
	switch t.Kind() {
	case reflect.Pointer:
		set := setter(t.Elem())
		if set == nil {
			return nil
		}
		return func(dst reflect.Value, v schema.Value) error {
			p := reflect.New(t.Elem())
			if err := set(p.Elem(), v); err != nil {
				return err
			}
			dst.Set(p)
			return nil
		}
	case reflect.String:
		return func(dst reflect.Value, v schema.Value) error { dst.SetString(v.String()); return nil }
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return func(dst reflect.Value, v schema.Value) error { dst.SetUint(v.Uint()); return nil }
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(dst reflect.Value, v schema.Value) error { dst.SetInt(v.Int()); return nil }
	case reflect.Bool:
		// The type of an empty leaf is a bool as well: its presence is true.
		return func(dst reflect.Value, v schema.Value) error {
			dst.SetBool(v.Bool() || v.Type() != nil && v.Type().Kind() == schema.Empty)
			return nil
		}
	}
	return nil
}

func enumSetter(t reflect.Type, e enumerated) func(reflect.Value, schema.Value) error {
	numbers := map[string]int64{}
	for number, definition := range e.ΛMap()[t.Name()] {
		numbers[definition.Name] = number
		if definition.DefiningModule != "" {
			numbers[definition.DefiningModule+":"+definition.Name] = number
		}
	}
	return func(dst reflect.Value, v schema.Value) error {
		number, ok := numbers[v.String()]
		if !ok {
			return fmt.Errorf("the generated type %s has no value %q: run go generate ./gen", t.Name(), v)
		}
		dst.SetInt(number)
		return nil
	}
}

// decode fills dst, the struct that p was made for, from n, and then the
// defaults in use (RFC 7950 section 7.6.1). n may be nil: dst gets the defaults.
func (p *plan) decode(n *tree.Node, dst reflect.Value) error {
	for c := range n.Children() {
		f := &p.fields[c.Schema().Index]
		if f.index == 0 {
			continue
		}
		if err := f.decode(c, dst.Field(f.index-1)); err != nil {
			return err
		}
	}
	for i := range p.defaults {
		f := &p.defaults[i]
		if fv := dst.Field(f.index - 1); fv.IsZero() {
			if err := f.set(fv, f.schema.Defaults[0]); err != nil {
				return err
			}
		}
	}
	for i := range p.implied {
		f := &p.implied[i]
		if fv := dst.Field(f.index - 1); fv.IsNil() {
			fv.Set(reflect.New(f.plan.typ))
			if err := f.plan.decode(nil, fv.Elem()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *field) decode(n *tree.Node, dst reflect.Value) error {
	switch {
	case f.schema.Kind == schema.Leaf:
		return f.set(dst, n.Value())
	case f.schema.Kind == schema.LeafList:
		for e := range n.Children() {
			if err := f.set(dst, e.Value()); err != nil {
				return err
			}
		}
		return nil
	case f.schema.Kind == schema.Container:
		dst.Set(reflect.New(f.plan.typ))
		return f.plan.decode(n, dst.Elem())
	}
	dst.Set(reflect.MakeMapWithSize(dst.Type(), n.Len()))
	set := setter(dst.Type().Key())
	for e := range n.Children() {
		key := reflect.New(dst.Type().Key()).Elem()
		if err := set(key, e.Keys()[0]); err != nil {
			return err
		}
		entry := reflect.New(f.plan.typ)
		if err := f.plan.decode(e, entry.Elem()); err != nil {
			return err
		}
		dst.SetMapIndex(key, entry)
	}
	return nil
}

// decodeInto returns a decoded struct, nil when there is no instance.
func decodeInto[T any](p *plan, n *tree.Node) (*T, error) {
	if n == nil {
		return nil, nil
	}
	return decodeOrDefault[T](p, n)
}

// decodeOrDefault is decodeInto that gives the defaults when there is no instance.
func decodeOrDefault[T any](p *plan, n *tree.Node) (*T, error) {
	v := new(T)
	if err := p.decode(n, reflect.ValueOf(v).Elem()); err != nil {
		return v, fmt.Errorf("read the configuration: %w", err)
	}
	return v, nil
}
