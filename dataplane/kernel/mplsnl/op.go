package mplsnl

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Change is one route to put or to delete; exactly one of MPLS and IP is set.
type Change struct {
	Delete bool
	New    bool // Put only where there is none: unix.EEXIST otherwise.
	MPLS   *Route
	IP     *IPRoute
}

// body appends the message body of the change.
func (c Change) body(b []byte) ([]byte, error) {
	switch {
	case c.MPLS != nil && c.Delete:
		return c.MPLS.AppendDelete(b)
	case c.MPLS != nil:
		return c.MPLS.Append(b)
	case c.Delete:
		return c.IP.AppendDelete(b)
	}
	return c.IP.Append(b)
}

// Apply makes the changes in order, pipelined. Put creates or replaces in one
// step, so that no packet misses the route in between; deleting what is not
// there succeeds. Failures are reported by position; the error is of the
// transport.
func (c *Conn) Apply(changes []Change, failed func(i int, err error)) error {
	return c.Batch(len(changes), func(i int, b []byte) (Request, []byte, error) {
		b, err := changes[i].body(b)
		if changes[i].Delete {
			return Request{Type: unix.RTM_DELROUTE}, b, err
		}
		flags := uint16(unix.NLM_F_CREATE | unix.NLM_F_REPLACE)
		if changes[i].New {
			flags = unix.NLM_F_CREATE | unix.NLM_F_EXCL
		}
		return Request{Type: unix.RTM_NEWROUTE, Flags: flags}, b, err
	}, func(i int, err error) {
		if changes[i].Delete && errors.Is(err, unix.ESRCH) {
			return
		}
		failed(i, err)
	})
}

// dumpAttempts bounds how often a dump that a change interrupted is repeated.
const dumpAttempts = 10

// Routes returns the routes of AF_MPLS with the given protocol; 0: all.
func (c *Conn) Routes(protocol uint8) (routes []Route, err error) {
	body := make([]byte, rtmsgLen)
	body[0], body[5] = unix.AF_MPLS, protocol
	err = c.dumpRoutes(body, func() { routes = routes[:0] }, func(b []byte) error {
		r, err := ParseRoute(b)
		if err == nil && (protocol == 0 || r.Protocol == protocol) {
			routes = append(routes, r)
		}
		return err
	})
	return routes, err
}

// IPRoutes returns the IPv4 and IPv6 routes of the main table with the given
// protocol; 0: all.
func (c *Conn) IPRoutes(protocol uint8) (routes []IPRoute, err error) {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		body := make([]byte, rtmsgLen)
		body[0], body[4], body[5] = family, unix.RT_TABLE_MAIN, protocol
		kept := len(routes)
		err := c.dumpRoutes(body, func() { routes = routes[:kept] }, func(b []byte) error {
			if len(b) < rtmsgLen || b[0] != family {
				return nil // A kernel without the family answers with another.
			}
			r, ok, err := ParseIPRoute(b)
			if ok && (protocol == 0 || r.Protocol == protocol) {
				routes = append(routes, r)
			}
			return err
		})
		// A namespace that never had an address has no main table: no routes.
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return nil, err
		}
	}
	return routes, nil
}

func (c *Conn) dumpRoutes(body []byte, restart func(), f func([]byte) error) error {
	var err error
	for range dumpAttempts {
		restart()
		err = c.Dump(unix.RTM_GETROUTE, body, func(typ uint16, b []byte) error {
			if typ != unix.RTM_NEWROUTE {
				return nil
			}
			return f(b)
		})
		if !errors.Is(err, ErrInterrupted) {
			return err
		}
	}
	return err
}
