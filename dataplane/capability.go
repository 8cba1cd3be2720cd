package dataplane

import "fmt"

// Check refuses an object that needs more than c has: a feature, a deeper
// stack, a higher label. The *OpError names the feature, so that an operator
// sees which driver would do; nothing is degraded in silence. Objects are
// expected to be valid (Validate). How deep groups nest is not seen in one
// object: plan.Set checks that.
func (c Capabilities) Check(o Object) error {
	switch o := o.(type) {
	case Section:
		return c.checkSection(o)
	case LSP:
		return c.checkLSP(o)
	case Group:
		return c.checkGroup(o)
	case Pseudowire:
		return c.checkPseudowire(o)
	case Service:
		return c.checkService(o)
	case SwitchingPoint:
		return c.need(o.Key(), FeatureSwitchingPW)
	}
	return &OpError{Key: o.Key(), Reason: fmt.Sprintf("the %s data plane does not know objects of type %T", c.Driver, o)}
}

func (c Capabilities) checkSection(s Section) error {
	var need []Feature
	if s.VLAN != 0 {
		need = append(need, FeatureVLANSection)
	}
	if s.InterfaceLabelSpace {
		need = append(need, FeatureInterfaceLabelSpace)
	}
	if s.PeerMAC.OrMulticast() == MulticastMAC() {
		// The peer of a multicast section answers to the same address.
		need = append(need, FeatureMulticastSend, FeatureMulticastReceive)
	}
	if s.Queues.Enabled {
		need = append(need, FeatureQueues)
	}
	if s.Blocked {
		need = append(need, FeatureSectionBlock)
	}
	return c.need(s.Key(), need...)
}

func (c Capabilities) checkLSP(l LSP) error {
	need := append([]Feature{Feature(l.Op.String())}, l.Condition.needs()...)
	for _, n := range []struct {
		f  Feature
		is bool
	}{
		{FeatureShortPipe, l.TTLMode == ShortPipe},
		{FeatureInterfaceLabelSpace, l.InSection != ""},
		{FeatureP2MP, len(l.Branches) != 0},
		{FeatureBud, l.Bud},
		{FeatureEntropy, l.EntropyLabel},
		{FeatureLLSP, l.Class != nil},
		{FeatureOnePlusOne, l.Selector != ""},
	} {
		if n.is {
			need = append(need, n.f)
		}
	}
	need = append(need, l.needsOfHop(l.Out)...)
	for _, b := range l.Branches {
		need = append(need, l.needsOfHop(b.NextHop)...)
	}
	if err := c.need(l.Key(), need...); err != nil {
		return err
	}
	if n := len(l.Branches); n > c.MaxBranches {
		return refusal(l.Key(), "%d branches, the %s data plane has up to %d", n, c.Driver, c.MaxBranches)
	}
	for _, b := range l.Branches {
		if err := c.checkDepth(l.Key(), len(b.Stack)); err != nil {
			return err
		}
	}
	if err := c.checkDepth(l.Key(), l.Imposes()); err != nil {
		return err
	}
	return c.checkLabel(l.Key(), "incoming label", l.InLabel)
}

// Imposes is the number of labels that the LSP itself puts on a packet: the
// deepest stack of its next hops, and the two of an entropy label.
func (l LSP) Imposes() int {
	n := len(l.Out.Stack)
	for _, b := range l.Branches {
		n = max(n, len(b.Stack))
	}
	if l.EntropyLabel {
		n += 2
	}
	return n
}

// Imposes is the number of labels that the pseudowire itself puts on a frame.
func (p Pseudowire) Imposes() int {
	n := len(p.Out.Stack)
	if p.EncapsulationLabel && n != 0 {
		n++
	}
	return n
}

func (l LSP) needsOfHop(h NextHop) []Feature {
	need := h.needs()
	for i, e := range h.Stack {
		imposed := l.Op == PopImposeAndForward || l.Op == SwapAndForward && i < len(h.Stack)-1
		if imposed && e.EffectiveTTL() != 255 {
			need = append(need, FeatureImposedTTL)
		}
	}
	return need
}

