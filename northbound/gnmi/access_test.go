package gnmi

import (
	"strings"
	"testing"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// rules is a configuration of /nacm: the test's client, admin, is in a group, for
// which action holds on path.
func rules(t *testing.T, s *schema.Schema, path, action string) *tree.Node {
	t.Helper()
	b := tree.NewBuilder(tree.Empty(s))
	for _, leaf := range [][2]string{
		{"groups/group[name='g']/user-name[.='admin']", "admin"}, {"rule-list[name='l']/group[.='g']", "g"},
		{"rule-list[name='l']/rule[name='r']/path", path}, {"rule-list[name='l']/rule[name='r']/action", action},
	} {
		p, err := tree.ParsePath(s, "/ietf-netconf-acm:nacm/"+leaf[0])
		if err != nil {
			t.Fatal(err)
		}
		last := p[len(p)-1].Node
		v, err := last.Type.Parse(leaf[1], s.NameResolver(last.Module))
		if err != nil {
			t.Fatal(err)
		}
		b.Set(p, v)
	}
	return b.Seal()
}

// TestHiddenIsAbsent: a leaf that may not be read is in no answer, nor is its
// default, and asking for it is like asking for what is not there.
func TestHiddenIsAbsent(t *testing.T) {
	s := servedSchema(t)
	control := nacm.New(nacm.Options{Schema: s})
	e := start(t, s, func(o *Options) { o.NACM = control })
	p, err := tree.ParsePath(s, "/mtp-node:mpls-tp/node/name")
	if err != nil {
		t.Fatal(err)
	}
	session := e.store.NewSession(datastore.SessionInfo{User: "setup"}, nil)
	defer session.Close()
	edit := tree.Edit{Op: tree.Merge, Path: p, Value: schema.MustParse(p[2].Node.Type, "x")}
	if _, err := session.Transact(t.Context(), func(*tree.Node) ([]tree.Edit, error) { return []tree.Edit{edit}, nil }, datastore.CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	path := func(names ...string) *gpb.Path {
		p := &gpb.Path{}
		for _, n := range names {
			p.Elem = append(p.Elem, &gpb.PathElem{Name: n})
		}
		return p
	}
	node, mode := path("mpls-tp", "node"), path("mpls-tp", "node", "ttl-mode")
	for _, c := range []struct {
		rules            *tree.Node
		seesNode, seesIt bool
	}{
		{tree.Empty(s), true, true},
		{rules(t, s, "/mtp-node:mpls-tp/node/ttl-mode", "deny"), true, false},
		{rules(t, s, "/mtp-node:mpls-tp/node/ttl-mode", "permit"), true, true},
		{rules(t, s, "/mtp-node:mpls-tp", "deny"), false, false},
		{rules(t, s, "/", "deny"), false, false},
	} {
		control.Update(c.rules)
		for _, enc := range []gpb.Encoding{gpb.Encoding_PROTO, gpb.Encoding_JSON_IETF} {
			r, err := e.client.Get(e.context(), &gpb.GetRequest{Path: []*gpb.Path{node}, Encoding: enc})
			if (err == nil) != c.seesNode || strings.Contains(r.String(), "ttl-mode") != c.seesIt {
				t.Errorf("%v: Get of the node: %v, %v", c, r, err)
			}
			r, err = e.client.Get(e.context(), &gpb.GetRequest{Path: []*gpb.Path{mode}, Encoding: enc})
			if (err == nil) != c.seesIt || err != nil && status.Code(err) != codes.NotFound {
				t.Errorf("%v: Get of the leaf: %v, %v", c, r, err)
			}
		}
	}
}
