package server

import (
	"errors"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/server/oper"
)

// reporter is a driver that tells of its interfaces.
type reporter struct {
	dataplane.Driver
	states []dataplane.InterfaceState
	err    error
}

func (r reporter) InterfaceStates() ([]dataplane.InterfaceState, error) { return r.states, r.err }

// counting is a driver with counters of what concerns no single object.
type counting struct {
	dataplane.Driver
	drops map[string]uint64
	err   error
}

func (c counting) DropCounters() (map[string]uint64, error) { return c.drops, c.err }

// TestResynchronizations: sequence numbers taken anew are told beside what was
// discarded, not as such, and only by drivers that count them.
func TestResynchronizations(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	const at = "/mtp-node:mpls-tp/node/data-plane/"
	for _, c := range []struct {
		drops                map[string]uint64
		discarded, resynched string
	}{
		{map[string]uint64{"sequence": 15, "noted-resynchronized": 2}, "15", "2"},
		{map[string]uint64{"sequence": 15, "noted-resynchronized": 0}, "15", "0"},
		{map[string]uint64{"sequence": 15}, "15", ""},
	} {
		r.Server.driver = counting{r.driver, c.drops, nil}
		if got := r.value(t, at+"discard[reason='sequence']/packets"); got != c.discarded {
			t.Errorf("%v: %s discarded", c.drops, got)
		}
		if got := r.value(t, at+"sequence-resynchronizations"); got != c.resynched {
			t.Errorf("%v: %q resynchronizations", c.drops, got)
		}
		if got := r.value(t, at+"discard[reason='noted-resynchronized']/packets"); got != "" {
			t.Errorf("%v: %s discarded by being noted", c.drops, got)
		}
	}
	broken := errors.New("no table of events")
	r.Server.driver = counting{Driver: r.driver, err: broken}
	if err := (resynchronizations{r.Server}).Read(t.Context(), oper.Request{}); !errors.Is(err, broken) {
		t.Errorf("a driver that cannot tell: %v", err)
	}
}

// TestInterfaceStates: how the data plane is attached to an interface is told
// where the driver knows it.
func TestInterfaceStates(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	const at = "/mtp-node:mpls-tp/node/data-plane/interface[name='eth0']/"
	if got := r.value(t, at+"mode"); got != "" {
		t.Errorf("mode %q of a driver that does not tell", got)
	}
	r.Server.driver = reporter{r.driver, []dataplane.InterfaceState{
		{Name: "eth0", Mode: "tc", Reason: "interface eth0 has an XDP program of somebody else (7 firewall)",
			Switched: []string{"rx-lro", "rx-vlan-hw-parse"}, Queueing: "htb"},
		{Name: "eth1", Mode: "native"},
	}, nil}
	for leaf, want := range map[string]string{
		"mode": "tc", "reason": "interface eth0 has an XDP program of somebody else (7 firewall)", "queueing": "htb",
		"offload-switched[.='rx-lro']": "rx-lro", "offload-switched[.='rx-vlan-hw-parse']": "rx-vlan-hw-parse",
		"offload-switched[.='rx-gro']": "",
	} {
		if got := r.value(t, at+leaf); got != want {
			t.Errorf("%s is %q, want %q", leaf, got, want)
		}
	}
	const other = "/mtp-node:mpls-tp/node/data-plane/interface[name='eth1']/"
	if mode, reason := r.value(t, other+"mode"), r.value(t, other+"reason"); mode != "native" || reason != "" {
		t.Errorf("eth1: mode %q, reason %q", mode, reason)
	}
	broken := errors.New("netlink is closed")
	r.Server.driver = reporter{Driver: r.driver, err: broken}
	if err := (interfaceProvider{r.Server}).Read(t.Context(), oper.Request{}); !errors.Is(err, broken) {
		t.Errorf("a driver that cannot tell: %v", err)
	}
}
