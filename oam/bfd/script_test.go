package bfd_test

import (
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
	"github.com/tandem-ne/tandem/oam/bfd"
)

// TestScripts runs every file of testdata/script; README.md there is the
// language.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			runScript(t, file, string(text), false)
		})
	}
}

// TestScriptsConsumed runs every file once more with a data plane that consumes
// what the sessions expect: the same events at the same instants, the same
// frames sent, the same counters.
func TestScriptsConsumed(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	total := 0
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			plain := runScript(t, file, string(text), false)
			consumed := runScript(t, file, string(text), true)
			for i, n := range plain.order {
				total += sameRun(t, n, consumed.order[i])
			}
		})
	}
	if total < 10_000 {
		t.Errorf("only %d frames were consumed in all scripts: the test shows little", total)
	}
}

// sameRun holds one node's run against another's, and says how many frames the
// second one's data plane consumed.
func sameRun(t *testing.T, a, b *node) int {
	t.Helper()
	if !slices.Equal(a.log, b.log) {
		t.Errorf("%s: events %v, consumed %v", a.name, a.log, b.log)
	}
	if !reflect.DeepEqual(a.sent, b.sent) {
		t.Errorf("%s: %d frames sent, consumed %d, or other ones", a.name, len(a.sent), len(b.sent))
	}
	if !maps.Equal(a.states(), b.states()) {
		t.Errorf("%s: states %+v, consumed %+v", a.name, a.states(), b.states())
	}
	return b.consumed
}

func (n *node) states() map[string]oam.SessionState {
	all := map[string]oam.SessionState{}
	n.engine.Each(func(name string, st oam.SessionState) { all[name] = st })
	return all
}

// script runs one file.
type script struct {
	*sim
	file    string
	line    int
	megs    map[string]oam.MEG
	checked map[string]int // By node: how many entries of its log are checked.
}

func runScript(t *testing.T, file, text string, consume bool) *script {
	s := &script{sim: newSim(t), file: file, megs: make(map[string]oam.MEG), checked: make(map[string]int)}
	s.consume = consume
	for i, line := range strings.Split(text, "\n") {
		s.line = i + 1
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		s.command(f)
	}
	for _, n := range s.order {
		if rest := n.log[s.checked[n.name]:]; len(rest) > 0 {
			t.Errorf("%s: events of %s nobody expected: %v", file, n.name, rest)
		}
	}
	return s
}

func (s *script) failf(format string, args ...any) {
	s.t.Helper()
	for _, n := range s.order {
		for _, e := range n.log {
			s.t.Logf("%s: %v", n.name, e)
		}
	}
	s.t.Fatalf("%s:%d: %s", s.file, s.line, fmt.Sprintf(format, args...))
}

func (s *script) command(f []string) {
	switch f[0] {
	case "node":
		s.addNode(f[1])
	case "link":
		a, b, both := strings.Cut(f[1], "<>")
		if !both {
			a, b, _ = strings.Cut(f[1], ">")
		}
		s.links[a+">"+b] = &link{to: b, delay: int64(time.Millisecond)}
		if both {
			s.links[b+">"+a] = &link{to: a, delay: int64(time.Millisecond)}
		}
	case "at":
		at := int64(s.duration(f[1]))
		if at < s.now {
			s.failf("the clock is at %v already", time.Duration(s.now))
		}
		s.run(at)
		if len(f) > 2 {
			s.action(f[2], f[3:])
		}
	case "expect":
		s.expect(s.node(f[1]), f[2:])
	default:
		s.failf("unknown command %q", f[0])
	}
}

func (s *script) node(name string) *node {
	n := s.nodes[name]
	if n == nil {
		s.failf("no node %q", name)
	}
	return n
}

func (s *script) action(verb string, args []string) {
	switch verb {
	case "config":
		s.configure(s.node(args[0]), args[1:])
	case "delete":
		s.node(args[0]).shard.Apply(oam.Delta{Delete: []string{"m"}})
	case "kill":
		s.node(args[0]).dead = true
	case "boot":
		n := s.node(args[0])
		n.boot()
		n.shard.Apply(oam.Delta{Put: []oam.MEG{s.megs[n.name]}})
	case "cut", "restore", "drop", "duplicate", "swap", "delay", "relabel":
		l := s.links[args[0]]
		if l == nil {
			s.failf("no link %q", args[0])
		}
		switch verb {
		case "cut", "restore":
			l.cut = verb == "cut"
		case "drop":
			l.drop = s.number(args[1])
		case "duplicate":
			l.duplicate = s.number(args[1])
		case "swap":
			l.swap = true
		case "delay":
			l.delay = int64(s.duration(args[1]))
		case "relabel":
			l.label = uint32(s.number(args[1]))
		}
	case "rx":
		s.inject(s.node(args[0]), strings.Join(args[1:], " "))
	case "state":
		s.checkState(s.node(args[0]), args[1:])
	case "sent":
		s.checkSent(s.node(args[0]), args[1:])
	default:
		s.failf("unknown action %q", verb)
	}
}

