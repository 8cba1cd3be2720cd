package bfd_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
	"github.com/tandem-ne/tandem/oam/bfd"
	"github.com/tandem-ne/tandem/oam/shard"
)

// sim is a world of nodes in one thread on one fake clock: each node is a
// real shard with a real engine, joined by a network that delivers, delays,
// drops, duplicates and reorders as a script says. All instants are exact.
type sim struct {
	t *testing.T
	// consume has the data plane of every node take what its sessions expect.
	consume bool
	now     int64
	nodes   map[string]*node
	order   []*node
	wire    []flight
	links   map[string]*link // By "A>B".
}

// link is one direction between two nodes.
type link struct {
	to        string
	cut       bool
	delay     int64
	drop      int  // Frames still to drop.
	duplicate int  // Frames still to send twice.
	swap      bool // Hold the next frame until the one after it has gone.
	held      *flight
	label     uint32 // Label frames arrive with instead of the one they left with; 0: the same.
}

// flight is one frame under way.
type flight struct {
	at int64
	to *node
	rx oam.Rx
}

// entry is one event a node reported.
type entry struct {
	oam.Event
	reported int64 // When, on the clock.
	lastCC   int64 // When the last CC frame for the node arrived before it.
}

type node struct {
	sim      *sim
	name     string
	seed     uint32
	engine   *bfd.Engine
	shard    *shard.Shard
	dead     bool
	wakeAt   int64
	queue    []oam.Rx
	paths    []oam.Path
	watches  []*simWatch
	consumed int // Frames that never came to the shard.
	log      []entry
	lastCC   int64
	lastTx   map[ach.ChannelType]bfd.Packet
	sent     []sentFrame

	hasState bool
	state    oam.BFDState // Of the last event.
	reports  int
}

// sentFrame is one frame a node sent.
type sentFrame struct {
	at      int64
	channel ach.ChannelType
	packet  bfd.Packet
}

func newSim(t *testing.T) *sim {
	return &sim{t: t, nodes: make(map[string]*node), links: make(map[string]*link)}
}

func (s *sim) addNode(name string) *node {
	n := &node{sim: s, name: name, seed: uint32(len(s.order)+1) * 1000, lastTx: make(map[ach.ChannelType]bfd.Packet)}
	s.nodes[name] = n
	s.order = append(s.order, n)
	n.boot()
	return n
}

// boot gives the node a new shard, as after a restart.
func (n *node) boot() {
	n.engine = bfd.NewEngine(func() uint32 { n.seed += 7919; return n.seed })
	sh, err := shard.New(shard.Options{
		Transport: n, Clock: n, Engines: []oam.Engine{n.engine}, Observer: n, Granularity: -1,
	})
	if err != nil {
		n.sim.t.Fatal(err)
	}
	n.hasState = false
	n.shard, n.dead, n.queue, n.paths, n.wakeAt = sh, false, nil, nil, oam.Forever
	n.watches = nil // A new process starts without.
}

// run moves the world to an instant.
func (s *sim) run(until int64) {
	for {
		next := until
		for _, f := range s.wire {
			next = min(next, f.at)
		}
		for _, n := range s.order {
			switch {
			case n.dead:
			case len(n.queue) > 0:
				next = s.now
			default:
				next = min(next, max(n.wakeAt, s.now))
			}
		}
		s.now = next
		progress := s.deliver()
		for _, n := range s.order {
			for !n.dead && (len(n.queue) > 0 || n.wakeAt <= s.now) {
				progress = true
				var err error
				if n.wakeAt, err = n.shard.Poll(); err != nil {
					s.t.Fatal(err)
				}
			}
		}
		if !progress && s.now == until {
			return
		}
	}
}

// deliver moves the frames that have arrived into the nodes' queues.
func (s *sim) deliver() (progress bool) {
	rest := s.wire[:0]
	for _, f := range s.wire {
		if f.at > s.now {
			rest = append(rest, f)
			continue
		}
		progress = true
		f.rx.Time = f.at
		f.to.arrive(f.rx)
	}
	s.wire = rest
	return progress
}

func (n *node) arrive(rx oam.Rx) {
	if n.dead {
		return
	}
	if h, _, err := ach.ParseHeader(rx.Payload); err == nil && h.Type == ach.CC {
		n.lastCC = rx.Time
	}
	for _, w := range n.watches {
		if w.takes(&rx) {
			w.seen.Note(rx.Time)
			n.consumed++
			return
		}
	}
	n.queue = append(n.queue, rx)
}

// simWatch is one entry of the data plane's table.
type simWatch struct {
	at     oam.Arrival
	octets []byte
	seen   oam.Seen
}

func (w *simWatch) takes(rx *oam.Rx) bool {
	return rx.Reason == w.at.Reason && !rx.Truncated && rx.Label == w.at.Label && rx.HasLabel == w.at.HasLabel &&
		(w.at.Section == "" || w.at.Section == rx.Section) && bytes.HasPrefix(rx.Payload, w.octets)
}

// Watch implements oam.Watcher.
func (n *node) Watch(at oam.Arrival, octets []byte) *oam.Seen {
	if !n.sim.consume {
		return nil
	}
	if len(octets) != oam.WatchLen {
		n.sim.t.Fatalf("%s watches for %d octets", n.name, len(octets))
	}
	for _, w := range n.watches {
		if w.at == at {
			n.sim.t.Fatalf("%s watches twice", n.name)
		}
	}
	w := &simWatch{at: at, octets: bytes.Clone(octets)}
	n.watches = append(n.watches, w)
	return &w.seen
}

