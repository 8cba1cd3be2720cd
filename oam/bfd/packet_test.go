package bfd_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
	"github.com/tandem-ne/tandem/oam/bfd"
)

func validPacket() bfd.Packet {
	return bfd.Packet{
		Version: 1, Diag: oam.DiagMisConnectivity, State: oam.Up, Flags: bfd.FlagPoll, DetectMult: 3,
		MyDiscr: 0x01020304, YourDiscr: 0x05060708, DesiredMinTx: 3300, RequiredMinRx: 10000, RequiredMinEchoRx: 0,
	}
}

func TestPacketWireFormat(t *testing.T) {
	p := validPacket()
	want := []byte{
		0x29,                   // Version 1, diagnostic 9.
		0xe0,                   // Up, Poll.
		0x03,                   // Detect Mult.
		0x18,                   // Length.
		0x01, 0x02, 0x03, 0x04, // My Discriminator.
		0x05, 0x06, 0x07, 0x08, // Your Discriminator.
		0x00, 0x00, 0x0c, 0xe4, // Desired Min TX Interval 3300 us.
		0x00, 0x00, 0x27, 0x10, // Required Min RX Interval 10000 us.
		0x00, 0x00, 0x00, 0x00, // Required Min Echo RX Interval.
	}
	got, err := p.Append(nil)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("% x, %v", got, err)
	}
}

// TestPacketRefused breaks one rule at a time of a valid packet, on the way
// out and, where it has a form on the wire, on the way in.
func TestPacketRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*bfd.Packet)
		wire   func([]byte) []byte
		want   oam.DropReason
	}{
		"version 0":            {func(p *bfd.Packet) { p.Version = 0 }, func(b []byte) []byte { b[0] = 0x09; return b }, oam.DropVersion},
		"version 2":            {func(p *bfd.Packet) { p.Version = 2 }, func(b []byte) []byte { b[0] = 0x49; return b }, oam.DropVersion},
		"detect mult 0":        {func(p *bfd.Packet) { p.DetectMult = 0 }, func(b []byte) []byte { b[2] = 0; return b }, oam.DropDetectMult},
		"multipoint":           {func(p *bfd.Packet) { p.Flags = bfd.FlagMultipoint }, func(b []byte) []byte { b[1] |= 1; return b }, oam.DropFlags},
		"poll and final":       {func(p *bfd.Packet) { p.Flags |= bfd.FlagFinal }, func(b []byte) []byte { b[1] |= 0x10; return b }, oam.DropFlags},
		"my discriminator 0":   {func(p *bfd.Packet) { p.MyDiscr = 0 }, func(b []byte) []byte { copy(b[4:], make([]byte, 4)); return b }, oam.DropMyDiscr},
		"auth flag alone":      {func(p *bfd.Packet) { p.Flags |= bfd.FlagAuth }, func(b []byte) []byte { b[1] |= 4; return b }, oam.DropLength},
		"auth without flag":    {func(p *bfd.Packet) { p.Auth = []byte{1, 2} }, func(b []byte) []byte { b[3] = 26; return append(b, 1, 2) }, oam.DropLength},
		"auth length wrong":    {func(p *bfd.Packet) { p.Flags |= bfd.FlagAuth; p.Auth = []byte{1, 3} }, func(b []byte) []byte { b[1] |= 4; b[3] = 26; return append(b, 1, 3) }, oam.DropLength},
		"auth too long":        {func(p *bfd.Packet) { p.Flags |= bfd.FlagAuth; p.Auth = make([]byte, 232) }, nil, oam.DropLength},
		"23 octets":            {nil, func(b []byte) []byte { return b[:23] }, oam.DropLength},
		"nothing":              {nil, func([]byte) []byte { return nil }, oam.DropLength},
		"length below minimum": {nil, func(b []byte) []byte { b[3] = 23; return b }, oam.DropLength},
		"length beyond frame":  {nil, func(b []byte) []byte { b[3] = 25; return b }, oam.DropLength},
		"length above minimum": {nil, func(b []byte) []byte { b[3] = 25; return append(b, 0) }, oam.DropLength},
	} {
		t.Run(name, func(t *testing.T) {
			var pe *bfd.ParseError
			if c.change != nil {
				p := validPacket()
				c.change(&p)
				if b, err := p.Append([]byte{7}); !errors.As(err, &pe) || pe.Reason != c.want || len(b) != 1 {
					t.Errorf("Append: % x, %v", b, err)
				}
			}
			if c.wire != nil {
				p := validPacket()
				b, err := p.Append(nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := p.Parse(c.wire(b)); !errors.As(err, &pe) || pe.Reason != c.want {
					t.Errorf("Parse: %v", err)
				}
			}
		})
	}
}

func FuzzPacket(f *testing.F) {
	p := validPacket()
	plain, _ := p.Append(nil)
	f.Add(plain)
	f.Add(append(plain, 0, 0, 0))
	p.Flags, p.Auth = bfd.FlagAuth|bfd.FlagDemand|bfd.FlagIndependent, []byte{5, 4, 1, 0}
	auth, _ := p.Append(nil)
	f.Add(auth)
	f.Fuzz(func(t *testing.T, b []byte) {
		var p bfd.Packet
		rest, err := p.Parse(b)
		if err != nil {
			return
		}
		got, err := p.Append(nil)
		if err != nil {
			t.Fatalf("parsed but does not marshal: %v", err)
		}
		if want := b[:len(b)-len(rest)]; !bytes.Equal(got, want) {
			t.Fatalf("% x became % x", want, got)
		}
	})
}

func FuzzCV(f *testing.F) {
	p := validPacket()
	for _, id := range []ach.MEPID{
		{Type: ach.MEPIDSection, GlobalID: 1, NodeID: 2, IfNum: 3},
		{Type: ach.MEPIDLSP, NodeID: 2, TunnelNum: 3, LSPNum: 4},
		{Type: ach.MEPIDPW, NodeID: 2, ACID: 3, AGIType: 1, AGI: "agi"},
	} {
		b, err := bfd.AppendCV(nil, &p, id)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[ach.HeaderLen:])
		f.Add(append(b[ach.HeaderLen:], 0, 0))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var p bfd.Packet
		tlv, padding, err := bfd.ParseCV(&p, body)
		if err != nil {
			return
		}
		id, rest, err := ach.ParseMEPID(tlv)
		if err != nil || len(rest) != 0 {
			t.Fatalf("TLV % x: %v", tlv, err)
		}
		got, err := bfd.AppendCV(nil, &p, id)
		if err != nil {
			t.Fatal(err)
		}
		if want := body[:len(body)-len(padding)]; !bytes.Equal(got[ach.HeaderLen:], want) {
			t.Fatalf("% x became % x", want, got)
		}
	})
}
