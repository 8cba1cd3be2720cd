package shard_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
	"github.com/tandem-ne/tandem/oam/bfd"
)

// TestPrepareRefuses breaks one rule at a time.
func TestPrepareRefuses(t *testing.T) {
	r := newRig(t)
	r.put(lspMEG("there", 500))
	for name, c := range map[string]struct {
		change func(*oam.MEG)
		field  string
	}{
		"no name":              {func(m *oam.MEG) { m.Name = "" }, "name"},
		"no section to send":   {func(m *oam.MEG) { m.Path.Section = "" }, "path.section"},
		"no label to send":     {func(m *oam.MEG) { m.Path.Labels = nil }, "path.labels"},
		"special label":        {func(m *oam.MEG) { m.Path.Labels[0].Label = 13 }, "path.labels"},
		"label too large":      {func(m *oam.MEG) { m.Path.Labels[0].Label = 1 << 20 }, "path.labels"},
		"TTL 0":                {func(m *oam.MEG) { m.Path.Labels[0].TTL = 0 }, "path.labels"},
		"TC 8":                 {func(m *oam.MEG) { m.Path.Labels[0].TC = 8 }, "path.labels"},
		"GAL TC 8":             {func(m *oam.MEG) { m.Path.GALTC = 8 }, "path.gal-tc"},
		"17 labels":            {func(m *oam.MEG) { m.Path.Labels = make([]oam.LSE, 17) }, "path.labels"},
		"no label to receive":  {func(m *oam.MEG) { m.RxHasLabel = false }, "rx-label"},
		"receive label 3":      {func(m *oam.MEG) { m.RxLabel = 3 }, "rx-label"},
		"label taken":          {func(m *oam.MEG) { m.RxLabel = 500 }, "rx-label"},
		"unknown entity":       {func(m *oam.MEG) { m.Entity = 9 }, "entity"},
		"section with a label": {func(m *oam.MEG) { m.Entity = oam.Section }, "entity"},
		"section from nowhere": {func(m *oam.MEG) { *m = sectionMEG("m", "s1"); m.RxSection = "" }, "rx-section"},
		"interval too short":   {func(m *oam.MEG) { m.CC.TxInterval = 3299 * time.Microsecond }, "cc.tx-interval"},
		"interval too long":    {func(m *oam.MEG) { m.CC.RxInterval = 61 * time.Second }, "cc.rx-interval"},
		"interval in ns":       {func(m *oam.MEG) { m.CC.RxInterval = 10*time.Millisecond + 1 }, "cc.rx-interval"},
		"other mode":           {func(m *oam.MEG) { m.CC.Mode = 1 }, "cc.mode"},
		"CV without CC":        {func(m *oam.MEG) { m.CV, m.CC.Enabled = true, false }, "cv"},
		"CV of another type":   {func(m *oam.MEG) { m.CV, m.Local.Type = true, ach.MEPIDSection }, "local"},
		"CV with itself":       {func(m *oam.MEG) { m.CV, m.Peer = true, m.Local }, "peer"},
		"CV with Node_ID 0":    {func(m *oam.MEG) { m.CV, m.Peer.NodeID = true, 0 }, "peer"},
		"CV with an IF_Num":    {func(m *oam.MEG) { m.CV, m.Peer.IfNum = true, 4 }, "peer"},
	} {
		m := lspMEG("m", 600)
		c.change(&m)
		err := r.Prepare(oam.Delta{Put: []oam.MEG{m}})
		var ce *oam.ConfigError
		if !errors.As(err, &ce) || ce.Field != c.field || ce.MEG != m.Name {
			t.Errorf("%s: %v, want field %s", name, err, c.field)
		}
	}
	if err := r.Prepare(oam.Delta{Put: []oam.MEG{lspMEG("x", 700), lspMEG("y", 700)}}); err == nil || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("two MEGs at one label: %v", err)
	}
	if err := r.Prepare(oam.Delta{Put: []oam.MEG{lspMEG("x", 700), lspMEG("x", 701)}}); err == nil {
		t.Error("one MEG twice is accepted")
	}
	// A label becomes free in the same delta.
	if err := r.Prepare(oam.Delta{Delete: []string{"there"}, Put: []oam.MEG{lspMEG("x", 500)}}); err != nil {
		t.Error(err)
	}
	if err := r.Prepare(oam.Delta{Put: []oam.MEG{lspMEG("there", 501), lspMEG("x", 500)}}); err != nil {
		t.Error(err)
	}
}

