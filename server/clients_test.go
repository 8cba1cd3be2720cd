package server

import (
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/fake"
	"github.com/tandem-ne/tandem/dataplane/reconcile"
	"github.com/tandem-ne/tandem/server/yangerr"
)

const (
	tunnels  = "/mtp-node:mpls-tp/mtp-lsp:tunnels/tunnel"
	pws      = "/mtp-node:mpls-tp/mtp-pw:pseudowires/pseudowire"
	cast     = "/mtp-node:mpls-tp/mtp-pw:pseudowires/p2mp-pseudowire[name='cast']"
	joint    = "/mtp-node:mpls-tp/mtp-pw:pseudowires/switching-point[name='x']"
	wire     = "/mtp-node:mpls-tp/mtp-service:services/service[name='wire']"
	profiles = "/mtp-node:mpls-tp/mtp-qos:qos/bandwidth-profile[name='gold']"
)

func impose(name, label string) []string {
	l := lsps + "[name='" + name + "']"
	return []string{
		l + "/operation = impose-and-forward",
		l + "/out-segment/nhlfe-single/outgoing-section = west",
		l + "/out-segment/nhlfe-single/mpls-label-stack/entry[id='1']/label = " + label,
	}
}

// carried is a tunnel with a working and a protecting LSP and pseudowires in it.
func carried(names ...string) []string {
	lines := append(append(basics(), impose("w", "100")...), impose("p", "101")...)
	lines = append(lines, tunnels+"[name='t']/tunnel-num = 1",
		tunnels+"[name='t']/lsp[lsp-num='1']/static-lsp = w",
		tunnels+"[name='t']/lsp[lsp-num='2']/static-lsp = p", tunnels+"[name='t']/lsp[lsp-num='2']/role = protecting")
	for i, name := range names {
		pw := pws + "[name='" + name + "']"
		lines = append(lines, pw+"/receive-label = 50"+string(rune('0'+i)), pw+"/transmit-label = 60"+string(rune('0'+i)), pw+"/tunnel = t")
	}
	return lines
}

func service() []string {
	return []string{
		profiles + "/cir = 1000000", profiles + "/cbs = 1000",
		wire + "/endpoint[name='ac']/ac/interface = eth1",
		wire + "/endpoint[name='ac']/ac/ingress-bandwidth-profile = gold",
		wire + "/endpoint[name='pw']/pw = pw1",
	}
}

func (r *rig) link(name string, index int, carrier bool) {
	r.ports.changes <- Interface{Name: name, Index: index, Up: true, Carrier: carrier}
}

// TestServiceFollowsWhatCarriesIt takes away what a service needs, one after the
// other, and sees the states of everything above it.
func TestServiceFollowsWhatCarriesIt(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	must(t, r.commit(t, append(carried("pw1"), service()...)...))
	pw, ac := pws+"[name='pw1']", wire+"/endpoint[name='ac']/ac"
	alarm := `/ietf-alarms:alarms/alarm-list/alarm[resource="` + pw + `"][alarm-type-id='mtp-alarms:pseudowire-fault'][alarm-type-qualifier='']`
	expect := func(when, tunnelState, pwState, acState, serviceState string) {
		t.Helper()
		t.Log(when)
		r.becomes(t, tunnels+"[name='t']/oper-state", tunnelState)
		r.becomes(t, pw+"/oper-state", pwState)
		r.becomes(t, ac+"/oper-state", acState)
		r.becomes(t, wire+"/oper-state", serviceState)
	}
	expect("all is well", "up", "up", "up", "up")
	for _, p := range []string{tunnels + "[name='t']", pw, wire} {
		r.becomes(t, p+"/data-plane-state/state", "applied")
	}
	r.becomes(t, tunnels+"[name='t']/active-lsp", "1")
	r.link("eth1", 2, false)
	expect("the client's link is down", "up", "up", "down", "down")
	r.link("eth1", 2, true)
	r.link("eth0", 1, false)
	expect("the section is down", "down", "down", "up", "down")
	r.becomes(t, alarm+"/is-cleared", "false")
	r.becomes(t, alarm+"/alarm-text", "pseudowire pw1 does not forward: tunnel t is down")
	r.link("eth0", 1, true)
	expect("the section is back", "up", "up", "up", "up")
	r.becomes(t, alarm+"/is-cleared", "true")
	must(t, r.commit(t, lsps+"[name='w']/admin-state = down"))
	expect("the active LSP is out of use", "down", "down", "up", "down")
	must(t, r.reconciler.Switch(t.Context(), "t", 1))
	must(t, r.commit(t, lsps+"[name='w']/description = switched"))
	must(t, r.commit(t, lsps+"[name='w']/admin-state = up"))
	expect("and back", "up", "up", "up", "up")
	r.becomes(t, tunnels+"[name='t']/active-lsp", "2")
	must(t, r.commit(t, pw+"/admin-state = down"))
	expect("the pseudowire is out of use", "up", "down", "up", "down")
	r.becomes(t, alarm+"/is-cleared", "true")
	must(t, r.commit(t, pw+"/admin-state = up", wire+"/endpoint[name='pw']"))
	expect("the service has one end", "up", "up", "up", "down")
	r.becomes(t, wire+"/data-plane-state/state", "")
	must(t, r.commit(t, "/mtp-node:mpls-tp/mtp-service:services", "/mtp-node:mpls-tp/mtp-pw:pseudowires"))
	expect("they are gone", "up", "", "", "")
	must(t, r.commit(t, tunnels+"[name='t']", lsps+"[name='w']", lsps+"[name='p']"))
	r.becomes(t, tunnels+"[name='t']/active-lsp", "")
	r.becomes(t, tunnels+"[name='t']/oper-state", "")
}

