package bfd_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
	"github.com/tandem-ne/tandem/oam/bfd"
	"github.com/tandem-ne/tandem/oam/wiretest"
)

const etherLen = 14

// TestGoldens parses every hand-written frame of ours and prints it again.
func TestGoldens(t *testing.T) {
	goldens, err := wiretest.Load("../../testdata/wire")
	if err != nil {
		t.Fatal(err)
	}
	tested := 0
	for _, g := range goldens {
		if !strings.HasPrefix(g.Name, "cc-") && !strings.HasPrefix(g.Name, "cv-") {
			continue
		}
		tested++
		t.Run(g.Name, func(t *testing.T) {
			var stack [4]ach.LSE
			n, rest, err := ach.ParseStack(stack[:], g.Frame[etherLen:])
			if err != nil {
				t.Fatal(err)
			}
			got := slices.Clone(g.Frame[:etherLen])
			for _, e := range stack[:n] {
				got = e.Append(got)
			}
			if gal := stack[n-1]; gal != ach.GAL(gal.TC, gal.TTL) {
				t.Errorf("the bottom of the stack is %+v, not a GAL", gal)
			}
			h, body, err := ach.ParseHeader(rest)
			if err != nil {
				t.Fatal(err)
			}
			var p bfd.Packet
			var padding []byte
			switch h.Type {
			case ach.CC:
				if padding, err = bfd.ParseCC(&p, body); err != nil {
					t.Fatal(err)
				}
				got, err = bfd.AppendCC(got, &p)
			case ach.CV:
				var tlv []byte
				if tlv, padding, err = bfd.ParseCV(&p, body); err != nil {
					t.Fatal(err)
				}
				id, _, perr := ach.ParseMEPID(tlv)
				if perr != nil {
					t.Fatal(perr)
				}
				got, err = bfd.AppendCV(got, &p, id)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, padding...); !bytes.Equal(got, g.Frame) {
				t.Errorf("% x\nbecame\n% x", g.Frame, got)
			}
		})
	}
	if tested < 10 {
		t.Errorf("only %d frames", tested)
	}
}

// TestTsharkGoldens has tshark decode every hand-written frame, of whatever protocol.
func TestTsharkGoldens(t *testing.T) {
	goldens, err := wiretest.Load("../../testdata/wire")
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	var fields []string
	for _, g := range goldens {
		frames = append(frames, g.Frame)
		for _, f := range g.Fields {
			if !slices.Contains(fields, f.Name) {
				fields = append(fields, f.Name)
			}
		}
	}
	decoded, err := wiretest.Tshark(t.Context(), t.TempDir(), frames, fields...)
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range goldens {
		if decoded[i][wiretest.Malformed] != "" {
			t.Errorf("%s is malformed", g.Name)
		}
		if len(g.Fields) == 0 {
			t.Errorf("%s expects nothing of tshark", g.Name)
		}
		for _, f := range g.Fields {
			if got := decoded[i][f.Name]; got != f.Value {
				t.Errorf("%s: %s is %q, want %q", g.Name, f.Name, got, f.Value)
			}
		}
	}
}

// TestTsharkBuilt has tshark decode every kind of packet our code can build
// and read the same values out of it.
func TestTsharkBuilt(t *testing.T) {
	fields := []string{
		"frame.protocols", "pwach.channel_type", "bfd.diag", "bfd.sta", "bfd.flags", "bfd.detect_time_multiplier",
		"bfd.my_discriminator", "bfd.your_discriminator", "bfd.desired_min_tx_interval", "bfd.required_min_rx_interval", "bfd.mep.type",
	}
	ids := []ach.MEPID{
		{Type: ach.MEPIDSection, GlobalID: 64500, NodeID: 0x0a000001, IfNum: 7},
		{Type: ach.MEPIDLSP, GlobalID: 64500, NodeID: 0x0a000001, TunnelNum: 5, LSPNum: 1},
		{Type: ach.MEPIDPW, GlobalID: 64500, NodeID: 0x0a000001, ACID: 9, AGIType: 1, AGI: "vpn1"},
		{Type: ach.MEPIDPW, GlobalID: 64500, NodeID: 0x0a000001, ACID: 9},
	}
	var frames [][]byte
	var want []map[string]string
	for _, section := range []bool{true, false} {
		for state := oam.AdminDown; state <= oam.Up; state++ {
			for _, flags := range []bfd.Flags{0, bfd.FlagPoll, bfd.FlagFinal} {
				for diag := oam.DiagNone; diag <= oam.DiagMisConnectivity; diag++ {
					p := bfd.Packet{
						Version: 1, Diag: diag, State: state, Flags: flags, DetectMult: 3,
						MyDiscr: 0xdeadbeef, YourDiscr: 1, DesiredMinTx: 10000, RequiredMinRx: 1000000,
					}
					for kind := range 1 + len(ids) {
						head := ach.GAL(7, 1).Append(nil)
						if !section {
							head = ach.GAL(7, 1).Append(ach.LSE{Label: 100, TC: 7, TTL: 255}.Append(nil))
						}
						w := map[string]string{
							"frame.protocols": "eth:ethertype:mpls:pwach:bfd", "pwach.channel_type": "0x0022",
							"bfd.diag": fmt.Sprintf("0x%02x", uint8(diag)), "bfd.sta": fmt.Sprintf("0x%02x", uint8(state)),
							"bfd.flags":                  fmt.Sprintf("0x%02x", uint8(state)<<6|uint8(flags)),
							"bfd.detect_time_multiplier": "3", "bfd.my_discriminator": "0xdeadbeef", "bfd.your_discriminator": "0x00000001",
							"bfd.desired_min_tx_interval": "10000", "bfd.required_min_rx_interval": "1000000", "bfd.mep.type": "",
						}
						var err error
						if kind == 0 {
							head, err = bfd.AppendCC(head, &p)
						} else {
							id := ids[kind-1]
							w["pwach.channel_type"], w["bfd.mep.type"] = "0x0023", fmt.Sprint(uint16(id.Type))
							head, err = bfd.AppendCV(head, &p, id)
						}
						if err != nil {
							t.Fatal(err)
						}
						frames = append(frames, wiretest.Ethernet(head))
						want = append(want, w)
					}
				}
			}
		}
	}
	decoded, err := wiretest.Tshark(t.Context(), t.TempDir(), frames, fields...)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range decoded {
		if d[wiretest.Malformed] != "" {
			t.Errorf("% x is malformed", frames[i])
		}
		for _, f := range fields {
			if d[f] != want[i][f] {
				t.Fatalf("% x: %s is %q, want %q", frames[i], f, d[f], want[i][f])
			}
		}
	}
}
