package server

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/fake"
	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

const (
	megs    = "/mtp-node:mpls-tp/mtp-oam:oam/meg"
	pairMEG = megs + "[name='m']"
	pwMEG   = megs + "[name='w']"
	pairLSP = "/mtp-node:mpls-tp/mtp-lsp:lsps/bidirectional-lsp[name='both']"
)

// invoke invokes an action of a MEP as a northbound does, and returns its
// outcome and text.
func (r *rig) invoke(t *testing.T, meg, action, enable string) (outcome, text string, err error) {
	t.Helper()
	at, perr := tree.ParsePath(r.Schema, meg+"/mep")
	if perr != nil {
		t.Fatal(perr)
	}
	var input *tree.Node
	for _, n := range at[len(at)-1].Node.Actions() {
		if n.Name == action && enable != "" {
			b := tree.NewBuilder(tree.New(n.Input))
			leaf := n.Input.Child("enable")
			b.Leaf(leaf, schema.MustParse(leaf.Type, enable))
			input = b.Seal()
		}
	}
	out, err := r.Actions()["/mtp-node:mpls-tp/mtp-oam:oam/meg/mep/"+action](t.Context(), at, input)
	return leafText(out, "outcome"), leafText(out, "text"), err
}

// maintained is a bidirectional LSP that ends here and a pseudowire, each with a
// MEG that has no session, which would tell of its own defects.
func maintained() []string {
	lines := append(carried("pw1"), service()...)
	return append(lines,
		lsps+"[name='in']/operation = pop-and-lookup", lsps+"[name='in']/in-segment/incoming-label = 300",
		lsps+"[name='out']/operation = impose-and-forward", lsps+"[name='out']/out-segment/nhlfe-single/outgoing-section = west",
		lsps+"[name='out']/out-segment/nhlfe-single/mpls-label-stack/entry[id='1']/label = 301",
		pairLSP+"/forward-lsp = out", pairLSP+"/reverse-lsp = in",
		tunnels+"[name='u']/tunnel-num = 9", tunnels+"[name='u']/destination/node-id = 192.0.2.2", tunnels+"[name='u']/lsp[lsp-num='1']/bidirectional-lsp = both",
		pairMEG+"/bidirectional-lsp = both", pairMEG+"/mep/cc/enabled = false", pairMEG+"/mep/cv/enabled = false",
		pws+"[name='pw1']/local/ac-id = 1", pws+"[name='pw1']/peer/ac-id = 1", pws+"[name='pw1']/peer/node-id = 192.0.2.2",
		pwMEG+"/pseudowire = pw1", pwMEG+"/mep/cc/enabled = false", pwMEG+"/mep/cv/enabled = false",
	)
}

// conditions returns what the data plane holds of the conditions of objects.
func (r *rig) conditions(t *testing.T) map[string]string {
	t.Helper()
	turned := make(chan struct{})
	r.health.do(func() { close(turned) })
	<-turned
	must(t, r.Settled(t.Context()))
	found := map[string]string{}
	for line := range strings.Lines(r.driver.Text()) {
		words := strings.Fields(line)
		for i, w := range words {
			switch w {
			case "blocked":
				found[words[0]] += "blocked "
			case "loop":
				found[words[0]] += "loop " + words[i+1] + " "
			}
		}
	}
	return found
}