// TestServiceCounts sends frames of a client through the data plane in memory.
func TestServiceCounts(t *testing.T) {
	r := start(t, "", fake.New(port("eth0", 1), port("eth1", 2)))
	defer r.stop(t)
	must(t, r.commit(t, append(carried("pw1"), service()...)...))
	must(t, r.Settled(t.Context()))
	frame := append([]byte{2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0}, make([]byte, 386)...) // 400 octets of a burst of 1,000.
	for range 3 {
		r.driver.Forward("eth1", frame)
	}
	for path, want := range map[string]string{
		wire + "/statistics/in-packets":                  "3",
		wire + "/statistics/in-drops":                    "1",
		wire + "/policing/colour[name='green']/packets":  "2",
		wire + "/policing/colour[name='green']/octets":   "800",
		wire + "/policing/colour[name='yellow']/packets": "0",
		wire + "/policing/colour[name='red']/packets":    "1",
		pws + "[name='pw1']/statistics/out-packets":      "2",
		tunnels + "[name='t']/statistics/out-packets":    "2",
		tunnels + "[name='t']/statistics/in-packets":     "", // What arrives is counted at the LSPs.
		lsps + "[name='w']/statistics/out-packets":       "2",
		lsps + "[name='p']/statistics/out-packets":       "0",
	} {
		if got := r.value(t, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	must(t, r.commit(t, wire+"/endpoint[name='ac']/ac/ingress-bandwidth-profile"))
	must(t, r.Settled(t.Context()))
	if got := r.value(t, wire+"/policing/colour[name='green']/packets"); got != "" {
		t.Errorf("a service without a profile has %s green frames", got)
	}
}

// TestPointToMultipointStates takes branches and segments away.
func TestPointToMultipointStates(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	const tree = lsps + "[name='tree']"
	east := strings.ReplaceAll(section, "west", "east")
	must(t, r.commit(t, append(carried("pw1", "pw2", "pw3"),
		east+"/interface = eth1", east+"/if-num = 2",
		tree+"/operation = impose-and-forward", tree+"/type = p2mp",
		tree+"/out-segment/nhlfe-multiple/nhlfe[index='a']/outgoing-section = west",
		tree+"/out-segment/nhlfe-multiple/nhlfe[index='a']/mpls-label-stack/entry[id='1']/label = 700",
		tree+"/out-segment/nhlfe-multiple/nhlfe[index='b']/outgoing-section = east",
		tree+"/out-segment/nhlfe-multiple/nhlfe[index='b']/mpls-label-stack/entry[id='1']/label = 701",
		tunnels+"[name='all']/tunnel-num = 2", tunnels+"[name='all']/lsp[lsp-num='1']/static-lsp = tree",
		cast+"/role = root", cast+"/tunnel = all", cast+"/label = 800", cast+"/return-pseudowire[.='pw3'] = pw3",
		joint+"/segment-1 = pw1", joint+"/segment-2 = pw2")...))
	r.becomes(t, tree+"/oper-state", "up")
	r.becomes(t, cast+"/oper-state", "up")
	r.becomes(t, cast+"/data-plane-state/state", "applied")
	r.becomes(t, joint+"/oper-state", "up")
	r.link("eth1", 2, false)
	r.becomes(t, tree+"/oper-state", "degraded")
	r.becomes(t, tunnels+"[name='all']/oper-state", "degraded")
	r.becomes(t, cast+"/oper-state", "degraded")
	r.link("eth0", 1, false)
	r.becomes(t, tree+"/oper-state", "down")
	r.becomes(t, cast+"/oper-state", "down")
	r.becomes(t, joint+"/oper-state", "down")
	r.link("eth0", 1, true)
	r.becomes(t, cast+"/oper-state", "degraded")
	r.becomes(t, joint+"/oper-state", "up")
	// The root becomes a leaf: its state follows the LSP that brings the packets.
	leaf := lsps + "[name='leaf']"
	must(t, r.commit(t, leaf+"/operation = pop-and-lookup", leaf+"/in-segment/incoming-label = 900",
		tunnels+"[name='from']/tunnel-num = 3", tunnels+"[name='from']/lsp[lsp-num='1']/static-lsp = leaf",
		cast+"/role = leaf", cast+"/tunnel = from"))
	r.becomes(t, cast+"/oper-state", "up")
	must(t, r.commit(t, leaf+"/admin-state = down"))
	r.becomes(t, cast+"/oper-state", "down")
	must(t, r.commit(t, leaf+"/admin-state = up"))
	r.becomes(t, cast+"/oper-state", "up")
	// A pseudowire of the same name takes its place in the data plane.
	must(t, r.commit(t, cast, pws+"[name='cast']/receive-label = 800", pws+"[name='cast']/transmit-label = 801", pws+"[name='cast']/tunnel = t"))
	r.becomes(t, pws+"[name='cast']/oper-state", "up")
	r.becomes(t, cast+"/oper-state", "")
	must(t, r.commit(t, joint, pws+"[name='pw1']"))
	r.becomes(t, joint+"/oper-state", "")
}

// TestFailedObjectsRaiseAlarms fails each new kind of object in the data plane.
func TestFailedObjectsRaiseAlarms(t *testing.T) {
	driver := fake.New(port("eth0", 1), port("eth1", 2))
	key := func(k dataplane.Kind, name string) dataplane.Key { return dataplane.Key{Kind: k, Name: name} }
	objects := map[dataplane.Key]string{
		key(dataplane.KindGroup, "t"): tunnels + "[name='t']", key(dataplane.KindPseudowire, "pw1"): pws + "[name='pw1']",
		key(dataplane.KindService, "wire"): wire, key(dataplane.KindSwitchingPoint, "x"): joint,
	}
	for k := range objects {
		driver.Fail(k, "no room", false)
	}
	r := start(t, "", driver)
	defer r.stop(t)
	must(t, r.commit(t, append(append(carried("pw1", "pw2", "pw3"), service()...), joint+"/segment-1 = pw2", joint+"/segment-2 = pw3")...))
	for k, at := range objects {
		alarm := `/ietf-alarms:alarms/alarm-list/alarm[resource="` + at + `"][alarm-type-id='mtp-alarms:data-plane-mismatch'][alarm-type-qualifier='']`
		if k.Kind == dataplane.KindGroup {
			r.becomes(t, at+"/data-plane-state/state", "failed")
			r.becomes(t, alarm+"/is-cleared", "false")
			continue
		}
		r.becomes(t, at+"/oper-state", operNotInstalled)
	}
}

// TestClientRefusals wants the path and the sentence of refusals.
func TestClientRefusals(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	must(t, r.commit(t, append(carried("pw1", "pw2"), service()...)...))
	for name, c := range map[string]struct {
		lines []string
		tag   string
	}{
		"a label that is taken":       {[]string{pws + "[name='pw2']/receive-label = 500"}, "data-not-unique"},
		"a pseudowire that is in use": {[]string{joint + "/segment-1 = pw1", joint + "/segment-2 = pw2"}, "pseudowire-used-twice"},
		"pseudowires that merge":      {[]string{pws + "[name='pw2']/transmit-label = 600"}, "lsp-merge"},
		"a tunnel that is needed":     {[]string{tunnels + "[name='t']/lsp[lsp-num='1']", tunnels + "[name='t']/lsp[lsp-num='2']"}, "tunnel-without-lsp"},
		"a profile that lets nothing": {[]string{profiles + "/cir", profiles + "/cbs"}, "rate-missing"},
		"an interface of a section":   {[]string{wire + "/endpoint[name='ac']/ac/interface = eth0"}, "attachment-circuit-in-use"},
	} {
		t.Run(name, func(t *testing.T) {
			list, ok := r.commit(t, c.lines...).(yangerr.List)
			if !ok || len(list) == 0 {
				t.Fatal("taken")
			}
			if e := list[0]; e.AppTag != c.tag || e.Path == nil || e.Message == "" {
				t.Errorf("%s %s: %s, want %s", e.AppTag, e.Path, e.Message, c.tag)
			}
		})
	}
}

// TestReplacementIsNoFault: what the data plane is about to replace forwards as
// it did until then, and so does what needs it.
func TestReplacementIsNoFault(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	must(t, r.commit(t, append(carried("pw1"), service()...)...))
	r.becomes(t, wire+"/oper-state", "up")
	k := dataplane.Key{Kind: dataplane.KindSection, Name: "west"}
	states := func(st reconcile.State, data, own, above string) {
		t.Helper()
		r.health.onStatus(k, reconcile.Status{State: st, Since: time.Now()})
		r.becomes(t, section+"/data-plane-state/state", data)
		r.becomes(t, section+"/oper-state", own)
		r.becomes(t, wire+"/oper-state", above)
	}
	fault := `/ietf-alarms:alarms/alarm-list/alarm[resource="` + pws + `[name='pw1']"][alarm-type-id='mtp-alarms:pseudowire-fault'][alarm-type-qualifier='']/is-cleared`
	states(reconcile.Pending, "pending", "up", "up")
	if got := r.value(t, fault); got != "" {
		t.Errorf("a section that is replaced raised an alarm of a pseudowire (cleared: %s)", got)
	}
	states(reconcile.Failed, "failed", operNotInstalled, "down")
	r.becomes(t, fault, "false")
	states(reconcile.Pending, "pending", operNotInstalled, "down")
	states(reconcile.Applied, "applied", "up", "up")
	r.becomes(t, fault, "true")
}
