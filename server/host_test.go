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
