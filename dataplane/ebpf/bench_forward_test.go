package ebpf

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
)

// bed is one way through a chain.
type bed struct {
	name  string
	nodes int
	// prepare makes the nodes forward; it is called once.
	prepare func(t testing.TB, c *chain)
	// grow gives node 0 the LSPs or routes from one number of them to another, and
	// stream is traffic over all of them; nil: the way is measured once, with one.
	grow   func(t testing.TB, c *chain, from, to uint32)
	stream func(n uint32) stream

	c      *chain
	grown  uint32
	failed error
}

// forwardRounds is how often every way is measured, in turn with the others, so
// that what else the machine does in the meantime meets all of them. The median
// counts.
const (
	forwardRounds = 5
	forwardFrames = 1 << 17
)

var forwardSizes = []uint32{1, 1000, 10_000, 100_000}

// BenchmarkForward is the forwarding rate of one core through the nodes of a
// chain. Everything happens on that core: making the frames, forwarding and
// counting them; "direct" is what the making and counting cost alone, without a
// node, and node-ns what each node costs beyond that. Processor time is
// counted, not the time that other processes took.
func BenchmarkForward(b *testing.B) {
	forward(b, forwardBeds(), forwardSizes, forwardFrames)
}

// forward measures the beds with growing numbers of LSPs. A way that cannot be
// had is a benchmark that fails with the reason.
func forward(b *testing.B, beds []*bed, sizes []uint32, frames int) {
	direct := 0.0
	for _, n := range sizes {
		var now []*bed
		for _, x := range beds {
			if x.grow == nil && n > 1 {
				continue
			}
			now = append(now, x)
			if x.failed == nil {
				x.failed = netlab.Attempt(b, func(t testing.TB) { x.set(t, n, frames) })
			}
		}
		windows := map[*bed][]window{}
		for range forwardRounds {
			for _, x := range now {
				if x.failed == nil {
					x.failed = netlab.Attempt(b, func(t testing.TB) { windows[x] = append(windows[x], x.c.window(t, frames)) })
				}
			}
		}
		for _, x := range now {
			name := x.name
			if x.grow != nil {
				name = fmt.Sprintf("%s-%d", name, n)
			}
			b.Run(name, func(b *testing.B) {
				if x.failed != nil {
					b.Fatal(x.failed)
				}
				w := windows[x]
				slices.SortFunc(w, func(x, y window) int { return int(x.perFrame - y.perFrame) })
				m := w[len(w)/2]
				if x.nodes == 0 {
					direct = m.perFrame
				}
				b.ReportMetric(m.perFrame, "ns/op")
				b.ReportMetric(1e3/m.perFrame, "Mpps")
				if x.nodes > 0 && direct > 0 {
					b.ReportMetric((m.perFrame-direct)/float64(x.nodes), "node-ns/packet")
				}
				b.ReportMetric(100*m.loss, "%-lost")
			})
		}
	}
}

// set makes a bed ready for traffic over n LSPs.
func (x *bed) set(t testing.TB, n uint32, frames int) {
	if x.c == nil {
		x.c = newChain(t, x.nodes, x.stream(n))
		x.prepare(t, x.c)
	}
	if x.grow != nil {
		x.grow(t, x.c, x.grown, n)
		x.grown = n
		x.c.aim(t, x.stream(n))
	}
	x.c.window(t, frames/8)
}

// labelled is traffic over n LSPs with labels stride apart.
func labelled(n, stride uint32) stream {
	return stream{head: frame(mustMAC(chainWest(0)), mustMAC(chainGen), 0, 0x8847, lse{16, 0, 64, true}, forwardable()), labels: n, stride: stride}
}

// directBed is generator and sink without a node.
func directBed() *bed {
	return &bed{name: "direct", prepare: func(testing.TB, *chain) {}, stream: func(uint32) stream {
		return stream{head: frame(mustMAC(chainSink), mustMAC(chainGen), 0, 0x8847, lse{16, 0, 64, true}, forwardable())}
	}}
}

