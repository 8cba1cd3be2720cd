package netconf

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// patch writes the differences between two trees as a YANG patch (RFC 8072 section
// 2.2) with the values that it replaces (RFC 9144 section 4).
type patch struct {
	dst      []byte
	edits    int
	intended *tree.Node // origins are reported against it, where not nil
	// Which sides are operational, and have origins.
	oldOrigin, newOrigin bool
	// What the sides hold where a filter left out nothing; nil where the filtered
	// trees are all there is.
	oldAll, newAll *tree.Node
	etag           func(tree.Path) string // the transaction id of a target; nil for none
}

// differences appends the patch that leads from old to new, and reports whether
// there is any difference.
func (p *patch) differences(id, comment string, old, new *tree.Node) bool {
	p.dst = append(p.dst, "<yang-patch><patch-id>"...)
	p.dst = xmltok.AppendText(p.dst, id)
	p.dst = append(p.dst, "</patch-id><comment>"...)
	p.dst = xmltok.AppendText(p.dst, comment)
	p.dst = append(p.dst, "</comment>"...)
	for c := range tree.Diff(old, new) {
		p.change(c)
	}
	p.dst = append(p.dst, "</yang-patch>"...)
	return p.edits > 0
}

// change appends the edits for one difference. What is created or deleted only
// because the filter shows nothing of it on the other side, where it exists, is
// taken apart.
func (p *patch) change(c tree.Change) {
	other, n := p.oldAll, c.New
	if c.Op == tree.Deleted {
		other, n = p.newAll, c.Old
	}
	if s := c.Path[len(c.Path)-1].Node; other == nil || c.Op != tree.Created && c.Op != tree.Deleted ||
		s.Kind != schema.Container && s.Kind != schema.List || len(s.Keys) == 0 && s.Kind == schema.List || other.Get(c.Path) == nil {
		p.edit(c)
		return
	}
	bare := bareOf(n)
	if c.Op == tree.Created {
		for d := range tree.DiffAt(c.Path, bare, n) {
			p.change(d)
		}
		return
	}
	for d := range tree.DiffAt(c.Path, n, bare) {
		p.change(d)
	}
}

// bareOf returns a container, or an entry with the keys of n, without content.
func bareOf(n *tree.Node) *tree.Node {
	s := n.Schema()
	if s.Kind == schema.Container {
		return tree.New(s)
	}
	b := tree.NewBuilder(tree.New(s.Parent))
	b.Enter(s, n.Keys()...)
	b.Leave()
	return b.Seal().Child(s).Entry(n.Keys()...)
}

func (p *patch) edit(c tree.Change) {
	s := c.Path[len(c.Path)-1].Node
	p.edits++
	p.dst = fmt.Appendf(p.dst, "<edit><edit-id>%d</edit-id>", p.edits)
	operation := map[tree.ChangeOp]string{tree.Created: "create", tree.Deleted: "delete", tree.Modified: "replace", tree.Moved: "move"}[c.Op]
	placed := s.UserOrdered && (c.Op == tree.Created || c.Op == tree.Moved)
	if placed && c.Op == tree.Created {
		operation = "insert"
	}
	p.leaf("operation", operation)
	p.leaf("target", resourcePath(c.Path))
	if placed {
		if c.After != nil {
			at := c.Path[:len(c.Path)-1].Child(s, c.After...)
			p.leaf("point", resourcePath(at))
			p.leaf("where", "after")
		} else {
			p.leaf("where", "first")
		}
	}
	if c.Op == tree.Created || c.Op == tree.Modified {
		p.value("value", c.Path, c.New, p.newOrigin)
	}
	if c.Op != tree.Created {
		p.value("source-value", c.Path, c.Old, p.oldOrigin)
	}
	if p.etag != nil {
		p.dst = append(p.dst, `<most-recent xmlns="`+nsTxidCompare+`">`...)
		p.leaf("etag-value", p.etag(c.Path))
		p.dst = append(p.dst, "</most-recent>"...)
	}
	p.dst = append(p.dst, "</edit>"...)
}

func (p *patch) leaf(name, text string) {
	p.dst = append(p.dst, "<"+name+">"...)
	p.dst = xmltok.AppendText(p.dst, text)
	p.dst = append(p.dst, "</"+name+">"...)
}

func (p *patch) value(name string, path tree.Path, n *tree.Node, origin bool) {
	var opt codec.EncodeOptions
	if origin && p.intended != nil {
		// The place of n's parent, from which the encoder finds its counterpart.
		opt.Intended = p.intended.Get(path[:len(path)-1])
		if opt.Intended == nil {
			opt.Intended = tree.New(p.intended.Schema())
		}
	}
	p.dst = append(p.dst, "<"+name+">"...)
	p.dst = codec.AppendXML(p.dst, n, opt)
	p.dst = append(p.dst, "</"+name+">"...)
}

// resourcePath is the target-resource-offset of an instance: its path in the form
// of RFC 8040 section 3.5.3.
func resourcePath(p tree.Path) string {
	var b strings.Builder
	var module *schema.Module
	for _, st := range p {
		b.WriteByte('/')
		if st.Node.Module != module {
			module = st.Node.Module
			b.WriteString(module.Name + ":")
		}
		b.WriteString(st.Node.Name)
		for i, k := range st.Keys {
			b.WriteByte("=,"[min(i, 1)])
			b.WriteString(escapeKey(k.String()))
		}
		if st.Pos > 0 {
			fmt.Fprintf(&b, "=%d", st.Pos)
		}
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

// escapeKey percent-encodes all but the unreserved characters of RFC 3986.
func escapeKey(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}
