// Package kernel is the data plane of the Linux kernel itself: LSPs are routes
// of mpls_router, IP clients are routes with mpls_iptunnel encapsulation, all
// put by rtnetlink with protocol 201 and next hops that are Ethernet
// addresses.
//
// Read kernel.go, then model.go (what the driver knows), route.go (objects to
// routes), apply.go, dump.go (routes to objects) and watch.go.
package kernel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/punt"
)

// Options of the driver.
type Options struct {
	// Log takes what cannot be returned; nil: slog.Default().
	Log *slog.Logger
	// Routes makes LSPs routes of mpls_router even where traffic control could
	// do more.
	Routes bool
	// Sockets takes the frames of OAM from packet sockets even where eBPF could
	// punt them.
	Sockets bool
	// Punts are the rates of what eBPF punts.
	Punts punt.Rates
}

// Driver implements dataplane.Driver for one network namespace.
type Driver struct {
	log    *slog.Logger
	link   *link.Handle
	caps   dataplane.Capabilities
	lo     int // Index of the loopback interface.
	events chan dataplane.Event
	sub    *link.Subscription
	stop   chan struct{}
	done   chan struct{}

	mu     sync.Mutex
	closed bool
	model  model
	// chains is set where LSPs are chains of traffic control.
	chains *chains
	// tap gives OAM its frames; nil, for the reason noTap: packet sockets do.
	tap   *tapping
	noTap error
	// serving is the goroutine that opens outlets.
	serving sync.WaitGroup
	// outlets are where OAM sends into groups; nil with routes.
	outlets *outlets
}

// Open opens the driver in the network namespace of the calling thread and
// loads mpls_router and mpls_iptunnel if they are not there. It changes no
// route: Dump tells what an earlier process left.
func Open(opt Options) (*Driver, error) {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if err := Probe(); err != nil {
		return nil, err
	}
	chains, caps := !opt.Routes, RouteCapabilities()
	if chains {
		found, err := complete()
		if err == nil {
			caps = found
		} else {
			opt.Log.Warn("traffic control is not complete, LSPs become routes", "error", err)
			chains = false
		}
	}
	h, err := link.Open()
	if err != nil {
		return nil, err
	}
	if chains {
		if err := link.ProbeQueues(); err != nil {
			caps.Withdraw(err.Error(), dataplane.FeatureQueues)
			caps.Limits = append(caps.Limits, "This host has no queues: "+err.Error()+".")
		}
	}
	d := &Driver{
		log: opt.Log, link: h, caps: caps,
		events: make(chan dataplane.Event, 256),
		stop:   make(chan struct{}), done: make(chan struct{}),
		model: newModel(0),
	}
	if chains {
		d.chains = newChains(h, d.log)
		d.outlets = d.chains.outlets
	}
	d.openTap(opt)
	if err := d.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the kernel data plane: %w", err), d.tap.close(0), h.Close())
	}
	return d, nil
}

// openTap loads the tap, if this host takes it.
func (d *Driver) openTap(opt Options) {
	if opt.Sockets {
		d.noTap = errors.New("asked for")
	} else {
		d.tap, d.noTap = openTap(d.link, d.log, opt.Punts, d.chains == nil)
	}
	if d.noTap != nil {
		d.log.Warn("OAM takes its frames from packet sockets", "reason", d.noTap)
		d.caps.Limits = append(d.caps.Limits, "G-ACh and expired packets reach OAM through packet sockets, which see a copy of every frame: "+d.noTap.Error()+".")
		d.caps.Withdraw(d.noTap.Error(), dataplane.FeaturePuntLimits, dataplane.FeatureSteadyCC)
		return
	}
	if d.chains != nil {
		d.chains.tap = d.tap
	}
}

// start prepares the namespace and begins to follow changes. Following begins
// before foreign labels are read, so that none is missed in between.
func (d *Driver) start() error {
	lo, err := d.link.ByName("lo")
	if err != nil {
		return err
	}
	if !lo.Up {
		if err := d.link.SetUp(lo.Index); err != nil {
			return err
		}
	}
	d.lo = lo.Index
	if d.chains != nil {
		if err := d.follow(); err != nil {
			return err
		}
		d.serving.Go(d.serve)
		return nil
	}
	// Pop-and-lookup sends through lo, which must take labels then.
	if err := d.setInput("lo", true); err != nil {
		return err
	}
	return d.follow()
}

// follow begins to follow changes.
func (d *Driver) follow() error {
	links, err := d.link.List()
	if err != nil {
		return err
	}
	if d.sub, err = d.link.Subscribe(); err != nil {
		return err
	}
	routes, err := d.link.Conn().Routes(0)
	if err != nil {
		return errors.Join(err, d.sub.Close())
	}
	for _, r := range routes {
		d.model.seen(r)
	}
	go d.watch(links)
	return nil
}

// Capabilities returns Capabilities() or RouteCapabilities().
func (d *Driver) Capabilities() dataplane.Capabilities { return d.caps }

// maxLabels is MAX_NEW_LABELS of the kernel.
const maxLabels = 30

// maxLabel is the highest label that fits below the largest platform_labels.
const maxLabel = dataplane.MaxLabel - 1

