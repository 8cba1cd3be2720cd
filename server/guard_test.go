package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/fake"
	"github.com/tandem-ne/tandem/oam"
)

// TestStorm: the alarm comes after three seconds at the rate and goes after ten
// well below it, and nothing in between makes it flap. Time is the test's.
func TestStorm(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name string
		// rate of each second from the start; the last one goes on.
		rates map[time.Duration]uint64
		want  []string
	}{
		{"quiet", map[time.Duration]uint64{0: 10}, nil},
		{"traceroutes", map[time.Duration]uint64{0: 499}, nil},
		{"storm", map[time.Duration]uint64{0: 500}, []string{"3s raise west 500"}},
		{"too short", map[time.Duration]uint64{0: 5000, 2 * s: 0}, nil},
		{"two short ones", map[time.Duration]uint64{0: 5000, 2 * s: 0, 3 * s: 5000, 5 * s: 0}, nil},
		{"it ends", map[time.Duration]uint64{0: 900, 20 * s: 49}, []string{"3s raise west 900", "30s clear west"}},
		{"it does not end at half", map[time.Duration]uint64{0: 900, 20 * s: 450}, []string{"3s raise west 900"}},
		{"a breath is no end", map[time.Duration]uint64{0: 900, 20 * s: 0, 29 * s: 60, 30 * s: 0}, []string{"3s raise west 900", "40s clear west"}},
		{"twice", map[time.Duration]uint64{0: 900, 5 * s: 0, 20 * s: 700}, []string{"3s raise west 900", "15s clear west", "23s raise west 700"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				count, at, rate := uint64(1<<40), time.Duration(0), uint64(0)
				// The counter is read each second, just after it has counted that second.
				g := newGuard(func() (map[string]uint64, error) {
					for now := time.Since(start); at < now; at += s {
						if r, ok := c.rates[at]; ok {
							rate = r
						}
						count += rate
					}
					return map[string]uint64{"west": count, "east": 7}, nil
				})
				var got []string
				g.raise = func(section string, rate uint64, at time.Time) {
					got = append(got, fmt.Sprintf("%v raise %s %d", at.Sub(start), section, rate))
				}
				g.clear = func(section string, at time.Time) {
					got = append(got, fmt.Sprintf("%v clear %s", at.Sub(start), section))
				}
				go g.run()
				time.Sleep(60*s + s/2) // The bubble's clock.
				g.close()
				if !slices.Equal(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		})
	}
}

// TestStormCounter: a counter that starts anew, a section that goes and a driver
// that cannot be read raise nothing, and a storm whose section goes is over.
func TestStormCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		g := newGuard(func() (map[string]uint64, error) {
			now := uint64(time.Since(start) / time.Second)
			switch {
			case now < 5:
				return map[string]uint64{"west": 1000 - now*100}, nil
			case now == 5:
				return nil, errors.New("cannot be read")
			case now < 12:
				return map[string]uint64{"west": now * 1000}, nil
			}
			return nil, nil
		})
		var got []string
		g.raise = func(section string, _ uint64, at time.Time) {
			got = append(got, fmt.Sprintf("%v raise %s", at.Sub(start), section))
		}
		g.clear = func(section string, at time.Time) {
			got = append(got, fmt.Sprintf("%v clear %s", at.Sub(start), section))
		}
		go g.run()
		time.Sleep(40*time.Second + time.Second/2) // The bubble's clock.
		g.close()
		// The look that failed is part of the interval until the next: 5 s to 6 s
		// begin at the reading of 4 s.
		if want := []string{"7s raise west", "21s clear west"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if len(g.storms) != 0 {
			t.Errorf("%d sections are watched that are gone", len(g.storms))
		}
	})
}

// TestStormAlarm: the alarm is on the section, with its name and the rate in the
// text, or on the node.
func TestStormAlarm(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	must(t, r.commit(t, basics()...))
	const list = "/ietf-alarms:alarms/alarm-list/alarm"
	r.guard.raise("west", 1234, time.Now())
	key := list + `[resource="/mtp-node:mpls-tp/sections/section[name='west']"][alarm-type-id='mtp-alarms:ttl-expiry-storm'][alarm-type-qualifier='']`
	r.becomes(t, key+"/is-cleared", "false")
	if text := r.value(t, key+"/alarm-text"); !strings.Contains(text, "1234 packets a second") || !strings.Contains(text, "section west") {
		t.Errorf("the alarm says %q", text)
	}
	r.guard.clear("west", time.Now())
	r.becomes(t, key+"/is-cleared", "true")
	r.guard.raise("", 5, time.Now())
	r.becomes(t, strings.Replace(key, "/sections/section[name='west']", "/node", 1)+"/is-cleared", "false")
}