// Unwatch implements oam.Watcher.
func (n *node) Unwatch(s *oam.Seen) {
	for i, w := range n.watches {
		if &w.seen == s {
			n.watches = slices.Delete(n.watches, i, i+1)
			return
		}
	}
	n.sim.t.Fatalf("%s ends a watch that is none", n.name)
}

// Now implements oam.Clock.
func (n *node) Now() int64 { return n.sim.now }

// OnEvent implements oam.Observer. Reports of other changes than of the state
// are counted only.
func (n *node) OnEvent(ev oam.Event) {
	if ev.Kind == oam.StateChanged {
		if n.hasState && ev.State == n.state {
			n.reports++
			return
		}
		n.hasState, n.state = true, ev.State
	}
	n.log = append(n.log, entry{ev, n.sim.now, n.lastCC})
}

// OpenPath implements oam.Transport.
func (n *node) OpenPath(p oam.Path) (oam.PathID, error) {
	n.paths = append(n.paths, p)
	return oam.PathID(len(n.paths) - 1), nil
}

// ClosePath implements oam.Transport.
func (n *node) ClosePath(oam.PathID) {}

// Wake implements oam.Transport.
func (n *node) Wake() { n.wakeAt = n.sim.now }

// Close implements oam.Transport.
func (n *node) Close() error { return os.ErrClosed }

// Recv implements oam.Transport.
func (n *node) Recv(batch []oam.Rx, _ int64) (int, error) {
	c := copy(batch, n.queue)
	n.queue = n.queue[c:]
	return c, nil
}

// Send implements oam.Transport: the section's name says which link it is.
func (n *node) Send(batch []oam.Tx) (int, error) {
	for _, tx := range batch {
		payload := append([]byte(nil), tx.Payload...)
		n.record(payload)
		path := n.paths[tx.Path]
		rx := oam.Rx{Section: path.Section, Depth: uint8(len(path.Labels) + 1), Payload: payload}
		if c := len(path.Labels); c > 0 {
			rx.Label, rx.HasLabel = path.Labels[c-1].Label, true
		}
		for _, to := range n.sim.order {
			if l := n.sim.links[n.name+">"+to.name]; l != nil {
				n.sim.transmit(l, rx)
			}
		}
	}
	return len(batch), nil
}

// record keeps what was sent and checks that it parses.
func (n *node) record(payload []byte) {
	h, body, err := ach.ParseHeader(payload)
	if err != nil {
		n.sim.t.Fatalf("%s sent %x: %v", n.name, payload, err)
	}
	f := sentFrame{at: n.sim.now, channel: h.Type}
	if h.Type == ach.CV {
		_, _, err = bfd.ParseCV(&f.packet, body)
	} else {
		_, err = bfd.ParseCC(&f.packet, body)
	}
	if err != nil {
		n.sim.t.Fatalf("%s sent %x: %v", n.name, payload, err)
	}
	n.sent = append(n.sent, f)
	n.lastTx[h.Type] = f.packet
}

// transmit puts a frame on a link.
func (s *sim) transmit(l *link, rx oam.Rx) {
	if l.cut {
		return
	}
	if l.drop > 0 {
		l.drop--
		return
	}
	if l.label != 0 {
		rx.Label = l.label
	}
	f := flight{at: s.now + l.delay, to: s.nodes[l.to], rx: rx}
	if l.swap && l.held == nil {
		l.held = &f
		return
	}
	s.wire = append(s.wire, f)
	if l.held != nil {
		l.held.at = f.at
		s.wire = append(s.wire, *l.held)
		l.held, l.swap = nil, false
	}
	if l.duplicate > 0 {
		l.duplicate--
		s.wire = append(s.wire, f)
	}
}

// simMEG is the MEG of a node whose peer is other, on one section or LSP.
func simMEG(local, peer byte, entity oam.EntityKind) oam.MEG {
	m := oam.MEG{
		Name: "m", Entity: entity, RxSection: "s", AdminUp: true,
		Path: oam.Path{Section: "s", GALTTL: 1},
		CC:   oam.CCConfig{Enabled: true, TxInterval: 10 * time.Millisecond, RxInterval: 10 * time.Millisecond},
	}
	id := func(n byte) ach.MEPID {
		if entity == oam.LSP {
			return ach.MEPID{Type: ach.MEPIDLSP, NodeID: 0x0a000000 | uint32(n), TunnelNum: 1, LSPNum: 1}
		}
		return ach.MEPID{Type: ach.MEPIDSection, NodeID: 0x0a000000 | uint32(n), IfNum: 1}
	}
	m.Local, m.Peer = id(local), id(peer)
	if entity == oam.LSP {
		m.Path.Labels = []oam.LSE{{Label: 100, TTL: 255}}
		m.RxLabel, m.RxHasLabel = 100, true
	}
	return m
}

func (e entry) String() string {
	s := fmt.Sprintf("%v %v", time.Duration(e.Time), e.Kind)
	if e.Kind == oam.StateChanged {
		return fmt.Sprintf("%s %v diag=%d", s, e.State, e.Diag)
	}
	return fmt.Sprintf("%s %v (%s)", s, e.Defect, e.Info)
}