// RouteCapabilities tells what the routes of mpls_router can do, the same on every
// kernel from 6.1 to 6.12; the conformance suite shows it frame by frame.
func RouteCapabilities() dataplane.Capabilities {
	c := dataplane.Capabilities{
		Driver: "kernel-routes", MaxImpose: maxLabels, MaxReceive: maxLabels, MaxLabel: maxLabel,
		Features: map[dataplane.Feature]bool{},
		Limits: []string{
			"The traffic class of a labelled packet is set to 0 wherever its top label is written.",
			"Labels imposed on a labelled packet take its TTL less one; labels imposed on an IP packet share one TTL.",
			"An IP payload that leaves an LSP has one hop more taken off its TTL.",
			"The traffic class selects no queue, so pipe and short-pipe forward alike.",
			"There are no counters per LSP; those of a section are the MPLS counters of its interface.",
			"The label of an LSP that is down is not in the table: its packets are dropped as unknown labels.",
			"Frames to the MPLS-TP multicast address are sent but not received.",
			"There is one label space for all interfaces.",
			"A section on a VLAN is configured on the VLAN's own interface.",
			"An IP payload that leaves an LSP is routed by the host as if it came in on lo: IP forwarding must be on, and reverse path filtering not strict.",
			"Label 1048575 cannot be received.",
			noSnapshots,
		},
	}
	for _, f := range dataplane.Features() {
		c.Features[f] = false
	}
	for _, f := range []dataplane.Feature{
		dataplane.FeatureImpose, dataplane.FeatureSwap, dataplane.FeaturePop,
		dataplane.FeaturePopImpose, dataplane.FeaturePopLookup,
		dataplane.FeatureSectionCounters, dataplane.FeatureMulticastSend, dataplane.FeatureShortPipe,
		dataplane.FeatureGALPunt, dataplane.FeatureTTLPunt, dataplane.FeatureKernelTime, dataplane.FeaturePuntLimits, dataplane.FeatureSteadyCC,
	} {
		c.Features[f] = true
	}
	return c
}

// Prepare refuses what routes cannot do.
func (d *Driver) Prepare(_ context.Context, ops []dataplane.Op) error {
	for _, op := range ops {
		if op.Verb == dataplane.Delete {
			continue
		}
		if err := d.check(op.Object); err != nil {
			return err
		}
	}
	return nil
}

func (d *Driver) check(o dataplane.Object) error {
	if err := dataplane.Validate(o); err != nil {
		return err
	}
	if l, ok := o.(dataplane.LSP); !ok || !plain(&l) || len(l.Out.Stack) > d.caps.MaxImpose || l.InLabel > d.caps.MaxLabel {
		if err := d.caps.Check(o); err != nil {
			return err
		}
	}
	l, ok := o.(dataplane.LSP)
	if d.chains != nil {
		return checkChain(o)
	}
	if !ok || l.Op != dataplane.ImposeAndForward {
		return nil
	}
	for _, e := range l.Out.Stack {
		if e.EffectiveTTL() != l.Out.Stack[0].EffectiveTTL() {
			return &dataplane.OpError{Key: l.Key(), Reason: fmt.Sprintf(
				"needs %s: the labels imposed on an IP packet share one TTL in the kernel data plane", dataplane.FeatureImposedTTL)}
		}
	}
	return nil
}

// Counters returns those of the chains; of routes the MPLS counters of the interfaces of sections. There are
// none per LSP.
func (d *Driver) Counters(_ context.Context, keys []dataplane.Key, dst []dataplane.Counters) ([]dataplane.Counters, error) {
	if d.chains != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.chains.read(keys, dst)
	}
	stats, err := d.link.Conn().MPLSStats()
	if err != nil {
		return dst, fmt.Errorf("read MPLS counters: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range keys {
		var c dataplane.Counters
		if s := d.model.sections[k.Name]; k.Kind == dataplane.KindSection && s != nil && s.index != 0 {
			m := stats[s.index]
			c = dataplane.Counters{
				In:       dataplane.Counter{Packets: m.RxPackets, Octets: m.RxBytes},
				Out:      dataplane.Counter{Packets: m.TxPackets, Octets: m.TxBytes},
				OutDrops: m.TxErrors + m.TxDropped,
				InDrops:  m.RxErrors + m.RxDropped + m.RxNoRoute,
				Since:    s.since,
			}
		}
		dst = append(dst, c)
	}
	return dst, nil
}

// Events delivers link changes and drift.
func (d *Driver) Events() <-chan dataplane.Event { return d.events }

// Close stops following changes. Routes stay, so that forwarding goes on and
// the next process can adopt them.
func (d *Driver) Close() error {
	d.mu.Lock()
	was := d.closed
	d.closed = true
	d.mu.Unlock()
	if was {
		return nil
	}
	close(d.stop)
	err := d.sub.Close()
	<-d.done
	d.serving.Wait()
	block := uint32(0)
	if d.chains != nil {
		block = chain.Ingress
	}
	return errors.Join(err, d.tap.close(block), d.link.Close())
}

// plain tells whether an LSP asks for nothing that any kernel lacks: then its
// features need not be looked up one by one, which for ten thousand LSPs costs
// as much as the kernel does.
func plain(l *dataplane.LSP) bool {
	for i := range l.Out.Stack {
		if e := &l.Out.Stack[i]; e.HasTC || e.EffectiveTTL() != 255 {
			return false
		}
	}
	return l.Out.Group == "" && len(l.Branches) == 0 && !l.Bud && l.InSection == "" && l.TTLMode == dataplane.Pipe &&
		l.Class == nil && !l.EntropyLabel && l.Selector == "" && l.Condition == (dataplane.Condition{})
}
