package gnmi

import (
	"bytes"
	"context"
	"slices"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// Set is the RPC of gNMI specification section 3.4: deletes, replaces and
// updates, in this order and each in the order given, are one transaction on
// the running configuration. It is validated, carried out by the engines and
// on stable storage when Set returns; a refused one leaves no trace.
func (s *Server) Set(ctx context.Context, req *gpb.SetRequest) (*gpb.SetResponse, error) {
	if err := checkExtensions(req.GetExtension()); err != nil {
		return nil, err
	}
	if len(req.GetUnionReplace()) > 0 {
		return nil, status.Error(codes.Unimplemented, "union_replace is not supported")
	}
	checker := s.checker(ctx)
	if err := checker.ExecName(netconf, "edit-config"); err != nil {
		return nil, statusOf(err)
	}
	plan, err := s.plan(req)
	if err != nil {
		return nil, err
	}
	caller := callerOf(ctx)
	session := s.store.NewSession(datastore.SessionInfo{User: caller.user, Groups: caller.groups, Protocol: "gnmi", Peer: caller.peer}, nil)
	defer session.Close()
	commit, err := session.Transact(ctx, plan.edits, datastore.CommitOptions{})
	if err != nil {
		return nil, statusOf(checker.Discreet(err))
	}
	return &gpb.SetResponse{
		Prefix: responsePrefix(req.GetPrefix(), plan.origin), Response: plan.results, Timestamp: commit.Time.UnixNano(),
	}, nil
}

// plan is a SetRequest against the schema.
type plan struct {
	origin  string
	deletes []selection
	writes  []tree.Edit
	results []*gpb.UpdateResult
}

func (s *Server) plan(req *gpb.SetRequest) (*plan, error) {
	paths := slices.Clone(req.GetDelete())
	for _, u := range req.GetReplace() {
		paths = append(paths, u.GetPath())
	}
	for _, u := range req.GetUpdate() {
		paths = append(paths, u.GetPath())
	}
	origin, err := originOf(req.GetPrefix(), paths)
	if err != nil {
		return nil, err
	}
	p := &plan{origin: origin}
	for _, path := range req.GetDelete() {
		sel, err := s.resolve(req.GetPrefix(), path, codes.NotFound)
		if err != nil {
			return nil, err
		}
		if sel, err = configOnly(sel); err != nil {
			return nil, err
		}
		p.deletes = append(p.deletes, sel)
		p.results = append(p.results, &gpb.UpdateResult{Path: path, Op: gpb.UpdateResult_DELETE})
	}
	for _, u := range req.GetReplace() {
		if err := s.write(p, req.GetPrefix(), u, tree.Replace); err != nil {
			return nil, err
		}
		p.results = append(p.results, &gpb.UpdateResult{Path: u.GetPath(), Op: gpb.UpdateResult_REPLACE})
	}
	for _, u := range req.GetUpdate() {
		if err := s.write(p, req.GetPrefix(), u, tree.Merge); err != nil {
			return nil, err
		}
		p.results = append(p.results, &gpb.UpdateResult{Path: u.GetPath(), Op: gpb.UpdateResult_UPDATE})
	}
	return p, nil
}

// configOnly drops the patterns of state that wildcards brought in; a delete
// of nothing but state is refused.
func configOnly(sel selection) (selection, error) {
	kept := sel.patterns[:0:0]
	for _, p := range sel.patterns {
		if len(p) == 0 || p[len(p)-1].Node.Config {
			kept = append(kept, p)
		}
	}
	if len(kept) == 0 {
		return sel, status.Errorf(codes.InvalidArgument, "path %s: state data cannot be deleted", sel.text)
	}
	sel.patterns = kept
	return sel, nil
}

// write adds the edits of one replace or update.
func (s *Server) write(p *plan, prefix *gpb.Path, u *gpb.Update, op tree.Op) error {
	sel, err := s.resolve(prefix, u.GetPath(), codes.NotFound)
	if err != nil {
		return err
	}
	if sel.wild || len(sel.patterns) != 1 {
		return status.Errorf(codes.InvalidArgument, "path %s: a replace or update needs a path without wildcards and with all keys", sel.text)
	}
	path := sel.patterns[0]
	// The specification refuses to replace an entry by nothing (section
	// 3.4.4), because it reads like a delete but leaves the keys.
	if op == tree.Replace && len(path) > 0 && path[len(path)-1].Node.Kind == schema.List && isEmptyObject(u.GetVal()) {
		return status.Errorf(codes.InvalidArgument, "path %s: an entry cannot be replaced by an empty object", sel.text)
	}
	edits, err := codec.FromTypedValue(s.schema, path, u.GetVal(), op)
	if err != nil {
		return namePath(err, path)
	}
	p.writes = append(p.writes, edits...)
	return nil
}

func isEmptyObject(v *gpb.TypedValue) bool {
	text := v.GetJsonIetfVal()
	if text == nil {
		text = v.GetJsonVal()
	}
	return string(bytes.Join(bytes.Fields(text), nil)) == "{}"
}

// namePath gives errors of malformed values the path that the value is for.
func namePath(err error, path tree.Path) error {
	list := yangerr.From(err)
	for _, e := range list {
		if e.Path == nil && len(path) > 0 {
			e.Path = path
		}
	}
	return statusOf(list)
}

// edits is the transaction on running: deletes expand their wildcards there,
// and what is absent is deleted in silence (section 3.4.6).
func (p *plan) edits(running *tree.Node) ([]tree.Edit, error) {
	var edits []tree.Edit
	for _, sel := range p.deletes {
		for _, pattern := range sel.patterns {
			if !sel.wild {
				edits = append(edits, tree.Edit{Op: tree.Remove, Path: pattern})
				continue
			}
			match(running, pattern, false, func(path tree.Path, n *tree.Node) {
				if s := n.Schema(); s.IsKey() && s.Parent.Kind == schema.List {
					return // a wildcard for leafs means those that can go
				}
				edits = append(edits, tree.Edit{Op: tree.Remove, Path: path})
			})
		}
	}
	return append(edits, p.writes...), nil
}
