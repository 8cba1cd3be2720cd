package netconf

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/xpath"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// subscriptionInput is the input of an operation on a subscription.
type subscriptionInput struct {
	*request
	rpc       *schema.Node
	in        *tree.Node
	establish bool
	datastore bool // a datastore is the target, not a stream
}

// readSubscription decodes the input of the operation that is the current token.
func (q *request) readSubscription(module, name string) (*subscriptionInput, error) {
	s := q.srv.schema
	in := &subscriptionInput{request: q, rpc: s.RPC(s.Module(module), name), establish: name == "establish-subscription"}
	var err error
	if in.in, err = q.input(in.rpc); err != nil {
		return nil, withIdentities(err)
	}
	in.datastore = in.text("datastore") != ""
	return in, nil
}

func (in *subscriptionInput) has(name string) bool { return in.in.ChildNamed(name) != nil }

// text returns the canonical value of a leaf, empty where it is not there.
func (in *subscriptionInput) text(name string) string { return textOf(in.in, name) }

func textOf(n *tree.Node, name string) string {
	if c := n.ChildNamed(name); c != nil {
		return c.Value().String()
	}
	return ""
}

func (in *subscriptionInput) id() uint32 {
	n, _ := strconv.ParseUint(in.text("id"), 10, 32) // the type has been checked
	return uint32(n)
}

// time reads a yang:date-and-time, the zero Time where it is not there.
func (in *subscriptionInput) time(n *tree.Node, name string) (time.Time, error) {
	text := textOf(n, name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, invalidParameter(name, "%q is not a time", text)
	}
	return t, nil
}

// centiseconds reads a period of RFC 8641.
func centiseconds(n *tree.Node, name string) time.Duration {
	v, _ := strconv.ParseUint(textOf(n, name), 10, 32) // the type has been checked
	return time.Duration(v) * centisecond
}

// filter reads and compiles the filter into t.
func (in *subscriptionInput) filter(t *terms) error {
	kind := "stream"
	byName := "stream-filter-name"
	if in.datastore {
		kind, byName = "datastore", "selection-filter-ref"
	}
	t.filterName, t.xpath = in.text(byName), in.text(kind+"-xpath-filter")
	if n := in.in.ChildNamed(kind + "-subtree-filter"); n != nil {
		t.subtree = n.Anydata()
	}
	var err error
	if t.filterName != "" {
		t.sel, err = in.srv.namedFilter(in.srv.store.Running().Root, t.filterName, in.datastore)
	} else {
		t.sel, err = in.srv.compileFilter(t.subtree, t.xpath, in.datastore)
	}
	if err != nil {
		return filterError(in.establish, in.datastore, err)
	}
	return nil
}

// namedFilter compiles a filter of the container filters of the configuration.
func (s *Server) namedFilter(running *tree.Node, name string, datastore bool) (*selection, error) {
	list, kind := "stream-filter", "stream"
	if datastore {
		list, kind = "selection-filter", "datastore"
	}
	var entry *tree.Node
	if top := s.schema.Root().ChildIn(s.schema.Module("ietf-subscribed-notifications"), "filters"); top != nil {
		if holder := running.Child(top).ChildNamed(list); holder != nil {
			entry = holder.Entry(schema.StringValue(holder.Schema().Keys[0].Type, name))
		}
	}
	if entry == nil {
		return nil, fmt.Errorf("there is no %s %q", list, name)
	}
	var subtree *tree.Any
	if n := entry.ChildNamed(kind + "-subtree-filter"); n != nil {
		subtree = n.Anydata()
	}
	return s.compileFilter(subtree, textOf(entry, kind+"-xpath-filter"), datastore)
}

// compileFilter compiles a filter; nil where there is none. The prefixes of an
// XPath filter are the names of modules: those that a client declared have
// become names already (RFC 8639 section 2.2).
func (s *Server) compileFilter(subtree *tree.Any, text string, datastore bool) (*selection, error) {
	switch {
	case subtree != nil && subtree.XML == nil:
		return nil, errors.New("a subtree filter must be XML")
	case subtree != nil:
		f, err := readAnySubtree(subtree, false)
		if err != nil {
			return nil, err
		}
		return newSubtree(s.schema, f), nil
	case text == "":
		return nil, nil
	}
	modules := map[string]string{}
	for _, m := range s.schema.Modules() {
		if m.Implemented {
			modules[m.Name] = m.Namespace
		}
	}
	if datastore {
		return newXPath(s.schema, text, modules)
	}
	return newEventXPath(s.schema, text, modules)
}

// newEventXPath compiles an XPath filter for notifications, whose value is taken
// as a boolean.
func newEventXPath(s *schema.Schema, text string, modules map[string]string) (*selection, error) {
	sel := &selection{schema: s, text: text, prefix: map[string]*schema.Module{}}
	for p, space := range modules {
		sel.prefix[p] = s.ModuleByNamespace(space)
	}
	x, err := xpath.Compile(text, s.Root(), xpath.Options{Prefixes: sel.prefix})
	if err != nil {
		return nil, yangerr.New(yangerr.InvalidValue, nil, "the XPath filter cannot be used: %v", err)
	}
	sel.expr = x
	return sel, nil
}
