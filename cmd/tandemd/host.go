package main

import (
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/server"
)

// host joins the host's interfaces with the sections of the configuration: the
// element is told of the interfaces, the OAM transport of the section's
// interface as it is now.
type host struct {
	handle    *link.Handle
	sub       *link.Subscription
	transport *packetio.Transport
	changes   chan server.Interface

	mu       sync.Mutex
	links    map[string]link.Link
	sections map[string]dataplane.Section
}

// openHost follows the interfaces of the calling thread's namespace.
func openHost(transport *packetio.Transport) (*host, error) {
	handle, err := link.Open()
	if err != nil {
		return nil, err
	}
	sub, err := handle.Subscribe()
	if err != nil {
		handle.Close()
		return nil, err
	}
	h := &host{
		handle: handle, sub: sub, transport: transport, changes: make(chan server.Interface, 64),
		links: map[string]link.Link{}, sections: map[string]dataplane.Section{},
	}
	// Read after subscribing: what changes meanwhile is told twice, not missed.
	all, err := handle.List()
	if err != nil {
		h.Close()
		return nil, err
	}
	for _, l := range all {
		h.links[l.Name] = l
	}
	go h.follow()
	return h, nil
}

// follow takes the kernel's reports until the subscription is closed.
func (h *host) follow() {
	defer close(h.changes)
	for ev := range h.sub.Events() {
		switch ev.Kind {
		case link.LinkNew:
			h.changed(ev.Link)
		case link.LinkGone:
			h.gone(ev.Link)
		case link.Overflow:
			h.relist()
		}
	}
}

// changed notes an interface; the one that had its index before was renamed.
func (h *host) changed(l link.Link) {
	h.mu.Lock()
	var renamed []link.Link
	for _, old := range h.links {
		if old.Index == l.Index && old.Name != l.Name {
			renamed = append(renamed, old)
		}
	}
	h.mu.Unlock()
	for _, old := range renamed {
		h.gone(old)
	}
	h.mu.Lock()
	same := h.links[l.Name] == l
	h.links[l.Name] = l
	h.mu.Unlock()
	if same {
		return
	}
	h.bind(l.Name)
	h.changes <- interfaceOf(l)
}

func (h *host) gone(l link.Link) {
	h.mu.Lock()
	if h.links[l.Name].Index != l.Index {
		h.mu.Unlock()
		return // Another one has taken the name.
	}
	delete(h.links, l.Name)
	h.mu.Unlock()
	h.bind(l.Name)
	h.changes <- server.Interface{Name: l.Name}
}

// relist compares with the kernel after reports were lost.
func (h *host) relist() {
	all, err := h.handle.List()
	if err != nil {
		return // The next report that comes through repairs it.
	}
	there := map[string]bool{}
	for _, l := range all {
		there[l.Name] = true
	}
	h.mu.Lock()
	var lost []link.Link
	for name, l := range h.links {
		if !there[name] {
			lost = append(lost, l)
		}
	}
	h.mu.Unlock()
	for _, l := range lost {
		h.gone(l)
	}
	for _, l := range all {
		h.changed(l)
	}
}

// bind gives the transport the sections of an interface as it is now.
func (h *host) bind(ifc string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, s := range h.sections {
		if s.Interface == ifc {
			h.set(name, s)
		}
	}
}

// set needs mu.
func (h *host) set(name string, s dataplane.Section) {
	l := h.links[s.Interface]
	h.transport.SetSection(name, packetio.Section{
		IfIndex: l.Index, VLAN: s.VLAN, Local: l.MAC, Peer: s.PeerMAC, Up: l.Carrier && !s.Down,
	})
}

// SetSection implements server.SectionTable.
func (h *host) SetSection(s dataplane.Section) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sections[s.Name] = s
	h.set(s.Name, s)
}

// RemoveSection implements server.SectionTable.
func (h *host) RemoveSection(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sections, name)
	h.transport.RemoveSection(name)
}

// List implements server.Links.
func (h *host) List() ([]server.Interface, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]server.Interface, 0, len(h.links))
	for _, l := range h.links {
		out = append(out, interfaceOf(l))
	}
	return out, nil
}

func interfaceOf(l link.Link) server.Interface {
	return server.Interface{Name: l.Name, Index: l.Index, MAC: l.MAC, MTU: l.MTU, Up: l.Up, Carrier: l.Carrier}
}

// Changes implements server.Links.
func (h *host) Changes() <-chan server.Interface { return h.changes }

// Close implements server.Links.
func (h *host) Close() error {
	err := h.sub.Close()
	if e := h.handle.Close(); err == nil {
		err = e
	}
	return err
}

// monotonic is CLOCK_MONOTONIC, the clock of the kernel's time stamps. Go's own
// monotonic reading is the same clock, read without a system call, from an
// origin of its own.
type monotonic struct {
	origin time.Time
	offset int64
}

func newMonotonic() (*monotonic, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return nil, err
	}
	return &monotonic{origin: time.Now(), offset: ts.Nano()}, nil
}

// Now implements oam.Clock.
func (m *monotonic) Now() int64 { return m.offset + int64(time.Since(m.origin)) }

// SleepUntil implements oam.Sleeper: it returns at the instant t of this clock.
func (m *monotonic) SleepUntil(t int64) {
	at := unix.NsecToTimespec(t)
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil) == unix.EINTR {
	}
}

// bootID tells one boot of the host from another; it is empty where the kernel
// does not say.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
