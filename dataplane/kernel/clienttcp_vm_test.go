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

	"github.com/vishvananda/netlink"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
)

// TestClientTCP sends by TCP from one client to another through two elements, over
// veths: with all that a client may leave to its interface, and with a section
// that completes labelled frames, as a veth does, or not, as most cards do not.
// Checksums are completed in any case. Segments that nobody can cut below labels
// are lost (see Limits), and TCP goes on by repeating them one by one.
func TestClientTCP(t *testing.T) {
	for _, c := range []struct {
		name                       string
		checksum, segments, labels string // Offloads of the clients, and below labels.
		cut                        bool
	}{
		{"nothing is left to an interface", "off", "off", "off", true},
		{"checksums", "on", "off", "off", true},
		{"segments, cut below labels", "on", "on", "on", true},
		{"segments, not cut", "on", "on", "off", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			lost := clientTCP(t, c.checksum, c.segments, c.labels)
			if c.cut != (lost == 0) {
				t.Errorf("the interface of a section has dropped %d frames", lost)
			}
		})
	}
}

// clientTCP sends a MiB and returns how many frames the interface that labelled
// ones leave by has dropped.
func clientTCP(t *testing.T, checksum, segments, labels string) (lost uint64) {
	west, east := netlab.NewSpace(t), netlab.NewSpace(t)
	elements := [2]netlab.Space{netlab.NewSpace(t), netlab.NewSpace(t)}
	plug := func(s netlab.Space, name string, n byte, mtu int) netlab.Plug {
		return netlab.Plug{Space: s, Name: name, MAC: dataplane.MAC{2, 0, 0, 0, 1, n}, MTU: mtu}
	}
	netlab.Connect(t, plug(west, "ce0", 0x11, 1500), plug(elements[0], "ac0", 0x21, 1500))
	netlab.Connect(t, plug(elements[0], "core0", 1, 1600), plug(elements[1], "core0", 2, 1600))
	netlab.Connect(t, plug(elements[1], "ac0", 0x22, 1500), plug(east, "ce0", 0x12, 1500))
	offloads := func(s netlab.Space, name, checksum, segments string) {
		s.Run(t, "ethtool", "-K", name, "tx", checksum, "tso", segments, "gso", segments)
	}
	for i, s := range []netlab.Space{west, east} {
		s.Run(t, "ip", "addr", "add", fmt.Sprintf("192.0.2.%d/24", 1+i), "dev", "ce0")
		offloads(s, "ce0", checksum, segments)
	}
	for i, s := range elements {
		offloads(s, "core0", labels, labels)
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
			out := func(l uint32) []dataplane.LabelEntry { return []dataplane.LabelEntry{{Label: l}} }
			r := rig{Driver: d}
			r.put(t,
				dataplane.Section{Name: "core", Interface: "core0", PeerMAC: dataplane.MAC{2, 0, 0, 0, 1, byte(2 - i)}},
				dataplane.LSP{Name: "from", Op: dataplane.PopAndLookup, InLabel: 100 + n},
				dataplane.LSP{Name: "to", Op: dataplane.ImposeAndForward, Out: dataplane.NextHop{Section: "core", Stack: out(101 - n)}},
				dataplane.Group{Name: "tunnel", Legs: []string{"to"}},
				dataplane.Pseudowire{Name: "pw", InLabel: 500 + n, Out: dataplane.NextHop{Group: "tunnel", Stack: out(501 - n)}, ControlWord: true},
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
	if err := <-served; err != nil {
		t.Error(err)
	}
	elements[0].Do(t, func() {
		core, err := netlink.LinkByName("core0")
		if err != nil {
			t.Fatal(err)
		}
		lost = core.Attrs().Statistics.TxDropped
	})
	return lost
}
