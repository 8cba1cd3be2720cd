package ebpf

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/oam"
)

var multicast = [6]byte{0x01, 0x00, 0x5e, 0x90, 0x00, 0x00}

// TestFrames writes out, octet by octet, what the model test covers at random.
// The objects are those of basicObjects.
func TestFrames(t *testing.T) {
	p := newPair(t, basicObjects())
	v4, v6, ach := ip4("10.2.0.1"), ip6("2001:db8:2::1"), []byte{0x10, 0, 0, 0x22, 0x20, 0xc0, 3, 24}
	gal := lse{13, 0, 1, true}
	in := func(parts ...any) []byte { return frame(own, outPeer, 0, 0x8847, parts...) }
	onVLAN := func(vlan uint16, parts ...any) []byte { return frame(own, outPeer, vlan, 0x8847, parts...) }
	plain := func(parts ...any) []byte { return frame(outPeer, outOwn, 0, 0x8847, parts...) }
	tagged := func(parts ...any) []byte { return frame(outPeer, own, 20, 0x8847, parts...) }
	up := func(typ uint16, packet []byte) []byte { return frame(own, outPeer, 0, typ, packet) }
	deep := func(n int) (b []byte) {
		for range n {
			b = lse{24, 0, 64, false}.append(b)
		}
		return b
	}
	for _, c := range []struct {
		name    string
		frame   []byte
		impose  bool
		verdict uint32
		want    []byte     // Nil with drops.
		event   string     // The one event counted, if any.
		punt    *modelPunt // And what it says, the stack aside.
	}{
		{name: "swap", frame: in(lse{16, 5, 64, true}, v4), verdict: xdpRedirect, want: plain(lse{1<<20 - 1, 5, 63, true}, v4)},
		{name: "swap, not the bottom", frame: in(lse{16, 5, 2, false}, lse{777, 1, 9, true}, v4), verdict: xdpRedirect,
			want: plain(lse{1<<20 - 1, 5, 1, false}, lse{777, 1, 9, true}, v4)},
		{name: "swap in an SPME, to a VLAN", frame: in(lse{17, 5, 64, true}, v4), verdict: xdpRedirect,
			want: tagged(lse{300, 5, 255, false}, lse{200, 5, 63, true}, v4)},
		{name: "swap with traffic classes set", frame: in(lse{18, 7, 255, true}, v4), verdict: xdpRedirect,
			want: plain(lse{300, 5, 9, false}, lse{200, 1, 254, true}, v4)},
		{name: "swap to four labels", frame: in(lse{19, 2, 64, true}, v4), verdict: xdpRedirect,
			want: tagged(lse{501, 2, 255, false}, lse{502, 2, 255, false}, lse{503, 3, 9, false}, lse{504, 2, 63, true}, v4)},
		{name: "pop, label below untouched", frame: in(lse{20, 5, 64, false}, lse{777, 1, 9, true}, v4), verdict: xdpRedirect,
			want: plain(lse{777, 1, 9, true}, v4)},
		{name: "pop to IPv4", frame: in(lse{20, 5, 64, true}, v4), verdict: xdpRedirect, want: frame(outPeer, outOwn, 0, 0x0800, v4)},
		{name: "pop to IPv6 on a VLAN", frame: in(lse{21, 5, 64, true}, v6), verdict: xdpRedirect, want: frame(outPeer, own, 20, 0x86dd, v6)},
		{name: "pop and impose", frame: in(lse{22, 5, 20, true}, v4), verdict: xdpRedirect, want: plain(lse{400, 5, 255, true}, v4)},
		{name: "pop and lookup of IPv4", frame: in(lse{24, 5, 20, true}, v4), verdict: xdpPass, want: up(0x0800, v4)},
		{name: "pop and lookup of IPv6 from a VLAN", frame: onVLAN(20, lse{24, 5, 20, true}, v6), verdict: xdpPass, want: up(0x86dd, v6)},
		{name: "pop and lookup of the labels below", frame: in(deep(11), lse{16, 3, 9, true}, v4), verdict: xdpRedirect,
			want: plain(lse{1<<20 - 1, 3, 8, true}, v4)},
		{name: "explicit null", frame: in(lse{0, 0, 64, true}, v4), verdict: xdpPass, want: up(0x0800, v4)},
		{name: "IPv6 explicit null", frame: in(lse{2, 0, 64, true}, v6), verdict: xdpPass, want: up(0x86dd, v6)},
		{name: "explicit null above a label", frame: in(lse{0, 0, 64, false}, lse{16, 0, 7, true}, v4), verdict: xdpRedirect,
			want: plain(lse{1<<20 - 1, 0, 6, true}, v4)},
		{name: "the space of the interface", frame: onVLAN(30, lse{16, 0, 7, true}, v4), verdict: xdpRedirect, want: plain(lse{999, 0, 6, true}, v4)},
		{name: "its tunnel over a label of the platform", frame: onVLAN(30, lse{30, 0, 7, false}, lse{17, 0, 7, true}, v4), verdict: xdpRedirect,
			want: tagged(lse{300, 0, 255, false}, lse{200, 0, 6, true}, v4)},
		{name: "the MPLS-TP address", frame: frame(multicast, outPeer, 0, 0x8847, lse{16, 0, 7, true}, v4), verdict: xdpRedirect,
			want: plain(lse{1<<20 - 1, 0, 6, true}, v4)},
		{name: "impose", frame: frame(own, own, 0, 0x0800, v4), impose: true, verdict: xdpRedirect, want: plain(lse{600, 0, 255, true}, v4)},
		{name: "impose, longest prefix", frame: frame(own, own, 0, 0x0800, ip4("10.1.9.9")), impose: true, verdict: xdpRedirect,
			want: tagged(lse{601, 0, 255, false}, lse{602, 6, 9, true}, ip4("10.1.9.9"))},
		{name: "impose on IPv6", frame: frame(own, own, 0, 0x86dd, v6), impose: true, verdict: xdpRedirect, want: plain(lse{600, 0, 255, true}, v6)},

		{name: "not MPLS", frame: frame(own, outPeer, 0, 0x0800, v4), verdict: xdpPass, want: frame(own, outPeer, 0, 0x0800, v4)},
		{name: "MPLS multicast, RFC 5332", frame: frame(own, outPeer, 0, 0x8848, lse{16, 0, 7, true}), verdict: xdpPass,
			want: frame(own, outPeer, 0, 0x8848, lse{16, 0, 7, true})},
		{name: "a VLAN that is no section", frame: onVLAN(99, lse{16, 0, 7, true}, v4), verdict: xdpPass, want: onVLAN(99, lse{16, 0, 7, true}, v4)},

		{name: "no label at all", frame: in(), verdict: xdpDrop, event: "short"},
		{name: "half a label", frame: in([]byte{0, 1}), verdict: xdpDrop, event: "short"},
		{name: "no bottom", frame: in(lse{24, 0, 64, false}), verdict: xdpDrop, event: "no-bottom"},
		{name: "half a second label", frame: in(lse{24, 0, 64, false}, []byte{0, 1, 2}), verdict: xdpDrop, event: "no-bottom"},
		{name: "too deep", frame: in(deep(12), lse{16, 0, 64, true}, v4), verdict: xdpDrop, event: "too-deep"},
		{name: "GAL not at the bottom", frame: in(lse{24, 0, 64, false}, lse{13, 0, 1, false}, lse{24, 0, 1, true}, ach), verdict: xdpDrop, event: "malformed"},
		{name: "GAL with nothing below", frame: in(gal), verdict: xdpDrop, event: "malformed"},
		{name: "GAL below an explicit null", frame: in(lse{0, 0, 9, false}, gal, ach), verdict: xdpDrop, event: "malformed"},
		{name: "router alert at the bottom", frame: in(lse{1, 0, 9, true}, v4), verdict: xdpDrop, event: "malformed"},
		{name: "unknown label", frame: in(lse{4711, 0, 64, true}, v4), verdict: xdpDrop, event: "unknown-label"},
		{name: "a label of the platform where the interface has its own", frame: onVLAN(30, lse{17, 0, 7, true}, v4), verdict: xdpDrop, event: "unknown-label"},
		{name: "another station", frame: frame(outPeer, own, 0, 0x8847, lse{16, 0, 7, true}), verdict: xdpDrop, event: "foreign-mac"},
		{name: "broadcast", frame: frame([6]byte{255, 255, 255, 255, 255, 255}, own, 0, 0x8847, lse{16, 0, 7, true}), verdict: xdpDrop, event: "foreign-mac"},
		{name: "section down", frame: onVLAN(40, lse{16, 0, 7, true}, v4), verdict: xdpDrop, event: "section-down"},
		{name: "section down on the way out", frame: in(lse{27, 0, 7, true}, v4), verdict: xdpDrop, event: "section-down"},
		{name: "LSP down", frame: in(lse{26, 0, 7, true}, v4), verdict: xdpDrop, event: "lsp-down"},
		{name: "LSP down at its end", frame: in(lse{25, 0, 7, true}, v4), verdict: xdpDrop, event: "lsp-down"},
		{name: "payload neither IP nor label", frame: in(lse{20, 0, 7, true}, ach), verdict: xdpDrop, event: "unknown-payload"},
		{name: "payload at the end neither", frame: in(lse{24, 0, 7, true}, ach), verdict: xdpDrop, event: "unknown-payload"},
		{name: "IPv4 header cut short", frame: in(lse{20, 0, 7, true}, v4[:19]), verdict: xdpDrop, event: "unknown-payload"},
		{name: "IPv4 header length 4", frame: in(lse{20, 0, 7, true}, append([]byte{0x44}, v4[1:]...)), verdict: xdpDrop, event: "unknown-payload"},
		{name: "IPv6 below the IPv4 explicit null", frame: in(lse{0, 0, 7, true}, v6), verdict: xdpDrop, event: "unknown-payload"},
		{name: "longer than the section takes", frame: in(lse{28, 0, 7, true}, make([]byte, 65)), verdict: xdpDrop, event: "too-long"},
		{name: "impose without a prefix", frame: frame(own, own, 0, 0x0800, ip4("192.0.2.1")), impose: true, verdict: xdpDrop, event: "unknown-prefix"},
		{name: "impose, LSP down", frame: frame(own, own, 0, 0x0800, ip4("10.9.0.1")), impose: true, verdict: xdpDrop, event: "lsp-down"},
		{name: "impose of what is not IP", frame: frame(own, own, 0, 0x0806, v4), impose: true, verdict: xdpDrop},

		{name: "G-ACh of the section", frame: in(gal, ach), verdict: xdpDrop, event: "punted-gal", punt: &modelPunt{oam.ReasonGAL, 0, false, nil}},
		{name: "G-ACh of an LSP that ends here", frame: in(lse{24, 0, 64, false}, gal, ach), verdict: xdpDrop, event: "punted-gal",
			punt: &modelPunt{oam.ReasonGAL, 24, true, nil}},
		{name: "with TTL 1", frame: in(lse{24, 0, 1, false}, gal, ach), verdict: xdpDrop, event: "punted-gal", punt: &modelPunt{oam.ReasonGAL, 24, true, nil}},
		{name: "of an LSP that is down", frame: in(lse{25, 0, 64, false}, gal, ach), verdict: xdpDrop, event: "punted-gal", punt: &modelPunt{oam.ReasonGAL, 25, true, nil}},
		{name: "of an LSP in an SPME", frame: in(lse{24, 0, 64, false}, lse{24, 0, 64, false}, gal, ach), verdict: xdpDrop, event: "punted-gal",
			punt: &modelPunt{oam.ReasonGAL, 24, true, nil}},
		{name: "G-ACh passing through", frame: in(lse{16, 0, 64, false}, gal, ach), verdict: xdpRedirect, want: plain(lse{1<<20 - 1, 0, 63, false}, gal, ach)},
		{name: "TTL 1", frame: in(lse{16, 0, 1, true}, v4), verdict: xdpDrop, event: "punted-ttl", punt: &modelPunt{oam.ReasonTTLExpired, 16, true, nil}},
		{name: "TTL 0 does not wrap", frame: in(lse{16, 0, 0, true}, v4), verdict: xdpDrop, event: "punted-ttl", punt: &modelPunt{oam.ReasonTTLExpired, 16, true, nil}},
		{name: "router alert", frame: in(lse{1, 0, 9, false}, lse{16, 0, 9, true}, v4), verdict: xdpDrop, event: "punted-router-alert",
			punt: &modelPunt{oam.ReasonRouterAlert, 1, true, nil}},
		{name: "special-purpose label that nobody knows", frame: in(lse{9, 0, 9, true}, v4), verdict: xdpDrop, event: "special-label"},
		{name: "implicit null on the wire", frame: in(lse{3, 0, 9, true}, v4), verdict: xdpDrop, event: "special-label"},
		{name: "the old OAM alert label", frame: in(lse{24, 0, 9, false}, lse{14, 0, 9, true}, ach), verdict: xdpDrop, event: "special-label"},
		{name: "extension label", frame: in(lse{15, 0, 9, false}, lse{16, 0, 9, true}, v4), verdict: xdpDrop, event: "extension-label"},
		{name: "extension label at the bottom", frame: in(lse{15, 0, 9, true}, v4), verdict: xdpDrop, event: "extension-label"},
		{name: "extension label below an LSP", frame: in(lse{24, 0, 9, false}, lse{15, 0, 9, false}, lse{7, 0, 9, true}, v4), verdict: xdpDrop, event: "extension-label"},
		{name: "entropy label below an LSP", frame: in(lse{24, 0, 9, false}, lse{7, 0, 9, false}, lse{77777, 0, 0, true}, v4), verdict: xdpPass, want: up(0x0800, v4)},
		{name: "entropy label between labels", frame: in(lse{24, 0, 9, false}, lse{7, 0, 9, false}, lse{77777, 0, 0, false}, lse{16, 0, 9, true}, v4), verdict: xdpRedirect,
			want: plain(lse{1<<20 - 1, 0, 8, true}, v4)},
		{name: "entropy label indicator on top", frame: in(lse{7, 0, 9, false}, lse{77777, 0, 0, true}, v4), verdict: xdpDrop, event: "entropy-label"},
		{name: "entropy label indicator at the bottom", frame: in(lse{24, 0, 9, false}, lse{7, 0, 9, true}, v4), verdict: xdpDrop, event: "entropy-label"},
		{name: "special-purpose label as entropy label", frame: in(lse{24, 0, 9, false}, lse{7, 0, 9, false}, lse{13, 0, 0, true}, v4), verdict: xdpDrop, event: "entropy-label"},
		{name: "entropy label cut short", frame: in(lse{24, 0, 9, false}, lse{7, 0, 9, false}, []byte{1, 2, 3}), verdict: xdpDrop, event: "entropy-label"},
	} {
		t.Run(c.name, func(t *testing.T) {
			port := "in0"
			if c.impose {
				port = impose
			}
			before := p.events(t)
			var r result
			p.follow(t, port, c.frame, &r)
			verdict, got := r.one()
			if verdict != c.verdict {
				t.Fatalf("verdict %d, want %d", verdict, c.verdict)
			}
			if c.want != nil && !bytes.Equal(got, c.want) {
				t.Errorf("frame\n got %x\nwant %x", got, c.want)
			}
			p.sameEvents(t, before, c.event)
			if c.punt != nil {
				c.punt.stack = c.frame[14:]
			}
			p.checkPunt(t, c.frame, c.punt)
		})
	}
}

// sameEvents fails the test unless exactly the one event was counted; an
// expired TTL is counted besides its punt.
func (p *pair) sameEvents(t *testing.T, before map[string]uint64, want string) {
	t.Helper()
	for name, n := range p.events(t) {
		if strings.HasPrefix(name, "channel-") {
			continue
		}
		counted := name == want || want == "punted-ttl" && name == "ttl-expired"
		if counted != (n == before[name]+1) || n > before[name]+1 {
			t.Errorf("%q counted %d times; want only %q", name, n-before[name], want)
		}
	}
}