// configure puts the node's MEG; "Name=value" fields change the one it had.
func (s *script) configure(n *node, fields []string) {
	m, ok := s.megs[n.name]
	if !ok {
		m = pairMEG(n, oam.Section)
	}
	for _, f := range fields {
		key, value, _ := strings.Cut(f, "=")
		switch key {
		case "lsp":
			m = pairMEG(n, oam.LSP)
		case "tx":
			m.CC.TxInterval = s.duration(value)
		case "rx":
			m.CC.RxInterval = s.duration(value)
		case "period":
			m.CC.TxInterval, m.CC.RxInterval = s.duration(value), s.duration(value)
		case "mult":
			m.CC.Multiplier = uint8(s.number(value))
		case "cv":
			m.CV = value != "off"
		case "admin":
			m.AdminUp = value == "up"
		case "peer-node":
			m.Peer.NodeID = uint32(s.number(value))
		default:
			s.failf("unknown field %q", f)
		}
	}
	s.megs[n.name] = m
	d := oam.Delta{Put: []oam.MEG{m}}
	if err := n.shard.Prepare(d); err != nil {
		s.failf("%v", err)
	}
	n.shard.Apply(d)
}

// pairMEG is the node's MEG: A's peer is B, C's is D, and so on.
func pairMEG(n *node, entity oam.EntityKind) oam.MEG {
	i := n.name[0] - 'A'
	return simMEG(i+1, (i^1)+1, entity)
}

// expect holds the node's next event against "<event> [rest]".
func (s *script) expect(n *node, f []string) {
	i := s.checked[n.name]
	if f[0] == "nothing" {
		if i != len(n.log) {
			s.failf("%s: %v, expected nothing", n.name, n.log[i:])
		}
		return
	}
	if i >= len(n.log) {
		s.failf("%s: nothing happened, expected %v", n.name, f)
	}
	e := n.log[i]
	s.checked[n.name]++
	var got string
	switch e.Kind {
	case oam.StateChanged:
		got = e.State.String()
	case oam.DefectEntered:
		got = "+" + e.Defect.String()
	case oam.DefectCleared:
		got = "-" + e.Defect.String()
	}
	if got != f[0] {
		s.failf("%s: %v, expected %v", n.name, e, f)
	}
	for j := 1; j < len(f); j++ {
		word, value, _ := strings.Cut(f[j], "=")
		switch word {
		case "at": // The exact instant.
			if want := int64(s.duration(value)); e.Time != want || e.reported != want {
				s.failf("%s: %v reported at %v, expected at %v", n.name, e, time.Duration(e.reported), value)
			}
		case "in": // A window.
			lo, hi, _ := strings.Cut(value, "..")
			if e.Time < int64(s.duration(lo)) || e.Time > int64(s.duration(hi)) {
				s.failf("%s: %v, expected in %v", n.name, e, value)
			}
		case "silence": // Exactly so long after the last CC frame, and reported at that instant.
			if got := e.Time - e.lastCC; got != int64(s.duration(value)) || e.reported != e.Time {
				s.failf("%s: %v, %v after the last CC, reported at %v, expected after %v", n.name, e, time.Duration(got), time.Duration(e.reported), value)
			}
		case "diag":
			if int(e.Diag) != s.number(value) {
				s.failf("%s: %v has diag %d, expected %s", n.name, e, e.Diag, value)
			}
		case "info":
			if !strings.Contains(e.Info, strings.ReplaceAll(value, "_", " ")) {
				s.failf("%s: %v has info %q, expected %q", n.name, e, e.Info, value)
			}
		default:
			s.failf("unknown expectation %q", f[j])
		}
	}
}

// checkState holds fields of the state against values.
func (s *script) checkState(n *node, fields []string) {
	st, ok := n.engine.State("m")
	if !ok {
		s.failf("%s has no session", n.name)
	}
	c := st.Counters
	have := map[string]string{
		"local": st.LocalState.String(), "remote": st.RemoteState.String(),
		"diag": strconv.Itoa(int(st.LocalDiag)), "remote-diag": strconv.Itoa(int(st.RemoteDiag)),
		"tx": st.NegotiatedTx.String(), "rx": st.NegotiatedRx.String(), "detection": st.DetectionTime.String(),
		"ups": strconv.Itoa(int(st.UpCount)), "downs": strconv.Itoa(int(st.DownCount)),
		"reports": strconv.Itoa(n.reports),
		"defects": strings.ReplaceAll(st.Defects.String(), " ", ","),
	}
	for r := range oam.NumDropReasons {
		have["drop."+r.String()] = strconv.FormatUint(c.Drops[r], 10)
	}
	for _, f := range fields {
		key, value, _ := strings.Cut(f, "=")
		if got, known := have[key]; !known || got != value {
			s.failf("%s: %s is %q, expected %q; %+v", n.name, key, got, value, st)
		}
	}
}

