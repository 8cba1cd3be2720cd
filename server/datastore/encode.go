package datastore

import (
	"encoding/binary"
	"fmt"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// The binary form of edits and trees. Numbers are unsigned varints, texts have
// their length before them. A schema node is a number; at its first use the
// number is followed by the node's name and, where it is not the parent's, its
// module's name, so that a record can be read by a program with another schema.
//
//	edit    op insert steps{ref keys|pos} flags [value] [where] [tree]
//	leaf    value        leaf-list  count{value}        anydata  encoding octets
//	list    count{keys children}                        container  children
//	children  count{ref leaf|leaf-list|anydata|list|container}

// Flags of an edit.
const (
	hasValue = 1 << iota
	hasTree
	treeIsHolder
)

// Encodings of anydata.
const (
	anyEmpty = iota
	anyXML
	anyJSON
)

// flushSize is how much an encoder gathers before it hands it to its sink.
const flushSize = 256 << 10

// encoder appends to buf. With a sink it hands buf over now and then.
type encoder struct {
	buf  []byte
	refs map[*schema.Node]uint64
	sink func([]byte) error
	err  error
}

func newEncoder() *encoder { return &encoder{refs: make(map[*schema.Node]uint64)} }

func (e *encoder) uint(n uint64) { e.buf = binary.AppendUvarint(e.buf, n) }

func (e *encoder) text(s string) {
	e.uint(uint64(len(s)))
	e.buf = append(e.buf, s...)
}

func (e *encoder) values(vs []schema.Value) {
	for _, v := range vs {
		e.text(v.String())
	}
}

// ref writes s, whose parent the reader knows from what is around it.
func (e *encoder) ref(s *schema.Node) {
	if n, ok := e.refs[s]; ok {
		e.uint(n)
		return
	}
	n := uint64(len(e.refs))
	e.refs[s] = n
	e.uint(n)
	if s.Parent != nil && s.Parent.Module == s.Module {
		e.text("")
	} else {
		e.text(s.Module.Name)
	}
	e.text(s.Name)
}

func (e *encoder) edit(ed *tree.Edit) {
	e.buf = append(e.buf, byte(ed.Op), byte(ed.Insert))
	e.path(ed.Path)
	var flags byte
	if !ed.Value.IsZero() {
		flags |= hasValue
	}
	if ed.Tree != nil {
		flags |= hasTree
		if ed.Tree.IsHolder() {
			flags |= treeIsHolder
		}
	}
	e.buf = append(e.buf, flags)
	if flags&hasValue != 0 {
		e.text(ed.Value.String())
	}
	e.uint(uint64(len(ed.Where)))
	e.values(ed.Where)
	if ed.Tree != nil {
		e.node(ed.Tree)
	}
}

func (e *encoder) path(p tree.Path) {
	e.uint(uint64(len(p)))
	for i := range p {
		e.ref(p[i].Node)
		if k := p[i].Node.Kind; k == schema.List || k == schema.LeafList {
			e.uint(uint64(len(p[i].Keys)))
			e.values(p[i].Keys)
			if len(p[i].Keys) == 0 {
				e.uint(uint64(p[i].Pos))
			}
		}
	}
}

// node writes n without its own ref.
func (e *encoder) node(n *tree.Node) {
	switch s := n.Schema(); s.Kind {
	case schema.Leaf:
		e.text(n.Value().String())
	case schema.LeafList:
		if !n.IsHolder() {
			e.text(n.Value().String())
			return
		}
		e.uint(uint64(n.Len()))
		for c := range n.Children() {
			e.text(c.Value().String())
		}
	case schema.List:
		if !n.IsHolder() {
			e.entry(n)
			return
		}
		e.uint(uint64(n.Len()))
		for c := range n.Children() {
			e.entry(c)
			e.flush(flushSize)
		}
	case schema.Anydata, schema.Anyxml:
		e.any(n.Anydata())
	default:
		e.children(n, 0)
	}
}

func (e *encoder) entry(n *tree.Node) {
	e.values(n.Keys())
	e.children(n, len(n.Schema().Keys))
}

func (e *encoder) children(n *tree.Node, skip int) {
	e.uint(uint64(n.Len() - skip))
	for c := range n.Children() {
		if skip > 0 {
			skip--
			continue
		}
		e.ref(c.Schema())
		e.node(c)
	}
}

func (e *encoder) any(a *tree.Any) {
	switch {
	case a == nil:
		e.buf = append(e.buf, anyEmpty)
	case a.JSON != nil:
		e.buf = append(e.buf, anyJSON)
		e.text(string(a.JSON))
	default:
		e.buf = append(e.buf, anyXML)
		e.text(string(a.XML))
	}
}

func (e *encoder) flush(least int) {
	if e.sink == nil || len(e.buf) < least || e.err != nil {
		return
	}
	e.err = e.sink(e.buf)
	e.buf = e.buf[:0]
}

// decodeError says where the octets stop making sense.
type decodeError struct {
	offset int
	reason string
}

func (e *decodeError) Error() string { return fmt.Sprintf("at octet %d: %s", e.offset, e.reason) }

// decoder reads what an encoder wrote. It panics with *decodeError, which
// catch turns into an error.
type decoder struct {
	schema *schema.Schema
	data   []byte
	at     int
	refs   []*schema.Node
	// trusted is set where the schema is the one the data was written under:
	// canonical values then need no check.
	trusted bool
}

func (d *decoder) fail(format string, args ...any) {
	panic(&decodeError{d.at, fmt.Sprintf(format, args...)})
}

// catch is deferred by the entry points.
func catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case *decodeError:
		*err = r
	default:
		panic(r)
	}
}

