package fake_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/fake"
)

// element is a fake with sections on west0 and east0 and more objects.
func element(t *testing.T, objects ...dataplane.Object) *fake.Driver {
	t.Helper()
	d := fake.New()
	for p := range 5 {
		d.SetPort(fake.Port{Name: [...]string{"west0", "east0", "client0", "customer0", "customer1"}[p], MAC: dataplane.MAC{2, 0, 0, 0, 0, 0x50 + byte(p)}, Up: true})
	}
	all := append([]dataplane.Object{
		dataplane.Section{Name: "west", Interface: "west0", PeerMAC: dataplane.MAC{2, 1}},
		dataplane.Section{Name: "east", Interface: "east0", PeerMAC: dataplane.MAC{2, 2}},
	}, objects...)
	for _, o := range all {
		for _, err := range d.Apply(t.Context(), []dataplane.Op{{Verb: dataplane.Put, Key: o.Key(), Object: o}}) {
			t.Fatalf("Apply: %v", err)
		}
	}
	return d
}

// fromWest is a labelled frame for west0; labels are {label, tc, ttl}.
func fromWest(body string, labels ...[3]uint32) []byte {
	f := append([]byte{2, 0, 0, 0, 0, 0x50, 2, 1, 0, 0, 0, 0}, 0x88, 0x47)
	for i, l := range labels {
		v := l[0]<<12 | l[1]<<9 | l[2]
		if i == len(labels)-1 {
			v |= 1 << 8
		}
		f = binary.BigEndian.AppendUint32(f, v)
	}
	return append(f, body...)
}

func hop(section string, labels ...uint32) dataplane.NextHop {
	h := dataplane.NextHop{Section: section}
	for _, l := range labels {
		h.Stack = append(h.Stack, dataplane.LabelEntry{Label: l})
	}
	return h
}

// TestQueues checks the class of the queue that a frame waits in (RFC 3270).
func TestQueues(t *testing.T) {
	three := uint8(3)
	ipPacket := "\x45\xb8" + string(make([]byte, 18)) // DSCP 46: precedence 5.
	lsp := func(op dataplane.Operation, next dataplane.NextHop, change ...func(*dataplane.LSP)) dataplane.LSP {
		l := dataplane.LSP{Name: "x", Op: op, InLabel: 100, Out: next}
		for _, f := range change {
			f(&l)
		}
		return l
	}
	lLSP := func(l *dataplane.LSP) { l.Class = &three }
	short := func(l *dataplane.LSP) { l.TTLMode = dataplane.ShortPipe }
	for _, c := range []struct {
		name  string
		lsp   dataplane.LSP
		frame []byte
		want  uint8
	}{
		{"E-LSP: the traffic class", lsp(dataplane.SwapAndForward, hop("east", 200)), fromWest(ipPacket, [3]uint32{100, 6, 9}), 6},
		{"L-LSP: its own class", lsp(dataplane.SwapAndForward, hop("east", 200), lLSP), fromWest(ipPacket, [3]uint32{100, 6, 9}), 3},
		{"pop, pipe: the class of the LSP", lsp(dataplane.PopAndForward, hop("east")), fromWest(ipPacket, [3]uint32{100, 6, 9}, [3]uint32{777, 2, 9}), 6},
		{"pop, short-pipe: that of the label below", lsp(dataplane.PopAndForward, hop("east"), short), fromWest(ipPacket, [3]uint32{100, 6, 9}, [3]uint32{777, 2, 9}), 2},
		{"pop to IP, pipe", lsp(dataplane.PopAndForward, hop("east")), fromWest(ipPacket, [3]uint32{100, 6, 9}), 6},
		{"pop to IP, short-pipe: that of the packet", lsp(dataplane.PopAndForward, hop("east"), short), fromWest(ipPacket, [3]uint32{100, 6, 9}), 5},
	} {
		got := element(t, c.lsp).Forward("west0", c.frame)
		if len(got) != 1 || got[0].Queue != c.want {
			t.Errorf("%s: got %v, want queue %d", c.name, got, c.want)
		}
	}
}

