package server

import (
	"context"
	"strconv"

	"github.com/tandem-ne/tandem/server/access"
	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// systemProtocol is what commits of the element itself carry.
const systemProtocol = "system"

// initialRules is the configuration of the first start: the administrator is in
// a group that may do everything. All others have what RFC 8341 gives by default.
func initialRules(s *schema.Schema) (*tree.Node, error) {
	b := tree.NewBuilder(tree.Empty(s))
	for _, leaf := range []struct{ path, value string }{
		{"/ietf-netconf-acm:nacm/groups/group[name='admin']/user-name[.='" + access.DefaultUser + "']", ""},
		{"/ietf-netconf-acm:nacm/rule-list[name='admin']/group[.='admin']", ""},
		{"/ietf-netconf-acm:nacm/rule-list[name='admin']/rule[name='permit-all']/module-name", "*"},
		{"/ietf-netconf-acm:nacm/rule-list[name='admin']/rule[name='permit-all']/access-operations", "*"},
		{"/ietf-netconf-acm:nacm/rule-list[name='admin']/rule[name='permit-all']/action", "permit"},
	} {
		p, err := tree.ParsePath(s, leaf.path)
		if err != nil {
			return nil, err
		}
		last := p[len(p)-1]
		v := schema.Value{}
		if last.Node.Kind == schema.LeafList {
			v = last.Keys[0]
		} else {
			v = schema.MustParse(last.Node.Type, leaf.value)
		}
		b.Set(p, v)
	}
	return b.Seal(), nil
}

// authorize decides about a commit (RFC 8341 section 3.2.8). What the element
// commits itself, such as the end of a confirmed commit, was permitted before.
func (s *Server) authorize(i datastore.SessionInfo, c *datastore.Change) yangerr.List {
	if i.Protocol == systemProtocol {
		return nil
	}
	return s.NACM.Checker(nacm.Identity{User: i.User, Groups: i.Groups}).Write(c.Old, c.New)
}

// provideAccessCounters shows what access control has refused (RFC 8341 section
// 3.5.2).
func (s *Server) provideAccessCounters() error {
	for i, name := range []string{"denied-operations", "denied-data-writes", "denied-notifications"} {
		path := "/" + nacm.ModuleName + ":nacm/" + name
		leaf, err := s.Schema.Find(path)
		if err != nil {
			return err
		}
		if err := s.Hub.Provide(path, deniedCounter{leaf, s.NACM, i}); err != nil {
			return err
		}
	}
	return nil
}

// deniedCounter is one of the results of nacm.Control.Denied.
type deniedCounter struct {
	leaf    *schema.Node
	control *nacm.Control
	which   int
}

// Read implements oper.Provider.
func (d deniedCounter) Read(_ context.Context, req oper.Request) error {
	operations, writes, notifications := d.control.Denied()
	v := [...]uint32{operations, writes, notifications}[d.which]
	for _, p := range req.Instances {
		req.Build.Set(p, schema.StringValue(d.leaf.Type, strconv.FormatUint(uint64(v), 10)))
	}
	return nil
}
