package main

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
)

// channels are the counters by channel type of a node, from a get reply.
type channels struct {
	Types []struct {
		Type     string `xml:"type"`
		Received uint64 `xml:"received"`
		Consumed uint64 `xml:"consumed"`
	} `xml:"mpls-tp>oam>counters>channel"`
}

// cc counts the CC packets that a node's data plane has received, and of these
// those that it consumed.
func (r *rig) cc(t *testing.T, node string) (received, consumed uint64) {
	t.Helper()
	text, err := r.session(t, node).Get(t.Context(), oamOnly)
	if err != nil {
		t.Fatal(err)
	}
	var reply channels
	if err := xml.Unmarshal([]byte(text), &reply); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, c := range reply.Types {
		if c.Type == "0x0022" {
			return c.Received, c.Consumed
		}
	}
	return 0, 0
}

// pairMEGs is the configuration of a node of the pair with two LSP MEGs; swapped
// has it send each LSP's packets under the label of the other.
func pairMEGs(node string, swapped bool) string {
	config := slower(megs(node, 2), 100_000)
	if !swapped {
		return config
	}
	label := func(n int) string { return fmt.Sprintf("<label>%d</label>", n) }
	return strings.NewReplacer(label(2001), label(2002), label(2002), label(2001)).Replace(config)
}

// TestSteadyAndMisconnected: two elements leave their CC packets to the data
// plane, also after one was killed; and an LSP that carries somebody else's
// packets is blocked for users while it does.
func TestSteadyAndMisconnected(t *testing.T) {
	r := bringLab(t, "pair", "steady")
	if err := r.ConfigureAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"a", "b"} {
		r.commit(t, node, pairMEGs(node, false))
	}
	up := func() {
		t.Helper()
		eventually(t, "all sessions up", func() bool { return r.allUp(t) })
	}
	// In a steady state nothing but a packet now and then comes up from the data
	// plane: nine of ten at least stay there.
	consuming := func() {
		t.Helper()
		received, consumed := r.cc(t, "a")
		eventually(t, "CC packets consumed by the data plane", func() bool {
			allNow, consumedNow := r.cc(t, "a")
			all, there := allNow-received, consumedNow-consumed
			if all < 50 {
				return false
			}
			received, consumed = allNow, consumedNow
			return 10*there >= 9*all
		})
	}
	up()
	consuming()

	r.kill(t, "a")
	r.restart(t, "a")
	up()
	consuming()

	user := append([]byte{2, 0, 0, 0, 0x0a, 1, 2, 0, 0, 0, 0x0b, 1, 0x88, 0x47}, join(lse(2001, true, 64), make([]byte, 40))...)
	socket := r.packetSocket(t, "b", "link")
	// counted sends ten user packets on the first LSP and says what they count as.
	counted := func(reason string) {
		t.Helper()
		before := r.discarded(t, "a")["data-plane "+reason]
		for range 10 {
			socket.send(t, user)
		}
		eventually(t, "user packets counted as "+reason, func() bool {
			return r.discarded(t, "a")["data-plane "+reason] == before+10
		})
	}
	counted("unknown-payload")
	r.commit(t, "b", pairMEGs("b", true))
	misconnected := func(want bool) func() bool {
		return func() bool {
			found := 0
			for _, m := range r.get(t, "a", oamOnly).MEGs {
				for _, d := range m.Defects {
					if strings.HasSuffix(d, "mis-connectivity") {
						found++
					}
				}
			}
			return want && found == 2 || !want && found == 0
		}
	}
	eventually(t, "both LSPs mis-connected", misconnected(true))
	counted("blocked")
	r.commit(t, "b", pairMEGs("b", false))
	eventually(t, "the end of the mis-connection", misconnected(false))
	up()
	counted("unknown-payload")
}
