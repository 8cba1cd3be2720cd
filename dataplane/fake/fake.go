// Package fake is a data plane in memory: it keeps objects, prints them as
// text, fails where it is told to, loses objects behind the caller's back, and
// forwards frames. It passes the same conformance suite as the real drivers,
// so that its forwarding can be read as their specification: forward.go what
// labels do to a packet, send.go the way out, client.go pseudowires and
// attachment circuits, meter.go policing.
package fake

import (
	"context"
	"fmt"
	"hash/crc32"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
)

// maxNesting is how many groups one packet may enter.
const maxNesting = 8

// Driver implements dataplane.Driver.
type Driver struct {
	caps dataplane.Capabilities

	mu     sync.Mutex
	events chan dataplane.Event
	closed bool
	lost   bool // An event did not fit.
	ports  map[string]Port
	routes []Route
	clock  func() time.Time
	// entropy gives the entropy label of an IP packet.
	entropy func(packet []byte) uint32

	sections    map[string]dataplane.Section
	lsps        map[string]*lsp
	groups      map[string]*group
	pseudowires map[string]*pseudowire
	services    map[string]*service
	points      map[string]dataplane.SwitchingPoint
	labels      map[spaceLabel]dataplane.Key
	prefixes    map[netip.Prefix]dataplane.Key
	counts      map[dataplane.Key]*dataplane.Counters
	drops       map[string]uint64

	faults  map[dataplane.Key]dataplane.OpError
	dumpErr error
	ops     []dataplane.Op
	applies int
	out     []Output
	punts   []Punt
}

// Port is an interface of the host that the fake stands on.
type Port struct {
	Name string
	MAC  dataplane.MAC
	Up   bool
	MTU  int // 0: no limit.
}

// Route is an IP route of the host, outside the LSPs: to a neighbour on a
// port.
type Route struct {
	Prefix netip.Prefix
	Port   string
	MAC    dataplane.MAC
}

type lsp struct{ dataplane.LSP }

type group struct {
	dataplane.Group
	active uint8
}

type pseudowire struct {
	dataplane.Pseudowire
	// sent is the sequence number of the last frame sent, expected that of the
	// next to come; 0: none yet.
	sent, expected uint16
	// late counts the frames that were refused since the last one in order,
	// following is the number behind the last of them.
	late, following uint16
}

type service struct {
	dataplane.Service
	meter *Meter
}

type spaceLabel struct {
	section string // Empty: per-platform.
	label   uint32
}

// New returns a data plane on the given ports.
func New(ports ...Port) *Driver {
	d := &Driver{
		caps:        capabilities(),
		events:      make(chan dataplane.Event, 64),
		ports:       map[string]Port{},
		clock:       time.Now,
		entropy:     crc,
		sections:    map[string]dataplane.Section{},
		lsps:        map[string]*lsp{},
		groups:      map[string]*group{},
		pseudowires: map[string]*pseudowire{},
		services:    map[string]*service{},
		points:      map[string]dataplane.SwitchingPoint{},
		labels:      map[spaceLabel]dataplane.Key{},
		prefixes:    map[netip.Prefix]dataplane.Key{},
		counts:      map[dataplane.Key]*dataplane.Counters{},
		drops:       map[string]uint64{},
		faults:      map[dataplane.Key]dataplane.OpError{},
	}
	for _, p := range ports {
		d.ports[p.Name] = p
	}
	return d
}

// crc is the entropy label of a packet unless a test gives another: it depends
// on the addresses and the protocol, which are the same for all of a flow.
func crc(packet []byte) uint32 {
	key := packet
	if etherType(packet) == typeIPv6 && len(packet) >= 40 {
		key = append([]byte{packet[6]}, packet[8:40]...)
	} else if len(packet) >= 20 {
		key = append([]byte{packet[9]}, packet[12:20]...)
	}
	return dataplane.MinLabel + crc32.ChecksumIEEE(key)%(dataplane.MaxLabel+1-dataplane.MinLabel)
}

// Capabilities lists everything that forwarding in memory does.
func (d *Driver) Capabilities() dataplane.Capabilities { return d.caps }

