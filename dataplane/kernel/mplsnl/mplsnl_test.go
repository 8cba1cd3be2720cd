package mplsnl

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var mac = [6]byte{2, 0, 0, 0, 0, 0xb0}

// unhex takes annotated hex: "#" begins a comment, spaces do not matter.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The messages are in the order of a little-endian machine, as the kernel of
// the test guest sends them.
var routeCases = []struct {
	name  string
	route Route
	wire  string
}{
	{
		name: "swap",
		route: Route{Label: 100, Protocol: 201, Propagate: PropagateOff,
			Hops: []Hop{{Interface: 3, Out: []uint32{200}, Via: ViaLink(mac)}}},
		wire: `
			1c 14 00 00 fe c9 00 01 00000000 # AF_MPLS/20, main, protocol 201, universe, unicast
			0800 0100 00064100               # RTA_DST 100, S
			0500 1a00 00000000               # RTA_TTL_PROPAGATE off
			0800 1300 000c8100               # RTA_NEWDST 200, S
			0c00 1200 1100 0200000000b0      # RTA_VIA AF_PACKET
			0800 0400 03000000               # RTA_OIF 3`,
	}, {
		name: "three labels, TTL by the sysctl, next hop dead",
		route: Route{Label: 1048575, Protocol: 4,
			Hops: []Hop{{Interface: 258, Out: []uint32{16, 1048575, 17}, Via: ViaLink(mac), Flags: unix.RTNH_F_DEAD | unix.RTNH_F_LINKDOWN}}},
		wire: `
			1c 14 00 00 fe 04 00 01 11000000
			0800 0100 fffff100
			1000 1300 00010000 fffff000 00011100
			0c00 1200 1100 0200000000b0
			0800 0400 02010000`,
	}, {
		name:  "pop to lo",
		route: Route{Label: 103, Protocol: 201, Propagate: PropagateOn, Hops: []Hop{{Interface: 1}}},
		wire: `
			1c 14 00 00 fe c9 00 01 00000000
			0800 0100 00067100
			0500 1a00 01000000
			0800 0400 01000000`,
	}, {
		name: "IPv4 next hop",
		route: Route{Label: 16, Protocol: 3,
			Hops: []Hop{{Interface: 2, Via: ViaIP(netip.MustParseAddr("192.0.2.1"))}}},
		wire: `
			1c 14 00 00 fe 03 00 01 00000000
			0800 0100 00010100
			0a00 1200 0200 c0000201 0000
			0800 0400 02000000`,
	}, {
		name: "two next hops",
		route: Route{Label: 110, Protocol: 201, Hops: []Hop{
			{Interface: 2, Out: []uint32{210}, Via: ViaLink(mac)},
			{Interface: 3, Via: ViaIP(netip.MustParseAddr("2001:db8::1")), Flags: unix.RTNH_F_LINKDOWN},
		}},
		wire: `
			1c 14 00 00 fe c9 00 01 00000000
			0800 0100 0006e100
			4000 0900                        # RTA_MULTIPATH
			1c00 0000 02000000               # rtnexthop
			0800 1300 000d2100
			0c00 1200 1100 0200000000b0
			2000 1000 03000000
			1600 1200 0a00 20010db8000000000000000000000001 0000`,
	},
}

func TestRouteWire(t *testing.T) {
	for _, c := range routeCases {
		t.Run(c.name, func(t *testing.T) {
			want := unhex(t, c.wire)
			got, err := c.route.Append(nil)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("Append: %v\n got %x\nwant %x", err, got, want)
			}
			parsed, err := ParseRoute(want)
			if err != nil {
				t.Fatalf("ParseRoute: %v", err)
			}
			if diff := cmp.Diff(c.route, parsed, cmp.AllowUnexported(Via{})); diff != "" {
				t.Errorf("ParseRoute (-want +got):\n%s", diff)
			}
			if !parsed.Equal(c.route) {
				t.Error("a route does not equal itself")
			}
		})
	}
}

