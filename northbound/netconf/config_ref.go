package netconf

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// configRef is a <source> or <target>: a datastore, a URL, or a configuration in
// the message. Exactly one field is set.
type configRef struct {
	store  datastore.Name
	url    *url.URL
	inline *tree.Node
}

func (c configRef) isZero() bool { return c == configRef{} }

func (c configRef) equal(d configRef) bool {
	return c.store != "" && c.store == d.store || c.url != nil && d.url != nil && c.url.String() == d.url.String()
}

// refKinds says what a source or target may be.
type refKinds struct {
	stores []datastore.Name
	url    bool
	config bool
	nmda   bool // a <datastore> of ietf-netconf-nmda
}

// The parameters that name datastores of RFC 6241.
var (
	readable = []datastore.Name{datastore.Running, datastore.Candidate, datastore.Startup}
	writable = []datastore.Name{datastore.Candidate, datastore.Startup}
)

// served returns those of the datastores that this element has.
func (q *request) served(names []datastore.Name) []datastore.Name {
	if q.srv.startup {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(n datastore.Name) bool { return n == datastore.Startup })
}

// ref reads a source or target, whose start tag is the current token.
func (q *request) ref(into *configRef, allowed refKinds) func() error {
	return func() error {
		element := string(q.r.Local())
		stores := q.served(allowed.stores)
		err := q.children(element, func() error {
			local, space := string(q.r.Local()), q.r.Space()
			switch {
			case !into.isZero():
				return unknownElement(q.r, yangerr.Protocol, fmt.Sprintf("<%s> holds one datastore", element))
			case space == nsNMDA && local == "datastore" && allowed.nmda:
				return q.datastoreRef(into, stores)
			case space != nsBase:
				return unknownNamespace(q.r, yangerr.Protocol)
			case local == "config" && allowed.config:
				return q.readConfig(&into.inline)()
			case local == "url" && allowed.url:
				return q.urlRef(&into.url)
			case slices.Contains(stores, datastore.Name(local)):
				into.store = datastore.Name(local)
				return q.empty()
			}
			return unknownElement(q.r, yangerr.Protocol, notAllowed(element, local, stores))
		})
		if err == nil && into.isZero() {
			err = missingElement("<%s> names no datastore", element)
		}
		return err
	}
}

// urlRef reads a <url>.
func (q *request) urlRef(into **url.URL) error {
	text, err := q.text()
	if err == nil {
		*into, err = q.srv.urls.parse(text)
	}
	return err
}

// datastoreRef reads a <datastore> of RFC 8526; one that the operation does not
// support is invalid-value.
func (q *request) datastoreRef(into *configRef, stores []datastore.Name) error {
	bindings := q.bindings()
	text, err := q.text()
	if err != nil {
		return err
	}
	prefix, local, ok := strings.Cut(text, ":")
	if !ok {
		prefix, local = "", text
	}
	if bindings[prefix] != nsDatastores || !slices.Contains(stores, datastore.Name(local)) {
		return badDatastore(text)
	}
	into.store = datastore.Name(local)
	return nil
}

func badDatastore(text string) error {
	return yangerr.New(yangerr.InvalidValue, nil, "the datastore %q is not supported here", text).WithType(yangerr.Protocol).
		WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: "datastore"})
}

func notAllowed(element, local string, allowed []datastore.Name) string {
	if local == "running" && element == "target" && len(allowed) > 0 {
		return "running cannot be the target: edit the candidate and commit it"
	}
	if len(allowed) == 0 {
		return fmt.Sprintf("<%s> is not possible as <%s> here", local, element)
	}
	var names []string
	for _, n := range allowed {
		names = append(names, string(n))
	}
	return fmt.Sprintf("<%s> is not possible as <%s> here, only %s", local, element, strings.Join(names, " and "))
}

// content returns the configuration that c stands for.
func (q *request) content(c configRef) (*tree.Node, error) {
	switch {
	case c.inline != nil:
		return c.inline, nil
	case c.url != nil:
		var root *tree.Node
		err := q.fetch(c.url, func(r *xmltok.Reader) (err error) {
			root, err = codec.DecodeData(q.srv.schema, q.srv.schema.Root(), r, codec.DataOptions{ConfigOnly: true})
			return err
		})
		return root, err
	}
	return q.root(c.store), nil
}

// fetch reads the document at a URL, which must be one <config> element (RFC 6241
// section 8.8), and hands its content to decode.
func (q *request) fetch(l *url.URL, decode func(*xmltok.Reader) error) error {
	text, err := q.srv.urls.read(q.ctx, l)
	if err != nil {
		return err
	}
	r := xmltok.NewReader(text, xmltok.Limits{Bytes: len(text)})
	if _, err = r.Next(); err == nil && !r.Is(nsBase, "config") {
		return yangerr.New(yangerr.OperationFailed, nil, "%s is not a configuration: it begins with <%s> and not with <config> of %s", l.Redacted(), r.Local(), nsBase)
	}
	if err == nil {
		err = decode(r)
	}
	if err == nil {
		_, err = r.Next()
	}
	if err == nil {
		return nil
	}
	list := yangerr.From(codec.ErrorOf(err))
	for _, e := range list {
		// The message itself is well-formed.
		if e.Tag == yangerr.MalformedMessage {
			e.Tag, e.Type = yangerr.OperationFailed, yangerr.Application
			e.Message = l.Redacted() + " cannot be read: " + e.Message
		}
	}
	return list
}

// root returns the content of a datastore as it is now.
func (q *request) root(store datastore.Name) *tree.Node {
	switch store {
	case datastore.Candidate:
		return q.ds.Candidate()
	case datastore.Startup:
		return q.srv.store.Startup().Root
	}
	return q.srv.store.Running().Root
}

// readConfig reads a <config> that holds a whole configuration.
func (q *request) readConfig(into **tree.Node) func() error {
	return func() (err error) {
		*into, err = codec.DecodeData(q.srv.schema, q.srv.schema.Root(), q.r, codec.DataOptions{ConfigOnly: true})
		return err
	}
}
