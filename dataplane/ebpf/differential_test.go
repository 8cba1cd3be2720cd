package ebpf

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/packetio"
)

// pair is the programs and the model with the same tables.
type pair struct {
	*rig
	m     *model
	punts *Punts
}

func newPair(t testing.TB) *pair {
	t.Helper()
	p := &pair{rig: newRig(t), m: newModel()}
	var err error
	if p.punts, err = (&Driver{objs: p.objs}).Punts(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.punts.Close() })
	p.m.sections = p.rig.sections(t)
	for id, s := range p.m.sections {
		p.m.ports[portOf(s)] = id
	}
	for i, c := range pairLSPs() {
		id := uint32(i + 1)
		p.m.lsps[id] = p.rig.lsp(t, id, c.lsp, c.in, c.out)
		if c.lsp.InLabel != 0 {
			p.m.labels[labelKey{c.in, c.lsp.InLabel}] = id
		}
		for _, x := range c.lsp.Prefixes {
			p.m.prefixes[x] = id
		}
	}
	return p
}

type pairLSP struct {
	lsp     dataplane.LSP
	in, out uint32
}

// pairLSPs has every operation in every variety; labels from 16 on.
func pairLSPs() []pairLSP {
	stack := func(es ...dataplane.LabelEntry) dataplane.NextHop { return dataplane.NextHop{Stack: es} }
	l := func(label uint32) dataplane.LabelEntry { return dataplane.LabelEntry{Label: label} }
	tc := func(label uint32, tc uint8) dataplane.LabelEntry {
		return dataplane.LabelEntry{Label: label, TC: tc, HasTC: true, TTL: 9}
	}
	swap, pop, popImpose := dataplane.SwapAndForward, dataplane.PopAndForward, dataplane.PopImposeAndForward
	lookup, impose := dataplane.PopAndLookup, dataplane.ImposeAndForward
	six := stack(l(501), l(502), tc(503, 3), l(504), l(505), l(506))
	prefix := func(ps ...string) (out []netip.Prefix) {
		for _, p := range ps {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	return []pairLSP{
		{dataplane.LSP{Op: swap, InLabel: 16, Out: stack(l(1<<20 - 1))}, 0, secPlain},
		{dataplane.LSP{Op: swap, InLabel: 17, Out: stack(l(300), l(200))}, 0, secOut},
		{dataplane.LSP{Op: swap, InLabel: 18, Out: stack(tc(300, 5), tc(200, 1))}, 0, secPlain},
		{dataplane.LSP{Op: swap, InLabel: 19, Out: six}, 0, secOut},
		{dataplane.LSP{Op: pop, InLabel: 20}, 0, secPlain},
		{dataplane.LSP{Op: pop, InLabel: 21, TTLMode: dataplane.ShortPipe}, 0, secOut},
		{dataplane.LSP{Op: popImpose, InLabel: 22, Out: stack(l(400))}, 0, secPlain},
		{dataplane.LSP{Op: popImpose, InLabel: 23, Out: six}, 0, secPlain},
		{dataplane.LSP{Op: lookup, InLabel: 24}, 0, 0},
		{dataplane.LSP{Op: lookup, InLabel: 25, Down: true}, 0, 0},
		{dataplane.LSP{Op: swap, InLabel: 26, Down: true, Out: stack(l(200))}, 0, secPlain},
		{dataplane.LSP{Op: swap, InLabel: 27, Out: stack(l(200))}, 0, secDown},
		{dataplane.LSP{Op: swap, InLabel: 28, Out: stack(l(200))}, 0, secShort},
		{dataplane.LSP{Op: swap, InLabel: 29, Out: stack(l(200))}, 0, secAbsent},
		{dataplane.LSP{Op: swap, InLabel: 16, Out: stack(l(999))}, secOwn, secPlain},
		{dataplane.LSP{Op: lookup, InLabel: 30}, secOwn, 0},
		{dataplane.LSP{Op: swap, InLabel: 1<<20 - 1, Out: stack(l(16))}, 0, secIn},
		{dataplane.LSP{Op: impose, Prefixes: prefix("10.0.0.0/8", "2001:db8::/32"), Out: stack(l(600))}, 0, secPlain},
		{dataplane.LSP{Op: impose, Prefixes: prefix("10.1.0.0/16", "2001:db8:1::/48"), Out: stack(l(601), tc(602, 6))}, 0, secOut},
		{dataplane.LSP{Op: impose, Prefixes: prefix("10.1.2.3/32"), Out: six}, 0, secOut},
		{dataplane.LSP{Op: impose, Prefixes: prefix("10.9.0.0/16"), Down: true, Out: stack(l(600))}, 0, secPlain},
		{dataplane.LSP{Op: impose, Prefixes: prefix("10.8.0.0/16"), Out: stack(l(600))}, 0, secShort},
		{dataplane.LSP{Op: impose, Out: stack(l(600))}, 0, secPlain},
	}
}

// check runs a frame through both and compares verdict, frame, punt and, at
// the end of a test, counters.
func (p *pair) check(t testing.TB, f []byte, impose bool) {
	t.Helper()
	program, model := p.objs.TandemSection, p.m.receive
	if impose {
		program, model = p.objs.TandemImpose, p.m.impose
	}
	gotVerdict, got := p.run(t, program, f)
	wantVerdict, want := model(f)
	if gotVerdict != wantVerdict {
		t.Fatalf("frame %x: verdict %d, the model says %d", f, gotVerdict, wantVerdict)
	}
	if gotVerdict != xdpDrop && !sameFrame(got, want) {
		t.Fatalf("frame %x\n     becomes %x\nin the model %x", f, got, want)
	}
	p.checkPunt(t, f)
}

func (p *pair) checkPunt(t testing.TB, f []byte) {
	t.Helper()
	p.punts.Release()
	var frames [2]packetio.Frame
	n := p.punts.Next(frames[:])
	if p.m.punted == nil {
		if n != 0 {
			t.Fatalf("frame %x is punted (%v), in the model not", f, frames[0].Reason)
		}
		return
	}
	if n != 1 {
		t.Fatalf("frame %x: %d punts, the model has 1", f, n)
	}
	g := frames[0]
	if (punted{g.Reason, g.Label, g.HasLabel}) != *p.m.punted {
		t.Fatalf("frame %x is punted as %v label %d %v, in the model as %+v", f, g.Reason, g.Label, g.HasLabel, *p.m.punted)
	}
	at := 14
	if binary.BigEndian.Uint16(f[12:]) == 0x8100 {
		at = 18
	}
	if want := f[at:min(len(f), puntLong)]; !sameFrame(g.Stack, want) && len(f) > puntShort || len(f) <= puntShort && !sameFrame(g.Stack, f[at:]) {
		t.Fatalf("frame %x: punt carries %x", f, g.Stack)
	}
	if g.IfIndex != 1 || g.Time == 0 {
		t.Fatalf("punt without interface or time: %+v", g)
	}
}

// checkCounters compares every counter.
func (p *pair) checkCounters(t testing.TB) {
	t.Helper()
	for id := range p.m.lsps {
		if got, want := p.rig.counters(t, p.objs.LspCounters, id), p.m.lspCount[id]; got != want {
			t.Errorf("LSP %d: counters %+v, the model has %+v", id, got, want)
		}
	}
	for id := range p.m.sections {
		if got, want := p.rig.counters(t, p.objs.SectionCounters, id), p.m.secCount[id]; got != want {
			t.Errorf("section %d: counters %+v, the model has %+v", id, got, want)
		}
	}
	if got := p.rig.events(t); got != p.m.events {
		t.Errorf("events %v, the model has %v", got, p.m.events)
	}
}

const (
	puntShort = 256
	puntLong  = 2048
)

// generate builds a frame of random choices that reach deep: known labels,
// special ones, every length.
func generate(r *rand.Rand) ([]byte, bool) {
	pick := func(n int) bool { return r.IntN(n) == 0 }
	payload := [][]byte{
		ip4("10.1.2.3"), ip4("10.2.0.1"), ip4("10.9.1.1"), ip4("10.8.1.1"), ip4("192.0.2.1"),
		ip6("2001:db8:1::1"), ip6("2001:db8:2::1"), ip6("2001:db9::1"),
		{0x10, 0, 0, 0x22, 1, 2, 3, 4}, make([]byte, r.IntN(2200)), {0x44, 1, 2, 3}, {},
	}[r.IntN(12)]
	if pick(5) {
		typ := uint16(0x0800)
		if len(payload) > 0 && payload[0]>>4 == 6 {
			typ = 0x86dd
		}
		return cut(r, frame(own, outPeer, 0, typ, payload)), true
	}
	dst := own
	if pick(4) {
		dst = [6]byte{0x01, 0x00, 0x5e, 0x90, 0x00, 0x00}
	} else if pick(8) {
		dst = [6]byte{2, 0, 0, 0, 0, byte(r.IntN(256))}
	}
	var vlan, typ uint16 = 0, 0x8847
	if pick(3) {
		vlan = []uint16{20, 30, 30, 40, 50}[r.IntN(5)]
	}
	if pick(10) {
		typ = []uint16{0x8848, 0x0800, 0x86dd, 0x8100, 0x0806}[r.IntN(5)]
	}
	var stack []byte
	for depth := 1 + r.IntN(4); depth > 0; depth-- {
		l := lse{label: 16 + uint32(r.IntN(15)), tc: uint32(r.IntN(8)), ttl: uint32(r.IntN(256)), s: depth == 1}
		switch {
		case pick(3):
			l.label = 24 // Pop and lookup: on to the next.
		case pick(4):
			l.label = uint32(r.IntN(16))
		case pick(12):
			l.label = 1<<20 - 1
		}
		if pick(4) {
			l.ttl = uint32(r.IntN(3))
		}
		if pick(20) {
			l.s = !l.s
		}
		if pick(30) {
			for range maxReceive {
				stack = lse{label: 24, ttl: 64}.append(stack)
			}
		}
		if l.s && pick(2) {
			l.label = 13
		}
		stack = l.append(stack)
	}
	return cut(r, frame(dst, outPeer, vlan, typ, stack, payload)), false
}

// cut shortens one frame in ten; the kernel runs nothing shorter than an
// Ethernet header.
func cut(r *rand.Rand, f []byte) []byte {
	if r.IntN(10) == 0 {
		f = f[:14+r.IntN(len(f)-13)]
	}
	return f
}

// TestDifferential holds the programs against the model on random frames.
func TestDifferential(t *testing.T) {
	p := newPair(t)
	r := rand.New(rand.NewPCG(8960, 5921))
	frames := 40_000
	if inGuest {
		frames /= 4
	}
	for range frames {
		f, impose := generate(r)
		p.check(t, f, impose)
	}
	p.checkCounters(t)
	unreachable := map[string]bool{
		"punt-rate": true, "punt-full": true, "punt-channel-limited": true, "punt-meg-limited": true, "internal": true,
		"blocked": true, "punted-pw-ach": true,
	}
	// The random frames have reached everything that can happen but what
	// depends on load or on damage to the tables.
	for i, name := range eventNames {
		if p.m.events[i] == 0 && !unreachable[name] {
			t.Errorf("no frame has led to %q", name)
		}
	}
}

// FuzzForward lets the fuzzer write the frame; byte 0 chooses the program.
func FuzzForward(f *testing.F) {
	p := newPair(f)
	r := rand.New(rand.NewPCG(1, 2))
	for range 64 {
		b, impose := generate(r)
		lead := byte(0)
		if impose {
			lead = 1
		}
		f.Add(append([]byte{lead}, b...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 15 || len(b) > 3000 {
			return
		}
		p.check(t, b[1:], b[0]&1 == 1)
	})
}