// TestPunts checks what reaches OAM, and of whom it is.
func TestPunts(t *testing.T) {
	ends := dataplane.LSP{Name: "end", Op: dataplane.PopAndLookup, InLabel: 110}
	through := dataplane.LSP{Name: "x", Op: dataplane.SwapAndForward, InLabel: 100, Out: hop("east", 200)}
	off := dataplane.LSP{Name: "off", Op: dataplane.PopAndLookup, InLabel: 120, Down: true}
	wire := dataplane.Pseudowire{Name: "p", InLabel: 500, Out: hop("east", 600), ControlWord: true, Down: true}
	lspKey := func(n string) dataplane.Key { return dataplane.Key{Kind: dataplane.KindLSP, Name: n} }
	const ach = "\x10\x00\x00\x07on the channel"
	for _, c := range []struct {
		name   string
		frame  []byte
		reason string
		of     dataplane.Key
		stack  []uint32
		in     uint64 // Packets of the counters that come along.
	}{
		{"GAL of a section", fromWest(ach, [3]uint32{13, 0, 1}), "gal", dataplane.Key{}, []uint32{13}, 0},
		{"GAL of an LSP", fromWest(ach, [3]uint32{110, 0, 64}, [3]uint32{13, 0, 1}), "gal", ends.Key(), []uint32{110, 13}, 1},
		{"GAL of an LSP with TTL 1", fromWest(ach, [3]uint32{110, 0, 1}, [3]uint32{13, 0, 1}), "gal", ends.Key(), []uint32{110, 13}, 1},
		{"GAL of an LSP that is down", fromWest(ach, [3]uint32{120, 0, 64}, [3]uint32{13, 0, 1}), "gal", lspKey("off"), []uint32{120, 13}, 1},
		{"TTL on the way", fromWest(ach, [3]uint32{100, 0, 1}, [3]uint32{13, 0, 1}), "ttl", through.Key(), []uint32{100}, 1},
		{"TTL at the end", fromWest("", [3]uint32{110, 0, 1}), "ttl", ends.Key(), []uint32{110}, 1},
		{"router alert", fromWest("", [3]uint32{110, 0, 9}, [3]uint32{1, 0, 9}, [3]uint32{500, 0, 9}), "router-alert", ends.Key(), []uint32{110, 1}, 1},
		{"channel of a pseudowire", fromWest(ach, [3]uint32{110, 0, 9}, [3]uint32{500, 0, 9}), "pseudowire-ach", wire.Key(), []uint32{110, 500}, 0},
		{"GAL of a pseudowire", fromWest(ach, [3]uint32{500, 0, 9}, [3]uint32{13, 0, 1}), "gal", wire.Key(), []uint32{500, 13}, 0},
		{"TTL of a pseudowire", fromWest("\x00\x00\x00\x00", [3]uint32{500, 0, 1}), "ttl", wire.Key(), []uint32{500}, 0},
	} {
		d := element(t, ends, through, off, wire)
		out := d.Forward("west0", c.frame)
		got := d.TakePunts()
		if len(out) != 0 || len(got) != 1 || got[0].Reason != c.reason || got[0].Of != c.of || !slices.Equal(got[0].Stack, c.stack) ||
			got[0].Section != "west" || got[0].Counters.In.Packets != c.in || !slices.Equal(got[0].Frame, c.frame) {
			t.Errorf("%s: sent %v, punted %+v", c.name, out, got)
		}
		if again := d.TakePunts(); len(again) != 0 {
			t.Errorf("%s: punted twice", c.name)
		}
	}
}

// TestEntropyAndClock checks that a test can give both.
func TestEntropyAndClock(t *testing.T) {
	d := element(t)
	d.SetEntropy(func(p []byte) uint32 { return 16 + uint32(len(p)) })
	when := time.Unix(4711, 0)
	d.SetClock(func() time.Time { return when })
	l := dataplane.LSP{Name: "x", Op: dataplane.SwapAndForward, InLabel: 100, Out: hop("east", 200)}
	d.Apply(t.Context(), []dataplane.Op{{Verb: dataplane.Put, Key: l.Key(), Object: l}})
	c, err := d.Counters(t.Context(), []dataplane.Key{l.Key()}, nil)
	if err != nil || !c[0].Since.Equal(when) {
		t.Errorf("counters %+v, %v, want since %v", c, err, when)
	}
}

// FuzzForward gives the element any frame on any port: it must not panic, and
// whatever it sends is a whole frame on a port of its own.
func FuzzForward(f *testing.F) {
	f.Add(byte(0), fromWest("x", [3]uint32{100, 0, 64}))
	f.Add(byte(0), fromWest("\x00\x00\x00\x01"+string(make([]byte, 60)), [3]uint32{110, 0, 64}, [3]uint32{500, 0, 64}))
	f.Add(byte(3), append(append(make([]byte, 12), 0x81, 0, 0, 10, 0x88, 0xa8, 0, 1), make([]byte, 50)...))
	f.Add(byte(0), fromWest("", [3]uint32{110, 0, 64}, [3]uint32{7, 0, 64}, [3]uint32{99, 0, 0}))
	f.Fuzz(func(t *testing.T, port byte, frame []byte) {
		into := hop("", 600)
		into.Group = "g"
		d := element(t,
			dataplane.LSP{Name: "x", Op: dataplane.SwapAndForward, InLabel: 100, Bud: true, Branches: []dataplane.Branch{{Name: "e", NextHop: hop("east", 200)}, {Name: "w", NextHop: hop("west", 300)}}},
			dataplane.LSP{Name: "end", Op: dataplane.PopAndLookup, InLabel: 110},
			dataplane.LSP{Name: "l", Op: dataplane.ImposeAndForward, Out: hop("east", 310)}, dataplane.Group{Name: "g", Legs: []string{"l"}},
			dataplane.Pseudowire{Name: "p", InLabel: 500, Out: into, Type: dataplane.EthernetTagged, ControlWord: true, Sequencing: true},
			dataplane.Pseudowire{Name: "q", InLabel: 501, Out: hop("east", 601), Type: dataplane.NetworkLayer, EncapsulationLabel: true},
			dataplane.Service{Name: "s", Attachment: dataplane.Attachment{Interface: "customer0", OuterVLAN: 10, InnerVLAN: 20, NNI: true, Operation: dataplane.PopTags}, Send: "p", Receive: []string{"p"}},
			dataplane.Service{Name: "r", Attachment: dataplane.Attachment{Interface: "customer1", PeerMAC: dataplane.MAC{2, 9}}, Send: "q", Receive: []string{"q"}},
		)
		before := slices.Clone(frame)
		for _, out := range d.Forward([...]string{"west0", "east0", "client0", "customer0", "customer1"}[port%5], frame) {
			if len(out.Frame) < 14 || out.Queue > 7 {
				t.Errorf("sends %d octets on %s, queue %d", len(out.Frame), out.Port, out.Queue)
			}
		}
		if !slices.Equal(before, frame) {
			t.Error("the frame was changed")
		}
	})
}
