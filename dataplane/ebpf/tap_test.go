package ebpf

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// tap is an Ethernet interface whose wire is a file: what the test writes comes
// in there, what leaves can be read. Its driver runs XDP itself, as those of
// cards do and that of veth does not for a client's frames.
type tap struct{ *os.File }

// newTap makes a tap in a namespace.
func newTap(t *testing.T, s space, name string, mac dataplane.MAC) tap {
	t.Helper()
	var out tap
	s.do(t, func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("/dev/net/tun: %w", err)
		}
		req, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
			return fmt.Errorf("make tap %s: %w", name, err)
		}
		out.File = os.NewFile(uintptr(fd), name)
		return nil
	})
	t.Cleanup(func() { out.Close() })
	s.sh(t, fmt.Sprintf("sysctl -qw net.ipv6.conf.%s.disable_ipv6=1; ip link set %s address %s; ip link set %s up", name, name, mac, name))
	return out
}

func (p tap) send(t *testing.T, f []byte) {
	t.Helper()
	if _, err := p.Write(f); err != nil {
		t.Fatalf("write to %s: %v", p.Name(), err)
	}
}

// next is the next frame that leaves, nil if none does in time.
func (p tap) next(t *testing.T, patience time.Duration) []byte {
	t.Helper()
	if err := p.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := p.Read(b)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case err != nil:
		t.Fatalf("read from %s: %v", p.Name(), err)
	}
	return b[:n]
}

// TestCards has the circuit and the section on interfaces that the driver takes
// for cards: XDP takes the clients' frames where they arrive, without the relay.
func TestCards(t *testing.T) {
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		t.Run(mode.String(), func(t *testing.T) { testCards(t, mode) })
	}
}

