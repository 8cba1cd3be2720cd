package server

import (
	"github.com/tandem-ne/tandem/server/access"
	"github.com/tandem-ne/tandem/server/tree"
)

// users returns the users of ietf-system (RFC 7317 section 3.5.2) with their
// public keys.
func users(running *tree.Node) []access.User {
	list := child(running, "system", "authentication", "user")
	if list == nil {
		return nil
	}
	var all []access.User
	for n := range list.Children() {
		u := access.User{Name: leafText(n, "name")}
		if keys := n.ChildNamed("authorized-key"); keys != nil {
			for k := range keys.Children() {
				if data := k.ChildNamed("key-data"); data != nil {
					u.Keys = append(u.Keys, data.Value().Bytes())
				}
			}
		}
		all = append(all, u)
	}
	return all
}

// child follows names down; nil where one is missing.
func child(n *tree.Node, names ...string) *tree.Node {
	for _, name := range names {
		if n == nil {
			return nil
		}
		n = n.ChildNamed(name)
	}
	return n
}

// setUsers hands the configured users to access when a commit changed them.
func (s *Server) setUsers(old, new *tree.Node) {
	if child(old, "system") != child(new, "system") {
		s.Access.SetUsers(users(new))
	}
}
