package ebpf

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// Driver is the eBPF data plane of one network namespace.
type Driver struct {
	opt  Options
	log  *slog.Logger
	pins pins
	net  *link.Handle
	objs *objects
	// attachmentProgram is for attachment circuits on cards alone, so that a
	// start does not wait for it.
	attachmentProgram *laterProgram
	// impose is the far end of the impose device; imposeNear the device.
	impose, imposeNear link.Link

	mu          sync.Mutex
	hooks       map[int]*hook // by interface index
	mode        Mode          // of the hooks: native or generic
	sections    map[uint64]*section
	byID        map[uint32]*section
	ports       map[tandemPortKey]*section
	lsps        map[uint64]*lsp
	sectionIDs  *slots
	lspIDs      *slots
	counterIDs  *slots
	labels      map[labelKey]*lsp
	prefixes    map[netip.Prefix]client
	byTC        bool              // what comes from the impose device is not redirected by XDP
	groupMu     sync.Mutex        // besides mu, for the two below and the entries of groups: Switch takes only it
	groups      map[uint64]*group // by name
	groupIDs    map[uint32]*group
	groupSlots  *slots
	relayIDs    *slots
	listIDs     *slots
	legOf       map[uint64]map[*group]bool     // by the name of the leg
	loopsTo     map[uint64]map[uint64]bool     // LSPs in loopback, by the LSP they loop to
	strays      map[dataplane.Key]func() error // found by Dump: what removes it
	wanted      map[string]bool                // interfaces that sections ask for
	retired     []uint32                       // LSP slots without references that are not empty yet
	generation  uint32
	otherPinned bool              // maps of another schema version are still there
	faults      map[string]string // what the audit cannot repair, and why
	probeQueues func() error      // why there are no queues here
	hostState

	clients clients

	outlets outlets // of groups, for OAM

	events chan dataplane.Event
	evMu   sync.Mutex
	lost   bool // an event did not fit; under evMu
	sub    *link.Subscription
	stop   chan struct{}
	done   sync.WaitGroup
	close  sync.Once
}