func testCards(t *testing.T, mode Mode) {
	s := newSpace(t)
	s.sh(t, "ip link set lo up")
	ac, sec := newTap(t, s, "card0", acOwn), newTap(t, s, "card1", own)
	fs := testFS(t)
	var d *Driver
	s.do(t, func() (err error) {
		d, err = Open(Options{BPFFS: fs, Instance: "cards", Mode: mode, Log: slog.New(slog.DiscardHandler),
			hardware: func(string) (link.Hardware, error) { return link.Hardware{Driver: "card", Bus: "0000:01:00.0"}, nil }})
		return err
	})
	t.Cleanup(func() { d.Close() })
	service := func(name string, vlan uint16, op dataplane.VLANOperation) dataplane.Service {
		return dataplane.Service{Name: name, Send: name, Receive: []string{name},
			Attachment: dataplane.Attachment{Interface: "card0", OuterVLAN: vlan, Operation: op, PeerMAC: [6]byte{}}}
	}
	packets := service("packets", 9, dataplane.KeepTags)
	packets.Attachment.PeerMAC = acPeer
	apply(t, d,
		dataplane.Section{Name: "s", Interface: "card1", PeerMAC: outPeer},
		dataplane.LSP{Name: "leg", Op: imposes, Out: via("s", entries(700)...)},
		dataplane.Group{Name: "tunnel", Legs: []string{"leg"}},
		dataplane.LSP{Name: "end", Op: lookup, InLabel: 701},
		dataplane.LSP{Name: "transit", Op: swap, InLabel: 702, Out: via("s", entries(703)...)},
		dataplane.Pseudowire{Name: "vlan", InLabel: 500, Out: through("tunnel", entries(600)...), ControlWord: true}, service("vlan", 7, dataplane.PopTags),
		dataplane.Pseudowire{Name: "inner", InLabel: 501, Out: via("s", entries(601)...)}, service("inner", 8, dataplane.KeepTags),
		dataplane.Pseudowire{Name: "packets", Type: dataplane.NetworkLayer, InLabel: 502, Out: through("tunnel", entries(602)...)}, packets)
	for _, name := range []string{"card0", "card1"} {
		states, err := d.InterfaceStates()
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range states {
			if st.Name == name && st.Mode != mode.String() {
				t.Fatalf("%s is in mode %s (%s), want %s", name, st.Mode, st.Reason, mode)
			}
		}
	}
	client := func(n int, tags ...uint16) []byte {
		f := append(append([]byte(nil), outPeer[:]...), acPeer[:]...)
		for _, vid := range tags {
			f = append(f, 0x81, 0, byte(vid>>8), byte(vid))
		}
		return append(append(f, 0x88, 0xb5), make([]byte, n)...)
	}
	word, v4 := []byte{0, 0, 0, 0}, ip4("10.1.2.3")
	labelled := func(parts ...any) []byte { return frame(own, outPeer, 0, typeMPLS, parts...) }
	leaves := func(parts ...any) []byte { return frame(outPeer, own, 0, typeMPLS, parts...) }
	for _, c := range []struct {
		name     string
		from, to tap
		send     []byte
		want     []byte
		drop     string
	}{
		{name: "from the client, tag popped", from: ac, to: sec, send: client(50, 7),
			want: leaves(lse{700, 0, 255, false}, lse{600, 0, 255, true}, word, client(50))},
		{name: "to the client, tag added", from: sec, to: ac, send: labelled(lse{701, 0, 9, false}, lse{500, 0, 9, true}, word, client(50)), want: client(50, 7)},
		{name: "from the client, two tags", from: ac, to: sec, send: client(50, 8, 55), want: leaves(lse{601, 0, 255, true}, client(50, 8, 55))},
		{name: "to the client, two tags", from: sec, to: ac, send: labelled(lse{501, 0, 9, true}, client(50, 8, 55)), want: client(50, 8, 55)},
		{name: "as long as the pseudowire takes", from: ac, to: sec, send: client(1478, 8), want: leaves(lse{601, 0, 255, true}, client(1478, 8))},
		{name: "too long for the section", from: ac, to: sec, send: client(1490, 8), drop: "too-long"},
		{name: "a packet of a client", from: ac, to: sec, send: frame(acOwn, acPeer, 9, typeIPv4, v4), want: leaves(lse{700, 0, 255, false}, lse{602, 0, 255, true}, v4)},
		{name: "a packet to a client", from: sec, to: ac, send: labelled(lse{502, 0, 9, true}, v4), want: frame(acPeer, acOwn, 9, typeIPv4, v4)},
		{name: "half a tag", from: sec, to: ac, send: labelled(lse{501, 0, 9, true}, client(0, 8)[:15]), drop: "runt"},
		{name: "another VLAN is the host's", from: ac, to: sec, send: client(50, 10)},
		{name: "label switched", from: sec, to: sec, send: labelled(lse{702, 5, 9, true}, v4), want: leaves(lse{703, 5, 8, true}, v4)},
		{name: "a wrong control word", from: sec, to: ac, send: labelled(lse{500, 0, 9, true}, []byte{0x50, 0, 0, 0}, client(50)), drop: "control-word"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := dropsBy(t, d)
			c.from.send(t, c.send)
			if c.want != nil {
				if got := c.to.next(t, 10*time.Second); !bytes.Equal(got, c.want) {
					t.Fatalf("leaves %d octets %x\n  want %d octets %x", len(got), got, len(c.want), c.want)
				}
			}
			for _, p := range []tap{ac, sec} {
				if f := p.next(t, 20*time.Millisecond); f != nil {
					t.Fatalf("%s sends %x", p.Name(), f)
				}
			}
			for reason, n := range dropsBy(t, d) {
				want := uint64(0)
				if reason == c.drop {
					want = 1
				}
				if n-before[reason] != want {
					t.Errorf("%s: counted %d times, want %d", reason, n-before[reason], want)
				}
			}
		})
	}
}

func dropsBy(t *testing.T, d *Driver) map[string]uint64 {
	t.Helper()
	m, err := d.DropCounters()
	if err != nil {
		t.Fatal(err)
	}
	return m
}
