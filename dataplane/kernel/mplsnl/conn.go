// Package mplsnl speaks to the kernel about MPLS: routes of the address family
// AF_MPLS with link-layer next hops, and IP routes that impose labels
// (lwtunnel mpls). It encodes and decodes every attribute such routes have,
// sends batches with one error per message, dumps what carries one protocol
// tag and follows changes.
//
// It exists because the general libraries decode no link-layer via, know no
// TTL attributes and wait for one reply per request: ten times slower.
//
// Read route.go first, then conn.go.
package mplsnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// batchBytes is how much is sent at once. The kernel works through a send in
// one go and keeps the replies in the receive buffer, so it stays well below
// the default size of that.
const batchBytes = 64 << 10

// manyInFlight bounds the messages of one send: each may fail and leave a reply
// that takes the better part of a kilobyte of the receive buffer; fewInFlight
// where that could not be made large.
const (
	manyInFlight = 1024
	fewInFlight  = 128
	receiveSpace = 4 << 20
)

// Error is what the kernel answered to one message.
type Error struct {
	Errno unix.Errno
	// Text is the kernel's extended acknowledgement, often empty.
	Text string
}

func (e *Error) Error() string {
	if e.Text == "" {
		return e.Errno.Error()
	}
	return e.Text + " (" + e.Errno.Error() + ")"
}

// Unwrap returns the error number, so that errors.Is(err, unix.EEXIST) works.
func (e *Error) Unwrap() error { return e.Errno }

// ErrOverflow tells that the kernel dropped messages because the reader was
// slow; whoever follows changes must dump.
var ErrOverflow = errors.New("netlink receive buffer overflow")

// Conn is a NETLINK_ROUTE socket for requests. It belongs to the network
// namespace it was opened in. Its methods may be called from several
// goroutines; they take turns.
type Conn struct {
	port uint32

	mu  sync.Mutex
	fd  int
	seq uint32
	rx  []byte
	tx  []byte
	// inFlight is how many messages are sent at once; index[k] is the position
	// of the request with the k-th sequence number of a send.
	inFlight int
	index    []int
}

// Open opens a socket in the network namespace of the calling thread.
func Open() (*Conn, error) {
	fd, err := openSocket()
	if err != nil {
		return nil, err
	}
	c := &Conn{fd: fd, rx: make([]byte, 256<<10), inFlight: fewInFlight}
	if n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); err == nil && n >= receiveSpace {
		c.inFlight = manyInFlight
	}
	if sa, err := unix.Getsockname(fd); err == nil {
		if nl, ok := sa.(*unix.SockaddrNetlink); ok {
			c.port = nl.Pid
		}
	}
	return c, nil
}

// Port is the netlink port of the socket: events that its requests cause carry
// it.
func (c *Conn) Port() uint32 { return c.port }

// openSocket returns a bound socket with extended acknowledgements (text, no
// echo of the request) and strict checking, which makes dumps filter.
func openSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, fmt.Errorf("open netlink socket: %w", err)
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1),
		unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1),
		unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1),
		unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}),
	)
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("set up netlink socket: %w", err)
	}
	// A larger buffer is welcome but not needed; without CAP_NET_ADMIN in the
	// initial namespace it stays at the limit of rmem_max.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveSpace) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveSpace)
	}
	return fd, nil
}

// Close closes the socket.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return nil
	}
	err := unix.Close(c.fd)
	c.fd = -1
	return err
}

// Request is one message of a batch: Type is RTM_NEWROUTE, RTM_DELROUTE or
// another request.
type Request struct {
	Type  uint16
	Flags uint16 // Besides NLM_F_REQUEST and NLM_F_ACK, which Batch sets.
}

// Batch sends n requests, many per system call and with one acknowledgement
// per send, and reports each failure by its position. request appends the body
// of one, family header and attributes, to b. The error is of the transport;
// then nothing is known about the requests not yet reported.
func (c *Conn) Batch(n int, request func(i int, b []byte) (Request, []byte, error), failed func(i int, err error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return unix.EBADF
	}
	for i := 0; i < n; {
		next, err := c.sendSome(i, n, request, failed)
		if err != nil {
			return err
		}
		i = next
	}
	return nil
}

