package drivertest

import (
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
)

func (s suite) link(t *testing.T) {
	t.Run("flap", s.flap)
	t.Run("interface goes and comes back", s.vanish)
	t.Run("close ends the events", s.eventsEnd)
}

// wait reads events until one of a kind on a port comes.
func (d driver) wait(t *testing.T, kind dataplane.EventKind, port string) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case e, ok := <-d.Events():
			if !ok {
				t.Fatalf("events ended before %s of %s", kind, port)
			}
			if e.Kind == kind && e.Interface == port {
				if e.Time.IsZero() {
					t.Errorf("%s of %s has no time", kind, port)
				}
				return
			}
		case <-timeout.C:
			t.Fatalf("no event %s of %s", kind, port)
		}
	}
}

// flap takes East down and up again; one Put of the section must be enough for
// labels and IP clients.
func (s suite) flap(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	imp := imposing(out("east", 300), "198.51.100.0/24", "2001:db8:100::/48")
	imp.Name = "imp"
	sections := e.sections()
	d.put(t, append(sections, lsp(swap, 100, out("east", 200)), imp)...)
	s.lab.SetPort(t, East, false)
	d.wait(t, dataplane.LinkDown, e.east.Name)
	s.lab.SetPort(t, East, true)
	d.wait(t, dataplane.LinkUp, e.east.Name)
	d.put(t, sections[1])
	s.swapped(t, e, 100, 200)
	s.imposed(t, e, 300)
	d.holds(t, append(sections, lsp(swap, 100, out("east", 200)), imp)...)
}

// imposed sends IP packets of both families into the LSP with a label.
func (s suite) imposed(t *testing.T, e env, out uint32) {
	t.Helper()
	s.exchange(t, e, packetCase{
		in: Client, send: func(e env) []byte { return e.fromClient(ip(clientIPv4, remoteIPv4, 64)) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{out, 0, 255}), ip(clientIPv4, remoteIPv4, 63)) },
	})
	s.exchange(t, e, packetCase{
		in: Client, send: func(e env) []byte { return e.fromClient(ip(clientIPv6, remoteIPv6, 64)) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{out, 0, 255}), ip(clientIPv6, remoteIPv6, 63)) },
	})
}

// vanish deletes East and makes it anew, with another index.
func (s suite) vanish(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	imp := imposing(out("east", 300), "198.51.100.0/24", "2001:db8:100::/48")
	imp.Name = "imp"
	sections := e.sections()
	d.put(t, append(sections, lsp(swap, 100, out("east", 200)), imp)...)
	s.lab.RemovePort(t, East)
	d.wait(t, dataplane.LinkChanged, e.east.Name)
	failed := d.apply([]dataplane.Op{{Verb: dataplane.Put, Key: sections[1].Key(), Object: sections[1]}})
	if len(failed) == 0 || failed[0].Retry {
		t.Errorf("section on an interface that is gone: got %v, want an error without Retry", failed)
	}
	s.lab.AddPort(t, East)
	d.wait(t, dataplane.LinkChanged, e.east.Name)
	// What failed with the section is put again by the reconciler.
	d.put(t, sections[1], lsp(swap, 100, out("east", 200)), imp)
	s.swapped(t, e, 100, 200)
	s.imposed(t, e, 300)
	d.holds(t, append(sections, lsp(swap, 100, out("east", 200)), imp)...)
}

func (s suite) eventsEnd(t *testing.T) {
	d := s.start(t)
	d.close(t)
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case _, ok := <-d.Events():
			if !ok {
				return
			}
		case <-timeout.C:
			t.Fatal("events go on after Close")
		}
	}
}
