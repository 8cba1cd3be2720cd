package netconf

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// name is the expanded name of an operation.
type name struct{ space, local string }

// parser reads the parameters of an operation, whose start tag is the current
// token of q.r, up to its end tag, and returns what carries it out. Nothing may
// happen before the whole message is known to be well-formed.
type parser func(q *request) (run func() error, err error)

// operations is the table of NETCONF's own operations. All others are RPCs of
// the schema or actions.
func operations() map[name]parser {
	table := map[name]parser{
		{nsBase, "get"}:                   parseGet,
		{nsBase, "get-config"}:            parseGetConfig,
		{nsBase, "edit-config"}:           parseEditConfig,
		{nsBase, "copy-config"}:           parseCopyConfig,
		{nsBase, "delete-config"}:         parseDeleteConfig,
		{nsBase, "lock"}:                  parseLock,
		{nsBase, "unlock"}:                parseUnlock,
		{nsBase, "validate"}:              parseValidate,
		{nsBase, "commit"}:                parseCommit,
		{nsBase, "cancel-commit"}:         parseCancelCommit,
		{nsBase, "discard-changes"}:       parseDiscardChanges,
		{nsBase, "close-session"}:         parseCloseSession,
		{nsBase, "kill-session"}:          parseKillSession,
		{nsMonitoring, "get-schema"}:      parseGetSchema,
		{yangerr.NamespaceYANG, "action"}: parseAction,
	}
	maps.Copy(table, subscriptionOperations())
	return table
}

// errMalformed ends a session whose peer sends what is not XML.
var errMalformed = errors.New("malformed message")

// request is one <rpc> and the place of its reply.
type request struct {
	*session
	r      *xmltok.Reader
	prefix string // of the rpc element, with its colon
	attrs  []byte // of the rpc element, as written

	// What an XPath filter that only its evaluation explains has selected.
	picked []tree.Path

	// Of a retrieval of configuration: filters may have etags, and that of all.
	txid bool
	etag string
}

// request carries out one message. An error ends the session.
func (sess *session) request(msg []byte) error {
	sess.inRPCs.Add(1)
	q := &request{session: sess, r: xmltok.NewReader(msg, xmltok.Limits{Bytes: sess.limits.Message})}
	run, err := q.envelope()
	if err != nil {
		sess.inBadRPCs.Add(1)
		// What is refused early has been read in part only; a message that is not
		// well-formed deserves no other answer than that.
		if rest := q.drain(); rest != nil {
			err = rest
		}
		var xmlErr *xmltok.Error
		if errors.As(err, &xmlErr) {
			err = codec.ErrorOf(xmlErr)
		}
		if yangerr.From(err).Has(yangerr.MalformedMessage) {
			return q.malformed(err)
		}
		return q.fail(err)
	}
	err = run()
	if err == nil || errors.Is(err, errWrite) || errors.Is(err, errClosed) {
		return err
	}
	return q.fail(err)
}

// envelope reads an <rpc> element (RFC 6241 section 4.1) to its end.
func (q *request) envelope() (run func() error, err error) {
	if _, err := q.r.Next(); err != nil {
		return nil, err
	}
	switch {
	case q.r.Space() != nsBase:
		return nil, unknownElement(q.r, yangerr.RPC, "a message must be an <rpc> in the namespace "+nsBase)
	case !q.r.Is(nsBase, "rpc"):
		return nil, unknownElement(q.r, yangerr.RPC, "a client sends <rpc> elements")
	}
	q.prefix, q.attrs = startTag(q.r)
	if !slices.ContainsFunc(q.r.Attrs(), func(a xmltok.Attr) bool { return a.Is("", "message-id") }) {
		return nil, yangerr.New(yangerr.MissingAttribute, nil, "an <rpc> needs a message-id").WithType(yangerr.RPC).WithInfo(
			yangerr.Info{Name: yangerr.InfoBadAttribute, Value: "message-id"}, yangerr.Info{Name: yangerr.InfoBadElement, Value: "rpc"})
	}
	err = q.children("rpc", func() error {
		if run != nil {
			return unknownElement(q.r, yangerr.RPC, "an <rpc> holds one operation")
		}
		parse, err := q.operation()
		if err != nil {
			return err
		}
		run, err = q.permit(parse)(q)
		return err
	})
	if err != nil {
		return nil, err
	}
	if run == nil {
		return nil, yangerr.New(yangerr.MissingElement, nil, "the <rpc> has no operation in it").WithType(yangerr.RPC).WithInfo(
			yangerr.Info{Name: yangerr.InfoBadElement, Value: "rpc"})
	}
	// Whatever follows </rpc> makes the message malformed.
	_, err = q.r.Next()
	return run, err
}

// drain reads the message to its end and returns what is wrong with its XML.
func (q *request) drain() error {
	for {
		if kind, err := q.r.Next(); kind == xmltok.EOF {
			return err
		}
	}
}

// operation finds the parser of the operation that is the current token.
func (q *request) operation() (parser, error) {
	n := name{q.r.Space(), string(q.r.Local())}
	if p := q.srv.operations[n]; p != nil {
		return p, nil
	}
	m := q.srv.schema.ModuleByNamespace(n.space)
	if m == nil && n.space != nsBase && n.space != yangerr.NamespaceYANG {
		return nil, unknownNamespace(q.r, yangerr.Protocol)
	}
	if m != nil {
		if rpc := q.srv.schema.RPC(m, n.local); rpc != nil {
			return func(q *request) (func() error, error) { return q.parseRPC(rpc) }, nil
		}
	}
	return nil, yangerr.New(yangerr.OperationNotSupported, nil, "there is no operation <%s> in the namespace %s", n.local, n.space).
		WithType(yangerr.Protocol).WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: n.local})
}

