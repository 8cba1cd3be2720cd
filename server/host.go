package server

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/tree"
)

// followLinks publishes the host's interfaces until Links is closed.
func (s *Server) followLinks() {
	defer close(s.linksDone)
	all, err := s.links.List()
	if err != nil {
		s.log.Error("interfaces not read", "err", err)
	}
	for _, i := range all {
		s.health.onLink(i)
	}
	for i := range s.links.Changes() {
		s.health.onLink(i)
	}
}

// interfaceState returns the operational state of an interface as
// ietf-interfaces (RFC 8343) shows it. An interface that is configured and not
// there is not-present; one that is neither is gone.
func (s *Server) interfaceState(running *tree.Node, i Interface) []tree.Edit {
	root := tree.Path{{Node: s.Schema.Root().Child("interfaces")}}
	e := edits{at: entry(root, "interface", i.Name)}
	if i.Index == 0 {
		if running != nil && running.Get(e.at) != nil {
			e.set("not-present", "oper-status")
			e.remove("phys-address")
			return e.all
		}
		return []tree.Edit{{Op: tree.Remove, Path: e.at}}
	}
	status := "down"
	if i.Carrier {
		status = "up"
	}
	e.set(status, "oper-status")
	if i.MAC != [6]byte{} {
		e.set(i.MAC.String(), "phys-address")
	}
	return e.all
}

// interfaceProvider shows how the data plane is attached to interfaces, where
// the driver tells.
type interfaceProvider struct{ *Server }

// Read implements oper.Provider.
func (p interfaceProvider) Read(_ context.Context, req oper.Request) error {
	d, ok := p.driver.(dataplane.InterfaceReporter)
	if !ok {
		return nil
	}
	states, err := d.InterfaceStates()
	if err != nil {
		return err
	}
	root := tree.Path{{Node: p.Schema.Root().Child("mpls-tp")}}
	at := below(root, "node", "data-plane")
	for _, i := range states {
		e := edits{at: entry(at, "interface", i.Name)}
		e.set(i.Mode, "mode")
		if i.Reason != "" {
			e.set(i.Reason, "reason")
		}
		e.list(i.Switched, "offload-switched")
		if i.Queueing != "" {
			e.set(i.Queueing, "queueing")
		}
		e.build(req.Build)
	}
	return nil
}

// publishPlatform shows what the element runs on (RFC 7317 section 3.1).
func (s *Server) publishPlatform() error {
	state := s.Schema.Root().Child("system-state")
	if state == nil {
		return nil
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	e := edits{at: tree.Path{{Node: state}}}
	e.set(unix.ByteSliceToString(u.Sysname[:]), "platform", "os-name")
	e.set(unix.ByteSliceToString(u.Release[:]), "platform", "os-release")
	e.set(unix.ByteSliceToString(u.Version[:]), "platform", "os-version")
	e.set(runtime.GOARCH, "platform", "machine")
	return s.Hub.Publish(s.started, e.all)
}

// systemClock reads the time of day.
type systemClock struct{ *Server }

// Read implements oper.Provider.
func (p systemClock) Read(_ context.Context, req oper.Request) error {
	for _, at := range req.Instances {
		e := edits{at: at}
		e.setTime(time.Now(), "current-datetime")
		if boot, err := bootTime(); err == nil {
			e.setTime(boot, "boot-datetime")
		}
		e.build(req.Build)
	}
	return nil
}

// bootTime is when the host booted.
func bootTime() (time.Time, error) {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return time.Time{}, err
	}
	return time.Now().Add(-time.Duration(up.Nano())), nil
}
