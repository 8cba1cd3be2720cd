package netconf

import (
	"fmt"
	"io"
	"strconv"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/tree"
)

// changeTypes returns the values of the type change-type of RFC 8641.
func changeTypes() []string { return []string{"create", "delete", "insert", "move", "replace"} }

// changeType is the operation of YANG Patch (RFC 8072 section 2.5) that makes a
// change.
func changeType(c *tree.Change) string {
	switch c.Op {
	case tree.Created:
		if isOrdered(c) {
			return "insert"
		}
		return "create"
	case tree.Deleted:
		return "delete"
	case tree.Moved:
		return "move"
	}
	return "replace"
}

func isOrdered(c *tree.Change) bool { return c.Path[len(c.Path)-1].Node.UserOrdered }

// sendChanges sends a push-change-update with the changes that are not excluded;
// nothing if there are none and nothing is missing.
func (p *push) sendChanges(list []tree.Change, incomplete bool) error {
	var edits []byte
	count := 0
	for i := range list {
		c, ok := p.readable(list[i])
		if !ok || p.exclude[changeType(&c)] {
			continue
		}
		count++
		edits = appendPatchEdit(edits, "edit"+strconv.Itoa(count), &c)
	}
	if count == 0 && !incomplete {
		if len(list) > 0 {
			p.excluded.Add(1)
		}
		return nil
	}
	id := p.patches
	p.patches++
	p.dampen()
	return p.send("push-change-update", func(w io.Writer) {
		fmt.Fprintf(w, "<datastore-changes><yang-patch><patch-id>%d</patch-id>", id)
		w.Write(edits)
		io.WriteString(w, "</yang-patch></datastore-changes>")
		if incomplete {
			io.WriteString(w, "<incomplete-update/>")
		}
	})
}

// readable returns what the user may read of a change (RFC 8641 section 3.9).
func (p *push) readable(c tree.Change) (tree.Change, bool) {
	k := p.d.sess.nacm
	if k == nil || !p.exact { // compare has looked already
		return c, true
	}
	if !k.CanRead(c.Path) {
		return c, false
	}
	if c.New != nil {
		c.New = k.ReadAt(c.Path, c.New)
		return c, c.New != nil
	}
	return c, true
}

// appendPatchEdit appends one edit of a yang-patch (RFC 8072 section 2.4). Its
// value is the element of the target itself.
func appendPatchEdit(dst []byte, id string, c *tree.Change) []byte {
	operation := changeType(c)
	dst = append(dst, "<edit><edit-id>"+id+"</edit-id><operation>"+operation+"</operation><target>"...)
	dst = xmltok.AppendText(dst, resourcePath(c.Path))
	dst = append(dst, "</target>"...)
	if operation == "insert" || operation == "move" {
		where := "first"
		if c.After != nil {
			where = "after"
			last := len(c.Path) - 1
			dst = append(dst, "<point>"...)
			dst = xmltok.AppendText(dst, resourcePath(c.Path[:last:last].Child(c.Path[last].Node, c.After...)))
			dst = append(dst, "</point>"...)
		}
		dst = append(dst, "<where>"+where+"</where>"...)
	}
	if c.New != nil && operation != "move" {
		dst = append(dst, "<value>"...)
		dst = codec.AppendXML(dst, c.New, codec.EncodeOptions{})
		dst = append(dst, "</value>"...)
	}
	return append(dst, "</edit>"...)
}
