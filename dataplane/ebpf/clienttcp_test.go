package ebpf

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
)

// TestClientTCP sends some MiB by TCP from one client to another through two
// elements, over real veths with all offloads on at the clients' ends: what they
// send has neither checksums nor segments that fit, which the relay completes.
// MTU 1500 at the clients, control word and sequence numbers between the
// elements.
func TestClientTCP(t *testing.T) {
	west, pe1, pe2, east := newSpace(t), newSpace(t), newSpace(t), newSpace(t)
	var wires chain
	wires.link(t, west, "ce0", "02:00:00:00:01:11", pe1, "ac0", "02:00:00:00:01:21")
	wires.link(t, pe1, "core0", "02:00:00:00:01:01", pe2, "core0", "02:00:00:00:01:02")
	wires.link(t, pe2, "ac0", "02:00:00:00:01:22", east, "ce0", "02:00:00:00:01:12")
	for _, s := range []space{pe1, pe2} {
		s.sh(t, "ip link set core0 mtu 1600")
	}
	west.sh(t, "ip addr add 192.0.2.1/24 dev ce0")
	east.sh(t, "ip addr add 192.0.2.2/24 dev ce0")
	for i, s := range []space{pe1, pe2} {
		fs := testFS(t)
		s.do(t, func() error {
			d := mustOpen(t, Options{BPFFS: fs, Instance: fmt.Sprintf("tcp-%d", i), Log: slog.New(slog.DiscardHandler)})
			t.Cleanup(func() {
				if t.Failed() {
					n, err := d.DropCounters()
					t.Logf("element %d: %v %v", i, n, err)
				}
				d.Close()
			})
			in, out := uint32(500+i), uint32(501-i)
			peer := [6]byte{2, 0, 0, 0, 1, byte(2 - i)}
			apply(t, d,
				dataplane.Section{Name: "core", Interface: "core0", PeerMAC: peer},
				dataplane.LSP{Name: "from", Op: dataplane.PopAndLookup, InLabel: 100 + uint32(i)},
				dataplane.LSP{Name: "to", Op: dataplane.ImposeAndForward, Out: stackOn("core", 101-uint32(i))},
				dataplane.Group{Name: "tunnel", Legs: []string{"to"}},
				dataplane.Pseudowire{Name: "pw", InLabel: in, Out: into("tunnel", out), ControlWord: true, Sequencing: true},
				dataplane.Service{Name: "s", Attachment: dataplane.Attachment{Interface: "ac0"}, Send: "pw", Receive: []string{"pw"}})
			return nil
		})
	}
	data := make([]byte, 8<<20)
	for i := range data {
		data[i] = byte(i * 2654435761 >> 13)
	}
	deadline := time.Now().Add(30 * time.Second)
	var l net.Listener
	east.do(t, func() (err error) { l, err = net.Listen("tcp", "192.0.2.2:7"); return err })
	defer l.Close()
	echoed := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			defer c.Close()
			c.SetDeadline(deadline)
			var sum []byte
			h := sha256.New()
			if _, err = io.CopyN(h, c, int64(len(data))); err == nil {
				sum = h.Sum(nil)
				_, err = c.Write(sum)
			}
		}
		echoed <- err
	}()
	west.do(t, func() error {
		c, err := (&net.Dialer{Deadline: deadline}).Dial("tcp", "192.0.2.2:7")
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(deadline)
		if _, err := c.Write(data); err != nil {
			return err
		}
		sum := make([]byte, sha256.Size)
		if _, err := io.ReadFull(c, sum); err != nil {
			return err
		}
		if want := sha256.Sum256(data); !bytes.Equal(sum, want[:]) {
			return fmt.Errorf("what has come is not what was sent")
		}
		return nil
	})
	if err := <-echoed; err != nil {
		t.Error(err)
	}
}
