package gnmi

import (
	"context"

	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// netconf is the module of the operations that the RPCs count as, the way RFC
// 8341 section 3.2.3 maps the methods of RESTCONF: Get and Subscribe are get, Get
// of CONFIG is get-config, Set is edit-config.
const netconf = "ietf-netconf"

// checker returns what decides for the caller: nil, which permits everything,
// without access control.
func (s *Server) checker(ctx context.Context) *nacm.Checker {
	if s.opt.NACM == nil {
		return nil
	}
	c := callerOf(ctx)
	return s.opt.NACM.Checker(nacm.Identity{User: c.user, Groups: c.groups})
}

// visible returns what a subscriber sees of a change, and whether that is
// anything.
func visible(view nacm.View, c tree.Change) (tree.Change, bool) {
	if view.IsAll() {
		return c, true
	}
	if c.Op == tree.Deleted {
		return c, view.ReadAt(c.Path, c.Old) != nil
	}
	c.New = view.ReadAt(c.Path, c.New)
	return c, c.New != nil
}

// reread brings the subscriber of feed to what the present rules let it see,
// after others were in force: what it may no longer see is deleted, all else of
// the patterns is sent again, because what waited in the feed is dropped.
func (sub *subscription) reread(feed *oper.Sub, patterns []tree.Path) error {
	before := sub.view
	sub.look(sub.nacm.View())
	snap := feed.Resync()
	if before == sub.view {
		return nil
	}
	w := sub.writer(snap.Time, sub.send)
	for _, pattern := range patterns {
		root, err := sub.srv.hub.ViewAt(sub.ctx, snap, filterOf(sub.srv.schema.Root(), pattern))
		if err != nil {
			return statusOf(err)
		}
		was, is := tree.Select(before.Read(root), tree.FilterOf(root.Schema(), pattern)), tree.Select(sub.view.Read(root), tree.FilterOf(root.Schema(), pattern))
		if was == nil {
			continue
		}
		if is == nil {
			is = tree.New(root.Schema())
		}
		for c := range tree.Diff(was, is) {
			if c.Op == tree.Deleted && !keyless(c.Path) {
				w.remove(elemsOf(leafListPath(c.Path)))
			}
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	return sub.sendSnapshot(snap, patterns, nil)
}

// leafListPath is p, or that of the leaf-list if p is one of its values.
func leafListPath(p tree.Path) tree.Path {
	if last := len(p) - 1; p[last].Node.Kind == schema.LeafList {
		return p[:last].Child(p[last].Node)
	}
	return p
}