// checkSent holds how many frames of a channel the node sent since an
// instant, or its last one: "cc since=1s min=100 max=140", "cc last state=up".
func (s *script) checkSent(n *node, f []string) {
	channel := map[string]ach.ChannelType{"cc": ach.CC, "cv": ach.CV}[f[0]]
	last := n.lastTx[channel]
	since := int64(0)
	number := func() (c int) {
		for _, tx := range n.sent {
			if tx.channel == channel && tx.at >= since {
				c++
			}
		}
		return c
	}
	for _, field := range f[1:] {
		key, value, _ := strings.Cut(field, "=")
		ok := true
		switch key {
		case "since":
			since = int64(s.duration(value))
		case "min":
			ok = number() >= s.number(value)
		case "max":
			ok = number() <= s.number(value)
		case "state":
			ok = last.State.String() == value
		case "diag":
			ok = int(last.Diag) == s.number(value)
		case "flags":
			ok = int(last.Flags) == s.number(value)
		case "min-tx":
			ok = time.Duration(last.DesiredMinTx)*time.Microsecond == s.duration(value)
		case "min-rx":
			ok = time.Duration(last.RequiredMinRx)*time.Microsecond == s.duration(value)
		default:
			s.failf("unknown field %q", field)
		}
		if !ok {
			s.failf("%s: %s: %d frames, the last %+v", n.name, field, number(), last)
		}
	}
}

// inject gives a node a frame: "CC(up your=ours tx=10ms)", "CV(... id=lsp,7)",
// "hex 1000...", each optionally on another channel or reason.
func (s *script) inject(n *node, text string) {
	m := s.megs[n.name]
	rx := oam.Rx{Time: s.now, Section: "s", Label: m.RxLabel, HasLabel: m.RxHasLabel}
	if data, ok := strings.CutPrefix(text, "hex"); ok {
		b, err := hex.DecodeString(strings.ReplaceAll(data, " ", ""))
		if err != nil {
			s.failf("%v", err)
		}
		rx.Payload = b
		n.arrive(rx)
		return
	}
	kind, args, ok := strings.Cut(strings.TrimSuffix(text, ")"), "(")
	if !ok {
		s.failf("rx NODE CC(...)")
	}
	st, _ := n.engine.State("m")
	p := bfd.Packet{
		Version: 1, State: oam.Down, DetectMult: 3, MyDiscr: st.RemoteDiscr, YourDiscr: st.LocalDiscr,
		DesiredMinTx: 1e6, RequiredMinRx: 1e6,
	}
	if p.MyDiscr == 0 {
		p.MyDiscr = 99
	}
	id := m.Peer
	header := ach.Header{Type: ach.CC}
	var extra []byte
	prefix := []byte(nil)
	times := 1
	for _, a := range strings.Fields(args) {
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "adminDown":
			p.State = oam.AdminDown
		case "down":
			p.State = oam.Down
		case "init":
			p.State = oam.Init
		case "up":
			p.State = oam.Up
		case "poll":
			p.Flags |= bfd.FlagPoll
		case "final":
			p.Flags |= bfd.FlagFinal
		case "auth":
			p.Flags |= bfd.FlagAuth
			p.Auth = []byte{1, 4, 1, 'x'}
		case "diag":
			p.Diag = oam.Diag(s.number(value))
		case "my":
			p.MyDiscr = uint32(s.number(value))
		case "your":
			p.YourDiscr = uint32(s.number(value))
		case "tx":
			p.DesiredMinTx = uint32(s.duration(value) / time.Microsecond)
		case "rx":
			p.RequiredMinRx = uint32(s.duration(value) / time.Microsecond)
		case "mult":
			p.DetectMult = uint8(s.number(value))
		case "id":
			id.NodeID = uint32(s.number(value))
		case "id-type":
			id = ach.MEPID{Type: ach.MEPIDType(s.number(value)), NodeID: 9}
		case "raw-tlv":
			extra, _ = hex.DecodeString(value)
		case "channel":
			header.Type = ach.ChannelType(s.number(value))
		case "no-gal":
			rx.Reason = oam.ReasonTTLExpired
		case "ipv4":
			header.Type = ach.IPv4
			prefix, _ = hex.DecodeString("4500003c000000000111000001020304" + "7f000001" + "c0000ec800280000")
		case "label":
			rx.Label = uint32(s.number(value))
		case "times":
			times = s.number(value)
		default:
			s.failf("unknown field %q", a)
		}
	}
	if kind == "CV" && header.Type == ach.CC {
		header.Type = ach.CV
	}
	b, err := p.Append(append(header.Append(nil), prefix...))
	if err != nil {
		s.failf("%v", err)
	}
	switch {
	case extra != nil:
		b = append(b, extra...)
	case kind == "CV":
		if b, err = id.Append(b); err != nil {
			s.failf("%v", err)
		}
	}
	rx.Payload = b
	for range times {
		n.arrive(rx)
	}
}

func (s *script) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.failf("%v", err)
	}
	return d
}

func (s *script) number(text string) int {
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		s.failf("%v", err)
	}
	return int(n)
}
