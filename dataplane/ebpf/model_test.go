package ebpf

import (
	"encoding/binary"
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/oam"
)

// model is the forwarding a second time, in Go, from the RFCs and the contract
// of the objects (package dataplane), to hold the programs against. It works on
// the objects themselves: what the driver makes of them in its tables is under
// test as well. It is slow and obvious.
//
// model_stack_test.go is the label stack, model_send_test.go the way out,
// model_client_test.go attachment circuits and pseudowires.
type model struct {
	ifaces   map[string]modelInterface
	sections map[string]dataplane.Section
	lsps     map[string]dataplane.LSP
	groups   map[string]dataplane.Group
	pws      map[string]dataplane.Pseudowire
	services map[string]dataplane.Service
	points   []dataplane.SwitchingPoint
	labels   map[modelLabel]dataplane.Key
	active   map[string]uint8
	sent     map[string]uint16 // Sequence number that a pseudowire sends next.
	order    map[string]*modelOrder
	buckets  map[string]*[2]uint64

	count  map[dataplane.Key]*modelCounters
	events map[string]uint64
	out    outcome // Of the frame under way.
}

// modelInterface is what the model must know of an interface.
type modelInterface struct {
	mac    dataplane.MAC
	mtu    int
	queues bool // Its section has queues.
}

type modelLabel struct {
	section string // Empty: the per-platform space.
	label   uint32
}

type modelCounters struct {
	in, out           dataplane.Counter
	inDrops, outDrops uint64
}

// outcome is what becomes of one frame.
type outcome struct {
	sent    []sentFrame
	host    []byte // Goes on to the host's network stack, as this frame.
	punt    *modelPunt
	entropy int // Offset of an entropy label in sent[0], whose value is free; 0: none.
}

type sentFrame struct {
	port  string
	frame []byte
	queue uint8 // The traffic class that selects the queue.
}

// modelPunt is what a punt says.
type modelPunt struct {
	reason   oam.Reason
	label    uint32
	hasLabel bool
	stack    []byte
}

// Limits of the programs that are part of the contract (Capabilities).
const (
	modelMaxReceive = 12
	modelMaxStack   = 8
	modelMaxNesting = 3
)

const (
	typeMPLS = 0x8847
	typeIPv4 = 0x0800
	typeIPv6 = 0x86dd
	typeCTag = 0x8100
	typeSTag = 0x88a8

	labelIPv4Null     = 0
	labelRouterAlert  = 1
	labelIPv6Null     = 2
	labelELI          = 7
	labelGAL          = 13
	labelExtension    = 15
	labelLowest       = 16
	etherLen          = 14
	modelNoAttachment = "no-attachment"
)

func newModel(ifaces map[string]modelInterface, objects []dataplane.Object) *model {
	m := &model{
		ifaces: ifaces, sections: map[string]dataplane.Section{}, lsps: map[string]dataplane.LSP{},
		groups: map[string]dataplane.Group{}, pws: map[string]dataplane.Pseudowire{}, services: map[string]dataplane.Service{},
		labels: map[modelLabel]dataplane.Key{}, active: map[string]uint8{}, sent: map[string]uint16{}, order: map[string]*modelOrder{},
		buckets: map[string]*[2]uint64{}, count: map[dataplane.Key]*modelCounters{}, events: map[string]uint64{},
	}
	for _, o := range objects {
		m.count[o.Key()] = new(modelCounters)
		switch o := o.(type) {
		case dataplane.Section:
			m.sections[o.Name] = o
		case dataplane.LSP:
			m.lsps[o.Name] = o
			if o.InLabel != 0 {
				m.labels[modelLabel{o.InSection, o.InLabel}] = o.Key()
			}
		case dataplane.Group:
			m.groups[o.Name], m.active[o.Name] = o, o.Active
		case dataplane.Pseudowire:
			m.pws[o.Name], m.sent[o.Name], m.order[o.Name] = o, 1, &modelOrder{expected: 1}
			if o.InLabel != 0 {
				m.labels[modelLabel{"", o.InLabel}] = o.Key()
			}
		case dataplane.Service:
			m.services[o.Name] = o
			if o.Profile != nil {
				m.buckets[o.Name] = &[2]uint64{o.Profile.CBS, o.Profile.EBS}
			}
		case dataplane.SwitchingPoint:
			m.points = append(m.points, o)
		}
	}
	return m
}

func sectionKey(n string) dataplane.Key { return key(dataplane.KindSection, n) }
func lspKey(n string) dataplane.Key     { return key(dataplane.KindLSP, n) }
func groupKey(n string) dataplane.Key   { return key(dataplane.KindGroup, n) }
func pwKey(n string) dataplane.Key      { return key(dataplane.KindPseudowire, n) }
func serviceKey(n string) dataplane.Key { return key(dataplane.KindService, n) }