// TestMisConnectivityBlocks: user traffic of the LSP that ends here is blocked
// while a MEG has the defect, over changes of the LSP, and not longer.
func TestMisConnectivityBlocks(t *testing.T) {
	driver := fake.New(port("eth0", 1), port("eth1", 2))
	r := start(t, "", driver)
	defer r.stop(t)
	const (
		in  = lsps + "[name='in']"
		out = lsps + "[name='out']"
		mg  = "/mtp-node:mpls-tp/mtp-oam:oam/meg[name='m']"
	)
	tunnel := "/mtp-node:mpls-tp/mtp-lsp:tunnels/tunnel[name='t']"
	pair := "/mtp-node:mpls-tp/mtp-lsp:lsps/bidirectional-lsp[name='both']"
	inLines := []string{in + "/operation = pop-and-lookup", in + "/in-segment/incoming-label = 300"}
	lines := append(basics(), inLines...)
	lines = append(lines,
		out+"/operation = impose-and-forward", out+"/out-segment/nhlfe-single/outgoing-section = west",
		out+"/out-segment/nhlfe-single/mpls-label-stack/entry[id='1']/label = 301",
		pair+"/forward-lsp = out", pair+"/reverse-lsp = in",
		tunnel+"/tunnel-num = 1", tunnel+"/destination/node-id = 192.0.2.2", tunnel+"/lsp[lsp-num='1']/bidirectional-lsp = both",
		// No session, which would tell of its own defects at any time.
		mg+"/bidirectional-lsp = both", mg+"/mep/cc/enabled = false", mg+"/mep/cv/enabled = false",
	)
	must(t, r.commit(t, lines...))
	blocked := func(name string) bool {
		t.Helper()
		turned := make(chan struct{})
		r.health.do(func() { close(turned) })
		<-turned
		must(t, r.Settled(t.Context()))
		for line := range strings.Lines(driver.Text()) {
			if strings.HasPrefix(line, "lsp/"+name+" ") {
				return strings.Contains(line, " blocked")
			}
		}
		t.Fatalf("no LSP %s in the data plane", name)
		return false
	}
	none, mis := oam.Defects(0), oam.Defects(0).With(oam.MisConnectivity)
	for _, step := range []struct {
		name    string
		do      func()
		in, out bool
	}{
		{"no defect", func() {}, false, false},
		{"loss of continuity blocks nothing", func() { r.health.onDefects("m", none.With(oam.LossOfContinuity)) }, false, false},
		{"mis-connectivity blocks what is received", func() { r.health.onDefects("m", mis) }, true, false},
		{"a change of the LSP", func() { must(t, r.commit(t, in+"/l-lsp-class = 3")) }, true, false},
		{"an audit", func() { r.reconciler.Audit() }, true, false},
		{"the defect clears", func() { r.health.onDefects("m", none) }, false, false},
		{"again", func() { r.health.onDefects("m", mis.With(oam.LossOfContinuity)) }, true, false},
		{"the MEG is removed", func() { must(t, r.commit(t, mg)) }, false, false},
	} {
		step.do()
		if i, o := blocked("in"), blocked("out"); i != step.in || o != step.out {
			t.Errorf("%s: in blocked %v, out blocked %v", step.name, i, o)
		}
	}
	// A MEG whose defect is known before its LSP is in the data plane.
	r.health.onDefects("unknown", mis)
	if blocked("in") {
		t.Error("a MEG that is not there blocks")
	}
}

// TestMisConnectivityBlocksASection: of a section with the defect nothing is taken
// but its own G-ACh, and a data plane that cannot do so says it once.
func TestMisConnectivityBlocksASection(t *testing.T) {
	mis := oam.Defects(0).With(oam.MisConnectivity)
	lines := append(append(basics(), swap("transit", "100", "200")...), meg+"/section = west", meg+"/mep/cc/enabled = false", meg+"/mep/cv/enabled = false")
	packet := append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x88, 0x47, 0, 6, 0x41, 64}, make([]byte, 46)...) // Label 100.
	for _, able := range []bool{true, false} {
		t.Run(fmt.Sprintf("able %t", able), func(t *testing.T) {
			driver := fake.New(port("eth0", 1), port("eth1", 2))
			driver.Capabilities().Features[dataplane.FeatureSectionBlock] = able
			r := start(t, "", driver)
			defer r.stop(t)
			must(t, r.commit(t, lines...))
			// The label comes in on any section: that of the far end here.
			must(t, r.commit(t, strings.ReplaceAll(section, "west", "east")+"/interface = eth1", lsps+"[name='transit']/out-segment/nhlfe-single/outgoing-section = east"))
			passes := func(want bool) {
				t.Helper()
				r.conditions(t)
				if out := driver.Forward("eth0", packet); (len(out) == 1) != want {
					t.Errorf("%d frames leave, want %t", len(out), want)
				}
			}
			passes(true)
			r.health.onDefects("west", mis)
			passes(!able)
			r.becomes(t, meg+"/mep/state/traffic-blocked", fmt.Sprint(able))
			r.becomes(t, section+"/oper-state", "down")
			must(t, r.commit(t, section+"/if-num = 2"))
			passes(!able)
			r.health.onDefects("west", 0)
			passes(true)
			r.becomes(t, meg+"/mep/state/traffic-blocked", "false")
			r.becomes(t, section+"/oper-state", "up")
			outcome, text, err := r.invoke(t, meg, "lock", "")
			if (outcome == "accepted") != able {
				t.Errorf("lock: %q, %q, %v", outcome, text, err)
			}
			passes(!able)
			if !able {
				return
			}
			r.becomes(t, section+"/oper-state", "locked")
			r.becomes(t, lsps+"[name='transit']/oper-state", "up") // It only arrives there.
			if outcome, text, err := r.invoke(t, meg, "loopback", "true"); outcome != "refused" || !strings.Contains(text, "no LSP and no pseudowire") {
				t.Errorf("loopback of a section: %q, %q, %v", outcome, text, err)
			}
			if outcome, _, err := r.invoke(t, meg, "unlock", ""); outcome != "accepted" {
				t.Error(err)
			}
			passes(true)
		})
	}
}