func capabilities() dataplane.Capabilities {
	c := dataplane.Capabilities{
		Driver: "fake", Features: map[dataplane.Feature]bool{},
		MaxImpose: 16, MaxReceive: 16, MaxNesting: maxNesting, MaxBranches: 64, MaxLabel: dataplane.MaxLabel,
		Limits: []string{
			"Forwards nothing but the frames that tests give it.",
			"Punts wait until a test takes them, without a time and without limits.",
		},
	}
	for _, f := range dataplane.Features() {
		c.Features[f] = true
	}
	for _, f := range []dataplane.Feature{dataplane.FeatureKernelTime, dataplane.FeatureSteadyCC, dataplane.FeaturePuntLimits} {
		c.Features[f] = false
	}
	return c
}

// Prepare refuses what Capabilities lacks.
func (d *Driver) Prepare(_ context.Context, ops []dataplane.Op) error {
	for _, op := range ops {
		if op.Verb == dataplane.Delete {
			continue
		}
		if err := dataplane.Validate(op.Object); err != nil {
			return err
		}
		if err := d.caps.Check(op.Object); err != nil {
			return err
		}
	}
	return nil
}

// Apply executes ops in order.
func (d *Driver) Apply(ctx context.Context, ops []dataplane.Op) []*dataplane.OpError {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.applies++
	var failed []*dataplane.OpError
	for _, op := range ops {
		d.ops = append(d.ops, op)
		var err *dataplane.OpError
		if f, ok := d.faults[op.Key]; ok {
			err = &f
		} else if ctx.Err() != nil {
			err = &dataplane.OpError{Key: op.Key, Reason: "cancelled", Retry: true, Err: ctx.Err()}
		} else {
			err = d.apply(op)
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}

// Counters returns the counters of keys.
func (d *Driver) Counters(_ context.Context, keys []dataplane.Key, dst []dataplane.Counters) ([]dataplane.Counters, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range keys {
		var c dataplane.Counters
		if n := d.counts[k]; n != nil {
			c = *n
		}
		dst = append(dst, c)
	}
	return dst, nil
}

// DropCounters implements dataplane.DiscardCounter.
func (d *Driver) DropCounters() (map[string]uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := maps.Clone(d.drops)
	for _, name := range dropNames() {
		out[name] += 0 // It counts it, and has counted none.
	}
	return out, nil
}

// dropNames are the names under which drops are counted.
func dropNames() []string {
	return []string{
		"malformed", "short", "no-bottom", "too-deep", "too-long", "foreign-mac", "unknown-label", "unknown-payload", "ttl-expired",
		"section-down", "lsp-down", "group-down", "group-empty", "pseudowire-down", "service-down", "blocked", "not-selected",
		"special-label", "extension-label", "entropy-label", "nesting", "control-word", "sequence", "runt", "payload-too-long",
		"vlan-mismatch", "no-attachment", "policed", "punted-gal",
	}
}

// counters returns those of an object that is there. Caller holds mu.
func (d *Driver) counters(k dataplane.Key) *dataplane.Counters {
	if d.counts[k] == nil {
		d.counts[k] = &dataplane.Counters{Since: d.clock()}
	}
	return d.counts[k]
}

// Switch makes a leg the active one of a group.
func (d *Driver) Switch(_ context.Context, name string, leg uint8) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.groups[name]
	k := dataplane.Key{Kind: dataplane.KindGroup, Name: name}
	switch {
	case g == nil:
		return &dataplane.OpError{Key: k, Reason: "there is no such group"}
	case int(leg) >= len(g.Legs):
		return &dataplane.OpError{Key: k, Reason: fmt.Sprintf("there is no leg %d, the group has %d", leg, len(g.Legs))}
	}
	g.active = leg
	return nil
}

// ActiveLeg tells the leg in use.
func (d *Driver) ActiveLeg(name string) (uint8, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g := d.groups[name]; g != nil {
		return g.active, nil
	}
	return 0, &dataplane.OpError{Key: dataplane.Key{Kind: dataplane.KindGroup, Name: name}, Reason: "there is no such group"}
}

// Events delivers link changes and drift.
func (d *Driver) Events() <-chan dataplane.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.events
}

// Close ends the events.
func (d *Driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.closed = true
		close(d.events)
	}
	return nil
}
