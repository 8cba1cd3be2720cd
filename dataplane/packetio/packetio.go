// Package packetio carries G-ACh frames between the data plane and the OAM
// engines: it implements oam.Transport. Frames come in from a Source (the punts
// of the ebpf driver, or sockets of NewSocketSource for the kernel driver) and
// go out through a packet socket, many per system call. Nothing is allocated
// per frame.
//
// Read packetio.go, path.go (sending), recv.go (receiving), source.go and
// socket.go.
package packetio

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/oam"
)

// Section is where frames of a section leave and come from.
type Section struct {
	// IfIndex is the interface; 0 while there is none.
	IfIndex int
	VLAN    uint16 // 1..4094; 0: untagged.
	// Local is the interface's address, Peer the other end's; zero: the
	// MPLS-TP multicast address (RFC 7213 section 4).
	Local, Peer dataplane.MAC
	// Up is false while the section or its interface is down: nothing is
	// sent and what arrives is dropped.
	Up bool
}

// Options of New.
type Options struct {
	// Source of received frames; the Transport closes it. Nil: the Transport
	// only sends.
	Source Source
}

// Counters of a Transport since New.
type Counters struct {
	Received, Sent uint64 // Frames handed to the shard; frames the kernel took.
	// Frames that were dropped: of no section or one that is down, with a bad
	// stack, not sent because the section is down, refused by the kernel.
	NoSection, Malformed, SectionDown, SendErrors uint64
	Truncated                                     uint64 // Handed over all the same.
	// Unwatched are sessions in a steady state whose frames the data plane
	// refused to consume.
	Unwatched uint64
}

// Transport implements oam.Transport.
type Transport struct {
	source   Source
	consumer Consumer // nil if the source is none
	send     int      // packet socket
	event    int      // eventfd of Wake

	closed atomic.Bool
	woken  atomic.Bool
	count  struct {
		received, sent, noSection, malformed, sectionDown, sendErrors, truncated, unwatched atomic.Uint64
	}

	mu       sync.Mutex // guards what follows and is held while sending
	sections map[string]*section
	paths    []*path // by PathID; nil: free
	free     []oam.PathID
	joined   map[int]bool         // interfaces on which the MPLS-TP address is received
	watches  map[*oam.Seen]string // the section of each; "" is any
	tx       txBatch

	names atomic.Pointer[map[port]string] // of the sections that are up

	recvMu sync.Mutex // held by Recv
	rx     rxBatch
}

type section struct {
	Section
	name  string
	paths map[*path]bool
}

// port is how a received frame tells its section.
type port struct {
	ifindex uint32
	vlan    uint16
}

var (
	_ oam.Transport = (*Transport)(nil)
	_ oam.Watcher   = (*Transport)(nil)
)

// New returns a Transport in the network namespace of the calling thread.
func New(o Options) (*Transport, error) {
	t := &Transport{source: o.Source, sections: map[string]*section{}, joined: map[int]bool{}, watches: map[*oam.Seen]string{}, send: -1, event: -1}
	t.consumer, _ = o.Source.(Consumer)
	t.names.Store(&map[port]string{})
	var err error
	// Protocol 0: the socket receives nothing.
	if t.send, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	if t.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(t.send)
		return nil, fmt.Errorf("open eventfd: %w", err)
	}
	t.tx.init()
	t.rx.init(t.event, o.Source)
	return t, nil
}

// SetSection makes a section known or changes it; opened paths follow.
func (t *Transport) SetSection(name string, s Section) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sec := t.sections[name]
	if sec == nil {
		sec = &section{name: name, paths: map[*path]bool{}}
		t.sections[name] = sec
	}
	if sec.Section != s {
		t.muteWatches(name)
	}
	sec.Section = s
	if s.IfIndex != 0 && !t.joined[s.IfIndex] {
		// A card lets the MPLS-TP address through only if somebody asks. One
		// that cannot filter refuses, and lets it through anyway.
		t.joined[s.IfIndex] = unix.SetsockoptPacketMreq(t.send, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, membership(s.IfIndex)) == nil
	}
	for p := range sec.paths {
		p.build(&sec.Section)
	}
	t.publishNames()
}

func membership(ifindex int) *unix.PacketMreq {
	m := &unix.PacketMreq{Ifindex: int32(ifindex), Type: unix.PACKET_MR_MULTICAST, Alen: 6}
	mac := dataplane.MulticastMAC()
	copy(m.Address[:], mac[:])
	return m
}

// RemoveSection forgets a section. Its paths stay open and send nothing until
// the section is set again.
func (t *Transport) RemoveSection(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sec := t.sections[name]
	if sec == nil {
		return
	}
	if len(sec.paths) == 0 {
		delete(t.sections, name)
	}
	t.muteWatches(name)
	sec.Section = Section{}
	for p := range sec.paths {
		p.build(&sec.Section)
	}
	t.publishNames()
}

// publishNames makes the table that Recv reads without a lock.
func (t *Transport) publishNames() {
	names := make(map[port]string, len(t.sections))
	for _, s := range t.sections {
		if s.IfIndex != 0 && s.Up {
			names[port{uint32(s.IfIndex), s.VLAN}] = s.name
		}
	}
	t.names.Store(&names)
}

// Counters returns the counters.
func (t *Transport) Counters() Counters {
	return Counters{
		Received: t.count.received.Load(), Sent: t.count.sent.Load(),
		NoSection: t.count.noSection.Load(), Malformed: t.count.malformed.Load(),
		SectionDown: t.count.sectionDown.Load(), SendErrors: t.count.sendErrors.Load(),
		Truncated: t.count.truncated.Load(), Unwatched: t.count.unwatched.Load(),
	}
}

// Wake implements oam.Transport.
func (t *Transport) Wake() {
	if t.woken.Swap(true) {
		return
	}
	t.ring()
}

// ring makes a waiting Recv look around.
func (t *Transport) ring() {
	one := [8]byte{1}
	// It fails only when the counter is full, and then Recv is awake already.
	_, _ = unix.Write(t.event, one[:])
}

// Close implements oam.Transport.
func (t *Transport) Close() error {
	if t.closed.Swap(true) {
		return nil
	}
	t.ring()
	t.recvMu.Lock()
	defer t.recvMu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	err := errors.Join(unix.Close(t.send), unix.Close(t.event))
	if t.source != nil {
		err = errors.Join(err, t.source.Close())
	}
	return err
}
