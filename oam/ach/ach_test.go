package ach_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/oam/ach"
)

func TestLSEWireFormat(t *testing.T) {
	for _, c := range []struct {
		lse  ach.LSE
		want []byte
	}{
		{ach.LSE{Label: 100, TC: 5, TTL: 64}, []byte{0x00, 0x06, 0x4a, 0x40}},
		{ach.LSE{Label: ach.MaxLabel, TC: 7, S: true, TTL: 255}, []byte{0xff, 0xff, 0xff, 0xff}},
		{ach.GAL(7, 1), []byte{0x00, 0x00, 0xdf, 0x01}},
		{ach.GAL(0, 0), []byte{0x00, 0x00, 0xd1, 0x01}}, // A GAL's TTL is never 0.
	} {
		if got := c.lse.Append(nil); !bytes.Equal(got, c.want) {
			t.Errorf("%+v: % x, want % x", c.lse, got, c.want)
		}
		if got, rest, err := ach.ParseLSE(c.want); err != nil || got != c.lse || len(rest) != 0 {
			t.Errorf("% x: %+v, %v", c.want, got, err)
		}
	}
}

func TestParseStack(t *testing.T) {
	two := ach.GAL(0, 1).Append(ach.LSE{Label: 100, TTL: 9}.Append(nil))
	for name, c := range map[string]struct {
		in    []byte
		room  int
		count int
		rest  int
		ok    bool
	}{
		"two":             {append(two, 1, 2), 4, 2, 2, true},
		"exactly full":    {two, 2, 2, 0, true},
		"too deep":        {two, 1, 1, 0, false},
		"no bottom":       {two[:4], 4, 1, 0, false},
		"cut in an entry": {two[:6], 4, 1, 0, false},
		"nothing":         {nil, 4, 0, 0, false},
	} {
		stack := make([]ach.LSE, c.room)
		n, rest, err := ach.ParseStack(stack, c.in)
		if n != c.count || len(rest) != c.rest || (err == nil) != c.ok {
			t.Errorf("%s: %d entries, %d octets left, %v", name, n, len(rest), err)
		}
	}
}

func TestHeaderRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":      nil,
		"3 octets":     {0x10, 0, 0},
		"control word": {0, 0, 0, 0},
		"IPv4":         {0x45, 0, 0, 0},
		"IPv6":         {0x60, 0, 0, 0},
	} {
		if h, _, err := ach.ParseHeader(b); err == nil {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

func TestMEPIDRefused(t *testing.T) {
	var e *ach.Error
	for name, b := range map[string][]byte{
		"nothing":                    nil,
		"header only":                {0, 0, 0, 12},
		"cut value":                  append([]byte{0, 1, 0, 12}, make([]byte, 11)...),
		"section of 16":              append([]byte{0, 0, 0, 16}, make([]byte, 16)...),
		"lsp of 8":                   append([]byte{0, 1, 0, 8}, make([]byte, 8)...),
		"pw of 13":                   append([]byte{0, 2, 0, 13}, make([]byte, 13)...),
		"pw with wrong AGI length":   append([]byte{0, 2, 0, 14}, append(make([]byte, 13), 1)...),
		"unknown type":               append([]byte{0, 3, 0, 12}, make([]byte, 12)...),
		"length of all ones":         {0, 0, 0xff, 0xff, 1, 2, 3},
		"pw AGI length beyond frame": append([]byte{0, 2, 0, 20}, append(make([]byte, 13), 200, 1, 2, 3, 4, 5, 6)...),
	} {
		if m, _, err := ach.ParseMEPID(b); !errors.As(err, &e) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	for name, m := range map[string]ach.MEPID{
		"section with LSP_Num": {Type: ach.MEPIDSection, LSPNum: 1},
		"lsp with IF_Num":      {Type: ach.MEPIDLSP, IfNum: 1},
		"pw with Tunnel_Num":   {Type: ach.MEPIDPW, TunnelNum: 1},
		"pw with AGI of 256":   {Type: ach.MEPIDPW, AGI: strings.Repeat("a", 256)},
		"type 3":               {Type: 3},
	} {
		if b, err := m.Append([]byte{1}); !errors.As(err, &e) || len(b) != 1 {
			t.Errorf("%s: % x, %v", name, b, err)
		}
	}
}

func TestMEPIDString(t *testing.T) {
	for want, m := range map[string]ach.MEPID{
		"section 64500::10.0.0.1::7": {Type: ach.MEPIDSection, GlobalID: 64500, NodeID: 0x0a000001, IfNum: 7},
		"lsp 0::10.0.0.1::5::1":      {Type: ach.MEPIDLSP, NodeID: 0x0a000001, TunnelNum: 5, LSPNum: 1},
		"pw 1:6162::0::10.0.0.1::9":  {Type: ach.MEPIDPW, NodeID: 0x0a000001, ACID: 9, AGIType: 1, AGI: "ab"},
	} {
		if got := m.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestChannelNames(t *testing.T) {
	for want, c := range map[string]ach.ChannelType{
		"cc": ach.CC, "cv": ach.CV, "psc": ach.PSC, "fault-oam": ach.FaultOAM, "g8113.1": ach.Y1731,
		"experimental-0x7ff8": ach.ExpFirst, "0x1234": 0x1234,
	} {
		if got := c.String(); got != want {
			t.Errorf("0x%04x is %q, want %q", uint16(c), got, want)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte{0x10, 0, 0, 0x22})
	f.Add([]byte{0x1f, 0xff, 0x89, 0x02, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, rest, err := ach.ParseHeader(b)
		if err != nil {
			return
		}
		if got := append(h.Append(nil), rest...); !bytes.Equal(got, b) {
			t.Fatalf("% x became % x", b, got)
		}
	})
}

func FuzzStack(f *testing.F) {
	f.Add(ach.GAL(0, 1).Append(ach.LSE{Label: 100, TC: 3, TTL: 9}.Append(nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var stack [8]ach.LSE
		n, rest, err := ach.ParseStack(stack[:], b)
		if err != nil {
			return
		}
		var got []byte
		for _, e := range stack[:n] {
			got = e.Append(got)
		}
		if got = append(got, rest...); !bytes.Equal(got, b) {
			t.Fatalf("% x became % x", b, got)
		}
	})
}

func FuzzMEPID(f *testing.F) {
	for _, m := range []ach.MEPID{
		{Type: ach.MEPIDSection, GlobalID: 1, NodeID: 2, IfNum: 3},
		{Type: ach.MEPIDLSP, GlobalID: 1, NodeID: 2, TunnelNum: 3, LSPNum: 4},
		{Type: ach.MEPIDPW, GlobalID: 1, NodeID: 2, ACID: 3, AGIType: 4, AGI: "five"},
	} {
		b, err := m.Append(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, 0))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, rest, err := ach.ParseMEPID(b)
		if err != nil {
			return
		}
		got, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, rest...); !bytes.Equal(got, b) {
			t.Fatalf("% x became % x", b, got)
		}
	})
}