// ipBed are routers of the kernel, with as many routes to hosts as others have
// LSPs, or with one route if there are several routers.
func ipBed(name string, nodes int) *bed {
	ip := stream{head: frame(mustMAC(chainWest(0)), mustMAC(chainGen), 0, 0x0800, forwardable())}
	x := &bed{name: name, nodes: nodes, prepare: routeIPv4, stream: func(uint32) stream { return ip }}
	if nodes == 1 {
		x.grow = routeHosts
		x.stream = func(n uint32) stream { s := ip; s.hosts = n; return s }
	}
	return x
}

// swapBed is an LSR with a driver in a mode.
func swapBed(name string, mode Mode, stride uint32) *bed {
	var d *Driver
	return &bed{name: name, nodes: 1,
		prepare: func(t testing.TB, c *chain) {
			d = openNode(t, c, 0, mode)
			apply(t, d, nodeSections(c, 0)...)
		},
		grow:   func(t testing.TB, _ *chain, from, to uint32) { apply(t, d, swaps(to, stride)[from:]...) },
		stream: func(n uint32) stream { return labelled(n, stride) },
	}
}

func forwardBeds() []*bed {
	client := stream{head: frame(mustMAC(chainSink), mustMAC(chainGen), 0, typeIPv4, forwardable())}
	pair := func(name string, mode Mode, direct bool) *bed {
		return &bed{name: name, nodes: 2, stream: func(uint32) stream { return client },
			prepare: func(t testing.TB, c *chain) { pseudowirePair(t, c, mode, direct) }}
	}
	return []*bed{
		directBed(), ipBed("kernel-ipv4", 1), ipBed("kernel-ipv4-2-nodes", 2),
		swapBed("swap-native", ModeNative, 1), swapBed("swap-generic", ModeGeneric, 1), swapBed("swap-tc", ModeTC, 1),
		// Labels all over the space touch ten times the memory that those of a
		// range do.
		swapBed("swap-native-spread", ModeNative, spreadStride),
		pair("pw-pair-native", ModeNative, true), pair("pw-pair-native-relayed", ModeNative, false), pair("pw-pair-generic-relayed", ModeGeneric, false),
		{name: "p2mp-2-copies-generic", nodes: 1, stream: func(uint32) stream { return labelled(1, 1) },
			prepare: func(t testing.TB, c *chain) {
				c.nodes[0].sh(t, "ip link add side0 type veth peer name side1; ip link set side0 up; ip link set side1 up")
				d := openNode(t, c, 0, ModeGeneric)
				apply(t, d, nodeSections(c, 0)...)
				apply(t, d, dataplane.Section{Name: "side", Interface: "side0", PeerMAC: outPeer},
					dataplane.LSP{Name: "tree", Op: swap, InLabel: 16, Branches: []dataplane.Branch{
						{Name: "east", NextHop: via("east", entries(200)...)}, {Name: "side", NextHop: via("side", entries(201)...)}}})
			}},
	}
}

// pseudowirePair makes two nodes the ends of a pseudowire in a tunnel. On a veth
// clients' frames are relayed by tc, because they may lack checksums; those of
// the generator do not, so direct has the program take them from the interface,
// as it does on a card.
func pseudowirePair(t testing.TB, c *chain, mode Mode, direct bool) {
	for i, in := range []string{"west", "east"} {
		to := []string{"east", "west"}[i]
		d := openNode(t, c, i, mode)
		for _, s := range nodeSections(c, i) {
			if s.Key().Name == to {
				apply(t, d, s)
			}
		}
		apply(t, d,
			dataplane.LSP{Name: "tunnel-leg", Op: imposes, Out: via(to, entries(700)...)},
			dataplane.Group{Name: "tunnel", Legs: []string{"tunnel-leg"}},
			dataplane.LSP{Name: "tunnel-end", Op: lookup, InLabel: 700},
			dataplane.Pseudowire{Name: "pw", InLabel: 800, Out: through("tunnel", entries(800)...), ControlWord: true},
			dataplane.Service{Name: "wire", Attachment: dataplane.Attachment{Interface: in + "0"}, Send: "pw", Receive: []string{"pw"}})
		if direct && i == 0 {
			program, err := d.attachmentProgram.get()
			if err != nil {
				t.Fatal(err)
			}
			attachXDP(t, c.nodes[i], in+"0", program)
		}
	}
}

