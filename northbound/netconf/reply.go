package netconf

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// errWrite is a reply that could not be sent; the session must end.
var errWrite = errors.New("the client does not take the reply")

// startTag returns the prefix of the current start tag, with its colon, and its
// attributes as they are written.
func startTag(r *xmltok.Reader) (prefix string, attrs []byte) {
	if len(r.Prefix()) > 0 {
		prefix = string(r.Prefix()) + ":"
	}
	tag := r.Data()[r.Offset():r.End()]
	tag = tag[1+len(prefix)+len(r.Local()):]
	tag = tag[:len(tag)-1]
	if n := len(tag); n > 0 && tag[n-1] == '/' {
		tag = tag[:n-1]
	}
	return prefix, xmltok.TrimSpace(tag)
}

// reply sends <rpc-reply> with the attributes of the <rpc>, as they were written
// (RFC 6241 section 4.2), around what body writes. Elements of NETCONF's own
// namespace in it take the prefix q.prefix.
func (q *request) reply(body func(w io.Writer)) error {
	q.outMu.Lock()
	defer q.outMu.Unlock()
	w := &q.out
	if q.attrs == nil {
		io.WriteString(w, `<rpc-reply xmlns="`+nsBase+`">`)
		body(w)
		io.WriteString(w, `</rpc-reply>`)
	} else {
		fmt.Fprintf(w, "<%srpc-reply %s>", q.prefix, q.attrs)
		body(w)
		fmt.Fprintf(w, "</%srpc-reply>", q.prefix)
	}
	if err := w.end(); err != nil {
		return fmt.Errorf("%w: %w", errWrite, err)
	}
	return nil
}

// ok sends <ok/>.
func (q *request) ok() error {
	return q.reply(func(w io.Writer) { fmt.Fprintf(w, "<%sok/>", q.prefix) })
}

// data sends <data> with the content of root, or an empty one where root is nil.
func (q *request) data(root *tree.Node, opt codec.EncodeOptions) error {
	return q.reply(func(w io.Writer) {
		fmt.Fprintf(w, "<%sdata%s>", q.prefix, markerAttrs(opt))
		if root != nil {
			codec.EncodeXML(w, root, opt)
		}
		fmt.Fprintf(w, "</%sdata>", q.prefix)
	})
}

// output sends the output of an RPC or action, or <ok/> where it has none.
func (q *request) output(s *schema.Node, output *tree.Node) error {
	if len(s.Children()) == 0 || output == nil || output.Len() == 0 {
		return q.ok()
	}
	return q.reply(func(w io.Writer) { codec.EncodeXML(w, output, codec.EncodeOptions{}) })
}

// fail sends the errors of a request, without what the user may not read.
func (q *request) fail(err error) error {
	list := yangerr.From(q.nacm.Discreet(err))
	q.outErrors.Add(uint32(len(list)))
	return q.reply(func(w io.Writer) {
		for _, e := range list {
			w.Write(appendError(nil, e, q.prefix, q.srv.schema))
		}
	})
}

