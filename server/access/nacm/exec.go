package nacm

import (
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// base is the module of NETCONF's own operations.
const base = "ietf-netconf"

// Exec decides whether the user may carry out an operation (RFC 8341 section
// 3.4.4): access-denied if not. rpc is a schema node of kind RPC.
func (k *Checker) Exec(rpc *schema.Node) error { return k.exec(rpc.Module.Name, rpc.Name, rpc) }

// ExecName is Exec for an operation that the schema may not have.
func (k *Checker) ExecName(module, name string) error {
	if k == nil {
		return nil
	}
	var rpc *schema.Node
	if m := k.control.schema.Module(module); m != nil {
		rpc = k.control.schema.RPC(m, name)
	}
	return k.exec(module, name, rpc)
}

func (k *Checker) exec(module, name string, rpc *schema.Node) error {
	r := k.rights()
	if r == nil || r.mayExec(module, name, rpc) {
		return nil
	}
	k.control.operations.Add(1)
	return yangerr.New(yangerr.AccessDenied, nil, "the user %q may not execute the operation <%s>", k.id.User, name).
		WithType(yangerr.Protocol).WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: name})
}

func (r *rights) mayExec(module, name string, rpc *schema.Node) bool {
	if module == base && name == "close-session" {
		return true
	}
	for i := range r.list {
		q := &r.list[i]
		if q.ops[opExec] && (q.module == "" || q.module == module) &&
			(q.kind == kindAny || q.kind == kindRPC && (q.name == "" || q.name == name)) {
			return q.permit
		}
	}
	if rpc != nil && r.rules.control.deny[rpc.ID].all || module == base && (name == "kill-session" || name == "delete-config") {
		return false
	}
	return r.rules.defaults[opExec]
}

// Action decides whether the user may invoke an action on the instance at path
// (RFC 8341 section 3.1.1): every node above it must be readable and the action
// executable. A rule for an action has its path; rpc-name does not match it.
func (k *Checker) Action(path tree.Path, action *schema.Node) error {
	r := k.rights()
	if r == nil {
		return nil
	}
	if r.readable(path) {
		d := r.decisions(opExec)
		at := d.start()
		for i := range path {
			at = d.into(at, path[i].Node, &instance{keys: path[i].Keys})
		}
		at = d.into(at, action, &instance{})
		if d.scan(action, at.depth, at.fitting) {
			return nil
		}
	}
	k.control.operations.Add(1)
	return yangerr.New(yangerr.AccessDenied, nil, "the user %q may not invoke the action <%s>", k.id.User, action.Name).
		WithType(yangerr.Protocol).WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: action.Name})
}

// readable reports whether every node of path is permitted to be read.
func (r *rights) readable(path tree.Path) bool {
	d := r.decisions(opRead)
	if d.all() {
		return true
	}
	return !d.lookTo(path).hidden
}

// undeniable are the notifications that report about the subscription itself:
// RFC 8341 section 3.4.6 and RFC 8639 section 2.7.
var undeniable = map[string][]string{
	"nc-notifications": {"replayComplete", "notificationComplete"},
	"ietf-subscribed-notifications": {
		"replay-completed", "subscription-completed", "subscription-modified", "subscription-resumed",
		"subscription-started", "subscription-suspended", "subscription-terminated",
	},
}

// Notify decides whether the user gets a notification (RFC 8341 section 3.4.6),
// an instance n of its schema node. path is that of the data node it is defined
// in, of which every node must be readable, and empty at top level. One
// that is denied counts as dropped.
func (k *Checker) Notify(n *tree.Node, path tree.Path) bool {
	r := k.rights()
	if r == nil || r.mayGet(n.Schema(), path) {
		return true
	}
	k.control.notifications.Add(1)
	return false
}

func (r *rights) mayGet(s *schema.Node, path tree.Path) bool {
	if len(path) == 0 && slices.Contains(undeniable[s.Module.Name], s.Name) {
		return true
	}
	if !r.readable(path) {
		return false
	}
	d := r.decisions(opRead)
	at := d.start()
	for i := range path {
		at = d.into(at, path[i].Node, &instance{keys: path[i].Keys})
	}
	at = d.into(at, s, &instance{})
	for i := range r.list {
		q := &r.list[i]
		if !q.ops[opRead] || !q.about(s) {
			continue
		}
		switch q.kind {
		case kindAny:
			return q.permit
		case kindNotification:
			if q.name == "" || q.name == s.Name {
				return q.permit
			}
		case kindData:
			if len(path) > 0 && len(q.path) <= at.depth && q.covers(path, s) {
				return q.permit
			}
		}
	}
	if r.rules.control.deny[s.ID].all {
		return false
	}
	return r.rules.defaults[opRead]
}

// covers reports whether the rule's path names the instance at path, something
// above it, or s, which is defined in it.
func (r *rule) covers(path tree.Path, s *schema.Node) bool {
	for i := range r.path {
		if i == len(path) {
			return r.path[i].node == s
		}
		if !r.fits(i, path[i].Node, &instance{keys: path[i].Keys}) {
			return false
		}
	}
	return true
}