// TestLockAndLoopback goes through the life of both, and through all that ends
// them.
func TestLockAndLoopback(t *testing.T) {
	r := start(t, "", fake.New(port("eth0", 1), port("eth1", 2)))
	defer r.stop(t)
	must(t, r.commit(t, maintained()...))
	must(t, r.Settled(t.Context()))
	const (
		accepted, refusal = "accepted", "refused"
		both              = "lsp/in blocked · lsp/out blocked"
		looped            = "lsp/in blocked loop out · lsp/out blocked"
		wire1             = "pseudowire/pw1 blocked"
		wireLooped        = "pseudowire/pw1 blocked loop pw1"
	)
	mis := oam.Defects(0).With(oam.MisConnectivity)
	for _, step := range []struct {
		name    string
		do      func() (string, string, error)
		outcome string
		text    string
		want    string // Conditions in the data plane, in the order of their keys.
	}{
		{"loopback without a lock", func() (string, string, error) { return r.invoke(t, pairMEG, "loopback", "true") }, refusal, "not locked", ""},
		{"clearing what is not set", func() (string, string, error) { return r.invoke(t, pairMEG, "loopback", "false") }, accepted, "already", ""},
		{"unlock without a lock", func() (string, string, error) { return r.invoke(t, pairMEG, "unlock", "") }, accepted, "not locked", ""},
		{"lock", func() (string, string, error) { return r.invoke(t, pairMEG, "lock", "") }, accepted, "far end", both},
		{"lock again", func() (string, string, error) { return r.invoke(t, pairMEG, "lock", "") }, accepted, "already", both},
		{"loopback", func() (string, string, error) { return r.invoke(t, pairMEG, "loopback", "true") }, accepted, "sent back", looped},
		{"lock of a pseudowire beside it", func() (string, string, error) { return r.invoke(t, pwMEG, "lock", "") }, accepted, "", looped + " · " + wire1},
		{"loopback of the pseudowire", func() (string, string, error) { return r.invoke(t, pwMEG, "loopback", "true") }, accepted, "", looped + " · " + wireLooped},
		{"an audit", func() (string, string, error) { r.reconciler.Audit(); return "", "", nil }, "", "", looped + " · " + wireLooped},
		{"a defect comes", func() (string, string, error) { r.health.onDefects("m", mis); return "", "", nil }, "", "", looped + " · " + wireLooped},
		{"loopback is cleared", func() (string, string, error) { return r.invoke(t, pairMEG, "loopback", "false") }, accepted, "cleared", both + " · " + wireLooped},
		{"unlock while the defect lasts", func() (string, string, error) { return r.invoke(t, pairMEG, "unlock", "") }, accepted, "unlocked", "lsp/in blocked · " + wireLooped},
		{"lock with the defect", func() (string, string, error) { return r.invoke(t, pairMEG, "lock", "") }, accepted, "", both + " · " + wireLooped},
		{"the defect goes", func() (string, string, error) { r.health.onDefects("m", 0); return "", "", nil }, "", "", both + " · " + wireLooped},
		{"another change of what is locked", func() (string, string, error) { return "", "", r.commit(t, lsps+"[name='in']/l-lsp-class = 3") }, "", "", both + " · " + wireLooped},
		{"unlock clears the loopback", func() (string, string, error) { return r.invoke(t, pwMEG, "unlock", "") }, accepted, "loopback cleared", both},
		{"the pair is turned round", func() (string, string, error) {
			return "", "", r.commit(t, pairLSP+"/forward-lsp = in", pairLSP+"/reverse-lsp = out")
		}, "", "", both},
		{"loopback of the other way round", func() (string, string, error) { return r.invoke(t, pairMEG, "loopback", "true") }, accepted, "", looped},
		{"the MEG goes", func() (string, string, error) { return "", "", r.commit(t, pairMEG) }, "", "", ""},
	} {
		outcome, text, err := step.do()
		if err != nil || outcome != step.outcome || !strings.Contains(text, step.text) {
			t.Errorf("%s: %q, %q, %v; want %q, %q", step.name, outcome, text, err, step.outcome, step.text)
		}
		got := r.conditions(t)
		want := map[string]string{}
		for part := range strings.SplitSeq(step.want, " · ") {
			if key, c, ok := strings.Cut(part, " "); ok {
				want[key] = c + " "
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: the data plane has %q, want %q", step.name, got, want)
		}
	}
}

// TestLockIsSeen reads the state of what is locked, and the notifications.
func TestLockIsSeen(t *testing.T) {
	r := start(t, "", fake.New(port("eth0", 1), port("eth1", 2)))
	defer r.stop(t)
	must(t, r.commit(t, maintained()...))
	sub, err := r.Hub.Notifications(oper.NETCONF, 0)
	must(t, err)
	defer sub.Close()
	shows := func(lock, loop, blocked, lsp, pair, tunnel, service string) {
		t.Helper()
		for _, want := range [][2]string{
			{pairMEG + "/mep/state/lock-state", lock}, {pairMEG + "/mep/state/loopback-state", loop}, {pairMEG + "/mep/state/traffic-blocked", blocked},
			{lsps + "[name='in']/oper-state", lsp}, {lsps + "[name='out']/oper-state", lsp}, {pairLSP + "/oper-state", pair}, {tunnels + "[name='u']/oper-state", tunnel},
			{wire + "/oper-state", service},
		} {
			r.becomes(t, want[0], want[1])
		}
	}
	do := func(meg, action, enable string) {
		t.Helper()
		if outcome, text, err := r.invoke(t, meg, action, enable); err != nil || outcome != "accepted" {
			t.Fatalf("%s: %q, %q, %v", action, outcome, text, err)
		}
	}
	shows("unlocked", "false", "false", "up", "up", "up", "up")
	do(pairMEG, "lock", "")
	shows("locked-local", "false", "true", "locked", "locked", "down", "up")
	do(pairMEG, "loopback", "true")
	shows("locked-local", "true", "true", "locked", "locked", "down", "up")
	do(pwMEG, "lock", "")
	shows("locked-local", "true", "true", "locked", "locked", "down", "down")
	const fault = `/ietf-alarms:alarms/alarm-list/alarm[resource="` + pws + `[name='pw1']"][alarm-type-id='mtp-alarms:pseudowire-fault'][alarm-type-qualifier='']`
	r.becomes(t, pws+"[name='pw1']/oper-state", "locked")
	r.becomes(t, fault+"/is-cleared", "") // What somebody has locked is no fault.
	do(pwMEG, "unlock", "")
	do(pairMEG, "unlock", "")
	shows("unlocked", "false", "false", "up", "up", "up", "up")
	r.health.onDefects("m", oam.Defects(0).With(oam.MisConnectivity))
	r.becomes(t, pairMEG+"/mep/state/traffic-blocked", "true")
	r.becomes(t, pairMEG+"/mep/state/lock-state", "unlocked")
	do(pairMEG, "lock", "")
	must(t, r.commit(t, pairMEG))
	r.becomes(t, pairMEG+"/mep/state/lock-state", "")
	r.becomes(t, pairMEG+"/mep/state/traffic-blocked", "")

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, want := range []string{"m locked-local false", "m locked-local true", "w locked-local false", "w unlocked false", "m unlocked false", "m locked-local false", "m unlocked false configuration"} {
		for {
			n, err := sub.Next(ctx)
			if err != nil {
				t.Fatalf("no notification %q: %v", want, err)
			}
			if n.Node.Schema().Name != "lock-change-notification" {
				continue
			}
			got := strings.Join([]string{leafText(n.Node, "meg"), leafText(n.Node, "lock-state"), leafText(n.Node, "loopback-state"), leafText(n.Node, "reason")}, " ")
			fields := strings.Fields(want)
			if !strings.HasPrefix(got, strings.Join(fields[:3], " ")) || len(fields) > 3 != (leafText(n.Node, "reason") != "") {
				t.Errorf("notification %q, want %q", got, want)
			}
			break
		}
	}
}

// TestLockNeedsTheDataPlane: what the data plane lacks is refused by name, and
// nothing is left of the try.
func TestLockNeedsTheDataPlane(t *testing.T) {
	for _, c := range []struct {
		lacks  dataplane.Feature
		action string
	}{{dataplane.FeatureBlock, "lock"}, {dataplane.FeatureLoopback, "loopback"}} {
		t.Run(string(c.lacks), func(t *testing.T) {
			driver := fake.New(port("eth0", 1), port("eth1", 2))
			driver.Capabilities().Features[c.lacks] = false
			r := start(t, "", driver)
			defer r.stop(t)
			must(t, r.commit(t, maintained()...))
			enable, left := "", 0
			if c.action == "loopback" {
				if outcome, text, err := r.invoke(t, pairMEG, "lock", ""); outcome != "accepted" {
					t.Fatal(text, err)
				}
				enable, left = "true", 2
			}
			_, _, err := r.invoke(t, pairMEG, c.action, enable)
			var e *yangerr.Error
			if !errors.As(err, &e) || e.Tag != yangerr.OperationNotSupported || !strings.Contains(e.Message, string(c.lacks)) {
				t.Errorf("%s without %s: %v", c.action, c.lacks, err)
			}
			if got := r.conditions(t); len(got) != left {
				t.Errorf("the data plane has %q", got)
			}
			r.becomes(t, pairMEG+"/mep/state/loopback-state", "false")
			r.becomes(t, pairMEG+"/mep/state/lock-state", map[bool]string{true: "unlocked", false: "locked-local"}[left == 0])
		})
	}
}

// TestLockEndsWithTheProcess: what the next process adopts is not locked.
func TestLockEndsWithTheProcess(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, fake.New(port("eth0", 1), port("eth1", 2)))
	must(t, r.commit(t, maintained()...))
	if outcome, text, err := r.invoke(t, pairMEG, "lock", ""); outcome != "accepted" {
		t.Fatal(text, err)
	}
	r.stop(t)
	r = start(t, dir, r.driver.Reopen())
	defer r.stop(t)
	if got := r.conditions(t); len(got) != 0 {
		t.Errorf("after a restart the data plane has %q", got)
	}
	r.becomes(t, pairMEG+"/mep/state/lock-state", "unlocked")
	r.becomes(t, lsps+"[name='in']/oper-state", "up")
}

// TestCommandsOfAStoppedElement get an answer.
func TestCommandsOfAStoppedElement(t *testing.T) {
	r := start(t, "", nil)
	must(t, r.commit(t, append(basics(), meg+"/section = west", meg+"/mep/cc/enabled = true")...))
	r.stop(t)
	done := make(chan error, 1)
	go func() {
		_, _, err := r.invoke(t, meg, "lock", "")
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a stopped element takes commands")
		}
	case <-time.After(patience):
		t.Fatal("no answer")
	}
}
