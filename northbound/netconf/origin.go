package netconf

import (
	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// originOf tells where a node of configuration in operational comes from (RFC 8342
// section 5.3.4): what running has is intended, a leaf that has its default without
// that is default, and the rest is what the system found.
func originOf(n, intended *tree.Node) string { return codec.OriginOf(n, intended, false) }

// originFilter is the origin-filter or negated-origin-filter of <get-data>.
type originFilter struct {
	wanted  []*schema.Identity
	negated bool
}

// apply takes out the configuration whose origin the filter does not admit. State
// is not affected.
func (f *originFilter) apply(s *schema.Schema, root, intended *tree.Node) *tree.Node {
	module := s.Module("ietf-origin")
	verdict := map[string]bool{}
	for _, name := range []string{codec.OriginIntended, codec.OriginDefault, codec.OriginSystem} {
		id := s.Identity(module, name)
		for _, w := range f.wanted {
			verdict[name] = verdict[name] || id == w || id != nil && id.DerivedFrom(w)
		}
	}
	return pruned(root, intended, func(n, parallel *tree.Node) bool {
		return !n.Schema().Config || verdict[originOf(n, parallel)] != f.negated
	})
}
