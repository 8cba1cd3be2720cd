package kernel

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/tap"
	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/dataplane/punt"
)

// tapName is what the filter of the tap is called.
const tapName = "tandem-tap"

// tapping keeps the tap in step with the objects: where sections are and what
// labels are. What it cannot tell the tap costs OAM frames, not users', so it is
// logged and told again with the next dump.
type tapping struct {
	*tap.Tap
	link *link.Handle
	log  *slog.Logger
	// passes tells that the kernel's routes are behind the tap, which take any
	// stack apart.
	passes bool
	// at are the ports of sections by name, of the sections by port.
	at map[string]tap.Port
	of map[tap.Port]string
	// joined are the pseudowires that switching points have, points those of
	// each.
	joined map[string]string
	points map[string][2]string
	// hooked are the interfaces with a filter of their own; true: the clsact is
	// ours too.
	hooked map[int]bool
}

// openTap loads the tap.
func openTap(h *link.Handle, log *slog.Logger, rates punt.Rates, passes bool) (*tapping, error) {
	t, err := tap.Load(rates)
	if err != nil {
		return nil, err
	}
	return &tapping{
		Tap: t, link: h, log: log, passes: passes, at: map[string]tap.Port{}, of: map[tap.Port]string{},
		joined: map[string]string{}, points: map[string][2]string{}, hooked: map[int]bool{},
	}, nil
}

func (p *tapping) tell(err error) {
	if err != nil {
		p.log.Warn("punts", "error", err)
	}
}

// before puts the tap before the filters of the sections' block.
func (p *tapping) before(block uint32) {
	if p != nil {
		p.tell(p.link.SetBlock(block, p.Program(), tapName))
	}
}

// hook puts the tap on the ingress of an interface.
func (p *tapping) hook(index int) {
	if p == nil {
		return
	}
	// One that an earlier process has left is on a clsact of ours.
	before, _ := p.link.Ingress(index, tapName)
	added, err := p.link.SetIngress(index, p.Program(), tapName)
	p.tell(err)
	if err == nil {
		p.hooked[index] = p.hooked[index] || added || before != 0
	}
}

// unhook takes it off again.
func (p *tapping) unhook(index int) {
	if p == nil {
		return
	}
	if clean, ok := p.hooked[index]; ok {
		p.tell(p.link.ClearIngress(index, tapName, clean))
		delete(p.hooked, index)
	}
}

// section tells where a section is.
func (p *tapping) section(o dataplane.Section, where chain.Port, space uint32) {
	port := tap.Port{IfIndex: where.Index, VLAN: o.VLAN}
	if old, ok := p.at[o.Name]; ok && old != port || where.Index == 0 {
		p.gone(o.Name)
	}
	if where.Index == 0 {
		return
	}
	p.tell(p.SetPort(port, tap.Section{Own: where.MAC, Space: space, Down: o.Down, Blocked: o.Blocked, Passes: p.passes}))
	p.at[o.Name], p.of[port] = port, o.Name
}

// gone says that a section is no more.
func (p *tapping) gone(name string) {
	port, ok := p.at[name]
	if !ok {
		return
	}
	delete(p.at, name)
	if p.of[port] == name { // Not yet another's.
		delete(p.of, port)
		p.tell(p.RemovePort(port))
	}
}

// kindOf is what a label of an object is. taken is false for a selector whose
// leg is not the active one.
func (p *tapping) kindOf(o dataplane.Object, taken bool) tap.Kind {
	switch o := o.(type) {
	case dataplane.LSP:
		k := tap.Known
		for _, f := range []struct {
			kind tap.Kind
			is   bool
		}{
			{tap.Ends, o.Op == dataplane.PopAndLookup}, {tap.Bud, o.Bud}, {tap.Loop, o.Loop != ""},
			{tap.Held, o.Down || o.Blocked || !taken},
		} {
			if f.is {
				k |= f.kind
			}
		}
		return k
	case dataplane.Pseudowire:
		k := tap.Known | tap.PW
		if o.ControlWord {
			k |= tap.Word
		}
		if _, joined := p.joined[o.Name]; joined || o.Loop != "" {
			k |= tap.Join
		}
		return k
	}
	return 0
}

// inform tells the tap what a change has touched.
func (c *change) inform() {
	p := c.tap
	if p == nil {
		return
	}
	for k := range c.dirty {
		switch k.Kind {
		case dataplane.KindSection:
			if o, ok := c.state.Objects[k].(dataplane.Section); ok {
				c.tapSection(o)
			} else {
				p.gone(k.Name)
			}
		case dataplane.KindSwitchingPoint:
			c.tapSwitching(k)
		}
	}
	for _, l := range c.lost {
		c.tapLabel(l)
	}
	for k := range c.dirty {
		if l, ok := labelOf(c.state.Objects[k]); ok {
			c.tapLabel(l)
		}
	}
}

// tapSpace is the number that the tap has for a label space.
func tapSpace(space uint32) uint32 {
	if space == chain.Platform {
		return 0
	}
	return space
}

func (t *chains) tapSection(o dataplane.Section) {
	space := uint32(0)
	if o.InterfaceLabelSpace {
		space = tapSpace(t.state.Spaces[o.Name])
	}
	t.tap.section(o, t.state.Ports[o.Interface], space)
}