// Open starts the driver in the network namespace of the calling thread. What
// an earlier process left pinned is adopted: packets go on being forwarded
// while the programs are replaced. On a kernel that Probe refuses nothing is
// touched.
func Open(o Options) (*Driver, error) {
	if err := Probe(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	d := &Driver{
		opt: o, log: o.Log,
		hooks: map[int]*hook{}, sections: map[uint64]*section{}, byID: map[uint32]*section{},
		ports: map[tandemPortKey]*section{}, lsps: map[uint64]*lsp{},
		labels: map[labelKey]*lsp{}, prefixes: map[netip.Prefix]client{},
		groups: map[uint64]*group{}, groupIDs: map[uint32]*group{},
		legOf: map[uint64]map[*group]bool{}, loopsTo: map[uint64]map[uint64]bool{},
		strays: map[dataplane.Key]func() error{}, wanted: map[string]bool{}, faults: map[string]string{},
		hostState: hostState{blocked: map[int]string{}},
		events:    make(chan dataplane.Event, 256), stop: make(chan struct{}),
	}
	if err := d.open(); err != nil {
		d.release()
		return nil, err
	}
	d.done.Add(3)
	go d.watch()
	go d.awaitAttachment(d.attachmentProgram)
	go d.auditLoop()
	return d, nil
}

// awaitAttachment tells what became of the program that Open did not wait for.
// Services that need it are refused with the same words.
func (d *Driver) awaitAttachment(p *laterProgram) {
	defer d.done.Done()
	if _, err := p.get(); err != nil {
		d.log.Error("no attachment circuits on cards", "error", err)
	}
}

// programs returns the programs that are there by now.
func (d *Driver) programs() map[string]*ebpf.Program {
	all := fieldsOf[*ebpf.Program](&d.objs.tandemPrograms)
	delete(all, attachmentName)
	if p, _ := d.attachmentProgram.ready(); p != nil {
		all[attachmentName] = p
	}
	return all
}

func (d *Driver) open() (err error) {
	if d.pins, err = openPins(d.opt); err != nil {
		return err
	}
	if d.net, err = link.Open(); err != nil {
		return err
	}
	d.queues = link.NewScheduling[uint64](d.net)
	d.probeQueues = sync.OnceValue(link.ProbeQueues)
	go d.probeQueues() // Meanwhile.
	adopted, err := d.openTables()
	if err != nil {
		return err
	}
	d.sectionIDs = newSlots(d.objs.Sections.MaxEntries())
	d.lspIDs = newSlots(d.objs.Lsps.MaxEntries())
	d.counterIDs = newSlots(d.objs.counters())
	d.groupSlots = newSlots(d.objs.Groups.MaxEntries())
	d.relayIDs = newSlots(d.objs.Relays.MaxEntries())
	d.listIDs = newSlots(d.objs.CopyLists.MaxEntries())
	d.clients.init(&d.objs.tandemMaps)
	if err := d.objs.punting().Set(d.opt.rates()); err != nil {
		return err
	}
	if adopted {
		if err := d.adopt(); err != nil {
			return fmt.Errorf("adopt tables: %w", err)
		}
	}
	if err := d.openFound(); err != nil {
		return err
	}
	if err := d.openHooks(adopted); err != nil {
		return err
	}
	if err := d.openImposeDevice(); err != nil {
		return err
	}
	d.sub, err = d.net.Subscribe()
	return err
}

// Capabilities implements dataplane.Driver.
func (d *Driver) Capabilities() dataplane.Capabilities {
	c := dataplane.Capabilities{
		Driver: "ebpf", Features: map[dataplane.Feature]bool{},
		MaxImpose: maxImpose, MaxReceive: maxReceive, MaxNesting: maxNesting, MaxBranches: maxBranches, MaxLabel: dataplane.MaxLabel,
		Limits: []string{
			"An IP payload that leaves an LSP is routed by the host: IP forwarding must be on, and reverse path filtering not strict, on the interfaces of sections.",
			"Labelled frames taken by XDP are not seen by tcpdump on the receiving interface.",
			"VLAN tags must be in the frame: receive VLAN offload is turned off on interfaces with VLAN sections.",
			"A traffic class selects a queue only where a section has queues; with native XDP such frames take the slower way through the kernel.",
		},
	}
	for _, f := range slices.Concat(forwardingFeatures(), clientFeatures(), oamFeatures()) {
		c.Features[f] = true
	}
	if d.probeQueues == nil {
		return c // Not opened: what the driver has where the host has it.
	}
	if err := d.probeQueues(); err != nil {
		c.Withdraw(err.Error(), dataplane.FeatureQueues)
		c.Limits = append(c.Limits, "This host has no queues: "+err.Error()+".")
	}
	return c
}

// forwardingFeatures are what sections, LSPs and groups can do here.
func forwardingFeatures() []dataplane.Feature {
	return []dataplane.Feature{
		dataplane.FeatureImpose, dataplane.FeatureSwap, dataplane.FeaturePop, dataplane.FeaturePopImpose, dataplane.FeaturePopLookup,
		dataplane.FeatureTrafficClass, dataplane.FeatureImposedTTL, dataplane.FeaturePayloadTTL, dataplane.FeatureShortPipe,
		dataplane.FeatureLSPCounters, dataplane.FeatureSectionCounters, dataplane.FeatureOutDrops, dataplane.FeatureInterfaceLabelSpace,
		dataplane.FeatureMulticastSend, dataplane.FeatureMulticastReceive, dataplane.FeatureVLANSection,
		dataplane.FeatureHierarchy, dataplane.FeatureGroupSwitch, dataplane.FeatureOnePlusOne, dataplane.FeatureP2MP, dataplane.FeatureBud,
		dataplane.FeatureEntropy, dataplane.FeatureLLSP, dataplane.FeatureQueues,
	}
}

// Mode tells how XDP is attached at present: native or generic.
func (d *Driver) Mode() Mode {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mode
}

// Prepare implements dataplane.Driver.
func (d *Driver) Prepare(_ context.Context, ops []dataplane.Op) error {
	caps := d.Capabilities()
	var newLSPs, newSections, newPWs, newServices int
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, op := range ops {
		if op.Verb == dataplane.Delete {
			continue
		}
		if err := dataplane.Validate(op.Object); err != nil {
			return err
		}
		if err := caps.Check(op.Object); err != nil {
			return err
		}
		switch o := op.Object.(type) {
		case dataplane.Section:
			if d.sections[hashName(o.Name)] == nil {
				newSections++
			}
		case dataplane.LSP:
			if d.lsps[hashName(o.Name)] == nil {
				newLSPs++
			}
		case dataplane.Pseudowire:
			if d.clients.pws[hashName(o.Name)] == nil {
				newPWs++
			}
		case dataplane.Service:
			if d.clients.services[hashName(o.Name)] == nil {
				newServices++
			}
			if err := d.attachable(o.Attachment.Interface); err != nil {
				return opError(op.Key, err)
			}
		}
		if err := d.clients.room(op.Key, newPWs, newServices); err != nil {
			return err
		}
		// One slot is none, one is needed to replace.
		if n := int(d.lspIDs.size) - 2; len(d.lsps)+newLSPs > n {
			return &dataplane.OpError{Key: op.Key, Reason: fmt.Sprintf("the table of the ebpf data plane holds %d LSPs", n)}
		}
		if n := int(d.sectionIDs.size) - 1; len(d.sections)+newSections > n {
			return &dataplane.OpError{Key: op.Key, Reason: fmt.Sprintf("the table of the ebpf data plane holds %d sections", n)}
		}
	}
	return nil
}

// Counters implements dataplane.Driver.
func (d *Driver) Counters(ctx context.Context, keys []dataplane.Key, dst []dataplane.Counters) ([]dataplane.Counters, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range keys {
		if err := ctx.Err(); err != nil {
			return dst, err
		}
		var id uint32
		var since uint64
		switch k.Kind {
		case dataplane.KindSection:
			if s := d.sections[hashName(k.Name)]; s != nil {
				id, since = s.counter, s.since
			}
		case dataplane.KindLSP:
			if l := d.lsps[hashName(k.Name)]; l != nil {
				id, since = l.entry.Counter, l.entry.Since
			}
		case dataplane.KindGroup:
			if g := d.groups[hashName(k.Name)]; g != nil {
				id, since = g.entry.Counter, g.entry.Since
			}
		case dataplane.KindPseudowire:
			if pw := d.clients.pws[hashName(k.Name)]; pw != nil {
				id, since = pw.entry.Counter, pw.entry.Since
			}
		case dataplane.KindService:
			if s := d.clients.services[hashName(k.Name)]; s != nil {
				c, err := d.serviceCounters(s)
				if err != nil {
					return dst, fmt.Errorf("read counters of %s: %w", k, err)
				}
				dst = append(dst, c)
				continue
			}
		case dataplane.KindSwitchingPoint:
			if sp := d.clients.switching[hashName(k.Name)]; sp != nil {
				c, err := d.switchingCounters(sp)
				if err != nil {
					return dst, fmt.Errorf("read counters of %s: %w", k, err)
				}
				dst = append(dst, c)
				continue
			}
		}
		if id == 0 {
			dst = append(dst, dataplane.Counters{})
			continue
		}
		c, err := d.objs.countersOf(id, since)
		if err != nil {
			return dst, fmt.Errorf("read counters of %s: %w", k, err)
		}
		dst = append(dst, c)
	}
	return dst, nil
}

// DropCounters returns what was dropped and punted, by reason, since the
// tables were made.
func (d *Driver) DropCounters() (map[string]uint64, error) {
	out := make(map[string]uint64, len(eventNames))
	for i, name := range eventNames {
		var perCPU []uint64
		if err := d.objs.Events.Lookup(uint32(i), &perCPU); err != nil {
			return nil, fmt.Errorf("read drop counters: %w", err)
		}
		for _, n := range perCPU {
			out[name] += n
		}
	}
	return out, d.objs.punting().Counters(out)
}

// eventNames are the names of enum event of bpf/maps.h, in order.
var eventNames = [...]string{
	"malformed", "too-deep", "unknown-label", "foreign-mac", "section-down", "lsp-down", "ttl-expired",
	"unknown-payload", "too-long", "punt-rate", "punt-full", "unknown-prefix", "internal",
	"not-selected", "group-down", "group-empty", "nesting", "special-label", "extension-label", "entropy-label", "relay",
	"control-word", "sequence", "payload-too-long", "runt", "vlan-mismatch", "no-attachment", "policed",
	"pseudowire-down", "service-down",
	"punt-channel-limited", "punt-meg-limited", "blocked", "short", "no-bottom", "noted-resynchronized",
	"punted-gal", "punted-ttl", "punted-router-alert", "punted-reserved", "punted-pw-ach",
}

// Events implements dataplane.Driver.
func (d *Driver) Events() <-chan dataplane.Event { return d.events }

// Close implements dataplane.Driver: the pinned programs go on forwarding.
func (d *Driver) Close() error {
	d.close.Do(func() {
		close(d.stop)
		d.probeQueues()
		d.sub.Close()
		d.done.Wait()
		close(d.events)
		d.release()
	})
	return nil
}

// release closes what Open opened.
func (d *Driver) release() {
	d.closeHooks()
	if d.attachmentProgram != nil {
		d.attachmentProgram.close()
	}
	if d.objs != nil {
		d.objs.Close()
	}
	if d.net != nil {
		d.net.Close()
	}
}
