package configure

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// element is one element of a <config> that edits make.
type element struct {
	step  tree.Step
	edit  *tree.Edit // nil where the element only leads to others
	inner []*element
	index map[string]*element
}

// config returns the content of the <config> that carries out edits under
// default-operation merge (RFC 6241 section 7.2), every change with its own
// operation attribute. Elements that edits share are written once, and the order
// of edits is kept among the children of an element.
func config(edits []tree.Edit) []byte {
	top := &element{index: map[string]*element{}}
	for i := range edits {
		e := top
		for _, step := range edits[i].Path {
			e = e.below(step)
		}
		e.edit = &edits[i]
	}
	var dst []byte
	for _, e := range top.inner {
		dst = e.append(dst, nil)
	}
	return dst
}

func (e *element) below(step tree.Step) *element {
	id := words(tree.Path{step})
	if c := e.index[id]; c != nil {
		return c
	}
	c := &element{step: step, index: map[string]*element{}}
	e.inner = append(e.inner, c)
	e.index[id] = c
	return c
}

func (e *element) append(dst []byte, in *schema.Module) []byte {
	n := e.step.Node
	var attrs string
	if e.edit != nil {
		attrs = attributes(e.edit)
	}
	if whole := e.whole(); whole != nil {
		// The codec writes the content; the attributes go into its start tag.
		text := codec.AppendXML(nil, whole, codec.EncodeOptions{})
		at := 1 + len(n.Name)
		return append(append(append(dst, text[:at]...), attrs...), text[at:]...)
	}
	dst = append(dst, "<"+n.Name...)
	if n.Module != in {
		dst = append(dst, ` xmlns="`...)
		dst = append(xmltok.AppendAttr(dst, n.Module.Namespace), '"')
	}
	dst = append(append(dst, attrs...), '>')
	if n.Kind == schema.List {
		for i, k := range e.step.Keys {
			dst = codec.AppendXML(dst, tree.NewLeaf(n.Keys[i], k), codec.EncodeOptions{})
		}
	}
	for _, c := range e.inner {
		dst = c.append(dst, n.Module)
	}
	return append(append(append(dst, "</"...), n.Name...), '>')
}

// whole returns the node that an edit sets with all that is in it, nil for one
// whose element has nothing but keys and other elements in it.
func (e *element) whole() *tree.Node {
	if e.edit == nil {
		return nil
	}
	n := e.step.Node
	removes := e.edit.Op == tree.Delete || e.edit.Op == tree.Remove
	switch {
	case n.Kind == schema.LeafList && len(e.step.Keys) > 0:
		return tree.NewLeaf(n, e.step.Keys[0])
	case removes:
		return nil
	case n.Kind == schema.Leaf:
		return tree.NewLeaf(n, e.edit.Value)
	}
	return e.edit.Tree
}

const yangAttributes = ` xmlns:yang="` + codec.NamespaceYANG + `" yang:insert="`

// attributes returns the operation and the place of an edit as attributes.
func attributes(e *tree.Edit) string {
	var b strings.Builder
	op := e.Op
	if last := e.Path[len(e.Path)-1].Node; op == tree.Replace && last.Kind == schema.Container && !last.Presence {
		// Such a container was empty when this visit began. What others have put
		// into it since stays.
		op = tree.Merge
	}
	fmt.Fprintf(&b, ` xmlns:nc="%s" nc:operation="%s"`, codec.NamespaceNETCONF, op)
	switch e.Insert {
	case tree.First:
		b.WriteString(yangAttributes + `first"`)
	case tree.Last:
		b.WriteString(yangAttributes + `last"`)
	case tree.Before, tree.After:
		word := "before"
		if e.Insert == tree.After {
			word = "after"
		}
		b.WriteString(yangAttributes + word + `"`)
		n := e.Path[len(e.Path)-1].Node
		if n.Kind == schema.LeafList {
			text := codec.AppendXML(nil, tree.NewLeaf(n, e.Where[0]), codec.EncodeOptions{})
			b.WriteString(anchorValue(text))
			break
		}
		// The anchor is a path of predicates whose prefix is declared here.
		anchor := tree.Path{{Node: n, Keys: e.Where}}.Format(func(string) string { return "at" })
		anchor = anchor[strings.IndexByte(anchor, '['):]
		b.WriteString(` xmlns:at="` + string(xmltok.AppendAttr(nil, n.Module.Namespace)) + `" yang:key="` + string(xmltok.AppendAttr(nil, anchor)) + `"`)
	}
	return b.String()
}

// anchorValue turns a leaf-list entry in XML into the attribute yang:value, with
// the declarations that its value needs.
func anchorValue(text []byte) string {
	start := bytes.IndexByte(text, '>')
	end := bytes.LastIndexByte(text, '<')
	declared := ""
	for _, a := range strings.Fields(string(text[:start]))[1:] {
		if strings.HasPrefix(a, "xmlns:") {
			declared += " " + a
		}
	}
	// White space in an attribute is normalised unless it is escaped.
	value := strings.NewReplacer(`"`, "&quot;", "\n", "&#10;", "\t", "&#9;").Replace(string(text[start+1 : end]))
	return declared + ` yang:value="` + value + `"`
}