func TestRouteRefuses(t *testing.T) {
	good := unhex(t, routeCases[0].wire)
	broken := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(good)) }
	for name, b := range map[string][]byte{
		"nothing":                     nil,
		"header cut":                  good[:11],
		"another family":              broken(func(b []byte) []byte { b[0] = unix.AF_INET; return b }),
		"attribute cut":               good[:len(good)-1],
		"attribute shorter than head": broken(func(b []byte) []byte { b[12] = 3; return b }),
		"attribute longer than all":   broken(func(b []byte) []byte { b[12] = 200; return b }),
		"no destination":              append(bytes.Clone(good[:12]), good[20:]...),
		"destination of two labels":   append(bytes.Clone(good), unhex(t, "0c00 0100 00064000 00064100")...),
		"destination without S":       broken(func(b []byte) []byte { b[18] = 0x40; return b }),
		"S bit in the middle":         append(bytes.Clone(good), unhex(t, "0c00 1300 00064100 00064100")...),
		"stack of half a label":       append(bytes.Clone(good), unhex(t, "0600 1300 0006 0000")...),
		"empty stack":                 append(bytes.Clone(good), unhex(t, "0400 1300")...),
		"propagation of 2":            append(bytes.Clone(good), unhex(t, "0500 1a00 02000000")...),
		"index of one octet":          append(bytes.Clone(good), unhex(t, "0500 0400 02000000")...),
		"via without address":         append(bytes.Clone(good), unhex(t, "0600 1200 1100 0000")...),
		"via without family":          append(bytes.Clone(good), unhex(t, "0c00 1200 0000 0200000000b0")...),
		"next hop cut":                append(bytes.Clone(good), unhex(t, "0800 0900 08000000")...),
		"next hop longer than all":    append(bytes.Clone(good), unhex(t, "0c00 0900 ff000000 01000000")...),
	} {
		if r, err := ParseRoute(b); err == nil {
			t.Errorf("%s: parsed as %+v", name, r)
		}
	}
	for name, r := range map[string]Route{
		"no next hop":     {Label: 16},
		"label too large": {Label: 1 << 20, Hops: []Hop{{Interface: 1}}},
		"out too large":   {Label: 16, Hops: []Hop{{Interface: 1, Out: []uint32{1 << 20}}}},
		"in the second":   {Label: 16, Hops: []Hop{{Interface: 1}, {Interface: 1, Out: []uint32{1 << 20}}}},
	} {
		if _, err := r.Append(nil); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

func TestUnknownAttributesAreLeftOut(t *testing.T) {
	b := append(unhex(t, routeCases[0].wire), unhex(t, "0800 ff00 01020304")...)
	r, err := ParseRoute(b)
	if err != nil || !r.Equal(routeCases[0].route) {
		t.Errorf("ParseRoute: %+v, %v", r, err)
	}
}

var ipCases = []struct {
	name  string
	route IPRoute
	wire  string
}{
	{
		name: "impose on IPv4",
		route: IPRoute{Prefix: netip.MustParsePrefix("198.51.100.0/24"), Protocol: 201, Metric: 5, Interface: 3,
			Gateway: netip.MustParseAddr("169.254.144.1"), Labels: []uint32{300, 200}, TTL: 255, Flags: unix.RTNH_F_ONLINK},
		wire: `
			02 18 00 00 fe c9 00 01 04000000
			0800 0100 c6336400
			0800 0600 05000000
			0800 0500 a9fe9001               # RTA_GATEWAY
			0800 0400 03000000
			0600 1500 0100 0000              # RTA_ENCAP_TYPE mpls
			1800 1600                        # RTA_ENCAP
			0c00 0100 0012c000 000c8100      # MPLS_IPTUNNEL_DST
			0500 0200 ff000000               # MPLS_IPTUNNEL_TTL`,
	}, {
		name:  "IPv6 to an interface with MTU",
		route: IPRoute{Prefix: netip.MustParsePrefix("2001:db8::/32"), Protocol: 201, Metric: 5, Interface: 7, MTU: 1400},
		wire: `
			0a 20 00 00 fe c9 00 01 00000000
			1400 0100 20010db8000000000000000000000000
			0800 0600 05000000
			0c00 0800 0800 0200 78050000     # RTA_METRICS, RTAX_MTU
			0800 0400 07000000`,
	}, {
		name:  "black hole for all of IPv4",
		route: IPRoute{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Protocol: 201, Metric: 5, Blackhole: true},
		wire: `
			02 00 00 00 fe c9 00 06 00000000
			0800 0100 00000000
			0800 0600 05000000`,
	},
}

func TestIPRouteWire(t *testing.T) {
	for _, c := range ipCases {
		t.Run(c.name, func(t *testing.T) {
			want := unhex(t, c.wire)
			got, err := c.route.Append(nil)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("Append: %v\n got %x\nwant %x", err, got, want)
			}
			parsed, ok, err := ParseIPRoute(want)
			if err != nil || !ok {
				t.Fatalf("ParseIPRoute: %v, %v", ok, err)
			}
			if diff := cmp.Diff(c.route, parsed, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
				cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("ParseIPRoute (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIPRouteRefuses(t *testing.T) {
	good := unhex(t, ipCases[0].wire)
	for name, b := range map[string][]byte{
		"nothing":                  nil,
		"MPLS":                     unhex(t, routeCases[0].wire),
		"attribute cut":            good[:len(good)-1],
		"IPv6 address in IPv4":     append(bytes.Clone(good), unhex(t, "1400 0100 20010db8000000000000000000000000")...),
		"host bits":                append(append([]byte{}, 2, 8, 0, 0, 254, 201, 0, 1, 0, 0, 0, 0), unhex(t, "0800 0100 c6336400")...),
		"prefix longer than 32":    append(append([]byte{}, 2, 33, 0, 0, 254, 201, 0, 1, 0, 0, 0, 0), unhex(t, "0800 0100 c6336400")...),
		"TTL of two octets":        append(bytes.Clone(good), unhex(t, "0c00 1600 0600 0200 ffff0000")...),
		"metric of one octet":      append(bytes.Clone(good), unhex(t, "0500 0600 05000000")...),
		"encap type of one octet":  append(bytes.Clone(good), unhex(t, "0500 1500 01000000")...),
		"label stack without S":    append(bytes.Clone(good), unhex(t, "0c00 1600 0800 0100 000c8000")...),
		"MTU of one octet":         append(bytes.Clone(good), unhex(t, "0c00 0800 0500 0200 01000000")...),
		"gateway of three octets":  append(bytes.Clone(good), unhex(t, "0700 0500 01020300")...),
		"interface of five octets": append(bytes.Clone(good), unhex(t, "0900 0400 0102030405000000")...),
	} {
		if r, _, err := ParseIPRoute(b); err == nil {
			t.Errorf("%s: parsed as %+v", name, r)
		}
	}
	local := bytes.Clone(good)
	local[7] = unix.RTN_LOCAL
	if _, ok, err := ParseIPRoute(local); ok || err != nil {
		t.Errorf("a local route: ok %v, %v", ok, err)
	}
	for name, r := range map[string]IPRoute{
		"no prefix":      {},
		"host bits":      {Prefix: netip.MustParsePrefix("198.51.100.9/24")},
		"mapped":         {Prefix: netip.MustParsePrefix("::ffff:198.51.100.0/120")},
		"another family": {Prefix: netip.MustParsePrefix("2001:db8::/32"), Gateway: netip.MustParseAddr("192.0.2.1")},
	} {
		if _, err := r.Append(nil); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

func FuzzParseRoute(f *testing.F) {
	for _, c := range routeCases {
		f.Add(unhex(f, c.wire))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRoute(b)
		if err != nil {
			return
		}
		again, err := r.Append(nil)
		if err != nil {
			if len(r.Hops) > 0 {
				t.Fatalf("%+v was parsed and cannot be encoded: %v", r, err)
			}
			return
		}
		// What is left out (unknown or repeated attributes, another order) is
		// left out once: from then on the octets stay the same.
		r2, err := ParseRoute(again)
		if err != nil {
			t.Fatalf("%x: %v", again, err)
		}
		if diff := cmp.Diff(r, r2, cmp.AllowUnexported(Via{})); diff != "" {
			t.Fatalf("parsed again (-first +second):\n%s", diff)
		}
		if last, err := r2.Append(nil); err != nil || !bytes.Equal(last, again) {
			t.Fatalf("%x is encoded again as %x, %v", again, last, err)
		}
	})
}

// FuzzRouteValues: every route that can be written reads the same.
func FuzzRouteValues(f *testing.F) {
	f.Add(uint32(100), uint32(200), uint32(300), uint8(2), uint64(0x0200000000b0), uint32(3), uint8(201), uint8(1), uint8(0), false)
	f.Add(uint32(1<<20-1), uint32(16), uint32(0), uint8(0), uint64(0x01005e900000), uint32(1), uint8(4), uint8(0), uint8(17), true)
	f.Fuzz(func(t *testing.T, label, out1, out2 uint32, n uint8, addr uint64, index uint32, protocol, propagate, flags uint8, double bool) {
		const mask = 1<<20 - 1
		var m [8]byte
		binary.BigEndian.PutUint64(m[:], addr)
		h := Hop{Interface: int(index), Out: []uint32{out1 & mask, out2 & mask}[:n%3], Via: ViaLink([6]byte(m[2:])), Flags: flags}
		if len(h.Out) == 0 {
			h.Out = nil
		}
		r := Route{Label: label & mask, Protocol: protocol, Propagate: Propagate(propagate % 3), Hops: []Hop{h}}
		if double {
			r.Hops = append(r.Hops, Hop{Interface: 1})
		}
		wire, err := r.Append(nil)
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		got, err := ParseRoute(wire)
		if err != nil {
			t.Fatalf("%x: %v", wire, err)
		}
		if diff := cmp.Diff(r, got, cmp.AllowUnexported(Via{})); diff != "" {
			t.Fatalf("%x (-written +read):\n%s", wire, diff)
		}
	})
}

func FuzzParseIPRoute(f *testing.F) {
	for _, c := range ipCases {
		f.Add(unhex(f, c.wire))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok, err := ParseIPRoute(b)
		if err != nil || !ok {
			return
		}
		again, err := r.Append(nil)
		if err != nil {
			return // A gateway of another family, say: RTA_VIA of RFC 5549.
		}
		r2, ok, err := ParseIPRoute(again)
		if err != nil || !ok || !r2.Equal(r) {
			t.Fatalf("%+v became %+v, %v", r, r2, err)
		}
		if last, err := r2.Append(nil); err != nil || !bytes.Equal(last, again) {
			t.Fatalf("%x is encoded again as %x, %v", again, last, err)
		}
	})
}

// FuzzMessages: no datagram makes the readers panic or loop.
func FuzzMessages(f *testing.F) {
	for _, c := range routeCases {
		body := unhex(f, c.wire)
		m := binary.NativeEndian.AppendUint32(nil, uint32(16+len(body)))
		m = binary.NativeEndian.AppendUint16(m, unix.RTM_NEWROUTE)
		f.Add(append(append(m, make([]byte, 10)...), body...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		for m := range messages(b).all() {
			n += unix.NLMSG_HDRLEN + len(m.body)
			parseEvent(m)
			_ = m.err()
			_ = m.doneErr()
			if _, _, _, err := ParseStats(m.body); err == nil && len(m.body) < ifStatsMsgLen {
				t.Fatal("statistics without header")
			}
		}
		if n > len(b) {
			t.Fatalf("messages of %d octets in a datagram of %d", n, len(b))
		}
	})
}

func TestErrorMessage(t *testing.T) {
	text := append([]byte("Too many labels"), 0)
	body := binary.NativeEndian.AppendUint32(nil, uint32(0xffffffff-uint32(unix.EINVAL)+1))
	body = append(body, make([]byte, unix.NLMSG_HDRLEN)...)
	m := message{typ: unix.NLMSG_ERROR, flags: unix.NLM_F_ACK_TLVS | unix.NLM_F_CAPPED, body: appendAttr(body, unix.NLMSGERR_ATTR_MSG, text)}
	err := m.err()
	if !errors.Is(err, unix.EINVAL) || err.Error() != "Too many labels (invalid argument)" {
		t.Errorf("error: %v", err)
	}
	m.flags = 0
	if err := m.err(); err == nil || err.Error() != "invalid argument" {
		t.Errorf("error without text: %v", err)
	}
	if err := (message{body: make([]byte, 20)}).err(); err != nil {
		t.Errorf("acknowledgement: %v", err)
	}
	if err := (message{body: make([]byte, 3)}).err(); err == nil {
		t.Error("a truncated error is no error")
	}
}

func BenchmarkRouteAppend(b *testing.B) {
	buf := make([]byte, 0, 256)
	r := routeCases[0].route
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Append(buf[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseRoute(b *testing.B) {
	wire := unhex(b, routeCases[0].wire)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRoute(wire); err != nil {
			b.Fatal(err)
		}
	}
}