func (h NextHop) needs() []Feature {
	var need []Feature
	if h.Group != "" {
		need = append(need, FeatureHierarchy)
	}
	for _, e := range h.Stack {
		if e.HasTC && e.TC != 0 {
			need = append(need, FeatureTrafficClass)
		}
	}
	return need
}

func (c Condition) needs() []Feature {
	var need []Feature
	if c.Blocked {
		need = append(need, FeatureBlock)
	}
	if c.Loop != "" {
		need = append(need, FeatureLoopback)
	}
	return need
}

func (c Capabilities) checkGroup(g Group) error {
	need := []Feature{FeatureHierarchy}
	if g.Permanent {
		need = append(need, FeatureOnePlusOne)
	}
	if g.Pseudowires {
		need[0] = FeaturePWGroup
	}
	return c.need(g.Key(), need...)
}

func (c Capabilities) checkPseudowire(p Pseudowire) error {
	need := []Feature{FeatureEthernetPW}
	if p.Type == NetworkLayer {
		need[0] = FeatureNetworkLayer
	}
	for _, n := range []struct {
		f  Feature
		is bool
	}{
		{FeatureControlWord, p.ControlWord},
		{FeatureSequencing, p.Sequencing},
		{FeatureP2MPPW, p.InLabel == 0 || len(p.Out.Stack) == 0},
	} {
		if n.is {
			need = append(need, n.f)
		}
	}
	need = append(need, p.Condition.needs()...)
	if err := c.need(p.Key(), append(need, p.Out.needs()...)...); err != nil {
		return err
	}
	if err := c.checkDepth(p.Key(), p.Imposes()); err != nil {
		return err
	}
	return c.checkLabel(p.Key(), "receive-label", p.InLabel)
}

func (c Capabilities) checkService(s Service) error {
	var need []Feature
	a := s.Attachment
	for _, n := range []struct {
		f  Feature
		is bool
	}{
		{FeatureVLANOps, a.OuterVLAN != 0 || a.Operation != KeepTags},
		{FeatureQinQ, a.InnerVLAN != 0 || a.NNI},
		{FeaturePWGroup, s.SendGroup},
		{FeaturePolicing, s.Profile != nil},
		{FeatureClassMap, s.Classes != nil},
	} {
		if n.is {
			need = append(need, n.f)
		}
	}
	if !c.Features[FeatureEthernetPW] && !c.Features[FeatureNetworkLayer] {
		need = append(need, FeatureEthernetPW)
	}
	return c.need(s.Key(), need...)
}

func (c Capabilities) checkDepth(k Key, n int) error {
	if n > c.MaxImpose {
		return refusal(k, "%d labels are to be imposed, the %s data plane imposes up to %d", n, c.Driver, c.MaxImpose)
	}
	return nil
}

func (c Capabilities) checkLabel(k Key, what string, label uint32) error {
	if label > c.MaxLabel {
		return refusal(k, "%s %d: the %s data plane has labels up to %d", what, label, c.Driver, c.MaxLabel)
	}
	return nil
}

func (c Capabilities) need(k Key, features ...Feature) error {
	for _, f := range features {
		if c.Features[f] {
			continue
		}
		if why := c.Lacking[f]; why != "" {
			return refusal(k, "needs %s, which the %s data plane does not have on this host: %s", f, c.Driver, why)
		}
		return refusal(k, "needs %s, which the %s data plane does not have", f, c.Driver)
	}
	return nil
}

// Withdraw takes features back that this host does not give the driver, with the
// reason that refusals tell.
func (c *Capabilities) Withdraw(why string, features ...Feature) {
	if c.Lacking == nil {
		c.Lacking = map[Feature]string{}
	}
	for _, f := range features {
		c.Features[f], c.Lacking[f] = false, why
	}
}

func refusal(k Key, format string, args ...any) error {
	return &OpError{Key: k, Reason: fmt.Sprintf(format, args...)}
}
