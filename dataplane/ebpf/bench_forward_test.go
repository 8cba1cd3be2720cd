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
)

// forwardCase is one way through a chain.
type forwardCase struct {
	name   string
	nodes  int
	stream stream
	set    func(b *testing.B, c *chain)
}

// forwardRounds is how often every case is measured, in turn, so that what else
// the machine does in the meantime meets all of them. The median counts.
const (
	forwardRounds = 7
	forwardFrames = 1 << 17
)

// BenchmarkForward is the forwarding rate of one core through the nodes of a
// chain. Everything happens on that core: making the frames, forwarding and
// counting them; "direct" is what the making and counting cost alone, without a
// node, and node-ns what each node costs beyond that. Processor time is
// counted, not the time that other processes took.
func BenchmarkForward(b *testing.B) {
	cases := forwardCases()
	chains := make([]*chain, len(cases))
	windows := make([][]window, len(cases))
	for i, c := range cases {
		chains[i] = newChain(b, c.nodes, c.stream)
		c.set(b, chains[i])
		chains[i].window(b, forwardFrames/8)
	}
	for range forwardRounds {
		for i, c := range chains {
			windows[i] = append(windows[i], c.window(b, forwardFrames))
		}
	}
	direct := 0.0
	for i, c := range cases {
		slices.SortFunc(windows[i], func(x, y window) int { return int(x.perFrame - y.perFrame) })
		m := windows[i][forwardRounds/2]
		if c.nodes == 0 {
			direct = m.perFrame
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportMetric(m.perFrame, "ns/op")
			b.ReportMetric(1e3/m.perFrame, "Mpps")
			if c.nodes > 0 {
				b.ReportMetric((m.perFrame-direct)/float64(c.nodes), "node-ns/packet")
			}
			b.ReportMetric(100*m.loss, "%-lost")
		})
	}
}

func forwardCases() []forwardCase {
	ip := stream{head: frame(mustMAC(chainWest(0)), mustMAC(chainGen), 0, 0x0800, forwardable())}
	manyIP := ip
	manyIP.hosts = manyHosts
	labelled := func(n, stride uint32) stream {
		return stream{head: frame(mustMAC(chainWest(0)), mustMAC(chainGen), 0, 0x8847, lse{16, 0, 64, true}, forwardable()), labels: n, stride: stride}
	}
	swapping := func(mode Mode, n, stride uint32) func(*testing.B, *chain) {
		return func(b *testing.B, c *chain) {
			d := openNode(b, c, 0, mode)
			apply(b, d, nodeSections(c, 0)...)
			apply(b, d, swaps(n, stride)...)
		}
	}
	nothing := stream{head: frame(mustMAC(chainSink), mustMAC(chainGen), 0, 0x8847, lse{16, 0, 64, true}, forwardable())}
	cases := []forwardCase{
		{"direct", 0, nothing, func(*testing.B, *chain) {}},
		{"kernel-ipv4", 1, ip, routeIPv4},
		{"kernel-ipv4-2-nodes", 2, ip, routeIPv4},
		{"kernel-ipv4-100000", 1, manyIP, routeManyIPv4},
	}
	for _, n := range []uint32{1, 1000, 10_000, 100_000} {
		for _, mode := range []Mode{ModeNative, ModeGeneric} {
			cases = append(cases, forwardCase{fmt.Sprintf("swap-%s-%d", mode, n), 1, labelled(n, 1), swapping(mode, n, 1)})
		}
	}
	// Labels all over the space touch ten times the memory that those of a
	// range do.
	cases = append(cases, forwardCase{"swap-native-100000-spread", 1, labelled(100_000, spreadStride), swapping(ModeNative, 100_000, spreadStride)})
	client := stream{head: frame(mustMAC(chainSink), mustMAC(chainGen), 0, typeIPv4, forwardable())}
	cases = append(cases,
		forwardCase{"pw-pair-generic", 2, client, func(b *testing.B, c *chain) {
			for i, in := range []string{"west", "east"} {
				to := []string{"east", "west"}[i]
				d := openNode(b, c, i, ModeGeneric)
				sections := nodeSections(c, i)
				for _, s := range sections {
					if s.Key().Name == to {
						apply(b, d, s)
					}
				}
				apply(b, d,
					dataplane.LSP{Name: "tunnel-leg", Op: imposes, Out: via(to, entries(700)...)},
					dataplane.Group{Name: "tunnel", Legs: []string{"tunnel-leg"}},
					dataplane.LSP{Name: "tunnel-end", Op: lookup, InLabel: 700},
					dataplane.Pseudowire{Name: "pw", InLabel: 800, Out: through("tunnel", entries(800)...), ControlWord: true},
					dataplane.Service{Name: "wire", Attachment: dataplane.Attachment{Interface: in + "0"}, Send: "pw", Receive: []string{"pw"}})
			}
		}},
		forwardCase{"p2mp-2-copies-generic", 1, labelled(1, 1), func(b *testing.B, c *chain) {
			c.nodes[0].sh(b, "ip link add side0 type veth peer name side1; ip link set side0 up; ip link set side1 up")
			d := openNode(b, c, 0, ModeGeneric)
			apply(b, d, nodeSections(c, 0)...)
			apply(b, d, dataplane.Section{Name: "side", Interface: "side0", PeerMAC: outPeer},
				dataplane.LSP{Name: "tree", Op: swap, InLabel: 16, Branches: []dataplane.Branch{
					{Name: "east", NextHop: via("east", entries(200)...)}, {Name: "side", NextHop: via("side", entries(201)...)}}})
		}})
	return cases
}

// routeIPv4 makes the nodes of a chain routers of the kernel, with static
// neighbours.
func routeIPv4(b *testing.B, c *chain) {
	c.poll(b)
	for i, n := range c.nodes {
		next := chainSink
		if i+1 < len(c.nodes) {
			next = chainWest(i + 1)
		}
		n.sh(b, fmt.Sprintf(`ip addr add 192.0.2.1/24 dev east0
ip neigh add 192.0.2.2 lladdr %s dev east0 nud permanent
ip route add 198.51.100.0/24 via 192.0.2.2
ip route add 203.0.113.0/24 dev west0`, next))
		n.do(b, func() error { return groOn("west0") })
	}
}

// manyHosts is the number of routes to hosts that the kernel forwards by, where
// it is held against as many LSPs.
const manyHosts = 100_000

func routeManyIPv4(b *testing.B, c *chain) {
	routeIPv4(b, c)
	var batch strings.Builder
	base := binary.BigEndian.Uint32([]byte{198, 51, 100, 9})
	for i := range uint32(manyHosts) {
		a := base + i
		fmt.Fprintf(&batch, "route add %d.%d.%d.%d via 192.0.2.2\n", a>>24, a>>16&255, a>>8&255, a&255)
	}
	file := filepath.Join(b.TempDir(), "routes")
	if err := os.WriteFile(file, []byte(batch.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	c.nodes[0].sh(b, "ip -batch "+file)
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