// TestReconfigure: MEGs swap their labels, one loses its CC, one its place;
// what did not change keeps its session.
func TestReconfigure(t *testing.T) {
	r := newRig(t)
	a, b := lspMEG("a", 100), lspMEG("b", 200)
	r.put(a, b)
	r.up(&a)
	r.up(&b)
	a.RxLabel, b.RxLabel = 200, 100
	r.put(a, b)
	for _, m := range []oam.MEG{a, b} {
		r.transport.queue = append(r.transport.queue, r.frame(&m, oam.Up, 0))
		r.poll()
		if st, _ := r.engine.State(m.Name); st.LocalState != oam.Up || st.UpCount != 1 || st.Counters.ReceivedCC != 3 {
			t.Errorf("%s: %+v", m.Name, st)
		}
	}
	if len(r.transport.closed) != 0 {
		t.Errorf("paths %v closed though none changed", r.transport.closed)
	}
	r.transport.sent = nil
	a.Path.Labels = []oam.LSE{{Label: 101, TTL: 255}}
	r.put(a)
	if len(r.transport.opened) != 3 || len(r.transport.closed) != 1 {
		t.Errorf("%d paths opened, %v closed", len(r.transport.opened), r.transport.closed)
	}
	if st, _ := r.engine.State("a"); st.LocalState != oam.Up {
		t.Errorf("a new path took the session down: %+v", st)
	}
	b.CC.Enabled = false
	r.put(b)
	if _, ok := r.engine.State("b"); ok {
		t.Error("b still has a session")
	}
	r.Apply(oam.Delta{Delete: []string{"a", "never-there"}})
	r.poll()
	if _, ok := r.engine.State("a"); ok {
		t.Error("a still has a session")
	}
	// Each of the two said goodbye.
	var p bfd.Packet
	if len(r.transport.sent) != 2 {
		t.Fatalf("%d frames", len(r.transport.sent))
	}
	for _, f := range r.transport.sent {
		if _, err := bfd.ParseCC(&p, f[ach.HeaderLen:]); err != nil || p.State != oam.AdminDown {
			t.Errorf("% x, %v", f, err)
		}
	}
	if next := r.poll(); next != oam.Forever {
		t.Errorf("a timer is left at %d", next)
	}
	r.put(lspMEG("c", 200))
}

// TestLargeCommit: thousands of MEGs are taken in portions, between which
// the sessions that run get their turns.
func TestLargeCommit(t *testing.T) {
	r := newRig(t)
	m := lspMEG("running", 100)
	r.put(m)
	r.up(&m)
	var d oam.Delta
	for i := range 2000 {
		d.Put = append(d.Put, lspMEG(fmt.Sprint("new", i), uint32(1000+i)))
	}
	if err := r.Prepare(d); err != nil {
		t.Fatal(err)
	}
	r.Apply(d)
	before, _ := r.engine.State("running")
	turns := 0
	for next := r.poll(); next <= r.clock.now; next = r.poll() {
		turns++
		r.clock.now += 1e6 // A slow machine: one portion takes 1 ms.
		f := r.frame(&m, oam.Up, 0)
		r.transport.queue = append(r.transport.queue, f)
	}
	after, _ := r.engine.State("running")
	if turns < 2000/32 || after.DownCount != 0 || after.Counters.SentCC-before.Counters.SentCC < uint64(turns/10) {
		t.Errorf("%d turns, %+v", turns, after)
	}
	all := 0
	r.engine.Each(func(_ string, st oam.SessionState) {
		if st.LocalState != oam.AdminDown {
			all++
		}
	})
	if all != 2001 {
		t.Errorf("%d sessions run", all)
	}
}
