package datastore

import (
	"github.com/tidwall/btree"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// versionDepth is how deep nodes have a commit id of their own.
const versionDepth = 2

// versions has the commit that last changed each node of up to versionDepth
// steps, as far as that came after floor. It never changes.
type versions struct {
	floor, root uint64
	nodes       *btree.Map[string, uint64] // by path
}

func newVersions(floor uint64) *versions {
	return &versions{floor: floor, root: floor, nodes: btree.NewMap[string, uint64](32)}
}

// after returns the versions behind commit id, which made new of old. The cost
// follows the change.
func (v *versions) after(old, new *tree.Node, id uint64) *versions {
	if old == new {
		return v
	}
	next := &versions{floor: v.floor, root: id, nodes: v.nodes.Copy()}
	for c := range tree.Diff(old, new) {
		for n := 1; n <= min(len(c.Path), versionDepth); n++ {
			next.nodes.Set(c.Path[:n].String(), id)
		}
		if len(c.Path) > versionDepth {
			continue
		}
		if c.New != nil {
			next.created(c.Path, c.New, id)
		} else {
			next.deleted(c.Path)
		}
	}
	return next
}

// created gives the nodes inside a new subtree their version.
func (v *versions) created(p tree.Path, n *tree.Node, id uint64) {
	if len(p) == versionDepth || n.Schema().Kind != schema.Container && n.Schema().Kind != schema.List {
		return
	}
	tree.Walk(n, p, func(q tree.Path, _ *tree.Node) bool {
		v.nodes.Set(q.String(), id)
		return len(q) < versionDepth
	})
}

// deleted forgets a subtree that is gone.
func (v *versions) deleted(p tree.Path) {
	at := p.String()
	gone := []string{at}
	v.nodes.Ascend(at+"/", func(key string, _ uint64) bool {
		if len(key) <= len(at) || key[:len(at)+1] != at+"/" {
			return false
		}
		gone = append(gone, key)
		return true
	})
	for _, key := range gone {
		v.nodes.Delete(key)
	}
}

// LastChange returns the id of the commit that last changed the node at p or
// something below it (draft-ietf-netconf-transaction-id). For nodes of more than
// two steps it is that of their ancestor with two. A node that was not changed
// since the checkpoint that the start loaded has the id of that checkpoint.
func (s Snapshot) LastChange(p tree.Path) uint64 {
	if s.versions == nil {
		return s.ID
	}
	if len(p) == 0 {
		return s.versions.root
	}
	n := min(len(p), versionDepth)
	if last := p[n-1]; n > 1 && last.Keys == nil && last.Pos == 0 && (last.Node.Kind == schema.List || last.Node.Kind == schema.LeafList) {
		n-- // all entries: what holds them
	}
	if id, ok := s.versions.nodes.Get(p[:n].String()); ok {
		return id
	}
	return s.versions.floor
}

// LastChange is that of running as it is now.
func (s *Store) LastChange(p tree.Path) uint64 { return s.Running().LastChange(p) }
