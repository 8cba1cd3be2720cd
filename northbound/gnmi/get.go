package gnmi

import (
	"context"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// Get is the RPC of gNMI specification section 3.3: one Notification for each
// path, all from one snapshot. Defaults in use are returned. A path without
// wildcards that has no instance is NOT_FOUND, one that the schema does not
// have UNIMPLEMENTED; a wildcard that matches nothing gives a Notification
// without updates.
func (s *Server) Get(ctx context.Context, req *gpb.GetRequest) (*gpb.GetResponse, error) {
	for _, err := range []error{
		checkEncoding(req.GetEncoding()), checkModels(req.GetUseModels()), checkExtensions(req.GetExtension()), checkType(req.GetType()),
	} {
		if err != nil {
			return nil, err
		}
	}
	origin, err := originOf(req.GetPrefix(), req.GetPath())
	if err != nil {
		return nil, err
	}
	paths := req.GetPath()
	if len(paths) == 0 {
		// The specification wants at least one path; what the prefix names
		// is the only thing that can be meant.
		paths = []*gpb.Path{{}}
	}
	selections := make([]selection, len(paths))
	for i, p := range paths {
		if selections[i], err = s.resolve(req.GetPrefix(), p, codes.Unimplemented); err != nil {
			return nil, err
		}
	}
	checker := s.checker(ctx)
	operation := "get"
	if req.GetType() == gpb.GetRequest_CONFIG {
		operation = "get-config"
	}
	if err := checker.ExecName(netconf, operation); err != nil {
		return nil, statusOf(err)
	}
	view := checker.View()
	snap := oper.Snapshot{Running: s.store.Running().Root, State: s.hub.State()}
	now := time.Now().UnixNano()
	resp := &gpb.GetResponse{}
	for i, sel := range selections {
		o := origin
		if o == "" {
			o = paths[i].GetOrigin()
		}
		n := &gpb.Notification{Timestamp: now, Prefix: responsePrefix(req.GetPrefix(), o)}
		for _, pattern := range sel.patterns {
			if err := s.get(ctx, snap, view, pattern, req, n); err != nil {
				return nil, err
			}
		}
		if len(n.Update) == 0 && !sel.wild {
			return nil, status.Errorf(codes.NotFound, "path %s: there is no such data", sel.text)
		}
		resp.Notification = append(resp.Notification, n)
	}
	return resp, nil
}

func checkType(t gpb.GetRequest_DataType) error {
	if _, ok := gpb.GetRequest_DataType_name[int32(t)]; !ok {
		return status.Errorf(codes.InvalidArgument, "%d is no data type", t)
	}
	return nil
}

// get adds the instances of pattern that can be seen to n.
func (s *Server) get(ctx context.Context, snap oper.Snapshot, view nacm.View, pattern tree.Path, req *gpb.GetRequest, n *gpb.Notification) error {
	root := snap.Running
	stateWanted := req.GetType() == gpb.GetRequest_STATE || req.GetType() == gpb.GetRequest_OPERATIONAL
	if req.GetType() != gpb.GetRequest_CONFIG {
		var err error
		if root, err = s.hub.ViewAt(ctx, snap, filterOf(s.schema.Root(), pattern)); err != nil {
			return statusOf(err)
		}
	}
	root = view.Read(s.defaults.InUse(root, snap.Running))
	mode := tree.ReportAll
	if stateWanted {
		mode = tree.Explicit
	}
	ietf := req.GetEncoding() == gpb.Encoding_JSON_IETF
	match(root, pattern, !stateWanted, func(p tree.Path, at *tree.Node) {
		if stateWanted {
			if at = stateOnly(at); at == nil {
				return
			}
		}
		elems := elemsOf(p)
		if req.GetEncoding() == gpb.Encoding_PROTO {
			leafs(elems, at, mode, func(elems []*gpb.PathElem, leaf *tree.Node) {
				n.Update = append(n.Update, &gpb.Update{Path: &gpb.Path{Elem: elems}, Val: valueOf(leaf, gpb.Encoding_PROTO)})
			})
			return
		}
		opt := codec.EncodeOptions{IETF: ietf, Defaults: mode, ConfigOnly: req.GetType() == gpb.GetRequest_CONFIG}
		val := codec.JSONTypedValue(at, opt)
		if s := at.Schema(); s.Kind == schema.Container && !s.Presence && len(p) > 0 && len(val.GetJsonVal())+len(val.GetJsonIetfVal()) == len("{}") {
			return // a container without presence and content
		}
		n.Update = append(n.Update, &gpb.Update{Path: &gpb.Path{Elem: elems}, Val: val})
	})
	return nil
}