// routeIPv4 makes the nodes of a chain routers of the kernel, with static
// neighbours.
func routeIPv4(t testing.TB, c *chain) {
	c.poll(t)
	for i, n := range c.nodes {
		next := chainSink
		if i+1 < len(c.nodes) {
			next = chainWest(i + 1)
		}
		n.sh(t, fmt.Sprintf(`ip addr add 192.0.2.1/24 dev east0
ip neigh add 192.0.2.2 lladdr %s dev east0 nud permanent
ip route add 203.0.113.0/24 dev west0`, next))
		if len(c.nodes) > 1 {
			n.sh(t, "ip route add 198.51.100.0/24 via 192.0.2.2")
		}
		n.do(t, func() error { return groOn("west0") })
	}
}

// routeHosts adds routes to hosts from one number of them to another.
func routeHosts(t testing.TB, c *chain, from, to uint32) {
	var batch strings.Builder
	base := binary.BigEndian.Uint32([]byte{198, 51, 100, 9})
	for i := from; i < to; i++ {
		a := base + i
		fmt.Fprintf(&batch, "route add %d.%d.%d.%d via 192.0.2.2\n", a>>24, a>>16&255, a>>8&255, a&255)
	}
	file := filepath.Join(t.TempDir(), "routes")
	if err := os.WriteFile(file, []byte(batch.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c.nodes[0].sh(t, "ip -batch "+file)
}

// openNode opens a driver in a node of a chain. GRO makes the veth poll, which
// native redirection to it needs.
func openNode(t testing.TB, c *chain, node int, mode Mode) (d *Driver) {
	t.Helper()
	fs := testFS(t)
	c.nodes[node].do(t, func() (err error) {
		d, err = Open(Options{BPFFS: fs, Instance: fmt.Sprintf("bench-%d", node), Mode: mode, MaxLSPs: 1 << 17})
		return groOn("west0")
	})
	t.Cleanup(func() { d.Close() })
	c.poll(t)
	return d
}

// nodeSections are the sections "west" and "east" of a node of a chain.
func nodeSections(c *chain, node int) []dataplane.Object {
	west, east := chainGen, chainSink
	if node > 0 {
		west = chainEast(node - 1)
	}
	if node+1 < len(c.nodes) {
		east = chainWest(node + 1)
	}
	return []dataplane.Object{
		dataplane.Section{Name: "west", Interface: "west0", PeerMAC: mustMAC(west)},
		dataplane.Section{Name: "east", Interface: "east0", PeerMAC: mustMAC(east)},
	}
}

// spreadStride has no divisor in common with the 1,048,560 labels: LSPs with
// labels this far apart are spread over the whole space.
const spreadStride = 7919

// swaps are n LSPs with labels stride apart.
func swaps(n, stride uint32) []dataplane.Object {
	out := make([]dataplane.Object, n)
	for i := range n {
		label := 16 + uint32(uint64(i)*uint64(stride)%1048560)
		out[i] = dataplane.LSP{Name: fmt.Sprintf("lsp-%d", i), Op: dataplane.SwapAndForward, InLabel: label,
			Out: dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: label}}}}
	}
	return out
}

// groOn lets a veth take what is redirected natively to its other end.
func groOn(ifc string) error {
	h, err := link.Open()
	if err != nil {
		return err
	}
	defer h.Close()
	return h.SetFeatures(ifc, map[string]bool{link.FeatureGRO: true})
}
