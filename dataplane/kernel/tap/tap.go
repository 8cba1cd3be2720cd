package tap

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/punt"
)

// Kind is what the program needs to know of a label.
type Kind uint8

// The kinds, as bpf/maps.h has them; 0: nobody has the label.
const (
	Known Kind = 1 << iota
	Ends       // The next label is looked up here.
	Held       // Users are not taken: down, blocked, not selected.
	Bud        // A copy is looked at here.
	Loop       // Sent back.
	PW         // Of a pseudowire.
	Word       // With a control word.
	Join       // Switched to another segment, or sent back.
)

// Port is a section on an interface.
type Port struct {
	IfIndex int
	VLAN    uint16 // 0: untagged.
}

// Section is what arrives on a Port.
type Section struct {
	Own   dataplane.MAC
	Space uint32 // The label space of its own; 0: that of the platform.
	Down  bool   // Nothing is taken.
	// Passes leaves stacks that end before their bottom, or are too deep, to the
	// kernel.
	Passes bool
	// Blocked takes the section's own G-ACh and nothing else.
	Blocked bool
}

// Of bpf/maps.h.
const (
	maxSections = 4096
	portDown    = 1
	portPasses  = 2
	portBlocked = 4
)

// linesLen is the length of the table of labels: an octet for each.
const linesLen = 1 << 20

// Tap is the loaded program and its tables. It is not safe for concurrent use.
type Tap struct {
	objs  tapObjects
	lines []byte          // The kinds of the labels of the platform, shared with the program.
	ports map[Port]uint32 // Slots.
	slots map[uint32]bool
	// spaces are the labels of the spaces of interfaces.
	spaces map[tapLabelKey]Kind
}

// Load loads the program with the rates of its buckets. The error tells why
// there can be none on this host.
func Load(rates punt.Rates) (*Tap, error) {
	t := &Tap{ports: map[Port]uint32{}, slots: map[uint32]bool{}, spaces: map[tapLabelKey]Kind{}}
	err := loadTapObjects(&t.objs, nil)
	if errors.Is(err, unix.EPERM) {
		// Before Linux 5.11 tables are locked memory, of which there is little.
		all := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
		if unix.Setrlimit(unix.RLIMIT_MEMLOCK, &all) == nil {
			err = loadTapObjects(&t.objs, nil)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("load the tap: %w", err)
	}
	if t.lines, err = unix.Mmap(t.objs.Labels.FD(), 0, linesLen, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, errors.Join(fmt.Errorf("map labels of the tap: %w", err), t.Close())
	}
	if err := t.punting().Set(rates); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// punting returns the tables of punts.
func (t *Tap) punting() punt.Tables {
	m := &t.objs.tapMaps
	return punt.Tables{Limits: m.Limits, ChannelSlots: m.ChannelSlots, Channels: m.Channels, Steady: m.Steady, Seen: m.Seen, Punts: m.Punts}
}

// Program returns the file descriptor of the program.
func (t *Tap) Program() int { return t.objs.TandemTap.FD() }

// ID returns the kernel's number of the program.
func (t *Tap) ID() (int, error) {
	info, err := t.objs.TandemTap.Info()
	if err != nil {
		return 0, err
	}
	id, _ := info.ID()
	return int(id), nil
}

// SetPort makes a section known or changes it.
func (t *Tap) SetPort(p Port, s Section) error {
	slot, ok := t.ports[p]
	if !ok {
		for slot = 1; t.slots[slot]; slot++ {
			continue
		}
		if slot >= maxSections {
			return fmt.Errorf("the tap knows %d sections", maxSections-1)
		}
	}
	v := tapPort{Section: slot, Space: s.Space, Own: s.Own}
	if s.Down {
		v.Flags |= portDown
	}
	if s.Passes {
		v.Flags |= portPasses
	}
	if s.Blocked {
		v.Flags |= portBlocked
	}
	if err := t.objs.Ports.Update(p.key(), v, ebpf.UpdateAny); err != nil {
		return fmt.Errorf("tell the tap of a section: %w", err)
	}
	t.ports[p], t.slots[slot] = slot, true
	return nil
}

// RemovePort forgets a section.
func (t *Tap) RemovePort(p Port) error {
	slot, ok := t.ports[p]
	if !ok {
		return nil
	}
	if err := t.objs.Ports.Delete(p.key()); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("have the tap forget a section: %w", err)
	}
	delete(t.ports, p)
	delete(t.slots, slot)
	// The next section in this slot counts from 0.
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	return t.objs.Sections.Update(slot, make([]tapSection, cpus), ebpf.UpdateAny)
}

// Ports calls f with the sections that are known.
func (t *Tap) Ports(f func(Port)) {
	for p := range t.ports {
		f(p)
	}
}

func (p Port) key() tapPortKey { return tapPortKey{Ifindex: uint32(p.IfIndex), Vlan: p.VLAN} }

// SetLabel says what a label is in a label space, 0 being that of the platform;
// Kind 0: nobody's.
func (t *Tap) SetLabel(space, label uint32, k Kind) error {
	if label >= linesLen {
		return fmt.Errorf("label %d is out of range", label)
	}
	if space == 0 {
		// Octets: the program reads them one by one.
		word := (*uint32)(unsafe.Pointer(&t.lines[label&^3]))
		shift := label & 3 * 8
		atomic.StoreUint32(word, atomic.LoadUint32(word)&^(0xff<<shift)|uint32(k)<<shift)
		return nil
	}
	key := tapLabelKey{Space: space, Label: label}
	if t.spaces[key] == k {
		return nil
	}
	if k == 0 {
		if err := t.objs.SpaceLabels.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("have the tap forget a label: %w", err)
		}
		delete(t.spaces, key)
		return nil
	}
	if err := t.objs.SpaceLabels.Update(key, uint32(k), ebpf.UpdateAny); err != nil {
		return fmt.Errorf("tell the tap of a label: %w", err)
	}
	t.spaces[key] = k
	return nil
}

