package ebpf

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/dataplane/punt"
)

// pair is a driver in a namespace of its own and the model with the same
// objects. Frames go through the programs by BPF_PROG_TEST_RUN, as if they had
// come in on an interface of the namespace.
type pair struct {
	*Driver
	m       *model
	punts   *Punts
	objects []dataplane.Object
	index   map[string]int
	work    chan func() // Done on a thread in the namespace.
	out     []byte
}

// pairInterfaces are the interfaces of a pair. Sections come in on in0 and
// leave by out0, out1 and q0, which has queues; clients are on ac0 and ac1.
var pairInterfaces = map[string]modelInterface{
	"in0": {mac: own, mtu: 1500}, "out0": {mac: outOwn, mtu: 1500}, "out1": {mac: outOwn, mtu: 68},
	"q0": {mac: outOwn, mtu: 1500, queues: true}, "ac0": {mac: acOwn, mtu: 1500}, "ac1": {mac: acOwn, mtu: 600},
}

const impose = "the impose device" // Stands for the far end of the impose device.

func newPair(t testing.TB, objects []dataplane.Object) *pair {
	t.Helper()
	return newPairIn(t, ModeGeneric, objects)
}

func newPairIn(t testing.TB, mode Mode, objects []dataplane.Object) *pair {
	t.Helper()
	s := newSpace(t)
	var script strings.Builder
	script.WriteString("ip link set lo up\n")
	for name, i := range pairInterfaces {
		fmt.Fprintf(&script, "ip link add %s address %s mtu %d type veth peer name %sp\n"+
			"sysctl -qw net.ipv6.conf.%sp.disable_ipv6=1\nip link set %s up\nip link set %sp up\n", name, i.mac, i.mtu, name, name, name, name)
	}
	s.sh(t, script.String())
	p := &pair{objects: objects, index: map[string]int{}, work: make(chan func()), out: make([]byte, 4096), m: newModel(maps.Clone(pairInterfaces), objects)}
	t.Cleanup(func() { close(p.work) })
	go s.enter(func() error {
		for f := range p.work {
			f()
		}
		return nil
	})
	fs := testFS(t)
	unlimited := Rate{PerSecond: 1_000_000_000, Burst: 1 << 20}
	var err error
	p.do(func() {
		p.Driver, err = Open(Options{BPFFS: fs, Instance: "pair", Mode: mode, GALRate: unlimited, ExceptionRate: unlimited,
			MEGRate: unlimited, UnknownChannelRate: unlimited})
	})
	if err != nil {
		t.Fatalf("Open: %v (the test needs root)", err)
	}
	t.Cleanup(func() { p.Driver.Close() })
	for i := range uint32(punt.Limits) {
		p.put(t, p.objs.Limits, i, unlimited.Limit())
	}
	if p.punts, err = p.Punts(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.punts.Close() })
	p.do(func() {
		for name := range pairInterfaces {
			if p.index[name], err = ifIndex(name); err != nil {
				return
			}
		}
		var far *net.Interface
		if far, err = net.InterfaceByName("mtp0x"); err == nil {
			p.index[impose] = far.Index
			p.m.ifaces[impose] = modelInterface{mac: dataplane.MAC(far.HardwareAddr)}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	p.apply(t, inOrder(objects)...)
	return p
}

// apply puts objects in order.
func (p *pair) apply(t testing.TB, objects ...dataplane.Object) {
	t.Helper()
	var failed []*dataplane.OpError
	p.do(func() { failed = p.Apply(context.Background(), puts(objects)) })
	for _, err := range failed {
		t.Fatalf("Apply: %v", err)
	}
}

// do calls f, which must not end the test, on the thread in the namespace.
func (p *pair) do(f func()) {
	done := make(chan struct{})
	p.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

func (p *pair) put(t testing.TB, m *ebpf.Map, k, v any) {
	t.Helper()
	if err := m.Update(k, v, ebpf.UpdateAny); err != nil {
		t.Fatalf("%s: %v", m, err)
	}
}

func (p *pair) sectionID(t testing.TB, name string) uint32 {
	t.Helper()
	s := p.sections[hashName(name)]
	if s == nil {
		t.Fatalf("section %s is not in the tables", name)
	}
	return s.id
}

// options are those of a run as if on a port, with the program that is there.
func (p *pair) options(port string, f []byte) (*ebpf.Program, *ebpf.RunOptions) {
	program := p.objs.TandemSection
	switch port {
	case impose:
		program = p.objs.TandemImpose
	case "ac0", "ac1":
		program, _ = p.attachmentProgram.get()
	}
	ctx := struct{ data, end, meta, ingress, queue, egress uint32 }{end: uint32(len(f)), ingress: uint32(p.index[port])}
	return program, &ebpf.RunOptions{Data: f, DataOut: p.out, Context: &ctx}
}

// run runs the program of a port on a frame.
func (p *pair) run(t testing.TB, port string, f []byte) (uint32, []byte) {
	t.Helper()
	program, opt := p.options(port, f)
	var verdict uint32
	var err error
	p.do(func() { verdict, err = program.Run(opt) })
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	return verdict, opt.DataOut
}

// repeat runs the program of in0 on a frame that it drops or punts.
func (p *pair) repeat(t testing.TB, f []byte, n int) {
	t.Helper()
	program, opt := p.options("in0", f)
	opt.Repeat = uint32(n)
	var err error
	p.do(func() { _, err = program.Run(opt) })
	if err != nil {
		t.Fatalf("run: %v", err)
	}
}

// events are the counters of drops and punts by reason.
func (p *pair) events(t testing.TB) map[string]uint64 {
	t.Helper()
	ev, err := p.DropCounters()
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

// check runs a frame through both and compares frames and punt.
func (p *pair) check(t testing.TB, port string, f []byte) {
	t.Helper()
	var got result
	p.follow(t, port, f, &got)
	var want outcome
	if port == impose {
		want = p.m.impose(f)
	} else {
		want = p.m.receive(port, f)
	}
	p.compare(t, f, got, want)
}

// result is what the programs have made of one frame.
type result struct {
	sent []gotFrame
	host [][]byte
}

// one is the verdict and the frame, where there is no more than one.
func (r result) one() (verdict uint32, frame []byte) {
	switch {
	case len(r.sent) > 0:
		return xdpRedirect, r.sent[0].frame
	case len(r.host) > 0:
		return xdpPass, r.host[0]
	}
	return xdpDrop, nil
}

// gotFrame is a frame that leaves. Of what XDP redirects it is not known where
// to and with which class: port is empty then.
type gotFrame struct {
	port  string
	frame []byte
	queue uint8
}

// Of bpf/send.h.
const (
	metaMagic = 0x4d54
	metaQueue = 1
	metaCopy  = 2
)

// follow runs the program of a port on a frame, and on what becomes of it, until
// all of it has left or ended. What the tc program behind each program does by
// the metadata in front of the frame is done here: it takes the copies to the
// impose device one by one, as copy_out of bpf/relay.bpf.h, and sends frames to
// an interface.
func (p *pair) follow(t testing.TB, port string, f []byte, r *result) {
	t.Helper()
	verdict, got := p.run(t, port, f)
	switch {
	case verdict == xdpRedirect:
		r.sent = append(r.sent, gotFrame{frame: slices.Clone(got)})
		return
	case verdict == xdpDrop:
		return
	case verdict != xdpPass:
		t.Fatalf("frame %x: verdict %d", f, verdict)
	case len(got) < 8 || binary.NativeEndian.Uint16(got) != metaMagic:
		r.host = append(r.host, slices.Clone(got))
		return
	}
	kind, arg, ref := got[2], got[3], binary.NativeEndian.Uint32(got[4:])
	frame := slices.Clone(got[8:])
	if kind == metaQueue {
		for name, index := range p.index {
			if uint32(index) == ref {
				r.sent = append(r.sent, gotFrame{name, frame, arg})
				return
			}
		}
		t.Fatalf("handed over to interface %d, which is not there", ref)
	}
	var list tandemCopies
	if err := p.objs.CopyLists.Lookup(ref, &list); kind != metaCopy || err != nil || list.N <= uint32(arg) {
		t.Fatalf("handed over for %d, list %d without %d copies: %v", kind, ref, arg, err)
	}
	for _, relay := range list.Relay[:list.N-uint32(arg)] {
		tag := binary.BigEndian.AppendUint16([]byte{typeSTag >> 8, typeSTag & 0xff}, relay)
		p.follow(t, impose, slices.Concat(frame[:12], tag, frame[12:]), r)
	}
}

func (p *pair) compare(t testing.TB, f []byte, got result, want outcome) {
	t.Helper()
	defer func() {
		if t.Failed() {
			p.checkEvents(t)
		}
	}()
	if want.host == nil && len(got.host) > 0 || want.host != nil && (len(got.host) != 1 || !bytes.Equal(got.host[0], want.host)) {
		t.Fatalf("of %x\nthe host gets %x, in the model %x", f, got.host, want.host)
	}
	if len(got.sent) != len(want.sent) {
		t.Fatalf("of %x\n%d frames leave, in the model %d: %+v", f, len(got.sent), len(want.sent), want.sent)
	}
	left := slices.Clone(want.sent)
	for _, g := range got.sent {
		i := slices.IndexFunc(left, func(w sentFrame) bool { return p.same(t, g, w, want.entropy) })
		if i < 0 {
			t.Fatalf("of %x\nleaves by %q class %d %x, in the model %s", f, g.port, g.queue, g.frame, printSent(left))
		}
		left = slices.Delete(left, i, i+1)
	}
	p.checkPunt(t, f, want.punt)
}

func printSent(frames []sentFrame) (out string) {
	for _, f := range frames {
		out += fmt.Sprintf("\n  %s class %d %x", f.port, f.queue, f.frame)
	}
	return out
}

// same tells whether a frame is the one of the model. Which entropy label is up
// to the sender, as long as it is none of the special ones.
func (p *pair) same(t testing.TB, g gotFrame, w sentFrame, entropy int) bool {
	t.Helper()
	if g.port != "" && (g.port != w.port || g.queue != w.queue) {
		return false
	}
	// Frames of a section with queues are handed over, whatever sends them.
	if g.port == "" && pairInterfaces[w.port].queues {
		return false
	}
	frame := w.frame
	if n := entropy; n > 0 && len(g.frame) >= n+4 {
		if parseEntry(g.frame[n:]).label < labelLowest {
			return false
		}
		frame = slices.Clone(frame)
		v := binary.BigEndian.Uint32(frame[n:])&0xfff | parseEntry(g.frame[n:]).label<<12
		binary.BigEndian.PutUint32(frame[n:], v)
	}
	return bytes.Equal(g.frame, frame)
}

func (p *pair) checkPunt(t testing.TB, f []byte, want *modelPunt) {
	t.Helper()
	p.punts.Release()
	var frames [2]packetio.Frame
	n := p.punts.Next(frames[:])
	g := frames[0]
	switch {
	case want == nil && n == 0:
		return
	case want == nil:
		t.Fatalf("frame %x is punted (%v, label %d), in the model not", f, g.Reason, g.Label)
	case n != 1:
		t.Fatalf("frame %x: %d punts, the model has 1: %v, label %d", f, n, want.reason, want.label)
	case g.Reason != want.reason || g.Label != want.label || g.HasLabel != want.hasLabel:
		t.Fatalf("frame %x is punted as %v label %d %v, in the model as %v label %d %v", f, g.Reason, g.Label, g.HasLabel, want.reason, want.label, want.hasLabel)
	case !bytes.HasPrefix(want.stack, g.Stack) || !g.Truncated && len(g.Stack) != len(want.stack):
		t.Fatalf("frame %x: punt carries %x", f, g.Stack)
	case g.Time == 0 || g.IfIndex == 0:
		t.Fatalf("punt without interface or time: %+v", g)
	}
}

// checkCounters compares every counter of every object, and all drops by
// reason.
func (p *pair) checkCounters(t testing.TB) {
	t.Helper()
	keys := make([]dataplane.Key, len(p.objects))
	for i, o := range p.objects {
		keys[i] = o.Key()
	}
	got, err := p.Counters(context.Background(), keys, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range keys {
		if k.Kind == dataplane.KindSwitchingPoint {
			continue // The sum of its segments.
		}
		g := modelCounters{got[i].In, got[i].Out, got[i].InDrops, got[i].OutDrops}
		if want := *p.m.of(k); g != want {
			t.Errorf("%s: counters %+v, the model has %+v", k, g, want)
		}
	}
	p.checkEvents(t)
}

// checkEvents compares the drops by reason.
func (p *pair) checkEvents(t testing.TB) {
	t.Helper()
	for name, n := range p.events(t) {
		if strings.HasPrefix(name, "punted-") || strings.HasPrefix(name, "channel-") {
			continue // Punts are compared one by one.
		}
		want := p.m.events[name]
		if name == "unknown-prefix" && n > want {
			// The host has sent packets of its own on the impose device.
			want += min(n-want, p.received(t, "mtp0x"))
		}
		if n != want {
			t.Errorf("%s: %d, the model has %d", name, n, want)
		}
	}
	for name, n := range p.m.events {
		if _, ok := p.events(t)[name]; !ok {
			t.Errorf("the driver does not know %q, which the model has %d times", name, n)
		}
	}
}

// received is how many packets an interface has received.
func (p *pair) received(t testing.TB, name string) (n uint64) {
	t.Helper()
	var b []byte
	var err error
	p.do(func() { b, err = os.ReadFile("/proc/thread-self/net/dev") })
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			var octets uint64
			fmt.Sscan(rest, &octets, &n)
		}
	}
	return n
}