// sendSome sends one buffer of requests from position i on and waits for the
// acknowledgement of the last. Caller holds mu.
func (c *Conn) sendSome(i, n int, request func(int, []byte) (Request, []byte, error), failed func(int, error)) (next int, err error) {
	c.tx = c.tx[:0]
	index := c.index[:0]
	last, base := -1, c.seq+1
	var header [unix.NLMSG_HDRLEN]byte
	for ; i < n && len(c.tx) < batchBytes && len(index) < c.inFlight; i++ {
		start := len(c.tx)
		r, body, err := request(i, append(c.tx, header[:]...))
		if err != nil {
			failed(i, err)
			continue
		}
		c.tx = body
		c.seq++
		h := c.tx[start:]
		binary.NativeEndian.PutUint32(h[0:], uint32(len(h)))
		binary.NativeEndian.PutUint16(h[4:], r.Type)
		binary.NativeEndian.PutUint16(h[6:], r.Flags|unix.NLM_F_REQUEST)
		binary.NativeEndian.PutUint32(h[8:], c.seq)
		index, last = append(index, i), start
	}
	c.index = index
	if last < 0 {
		return i, nil
	}
	// Only the last is acknowledged; those before it answer when they fail.
	flags := c.tx[last+6:]
	binary.NativeEndian.PutUint16(flags, binary.NativeEndian.Uint16(flags)|unix.NLM_F_ACK)
	if err := retry(func() error {
		return unix.Sendto(c.fd, c.tx, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}); err != nil {
		return i, fmt.Errorf("send %d netlink requests: %w", len(index), err)
	}
	for {
		msgs, err := c.receive()
		if err != nil {
			return i, err
		}
		for m := range msgs.all() {
			k := int(m.seq - base)
			if m.typ != unix.NLMSG_ERROR || k < 0 || k >= len(index) {
				continue // Left over from a call that was broken off.
			}
			if err := m.err(); err != nil {
				failed(index[k], err)
			}
			if k == len(index)-1 {
				return i, nil
			}
		}
	}
}

// ErrInterrupted tells that routes changed while they were dumped, so that the
// result may be incomplete: dump again.
var ErrInterrupted = errors.New("netlink dump interrupted by a change")

// Dump sends one dump request and calls f with the body of each message that
// answers it. f must not keep the slice.
func (c *Conn) Dump(typ uint16, body []byte, f func(typ uint16, body []byte) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return unix.EBADF
	}
	seq, err := c.request(typ, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, body)
	if err != nil {
		return fmt.Errorf("send netlink dump: %w", err)
	}
	var first error
	for {
		msgs, err := c.receive()
		if err != nil {
			return err
		}
		for m := range msgs.all() {
			if m.seq != seq {
				continue
			}
			if m.flags&unix.NLM_F_DUMP_INTR != 0 && first == nil {
				first = ErrInterrupted
			}
			switch m.typ {
			case unix.NLMSG_DONE:
				return errors.Join(first, m.doneErr())
			case unix.NLMSG_ERROR:
				if err := m.err(); err != nil {
					return err
				}
			default:
				if first == nil {
					first = f(m.typ, m.body)
				}
			}
		}
	}
}

// request sends one request and returns its sequence number. Caller holds mu.
func (c *Conn) request(typ, flags uint16, body []byte) (seq uint32, err error) {
	c.seq++
	c.tx = append(c.tx[:0], make([]byte, unix.NLMSG_HDRLEN)...)
	c.tx = append(c.tx, body...)
	binary.NativeEndian.PutUint32(c.tx[0:], uint32(len(c.tx)))
	binary.NativeEndian.PutUint16(c.tx[4:], typ)
	binary.NativeEndian.PutUint16(c.tx[6:], flags)
	binary.NativeEndian.PutUint32(c.tx[8:], c.seq)
	return c.seq, retry(func() error {
		return unix.Sendto(c.fd, c.tx, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	})
}

// receive reads one datagram from the kernel. Caller holds mu.
func (c *Conn) receive() (messages, error) { return receive(c.fd, c.rx) }

func receive(fd int, buf []byte) (messages, error) {
	for {
		var n int
		var from unix.Sockaddr
		err := retry(func() (err error) {
			n, from, err = unix.Recvfrom(fd, buf, unix.MSG_TRUNC)
			return err
		})
		switch {
		case errors.Is(err, unix.ENOBUFS):
			return nil, ErrOverflow
		case err != nil:
			return nil, fmt.Errorf("receive from netlink: %w", err)
		case n > len(buf):
			return nil, fmt.Errorf("netlink message of %d octets is longer than the buffer", n)
		}
		// Only the kernel (port 0) may answer.
		if sa, ok := from.(*unix.SockaddrNetlink); ok && sa.Pid == 0 {
			return messages(buf[:n]), nil
		}
	}
}

// retry repeats f while a signal interrupts it.
func retry(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// messages is one datagram.
type messages []byte

// message is one netlink message in a datagram.
type message struct {
	typ, flags uint16
	seq, port  uint32
	body       []byte
}

// all yields the messages; it stops at the first malformed header.
func (ms messages) all() func(yield func(message) bool) {
	return func(yield func(message) bool) {
		for b := []byte(ms); len(b) >= unix.NLMSG_HDRLEN; {
			n := int(binary.NativeEndian.Uint32(b))
			if n < unix.NLMSG_HDRLEN || n > len(b) {
				return
			}
			m := message{
				typ:   binary.NativeEndian.Uint16(b[4:]),
				flags: binary.NativeEndian.Uint16(b[6:]),
				seq:   binary.NativeEndian.Uint32(b[8:]),
				port:  binary.NativeEndian.Uint32(b[12:]),
				body:  b[unix.NLMSG_HDRLEN:n],
			}
			if !yield(m) {
				return
			}
			b = b[min(len(b), align(n)):]
		}
	}
}

// err decodes an NLMSG_ERROR message; nil is an acknowledgement.
func (m message) err() error {
	if len(m.body) < 4 {
		return errors.New("truncated netlink error message")
	}
	errno := -int32(binary.NativeEndian.Uint32(m.body))
	if errno == 0 {
		return nil
	}
	e := &Error{Errno: unix.Errno(errno)}
	if m.flags&unix.NLM_F_ACK_TLVS != 0 {
		// With NETLINK_CAP_ACK only the header of the request is echoed.
		skip := 4 + unix.NLMSG_HDRLEN
		if len(m.body) > skip {
			e.Text = ackText(m.body[skip:])
		}
	}
	return e
}

// doneErr decodes the error number that ends a dump.
func (m message) doneErr() error {
	if len(m.body) < 4 {
		return nil
	}
	if errno := -int32(binary.NativeEndian.Uint32(m.body)); errno != 0 {
		return &Error{Errno: unix.Errno(errno)}
	}
	return nil
}

// ackText returns NLMSGERR_ATTR_MSG.
func ackText(b []byte) string {
	for typ, v := range attributes(b) {
		if typ == unix.NLMSGERR_ATTR_MSG {
			return unix.ByteSliceToString(v)
		}
	}
	return ""
}