func (d *decoder) uint() uint64 {
	n, size := binary.Uvarint(d.data[d.at:])
	if size <= 0 {
		d.fail("a number is cut off")
	}
	d.at += size
	return n
}

// count reads a number of things of at least one octet each.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.data)-d.at) {
		d.fail("%d things are announced in %d octets", n, len(d.data)-d.at)
	}
	return int(n)
}

func (d *decoder) byte() byte {
	if d.at >= len(d.data) {
		d.fail("an octet is missing")
	}
	d.at++
	return d.data[d.at-1]
}

func (d *decoder) text() string {
	n := d.count()
	d.at += n
	return string(d.data[d.at-n : d.at])
}

// Module makes the decoder the resolver of the module names in values.
func (d *decoder) Module(prefix string) *schema.Module { return d.schema.Module(prefix) }

func (d *decoder) value(s *schema.Node) schema.Value {
	text := d.text()
	if k := s.Type.Kind(); d.trusted && k != schema.Union && k != schema.Leafref {
		return schema.StringValue(s.Type, text)
	}
	v, err := s.Type.Parse(text, d)
	if err != nil {
		d.fail("%s: %q: %v", s.Path(), text, err)
	}
	return v
}

func (d *decoder) ref(parent *schema.Node) *schema.Node {
	n := d.uint()
	if n < uint64(len(d.refs)) {
		s := d.refs[n]
		if s.Parent != parent {
			d.fail("%s cannot stand below %s", s.Path(), parent.Path())
		}
		return s
	}
	if n > uint64(len(d.refs)) {
		d.fail("schema node %d comes before its name", n)
	}
	moduleName, name := d.text(), d.text()
	module := parent.Module
	if moduleName != "" {
		module = d.schema.Module(moduleName)
	}
	if module == nil {
		d.fail("the schema has no module %q", moduleName)
	}
	s := parent.ChildIn(module, name)
	if s == nil {
		d.fail("the schema has no node %s:%s below %s", module.Name, name, parent.Path())
	}
	d.refs = append(d.refs, s)
	return s
}