// tapSwitching notes which pseudowires a switching point has.
func (t *chains) tapSwitching(k dataplane.Key) {
	changed := map[string]bool{}
	for _, pw := range t.tap.points[k.Name] {
		if t.tap.joined[pw] == k.Name {
			delete(t.tap.joined, pw)
			changed[pw] = true
		}
	}
	delete(t.tap.points, k.Name)
	if o, ok := t.state.Objects[k].(dataplane.SwitchingPoint); ok {
		t.tap.points[k.Name] = o.Segments
		for _, pw := range o.Segments {
			t.tap.joined[pw] = k.Name
			changed[pw] = true
		}
	}
	for pw := range changed {
		if l, ok := labelOf(t.state.Objects[dataplane.Key{Kind: dataplane.KindPseudowire, Name: pw}]); ok {
			t.tapLabel(l)
		}
	}
}

// tapLabel tells what a label is now.
func (t *chains) tapLabel(l spaceLabel) {
	space := uint32(0)
	if l.section != "" {
		if space = tapSpace(t.state.Spaces[l.section]); space == 0 {
			return // The section is not there, or gone with its labels.
		}
	}
	k := tap.Kind(0)
	if key, ok := t.claims.labels[l]; ok {
		o := t.state.Objects[key]
		taken := true
		if lsp, ok := o.(dataplane.LSP); ok && lsp.Selector != "" {
			taken = t.state.Active[lsp.Selector] == lsp.SelectorLeg
		}
		k = t.tap.kindOf(o, taken)
	}
	t.tap.tell(t.tap.SetLabel(space, l.label, k))
}

// retap tells the tap everything, after a dump.
func (t *chains) retap() {
	if t.tap == nil {
		return
	}
	ports, labels := map[tap.Port]bool{}, map[spaceNumber]bool{}
	clear(t.tap.joined)
	clear(t.tap.points)
	for k := range t.state.Objects {
		if k.Kind == dataplane.KindSwitchingPoint {
			t.tapSwitching(k)
		}
	}
	for _, o := range t.state.Objects {
		if s, ok := o.(dataplane.Section); ok {
			t.tapSection(s)
			ports[t.tap.at[s.Name]] = true
		}
		if l, ok := labelOf(o); ok {
			t.tapLabel(l)
			space := uint32(0)
			if l.section != "" {
				space = t.state.Spaces[l.section]
			}
			labels[spaceNumber{space, l.label}] = true
		}
	}
	t.tap.keep(ports, labels)
	if t.base {
		t.tap.before(chain.Ingress)
	}
}

// spaceNumber is a label as the tap knows it.
type spaceNumber struct{ space, label uint32 }

// keep has the tap forget all but these.
func (p *tapping) keep(ports map[tap.Port]bool, labels map[spaceNumber]bool) {
	for name, port := range p.at {
		if !ports[port] {
			p.gone(name)
		}
	}
	p.tell(p.Clear(func(port tap.Port) bool { return ports[port] },
		func(space, label uint32) bool { return labels[spaceNumber{space, label}] }))
}

// close takes the tap off, where it is still ours.
func (p *tapping) close(block uint32) error {
	if p == nil {
		return nil
	}
	var errs []error
	id, err := p.ID()
	if err == nil && block != 0 {
		var now int
		if now, err = p.link.Block(block, tapName); err == nil && now == id {
			errs = append(errs, p.link.ClearBlock(block))
		}
	}
	// What is on interfaces stays for the next process: a clsact that goes, or
	// comes, stops the transmit queues of its interface for a moment.
	return errors.Join(append(errs, p.Tap.Close())...)
}

// Source returns what gives the frames that are OAM's: the tap, to which steady
// sessions leave theirs (packetio.Consumer), or packet sockets where this host does
// not take it. It is to be called in the network namespace of the driver.
func (d *Driver) Source() (packetio.Source, error) {
	if d.tap == nil {
		from, err := packetio.NewSocketSource()
		if err != nil || d.chains == nil {
			return from, err
		}
		return sockets{from, d.outlets}, nil
	}
	from, err := d.tap.Source()
	if err != nil {
		return nil, err
	}
	if d.chains == nil {
		return from, nil
	}
	return tapped{from, d.outlets}, nil
}

// Taps tells why OAM gets its frames from packet sockets; nil: it gets them
// from the tap.
func (d *Driver) Taps() error { return d.noTap }

// TTLExpiries returns how often the TTL of a packet has expired, by the name of
// the section it came in on; without the tap under no name.
func (d *Driver) TTLExpiries() (map[string]uint64, error) {
	if d.tap == nil {
		all, err := d.DropCounters()
		return map[string]uint64{"": all[chain.TTLZero.String()]}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]uint64, len(d.tap.at))
	for name, port := range d.tap.at {
		n, err := d.tap.Expiries(port)
		if err != nil {
			return nil, fmt.Errorf("section %s: %w", name, err)
		}
		out[name] = n
	}
	return out, nil
}

// DropCounters implements dataplane.DiscardCounter: the frames that chains have
// dropped and the tap has punted or dropped. What this host cannot tell is not
// listed: without the tap a stack that ends before its bottom, or is too deep;
// with routes what the kernel drops.
func (d *Driver) DropCounters() (map[string]uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[string]uint64{}
	if d.chains != nil {
		var err error
		if out, err = d.chains.reasons(); err != nil {
			return nil, fmt.Errorf("read counters: %w", err)
		}
	}
	if d.tap == nil {
		return out, nil
	}
	taps := map[string]uint64{}
	if err := d.tap.Counters(taps); err != nil {
		return nil, err
	}
	if d.tap.passes {
		for _, name := range []string{"malformed", "short", "no-bottom", "too-deep"} {
			delete(taps, name) // The kernel's routes drop those.
		}
	}
	for name, n := range taps {
		out[name] += n
	}
	return out, nil
}