// Clear forgets all labels and sections for which keep is false.
func (t *Tap) Clear(section func(Port) bool, label func(space, label uint32) bool) error {
	var err error
	for p := range t.ports {
		if !section(p) {
			err = errors.Join(err, t.RemovePort(p))
		}
	}
	for l, k := range t.lines {
		if k != 0 && !label(0, uint32(l)) {
			err = errors.Join(err, t.SetLabel(0, uint32(l), 0))
		}
	}
	for key := range t.spaces {
		if !label(key.Space, key.Label) {
			err = errors.Join(err, t.SetLabel(key.Space, key.Label, 0))
		}
	}
	return err
}

// Source returns a reader of punted frames, to which steady sessions leave theirs.
// It outlives Close.
func (t *Tap) Source() (*punt.Reader, error) { return t.punting().Open() }

// eventNames are the names of enum event of bpf/maps.h, in order.
var eventNames = [...]string{
	"malformed", "short", "no-bottom", "too-deep", "internal", "punt-rate", "punt-full", "punt-channel-limited", "punt-meg-limited",
	"punted-gal", "punted-ttl", "punted-router-alert", "punted-reserved", "punted-pw-ach",
}

// Counters adds what the program has counted: frames dropped and punted, and
// channel types.
func (t *Tap) Counters(out map[string]uint64) error {
	for i, name := range eventNames {
		n, err := t.sum(t.objs.Events, uint32(i))
		if err != nil {
			return err
		}
		out[name] += n
	}
	return t.punting().Counters(out)
}

// Expiries returns how often a TTL has expired on a section.
func (t *Tap) Expiries(p Port) (uint64, error) {
	slot, ok := t.ports[p]
	if !ok {
		return 0, nil
	}
	var perCPU []tapSection
	if err := t.objs.Sections.Lookup(slot, &perCPU); err != nil {
		return 0, fmt.Errorf("read expired TTLs: %w", err)
	}
	n := uint64(0)
	for _, s := range perCPU {
		n += s.Expired
	}
	return n, nil
}

func (t *Tap) sum(m *ebpf.Map, at uint32) (n uint64, err error) {
	var perCPU []uint64
	if err := m.Lookup(at, &perCPU); err != nil {
		return 0, fmt.Errorf("read counters of the tap: %w", err)
	}
	for _, c := range perCPU {
		n += c
	}
	return n, nil
}

// Close releases the tables. The program goes on where it is attached.
func (t *Tap) Close() error {
	err := t.objs.Close()
	if t.lines != nil {
		err = errors.Join(err, unix.Munmap(t.lines))
		t.lines = nil
	}
	return err
}
