//go:build vm

package kernel_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
)

// TestClientTCP sends by TCP from one client to another through two elements, over
// veths. What a client leaves to its interface, segments and checksums, must be
// complete when it has labels on; and what is between the elements may do that
// for labelled frames, as a veth, or nothing at all, as most cards.
func TestClientTCP(t *testing.T) {
	for _, c := range []struct {
		name         string
		client, core string // The offloads of the clients' ends, and between the elements.
	}{
		{"none", "off", "off"},
		{"all", "on", "on"},
		{"clients'", "on", "off"},
	} {
		t.Run(c.name, func(t *testing.T) { clientTCP(t, c.client, c.core) })
	}
}

func clientTCP(t *testing.T, client, core string) {
	west, east := netlab.NewSpace(t), netlab.NewSpace(t)
	elements := [2]netlab.Space{netlab.NewSpace(t), netlab.NewSpace(t)}
	plug := func(s netlab.Space, name string, n byte, mtu int) netlab.Plug {
		return netlab.Plug{Space: s, Name: name, MAC: dataplane.MAC{2, 0, 0, 0, 1, n}, MTU: mtu}
	}
	netlab.Connect(t, plug(west, "ce0", 0x11, 1500), plug(elements[0], "ac0", 0x21, 1500))
	netlab.Connect(t, plug(elements[0], "core0", 1, 1600), plug(elements[1], "core0", 2, 1600))
	netlab.Connect(t, plug(elements[1], "ac0", 0x22, 1500), plug(east, "ce0", 0x12, 1500))
	offloads := func(s netlab.Space, name, to string) {
		s.Run(t, "ethtool", "-K", name, "tx", to, "tso", to, "gso", to)
	}
	for i, s := range []netlab.Space{west, east} {
		s.Run(t, "ip", "addr", "add", fmt.Sprintf("192.0.2.%d/24", 1+i), "dev", "ce0")
		offloads(s, "ce0", client)
	}
	for i, s := range elements {
		offloads(s, "core0", core)
		s.Do(t, func() {
			d, err := kernel.Open(kernel.Options{Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if t.Failed() {
					n, err := d.DropCounters()
					t.Logf("element %d: %v %v", i, n, err)
				}
				d.Close()
			})
			n := uint32(i)
			labels := func(l uint32) []dataplane.LabelEntry { return []dataplane.LabelEntry{{Label: l}} }
			r := rig{Driver: d}
			r.put(t,
				dataplane.Section{Name: "core", Interface: "core0", PeerMAC: dataplane.MAC{2, 0, 0, 0, 1, byte(2 - i)}},
				dataplane.LSP{Name: "from", Op: dataplane.PopAndLookup, InLabel: 100 + n},
				dataplane.LSP{Name: "to", Op: dataplane.ImposeAndForward, Out: dataplane.NextHop{Section: "core", Stack: labels(101 - n)}},
				dataplane.Group{Name: "tunnel", Legs: []string{"to"}},
				dataplane.Pseudowire{Name: "pw", InLabel: 500 + n, Out: dataplane.NextHop{Group: "tunnel", Stack: labels(501 - n)}, ControlWord: true},
				dataplane.Service{Name: "s", Attachment: dataplane.Attachment{Interface: "ac0"}, Send: "pw", Receive: []string{"pw"}})
		})
	}
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i * 2654435761 >> 13)
	}
	deadline := time.Now().Add(60 * time.Second)
	var l net.Listener
	east.Do(t, func() {
		var err error
		if l, err = net.Listen("tcp", "192.0.2.2:7"); err != nil {
			t.Fatal(err)
		}
	})
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			defer c.Close()
			c.SetDeadline(deadline)
			h := sha256.New()
			if _, err = io.CopyN(h, c, int64(len(data))); err == nil {
				_, err = c.Write(h.Sum(nil))
			}
		}
		served <- err
	}()
	var c net.Conn
	west.Do(t, func() {
		var err error
		if c, err = (&net.Dialer{Deadline: deadline}).Dial("tcp", "192.0.2.2:7"); err != nil {
			t.Fatal(err)
		}
	})
	defer c.Close()
	c.SetDeadline(deadline)
	start := time.Now()
	if _, err := c.Write(data); err != nil {
		t.Fatal(err)
	}
	sum := make([]byte, sha256.Size)
	if _, err := io.ReadFull(c, sum); err != nil {
		t.Fatal(err)
	}
	if want := sha256.Sum256(data); !bytes.Equal(sum, want[:]) {
		t.Error("what has come is not what was sent")
	}
	t.Logf("%d octets in %v", len(data), time.Since(start))
	if err := <-served; err != nil {
		t.Error(err)
	}
}