// keyCount is the number of key values of an entry of s.
func keyCount(s *schema.Node) int {
	if s.Kind == schema.LeafList {
		return 1
	}
	return len(s.Keys)
}

func (d *decoder) keys(s *schema.Node, n int) []schema.Value {
	if n == 0 {
		return nil
	}
	if n != keyCount(s) {
		d.fail("%s has %d keys and not %d", s.Path(), keyCount(s), n)
	}
	keys := make([]schema.Value, n)
	for i := range keys {
		if s.Kind == schema.LeafList {
			keys[i] = d.value(s)
		} else {
			keys[i] = d.value(s.Keys[i])
		}
	}
	return keys
}

func (d *decoder) edit() tree.Edit {
	ed := tree.Edit{Op: tree.Op(d.byte()), Insert: tree.Insert(d.byte())}
	if ed.Op > tree.Remove || ed.Insert > tree.After {
		d.fail("there is no operation %d with insert %d", ed.Op, ed.Insert)
	}
	at := d.schema.Root()
	ed.Path = make(tree.Path, d.count())
	for i := range ed.Path {
		st := &ed.Path[i]
		st.Node = d.ref(at)
		if k := st.Node.Kind; k == schema.List || k == schema.LeafList {
			if st.Keys = d.keys(st.Node, d.count()); st.Keys == nil {
				st.Pos = int(d.uint())
			}
		}
		at = st.Node
	}
	flags := d.byte()
	if flags&hasValue != 0 {
		if at.Type == nil {
			d.fail("%s cannot have a value", at.Path())
		}
		ed.Value = d.value(at)
	}
	ed.Where = d.keys(at, d.count())
	if flags&hasTree != 0 {
		if len(ed.Path) == 0 {
			b := tree.NewBuilder(tree.Empty(d.schema))
			d.children(b, at)
			ed.Tree = b.Seal()
		} else {
			ed.Tree = d.subtree(at, flags&treeIsHolder != 0)
		}
	}
	return ed
}

// subtree reads an instance of s, or the holder of its instances.
func (d *decoder) subtree(s *schema.Node, holder bool) *tree.Node {
	b := tree.NewBuilder(tree.New(s.Parent))
	single := !holder && (s.Kind == schema.List || s.Kind == schema.LeafList)
	if single {
		d.one(b, s)
	} else {
		d.node(b, s)
	}
	n := b.Seal().Child(s)
	if single {
		n = n.EntryAt(0)
	}
	return n
}

// node reads the instance of s below the cursor of b; of a list, all entries.
func (d *decoder) node(b *tree.Builder, s *schema.Node) {
	switch s.Kind {
	case schema.List, schema.LeafList:
		for range d.count() {
			d.one(b, s)
		}
	default:
		d.one(b, s)
	}
}

func (d *decoder) one(b *tree.Builder, s *schema.Node) {
	switch s.Kind {
	case schema.Leaf, schema.LeafList:
		b.Leaf(s, d.value(s))
	case schema.List:
		b.Enter(s, d.keys(s, len(s.Keys))...)
		d.children(b, s)
		b.Leave()
	case schema.Anydata, schema.Anyxml:
		b.Put(tree.NewAny(s, d.any()))
	case schema.Container:
		b.Enter(s)
		d.children(b, s)
		b.Leave()
	default:
		d.fail("a %s is no data", s.Kind)
	}
}

func (d *decoder) children(b *tree.Builder, s *schema.Node) {
	for range d.count() {
		d.node(b, d.ref(s))
	}
}

func (d *decoder) any() *tree.Any {
	switch enc := d.byte(); enc {
	case anyEmpty:
		return &tree.Any{}
	case anyXML:
		return &tree.Any{XML: []byte(d.text())}
	case anyJSON:
		return &tree.Any{JSON: []byte(d.text())}
	default:
		d.fail("anydata has the unknown encoding %d", enc)
		return nil
	}
}
