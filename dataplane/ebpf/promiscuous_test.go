package ebpf

import (
	"context"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/reconcile"
)

// TestPromiscuous: a client's interface takes frames for all addresses while a
// service is on it, whoever turns that off; then it is as it was found.
func TestPromiscuous(t *testing.T) {
	wire := []dataplane.Object{
		dataplane.Pseudowire{Name: "p", InLabel: 500, Out: dataplane.NextHop{Section: "west", Stack: []dataplane.LabelEntry{{Label: 600}}}},
		dataplane.Service{Name: "s", Attachment: dataplane.Attachment{Interface: "client0"}, Send: "p", Receive: []string{"p"}},
	}
	pw, service := wire[0].Key(), wire[1].Key()
	for _, c := range []struct {
		name   string
		before bool
		end    func(t *testing.T, m *managed)
	}{
		{"service deleted", false, func(t *testing.T, m *managed) {
			m.rec.Update(dataplane.Delta{Delete: []dataplane.Key{service, pw}})
			if err := m.rec.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}},
		{"service deleted, promiscuous before", true, func(t *testing.T, m *managed) {
			m.rec.Update(dataplane.Delta{Delete: []dataplane.Key{service, pw}})
			if err := m.rec.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}},
		{"service deleted by a later process", false, func(t *testing.T, m *managed) {
			m.rec.Close()
			m.Close()
			m.lab.Do(t, func() { m.Driver = mustOpen(t, m.opt) })
			t.Cleanup(func() { m.Driver.Close() })
			for _, err := range m.Apply(context.Background(), []dataplane.Op{
				{Verb: dataplane.Delete, Key: service}, {Verb: dataplane.Delete, Key: pw},
			}) {
				t.Fatal(err)
			}
		}},
		{"element removed", false, func(t *testing.T, m *managed) {
			m.rec.Close()
			m.Close()
			m.lab.Do(t, func() {
				if err := Remove(m.opt); err != nil {
					t.Fatal(err)
				}
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newManaged(t, Options{})
			var net *link.Handle
			m.lab.Do(t, func() {
				var err error
				if net, err = link.Open(); err != nil {
					t.Fatal(err)
				}
			})
			defer net.Close()
			is := func() bool {
				l, err := net.ByName("client0")
				if err != nil {
					t.Fatal(err)
				}
				return l.Promiscuous
			}
			if c.before {
				m.run(t, "ip link set client0 promisc on")
			}
			m.rec.Update(dataplane.Delta{Put: wire})
			m.status(t, service, reconcile.Applied, "")
			if !is() {
				t.Error("frames for others are not taken")
			}
			if !c.before {
				m.run(t, "ip link set client0 promisc off")
				until(t, func() (string, bool) { return "turned off by somebody", is() })
			}
			c.end(t, m)
			if is() != c.before {
				t.Errorf("promiscuous %v in the end", is())
			}
		})
	}
}
