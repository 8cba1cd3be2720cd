package server

import (
	"fmt"
	"testing"
)

// resize gives an interface another MTU, as the host does: without a commit.
func (r *rig) resize(name string, index, mtu int) {
	r.ports.changes <- Interface{Name: name, Index: index, MTU: mtu, Up: true, Carrier: true}
}

// TestPseudowireMTU: a pseudowire whose largest frames do not fit a section of
// its way has an alarm as long as that is so, whatever made it so.
func TestPseudowireMTU(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	must(t, r.commit(t, carried("pw1")...))
	pw := pws + "[name='pw1']"
	alarm := `/ietf-alarms:alarms/alarm-list/alarm[resource="` + pw + `"][alarm-type-id='mtp-alarms:pseudowire-mtu'][alarm-type-qualifier='']`
	narrow := func(when string, most, mtu, payload, needs int) {
		t.Helper()
		t.Log(when)
		r.becomes(t, alarm+"/alarm-text", fmt.Sprintf("pseudowire pw1: payloads of more than %d octets do not fit section west: "+
			"interface eth0 has MTU %d, and MTU %d of the pseudowire needs %d", most, mtu, payload, needs))
		r.becomes(t, alarm+"/is-cleared", "false")
	}
	fits := func(when string) {
		t.Helper()
		t.Log(when)
		r.becomes(t, alarm+"/is-cleared", "true")
	}
	// Ethernet header 14, control word 4, two labels.
	r.resize("eth0", 1, 1525)
	narrow("the interface shrinks", 1499, 1525, 1500, 1526)
	r.resize("eth0", 1, 1526)
	fits("it is just large enough")
	must(t, r.commit(t, pw+"/mtu = 1501"))
	narrow("the pseudowire grows", 1500, 1526, 1501, 1527)
	must(t, r.commit(t, pw+"/control-word = false", pw+"/vccv/control-channel = gal"))
	fits("it does without the control word")
	must(t, r.commit(t, pw+"/pw-type = mtp-types:ethernet-tagged-mode"))
	must(t, r.commit(t, pw+"/mtu = 1502"))
	narrow("it has a tag and a larger MTU", 1500, 1526, 1502, 1528)
	must(t, r.commit(t, pw+"/pw-type = mtp-types:ethernet"))
	fits("it has none")
	must(t, r.commit(t, lsps+"[name='p']/out-segment/nhlfe-single/mpls-label-stack/entry[id='2']/label = 777"))
	narrow("the protecting LSP has one more label", 1500, 1526, 1502, 1528)
	must(t, r.commit(t, pw+"/admin-state = down"))
	fits("what is out of use has no alarm")
	must(t, r.commit(t, pw+"/admin-state = up"))
	narrow("in use again", 1500, 1526, 1502, 1528)
	must(t, r.commit(t, pw))
	fits("what is gone has none")
}