// children calls f for each element directly below the current one, up to its
// end tag. f must read its element to the end tag.
func (q *request) children(parent string, f func() error) error {
	for {
		kind, err := q.r.Next()
		switch {
		case err != nil:
			return err
		case kind == xmltok.End:
			return nil
		case kind == xmltok.Start:
			if err := f(); err != nil {
				return err
			}
		case kind == xmltok.Text && !xmltok.IsSpace(q.r.Text()):
			return yangerr.New(yangerr.BadElement, nil, "<%s> has text in it where elements are expected", parent).
				WithType(yangerr.Protocol).WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: parent})
		}
	}
}

// params reads the parameters of an operation: known maps the local name of each
// to what reads it; those of other namespaces than the operation's have it in
// front (foreign).
func (q *request) params(known map[string]func() error) error {
	op, space := string(q.r.Local()), q.r.Space()
	seen := map[string]bool{}
	return q.children(op, func() error {
		local := string(q.r.Local())
		id := local
		if q.r.Space() != space {
			id = foreign(q.r.Space(), local)
		}
		read := known[id]
		switch {
		case read == nil && id != local:
			return unknownNamespace(q.r, yangerr.Protocol)
		case read == nil:
			return unknownElement(q.r, yangerr.Protocol, fmt.Sprintf("<%s> has no parameter <%s> here", op, local))
		case seen[id]:
			return yangerr.New(yangerr.BadElement, nil, "<%s> has the parameter <%s> twice", op, local).
				WithType(yangerr.Protocol).WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: local})
		}
		seen[id] = true
		for _, a := range q.r.Attrs() {
			if a.Space == nsBase && local != "filter" || a.Space == yangerr.NamespaceYANG {
				return unknownAttribute(a, local, "it belongs on the data of an edit")
			}
		}
		return read()
	})
}

// foreign is the key in params of a parameter that a module adds to an operation
// of another one.
func foreign(space, local string) string { return "{" + space + "}" + local }

// text reads the content of the current element, which must be text.
func (q *request) text() (string, error) {
	element := string(q.r.Local())
	text := ""
	for {
		kind, err := q.r.Next()
		switch {
		case err != nil:
			return "", err
		case kind == xmltok.Text:
			text += string(q.r.Text())
		case kind == xmltok.Start:
			return "", unknownElement(q.r, yangerr.Protocol, fmt.Sprintf("<%s> holds text only", element))
		default:
			return string(xmltok.TrimSpace([]byte(text))), nil
		}
	}
}

// empty reads an element that must have no content.
func (q *request) empty() error {
	element := string(q.r.Local())
	return q.children(element, func() error {
		return unknownElement(q.r, yangerr.Protocol, fmt.Sprintf("<%s> must be empty", element))
	})
}

// word reads a parameter whose value is one of a few words.
func (q *request) word(allowed ...string) (string, error) {
	element := string(q.r.Local())
	text, err := q.text()
	if err == nil && !slices.Contains(allowed, text) {
		err = yangerr.New(yangerr.InvalidValue, nil, "%q is not a value of <%s>: it takes %s", text, element, strings.Join(allowed, ", ")).
			WithType(yangerr.Protocol).WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: element})
	}
	return text, err
}

func unknownElement(r *xmltok.Reader, layer yangerr.Type, message string) error {
	return yangerr.New(yangerr.UnknownElement, nil, "%s", message).WithType(layer).
		WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: string(r.Local())})
}

func unknownNamespace(r *xmltok.Reader, layer yangerr.Type) error {
	return yangerr.New(yangerr.UnknownNamespace, nil, "the element <%s> is not in a namespace that is expected here: %q", r.Local(), r.Space()).
		WithType(layer).WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: string(r.Local())},
		yangerr.Info{Name: yangerr.InfoBadNamespace, Value: r.Space()})
}

// missingElement is for a parameter that is not there; the last argument is its name.
func missingElement(format string, args ...any) error {
	return yangerr.New(yangerr.MissingElement, nil, format, args...).WithType(yangerr.Protocol).
		WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: fmt.Sprint(args[len(args)-1])})
}

// input reads the parameters of an RPC that a module defines, whose start tag is
// the current token, up to its end tag. anydata in it stays as it was written.
func (q *request) input(rpc *schema.Node) (*tree.Node, error) {
	input, err := codec.DecodeData(q.srv.schema, rpc.Input, q.r, codec.DataOptions{})
	if err != nil {
		return nil, err
	}
	if errs := checkInput(rpc.Input, input, nil); len(errs) > 0 {
		return nil, errs
	}
	return input, nil
}

// parseRPC reads an operation that a module of the schema defines.
func (q *request) parseRPC(rpc *schema.Node) (func() error, error) {
	input, err := q.input(rpc)
	if err != nil {
		return nil, err
	}
	action := q.srv.actions[rpc.Path()]
	if action == nil {
		return nil, yangerr.New(yangerr.OperationNotSupported, nil, "the operation %s is not supported by this element", rpc.Path()).
			WithType(yangerr.Protocol).WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: rpc.Name})
	}
	return func() error {
		output, err := action(q.ctx, nil, input)
		if err != nil {
			return err
		}
		return q.output(rpc.Output, output)
	}, nil
}
