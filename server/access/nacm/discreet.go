package nacm

import (
	"errors"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// Discreet returns err as the user may see it: errors must not tell what is in
// nodes that the user may not read (RFC 8341 section 3.2.5). One about such a
// node keeps its tags and is about the nearest node above that the user may read.
// Every northbound sends its errors through it.
func (k *Checker) Discreet(err error) error {
	v := k.View()
	if v.IsAll() || !isYANG(err) {
		return err
	}
	list := yangerr.From(err)
	out := make(yangerr.List, len(list))
	for i, e := range list {
		out[i] = v.discreet(e, k.id.User)
	}
	return out
}

// isYANG reports whether err has errors of the model in it.
func isYANG(err error) bool {
	var list yangerr.List
	var one *yangerr.Error
	return errors.As(err, &list) || errors.As(err, &one)
}

func (v View) discreet(e *yangerr.Error, user string) *yangerr.Error {
	if p, ok := e.Path.(tree.Path); ok && !v.CanRead(p) {
		return yangerr.New(e.Tag, v.readable(p), "this concerns something that the user %q may not read", user).WithType(e.Type).WithAppTag(e.AppTag)
	}
	info := make([]yangerr.Info, 0, len(e.Info))
	for _, i := range e.Info {
		if p, ok := i.Path.(tree.Path); !ok || v.CanRead(p) {
			info = append(info, i)
		}
	}
	if len(info) == len(e.Info) {
		return e
	}
	c := *e
	c.Info = info
	return &c
}

// readable returns p as far as the user may read it.
func (v View) readable(p tree.Path) tree.Path {
	for len(p) > 0 && !v.CanRead(p) {
		p = p[:len(p)-1]
	}
	return p
}

// DiscreetEdit is Discreet for what an edit cannot do with the nodes it finds:
// data-exists and data-missing about what the user may not read would tell
// whether it is there, so they are the same access-denied as that of Write.
func (k *Checker) DiscreetEdit(errs yangerr.List) yangerr.List {
	v := k.View()
	if v.IsAll() {
		return errs
	}
	for i, e := range errs {
		p, ok := e.Path.(tree.Path)
		if !ok || v.CanRead(p) {
			continue
		}
		switch e.Tag {
		case yangerr.DataExists:
			errs[i] = k.denial(opCreate, p)
		case yangerr.DataMissing:
			errs[i] = k.denial(opDelete, p)
		}
	}
	return errs
}

// denial is the error about an operation on p that is not permitted. It names the
// nearest node above p that the user may read, if that is not p itself.
func (k *Checker) denial(o op, p tree.Path) *yangerr.Error {
	if at := k.View().readable(p); len(at) < len(p) {
		return yangerr.New(yangerr.AccessDenied, at, "the user %q may not %s something below this node", k.id.User, o)
	}
	return yangerr.New(yangerr.AccessDenied, p, "the user %q may not %s this node", k.id.User, o)
}
