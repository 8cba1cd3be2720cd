package kernel

import (
	"fmt"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// clientFeatures are what chains can do for pseudowires and their clients.
func clientFeatures() []dataplane.Feature {
	return []dataplane.Feature{
		dataplane.FeatureEthernetPW, dataplane.FeatureControlWord, dataplane.FeatureSwitchingPW, dataplane.FeatureP2MPPW,
		dataplane.FeaturePWGroup, dataplane.FeatureNetworkLayer, dataplane.FeatureVLANOps, dataplane.FeatureQinQ,
		dataplane.FeaturePolicing, dataplane.FeatureClassMap, dataplane.FeaturePWACHPunt, dataplane.FeaturePWCounters,
	}
}

// clientLimits are the sentences about them.
func clientLimits() []string {
	return []string{
		"Pseudowires have no sequence numbers: no action of the kernel counts.",
		"A bandwidth profile counts the tagged frames of a port without their outer tag; its bursts last at most 274 seconds at their rate.",
		"Offloads that merge frames are off where clients are. A client on a veth or tap should not leave segments to its peer (TSO): the kernel cuts no frames below labels, so that they are lost unless the section's interface does.",
	}
}

// maxBurst is how long a burst of the police action can last at its rate: 32
// bits of 64 nanoseconds.
const maxBurst = 1<<32*64/1_000_000_000 - 1

// checkClient refuses what the actions of the kernel cannot hold.
func checkClient(o dataplane.Object) error {
	s, ok := o.(dataplane.Service)
	if !ok || s.Profile == nil {
		return nil
	}
	for _, b := range []struct{ rate, burst uint64 }{{s.Profile.CIR, s.Profile.CBS}, {s.Profile.EIR, s.Profile.EBS}} {
		if b.rate != 0 && b.burst/max(b.rate/8, 1) > maxBurst {
			return &dataplane.OpError{Key: s.Key(), Reason: fmt.Sprintf(
				"needs %s with a burst of %d octets, which lasts more than %d seconds at %d bit/s; the kernel data plane holds no more",
				dataplane.FeaturePolicing, b.burst, int64(maxBurst), b.rate)}
		}
	}
	return nil
}

// circuit is what only one service may have: the frames with certain tags on
// an interface.
type circuit struct {
	name         string
	nni          bool
	outer, inner uint16
}

func circuitOf(o dataplane.Object) (circuit, bool) {
	s, ok := o.(dataplane.Service)
	a := s.Attachment
	return circuit{a.Interface, a.NNI && a.OuterVLAN != 0, a.OuterVLAN, a.InnerVLAN}, ok
}

// countClient takes in a counter of a pseudowire or a service; false: it is
// none of theirs.
func (t *total) countClient(w chain.What, n dataplane.Counter) bool {
	colour := func(i int) {
		t.Colours[i].Packets += n.Packets
		t.Colours[i].Octets += n.Octets
	}
	switch w {
	case chain.OutDropped:
		t.OutDrops += n.Packets
	case chain.Green:
		colour(0)
	case chain.Yellow:
		colour(1)
	case chain.Red:
		colour(2)
	default:
		return false
	}
	return true
}

// serve brings a service to its interface, and makes that ready for clients.
func (c *change) serve(k dataplane.Key, name string) {
	c.joins(k, name, false)
	if _, done := c.serving[name]; done {
		return
	}
	c.serving[name] = struct{}{}
	c.keepWhole(name)
	c.takeAll(name)
}

// keepWhole switches off what makes one frame of several on an interface of
// clients: the kernel cannot cut them again below labels. What cannot be
// switched, or is no card, stays as it is.
func (t *chains) keepWhole(name string) {
	now, err := t.link.Features(name)
	if err != nil {
		return
	}
	off := map[string]bool{}
	for _, f := range []string{link.FeatureGRO, link.FeatureGROHW, link.FeatureLRO} {
		if now[f].On && !now[f].Fixed {
			off[f] = false
		}
	}
	if len(off) == 0 || t.link.SetFeatures(name, off) != nil {
		return
	}
	if t.merging == nil {
		t.merging = map[string]map[string]bool{}
	}
	on := t.merging[name]
	if on == nil {
		on = map[string]bool{}
		t.merging[name] = on
	}
	for f := range off {
		on[f] = true
	}
}

// mayMerge switches on again what this process has switched off.
func (t *chains) mayMerge(name string) {
	if on := t.merging[name]; on != nil {
		// The interface may be gone; then there is nothing to switch.
		_ = t.link.SetFeatures(name, on)
		delete(t.merging, name)
	}
}

// takeAll makes a client's interface promiscuous: a card drops frames that are
// not for its own addresses, and a client's never are (RFC 4448, section 4.1).
func (t *chains) takeAll(name string) {
	l, err := t.link.ByName(name)
	if err != nil || l.Promiscuous {
		return
	}
	if err := t.link.SetPromiscuous(l.Index, true); err != nil {
		t.log.Warn("a client's interface does not become promiscuous", "interface", name, "error", err)
		return
	}
	if t.selective == nil {
		t.selective = map[string]bool{}
	}
	t.selective[name] = true
}

// takeOwn undoes what this process has done in takeAll.
func (t *chains) takeOwn(name string) {
	if !t.selective[name] {
		return
	}
	delete(t.selective, name)
	if l, err := t.link.ByName(name); err == nil {
		if err := t.link.SetPromiscuous(l.Index, false); err != nil {
			t.log.Warn("an interface stays promiscuous", "interface", name, "error", err)
		}
	}
}
