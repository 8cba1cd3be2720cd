package ebpf

import (
	"sync"

	"github.com/tandem-ne/tandem/dataplane/packetio"
)

// outlets are the ways into groups for frames of OAM. One lives as long as the
// process, so that a path keeps it while its group goes and comes. The lock is
// never held while something waits: OAM asks on its own thread.
type outlets struct {
	mu     sync.Mutex
	byName map[string]*packetio.Outlet
}

func (o *outlets) get(group string) *packetio.Outlet {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byName == nil {
		o.byName = map[string]*packetio.Outlet{}
	}
	if o.byName[group] == nil {
		o.byName[group] = new(packetio.Outlet)
	}
	return o.byName[group]
}

// open says that frames with the tag lead into the group.
func (o *outlets) open(group string, ifindex int, tci uint16) { o.get(group).Open(ifindex, tci) }

// shut says that the group is not there.
func (o *outlets) shut(group string) { o.get(group).Shut() }

var _ packetio.Grouper = (*Punts)(nil)

// Outlet implements packetio.Grouper.
func (p *Punts) Outlet(group string) *packetio.Outlet { return p.outlets.get(group) }