func (m *model) of(k dataplane.Key) *modelCounters {
	c := m.count[k]
	if c == nil {
		c = new(modelCounters)
		m.count[k] = c
	}
	return c
}

func add(c *dataplane.Counter, octets int) {
	c.Packets++
	c.Octets += uint64(octets)
}

// dropIn ends a packet under a counter of its own, and as a drop of the objects
// that it had come to.
func (m *model) dropIn(why string, of ...dataplane.Key) {
	m.events[why]++
	for _, k := range of {
		m.of(k).inDrops++
	}
}

// dropOut is dropIn on the way out.
func (m *model) dropOut(why string, of ...dataplane.Key) {
	m.events[why]++
	for _, k := range of {
		m.of(k).outDrops++
	}
}

// receive is a frame that comes in on a port.
func (m *model) receive(port string, f []byte) outcome {
	m.out = outcome{}
	if !m.attachment(port, f) {
		m.section(port, f)
	}
	return m.out
}

// section is a frame on a port that no attachment circuit takes.
func (m *model) section(port string, f []byte) {
	m.out.host = f
	if len(f) < etherLen {
		return
	}
	typ, at, vlan := binary.BigEndian.Uint16(f[12:]), etherLen, uint16(0)
	if typ == typeCTag && len(f) >= 18 {
		vlan, typ, at = binary.BigEndian.Uint16(f[14:])&0xfff, binary.BigEndian.Uint16(f[16:]), 18
	}
	var s *dataplane.Section
	for _, x := range m.sections {
		if x.Interface == port && x.VLAN == vlan {
			s = &x
		}
	}
	if typ != typeMPLS || s == nil {
		return
	}
	m.out.host = nil
	if dst := dataplane.MAC(f[:6]); dst != m.ifaces[port].mac && dst != dataplane.MulticastMAC() {
		m.dropIn("foreign-mac", s.Key())
		return
	}
	add(&m.of(s.Key()).in, len(f)-at)
	if s.Down {
		m.dropIn("section-down", s.Key())
		return
	}
	if s.Blocked && (len(f) < at+4 || parseEntry(f[at:]).label != labelGAL) {
		m.dropIn("blocked", s.Key())
		return
	}
	w := walker{m: m, sec: *s, source: dataplane.MAC(f[6:12]), whole: f[at:], b: f[at:]}
	w.run()
}

// impose is a frame on the far end of the impose device: an IP packet that the
// host has routed to one of our prefixes.
func (m *model) impose(f []byte) outcome {
	m.out = outcome{}
	if len(f) < etherLen {
		return m.out
	}
	var dst netip.Addr
	p := f[etherLen:]
	switch typ := binary.BigEndian.Uint16(f[12:]); {
	case typ == typeIPv4 && len(p) >= 20:
		dst = netip.AddrFrom4([4]byte(p[16:20]))
	case typ == typeIPv6 && len(p) >= 40:
		dst = netip.AddrFrom16([16]byte(p[24:40]))
	default:
		return m.out
	}
	best, to := -1, dataplane.Key{}
	match := func(k dataplane.Key, prefixes []netip.Prefix) {
		for _, x := range prefixes {
			if x.Contains(dst) && x.Bits() > best {
				best, to = x.Bits(), k
			}
		}
	}
	for _, l := range m.lsps {
		match(l.Key(), l.Prefixes)
	}
	for _, g := range m.groups {
		match(g.Key(), g.Prefixes)
	}
	switch {
	case best < 0:
		m.events["unknown-prefix"]++
	case to.Kind == dataplane.KindGroup:
		// Nobody sends it: the drops are those of the group and behind it.
		m.send(parcel{sender: dataplane.Key{}, body: p, group: to.Name})
	default:
		m.enter(to.Name, p, false, 0, nil)
	}
	return m.out
}

// enter is a packet that enters an LSP that begins here: tc is that of its top
// label, if it has one, class that of an L-LSP on its way.
func (m *model) enter(name string, p []byte, labelled bool, tc uint8, class *uint8) {
	l, k := m.lsps[name], lspKey(name)
	add(&m.of(k).in, len(p))
	switch {
	case l.Down:
		m.dropIn("lsp-down", k)
	case l.Blocked:
		m.dropIn("blocked", k)
	default:
		m.forward(l, p, labelled, 0, tc, class)
	}
}

// ipVersion returns 4 or 6 where b begins with a header of that length, else 0.
func ipVersion(b []byte) byte {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && b[0]&15 >= 5:
		return 4
	case len(b) >= 40 && b[0]>>4 == 6:
		return 6
	}
	return 0
}

func ipType(b []byte) uint16 {
	switch ipVersion(b) {
	case 4:
		return typeIPv4
	case 6:
		return typeIPv6
	}
	return 0
}