// malformed answers a message that is not well-formed XML and ends the session.
// Peers of base:1.0 do not know the tag, so they get no answer (RFC 6241
// section 3 and appendix A).
func (q *request) malformed(err error) error {
	if q.v11 {
		q.prefix, q.attrs = "", nil
		e := yangerr.New(yangerr.MalformedMessage, nil, "the message is not well-formed XML: %s", cause(err)).WithType(yangerr.RPC)
		if err := q.fail(e); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %w", errMalformed, err)
}

// cause is the reason in err without its tag.
func cause(err error) string {
	var list yangerr.List
	if errors.As(err, &list) && len(list) > 0 {
		return list[0].Message
	}
	return err.Error()
}

// refuseSize answers a message that is too large to be read.
func (sess *session) refuseSize() {
	sess.inRPCs.Add(1)
	sess.inBadRPCs.Add(1)
	q := &request{session: sess}
	q.fail(yangerr.New(yangerr.TooBig, nil, "a message may have %d octets", sess.limits.Message).WithType(yangerr.Transport))
}

// appendError appends an <rpc-error> (RFC 6241 section 4.3); prefix is that of
// NETCONF's own elements.
func appendError(dst []byte, e *yangerr.Error, prefix string, s *schema.Schema) []byte {
	element := func(name, attrs, text string) {
		dst = append(dst, '<')
		dst = append(dst, prefix+name+attrs...)
		dst = append(dst, '>')
		dst = xmltok.AppendText(dst, text)
		dst = append(dst, "</"+prefix+name+">"...)
	}
	layer := e.Type
	if layer == "" {
		layer = yangerr.Application
	}
	dst = append(dst, "<"+prefix+"rpc-error>"...)
	element("error-type", "", string(layer))
	element("error-tag", "", string(e.Tag))
	element("error-severity", "", "error")
	if e.AppTag != "" {
		element("error-app-tag", "", e.AppTag)
	}
	if e.Path != nil {
		p := pathPrefixes{schema: s}
		text := e.Path.Format(p.prefix)
		element("error-path", p.declarations(), text)
	}
	if e.Message != "" {
		element("error-message", ` xml:lang="en"`, e.Message)
	}
	if len(e.Info) > 0 {
		dst = append(dst, "<"+prefix+"error-info>"...)
		for _, i := range e.Info {
			dst = appendInfo(dst, i, prefix, s)
		}
		dst = append(dst, "</"+prefix+"error-info>"...)
	}
	return append(dst, "</"+prefix+"rpc-error>"...)
}

func appendInfo(dst []byte, i yangerr.Info, prefix string, s *schema.Schema) []byte {
	attrs, text := "", i.Value
	if i.Namespace != "" {
		prefix, attrs = "", ` xmlns="`+string(xmltok.AppendAttr(nil, i.Namespace))+`"`
	}
	if i.Path != nil {
		p := pathPrefixes{schema: s}
		text = i.Path.Format(p.prefix)
		attrs += p.declarations()
	}
	dst = append(dst, "<"+prefix+i.Name+attrs+">"...)
	dst = xmltok.AppendText(dst, text)
	for _, c := range i.Children {
		text, attrs := c.Value, ""
		if c.Path != nil {
			p := pathPrefixes{schema: s}
			text = c.Path.Format(p.prefix)
			attrs = p.declarations()
		}
		dst = append(dst, "<"+prefix+c.Name+attrs+">"...)
		dst = xmltok.AppendText(dst, text)
		dst = append(dst, "</"+prefix+c.Name+">"...)
	}
	return append(dst, "</"+prefix+i.Name+">"...)
}

// pathPrefixes chooses prefixes for the modules of a path: the module's own one
// unless another module of the path has the same.
type pathPrefixes struct {
	schema *schema.Schema
	chosen []struct{ module, prefix, space string }
}

func (p *pathPrefixes) prefix(module string) string {
	for _, c := range p.chosen {
		if c.module == module {
			return c.prefix
		}
	}
	prefix, space := module, ""
	if m := p.schema.Module(module); m != nil {
		prefix, space = m.Prefix, m.Namespace
	}
	base := prefix
	for n := 2; p.taken(prefix); n++ {
		prefix = base + strconv.Itoa(n)
	}
	p.chosen = append(p.chosen, struct{ module, prefix, space string }{module, prefix, space})
	return prefix
}

func (p *pathPrefixes) taken(prefix string) bool {
	for _, c := range p.chosen {
		if c.prefix == prefix {
			return true
		}
	}
	return false
}

func (p *pathPrefixes) declarations() string {
	var b strings.Builder
	for _, c := range p.chosen {
		fmt.Fprintf(&b, ` xmlns:%s="%s"`, c.prefix, xmltok.AppendAttr(nil, c.space))
	}
	return b.String()
}
