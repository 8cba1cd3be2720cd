package dataplane

import "fmt"

// Check refuses an object that needs more than c has: a feature, a deeper
// stack, a higher label. The *OpError names the feature, so that an operator
// sees which driver would do; nothing is degraded in silence. Objects are
// expected to be valid (Validate).
func (c Capabilities) Check(o Object) error {
	switch o := o.(type) {
	case Section:
		return c.checkSection(o)
	case LSP:
		return c.checkLSP(o)
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
	return c.need(s.Key(), need...)
}

func (c Capabilities) checkLSP(l LSP) error {
	need := []Feature{Feature(l.Op.String())}
	if l.TTLMode == ShortPipe {
		need = append(need, FeatureShortPipe)
	}
	if l.InSection != "" {
		need = append(need, FeatureInterfaceLabelSpace)
	}
	for i, e := range l.Out.Stack {
		if e.HasTC && e.TC != 0 {
			need = append(need, FeatureTrafficClass)
		}
		imposed := l.Op == PopImposeAndForward || l.Op == SwapAndForward && i < len(l.Out.Stack)-1
		if imposed && e.EffectiveTTL() != 255 {
			need = append(need, FeatureImposedTTL)
		}
	}
	if err := c.need(l.Key(), need...); err != nil {
		return err
	}
	refuse := func(format string, args ...any) error {
		return &OpError{Key: l.Key(), Reason: fmt.Sprintf(format, args...)}
	}
	if n := len(l.Out.Stack); n > c.MaxImpose {
		return refuse("%d labels are to be imposed, the %s data plane imposes up to %d", n, c.Driver, c.MaxImpose)
	}
	if l.InLabel > c.MaxLabel {
		return refuse("incoming label %d: the %s data plane has labels up to %d", l.InLabel, c.Driver, c.MaxLabel)
	}
	return nil
}

func (c Capabilities) need(k Key, features ...Feature) error {
	for _, f := range features {
		if !c.Features[f] {
			return &OpError{Key: k, Reason: fmt.Sprintf("needs %s, which the %s data plane does not have", f, c.Driver)}
		}
	}
	return nil
}
