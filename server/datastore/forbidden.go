package datastore

import "github.com/tandem-ne/tandem/server/tree"

// Forbidden refuses edits that name data under a when that is false in root, the
// result of applying them (RFC 7950 section 8.3.2): unknown-element for each. Data
// that was there before and that edits do not name is no fault: Commit deletes it.
func (s *Session) Forbidden(root *tree.Node, edits []tree.Edit) error {
	return s.store.validator.Forbidden(root, edits).Err()
}
