package mplsnl

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// countsAtOnce is how many actions one request names (TCA_ACT_MAX_PRIO).
const countsAtOnce = 32

// CountsOf calls f with the statistics of the actions of kind gact with the
// given indices. If one of them is not there, those asked for together with it
// are left out.
func (c *Conn) CountsOf(indices []uint32, f func(ActionStats)) error {
	return c.CountsOfKind(GAct, indices, f)
}

// CountsOfKind is CountsOf for actions of another kind.
func (c *Conn) CountsOfKind(kind ActionKind, indices []uint32, f func(ActionStats)) error {
	for len(indices) > 0 {
		n := min(len(indices), countsAtOnce)
		if err := c.countsOf(kind, indices[:n], f); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
		indices = indices[n:]
	}
	return nil
}

func (c *Conn) countsOf(kind ActionKind, indices []uint32, f func(ActionStats)) error {
	body := appendNest([]byte{unix.AF_UNSPEC, 0, 0, 0}, rootTab, func(b []byte) []byte {
		for i, index := range indices {
			b = appendNest(b, uint16(i+1), func(b []byte) []byte {
				return appendU32(appendString(b, actKind, kind.String()), actIndex, index)
			})
		}
		return b
	})
	return c.Get(unix.RTM_GETACTION, body, func(_ uint16, b []byte) error { return eachAction(b, f) })
}

// Get sends a request that is answered by one message, and calls f with its
// body. f must not keep the slice.
func (c *Conn) Get(typ uint16, body []byte, f func(typ uint16, body []byte) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return unix.EBADF
	}
	seq, err := c.request(typ, unix.NLM_F_REQUEST, body)
	if err != nil {
		return fmt.Errorf("send netlink request: %w", err)
	}
	for {
		msgs, err := c.receive()
		if err != nil {
			return err
		}
		for m := range msgs.all() {
			if m.seq != seq {
				continue
			}
			if m.typ == unix.NLMSG_ERROR {
				return m.err()
			}
			return f(m.typ, m.body)
		}
	}
}
