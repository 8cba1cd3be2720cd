package kernel

import (
	"sync"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/dataplane/punt"
)

// outlets are the ways into groups for frames of OAM: the client label of the
// group on the interface of IP clients, so that the frames go where those of
// clients go. A group has one from when OAM first asks for it. One lives as long
// as the process, so that a path keeps it while its group goes and comes.
//
// OAM asks on its own thread and must not wait for the data plane: wake says
// that there are new ones.
type outlets struct {
	mu     sync.Mutex
	byName map[string]*packetio.Outlet
	wake   chan struct{}
}

func newOutlets() *outlets {
	return &outlets{byName: map[string]*packetio.Outlet{}, wake: make(chan struct{}, 1)}
}

// Outlet implements packetio.Grouper.
func (o *outlets) Outlet(group string) *packetio.Outlet {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.byName[group]
	if out == nil {
		out = new(packetio.Outlet)
		o.byName[group] = out
		select {
		case o.wake <- struct{}{}:
		default: // It will be seen.
		}
	}
	return out
}

// each calls f with all of them.
func (o *outlets) each(f func(group string, out *packetio.Outlet)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, out := range o.byName {
		f(name, out)
	}
}

// of calls f with the outlet of a group, if there is one.
func (o *outlets) of(group string, f func(group string, out *packetio.Outlet)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if out := o.byName[group]; out != nil {
		f(group, out)
	}
}

// tapped and sockets are what gives OAM its frames and takes those for groups.
type tapped struct {
	*punt.Reader
	*outlets
}

type sockets struct {
	packetio.Source
	*outlets
}

var (
	_ packetio.Grouper  = tapped{}
	_ packetio.Consumer = tapped{}
	_ packetio.Grouper  = sockets{}
)

// serve opens outlets as OAM asks for them.
func (d *Driver) serve() {
	for {
		select {
		case <-d.stop:
			return
		case <-d.outlets.wake:
			d.mu.Lock()
			d.chains.letIn()
			d.mu.Unlock()
		}
	}
}

// letIn gives groups that OAM has asked for a client label and its filter.
func (t *chains) letIn() {
	c := t.newChange(nil)
	t.outlets.each(func(name string, _ *packetio.Outlet) {
		if t.state.Outlets[name] {
			return
		}
		t.state.Outlets[name] = true
		k := dataplane.Key{Kind: dataplane.KindGroup, Name: name}
		if o, there := t.state.Objects[k]; there {
			t.number(o)
			c.dirty[k] = onChange
		}
	})
	if len(c.dirty) > 0 {
		c.run() // What fails is found by the next dump.
	}
	t.openOutlets()
}

// openOutlets opens the outlets of groups that are there and shuts the others.
func (t *chains) openOutlets() { t.outlets.each(t.openOutlet) }

func (t *chains) openOutlet(name string, out *packetio.Outlet) {
	k := dataplane.Key{Kind: dataplane.KindGroup, Name: name}
	m, label := t.made[k], t.state.Clients[k]
	if m != nil && label != 0 && t.state.Objects[k] != nil {
		for _, id := range m.filters {
			if id.block != chain.Egress || id.chain != 0 || id.handle != label {
				continue
			}
			if _, there := t.have[id]; there {
				out.OpenLabel(t.state.Device.Index, label)
				return
			}
		}
	}
	out.Shut()
}

// openTouched opens and shuts the outlets of groups that a change has touched.
func (c *change) openTouched() {
	for k := range c.dirty {
		if k.Kind == dataplane.KindGroup && c.state.Outlets[k.Name] {
			c.outlets.of(k.Name, c.openOutlet)
		}
	}
}
