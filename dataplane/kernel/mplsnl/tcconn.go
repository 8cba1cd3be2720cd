package mplsnl

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// FilterChange is one filter to put or to delete.
type FilterChange struct {
	Delete bool
	// New refuses to replace: where there is a filter already, the change fails
	// with EEXIST.
	New    bool
	Filter *Filter
}

// ApplyFilters makes the changes in order, pipelined. Put creates or replaces
// in one step. Deleting what is not there succeeds. Failures are reported by
// position; the error is of the transport.
func (c *Conn) ApplyFilters(changes []FilterChange, failed func(i int, err error)) error {
	return c.Batch(len(changes), func(i int, b []byte) (Request, []byte, error) {
		f := changes[i].Filter
		if changes[i].Delete {
			b, err := f.AppendDelete(b)
			return Request{Type: unix.RTM_DELTFILTER}, b, err
		}
		flags := uint16(unix.NLM_F_CREATE | unix.NLM_F_REPLACE)
		if changes[i].New {
			flags = unix.NLM_F_CREATE | unix.NLM_F_EXCL
		}
		b, err := f.Append(b)
		return Request{Type: unix.RTM_NEWTFILTER, Flags: flags}, b, err
	}, func(i int, err error) {
		if changes[i].Delete && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL)) {
			return // No such filter, chain or block.
		}
		failed(i, err)
	})
}

// Filters calls f with each filter of a shared block and what its actions
// counted. A filter that is not one of ours comes with ErrForeign. A block
// that is not there has none.
func (c *Conn) Filters(block uint32, f func(Filter, []ActionStats, error)) error {
	err := c.Dump(unix.RTM_GETTFILTER, appendTC(nil, blockIndex, 0, block, 0), func(typ uint16, b []byte) error {
		if typ != unix.RTM_NEWTFILTER {
			return nil
		}
		x, stats, err := ParseFilter(b)
		if err != nil && !errors.Is(err, ErrForeign) {
			return err
		}
		if x.Handle == 0 {
			return nil // The head of a preference; its elements follow.
		}
		f(x, stats, err)
		return nil
	})
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// Counts calls f with the statistics of every action of kind gact.
func (c *Conn) Counts(f func(ActionStats)) error {
	body := []byte{unix.AF_UNSPEC, 0, 0, 0}
	body = appendNest(body, rootTab, func(b []byte) []byte {
		return appendNest(b, 1, func(b []byte) []byte { return appendString(b, actKind, GAct.String()) })
	})
	body = appendAttrHeader(body, rootFlags, 8)
	body = binary.NativeEndian.AppendUint32(body, largeDump)
	body = binary.NativeEndian.AppendUint32(body, largeDump)
	return c.Dump(unix.RTM_GETACTION, body, func(_ uint16, b []byte) error { return eachAction(b, f) })
}

// eachAction calls f with the statistics of each action of a message; one that
// is of no kind known here is passed over.
func eachAction(b []byte, f func(ActionStats)) error {
	if len(b) < 4 || !wellFormed(b[4:]) {
		return errors.New("malformed list of actions")
	}
	for typ, tab := range attributes(b[4:]) {
		if typ != rootTab {
			continue
		}
		for _, one := range attributes(tab) {
			if _, s, err := parseAction(one); err == nil {
				f(s)
			}
		}
	}
	return nil
}

const (
	rootTab   = 1
	rootFlags = 2
	largeDump = 1
)

// Qdisc is the clsact queueing discipline of an interface, with the shared
// blocks its filters are in; 0: filters of its own.
type Qdisc struct {
	Interface                 int
	IngressBlock, EgressBlock uint32
}

// Append appends the body of an RTM_NEWQDISC message.
func (q Qdisc) Append(b []byte) ([]byte, error) {
	b = appendTC(b, uint32(q.Interface), clsactHandle, clsactParent, 0)
	b = appendString(b, tcaKind, "clsact")
	if q.IngressBlock != 0 {
		b = appendU32(b, tcaIngressBlock, q.IngressBlock)
	}
	if q.EgressBlock != 0 {
		b = appendU32(b, tcaEgressBlock, q.EgressBlock)
	}
	return b, nil
}

// AddQdisc puts clsact on an interface. It fails with EEXIST where one is.
func (c *Conn) AddQdisc(q Qdisc) error {
	return c.one(Request{Type: unix.RTM_NEWQDISC, Flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL}, q)
}

// DeleteQdisc takes clsact from an interface. One that is not there is no
// error.
func (c *Conn) DeleteQdisc(index int) error {
	err := c.one(Request{Type: unix.RTM_DELQDISC}, Qdisc{Interface: index})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

func (c *Conn) one(r Request, q Qdisc) error {
	var failed error
	err := c.Batch(1, func(_ int, b []byte) (Request, []byte, error) {
		b, err := q.Append(b)
		return r, b, err
	}, func(_ int, err error) { failed = err })
	return errors.Join(err, failed)
}

// ParseQdisc decodes the body of an RTM_NEWQDISC or RTM_DELQDISC message; ok
// is false if it is not about the ingress of an interface.
func ParseQdisc(b []byte) (q Qdisc, ok bool, err error) {
	if len(b) < tcmsgLen || !wellFormed(b[tcmsgLen:]) {
		return q, false, errors.New("malformed queueing discipline")
	}
	q.Interface = int(int32(binary.NativeEndian.Uint32(b[4:])))
	if binary.NativeEndian.Uint32(b[12:]) != clsactParent {
		return q, false, nil
	}
	for typ, v := range attributes(b[tcmsgLen:]) {
		switch typ {
		case tcaIngressBlock:
			q.IngressBlock, err = parseU32(v)
		case tcaEgressBlock:
			q.EgressBlock, err = parseU32(v)
		}
		if err != nil {
			return q, false, err
		}
	}
	return q, true, nil
}

// Qdiscs returns the clsact and ingress queueing disciplines by interface.
func (c *Conn) Qdiscs() (map[int]Qdisc, error) {
	all := map[int]Qdisc{}
	err := c.Dump(unix.RTM_GETQDISC, appendTC(nil, 0, 0, 0, 0), func(_ uint16, b []byte) error {
		q, ok, err := ParseQdisc(b)
		if ok {
			all[q.Interface] = q
		}
		return err
	})
	if errors.Is(err, ErrInterrupted) {
		err = nil // An interface came or went; an event tells.
	}
	return all, err
}
