package dataplane

import "fmt"

// MaxRate and MaxBurst bound a Profile: bits per second that 64-bit token
// arithmetic in bits and nanoseconds can carry, and octets of a burst.
const (
	MaxRate  = 1e12
	MaxBurst = 1 << 30
)

// fault returns what is wrong with p, "" if nothing is.
func (p Pseudowire) fault() string {
	if f := faultOfName(p.Name, "a pseudowire"); f != "" {
		return f
	}
	sends := p.Out.Section != "" || p.Out.Group != "" || len(p.Out.Stack) != 0
	switch {
	case p.Type > NetworkLayer:
		return fmt.Sprintf("there is no pseudowire type %d", uint8(p.Type))
	case p.InLabel == 0 && !sends:
		return "a pseudowire needs a receive-label or a transmit-label"
	case p.InLabel != 0 && p.InLabel < MinLabel || p.InLabel > MaxLabel:
		return fmt.Sprintf("receive-label %d is outside %d..%d", p.InLabel, MinLabel, MaxLabel)
	case sends && len(p.Out.Stack) == 0:
		return "a pseudowire needs a transmit-label to send with"
	case p.ControlWord && p.Type == NetworkLayer:
		return "a network-layer client has no control word (RFC 5921 section 3.4.5)"
	case p.Sequencing && !p.ControlWord:
		return "sequencing needs the control word (RFC 4385 section 4)"
	case p.EncapsulationLabel && p.Type != NetworkLayer:
		return fmt.Sprintf("an encapsulation label is for network-layer clients, not for type %s", p.Type)
	}
	if sends {
		if f := p.Out.fault("a pseudowire", false); f != "" {
			return f
		}
	}
	return p.Condition.fault()
}

// fault returns what is wrong with s, "" if nothing is.
func (s Service) fault() string {
	if f := first(faultOfName(s.Name, "a service"), s.Attachment.fault()); f != "" {
		return f
	}
	if s.SendGroup && s.Send == "" {
		return "the group to send to has no name"
	}
	names := make(map[string]bool, len(s.Receive))
	for _, r := range s.Receive {
		if f := faultOfName(r, "a pseudowire"); f != "" {
			return f
		}
		if names[r] {
			return fmt.Sprintf("pseudowire %s is received from twice", r)
		}
		names[r] = true
	}
	if s.Profile != nil {
		if f := s.Profile.fault(); f != "" {
			return f
		}
	}
	if s.Classes != nil {
		for i := range 8 {
			if g, y := s.Classes.Green[i], s.Classes.Yellow[i]; g > 7 || y > 7 {
				return fmt.Sprintf("traffic class %d of priority %d is outside 0..7", max(g, y), i)
			}
		}
	}
	return ""
}

// fault returns what is wrong with a, "" if nothing is.
func (a Attachment) fault() string {
	if f := first(faultOfInterface(a.Interface), faultOfVLAN(a.OuterVLAN), faultOfVLAN(a.InnerVLAN), faultOfVLAN(a.VLAN)); f != "" {
		return f
	}
	writes := a.Operation == PushTag || a.Operation == TranslateTag
	switch {
	case a.Operation > TranslateTag:
		return fmt.Sprintf("there is no VLAN operation %d", uint8(a.Operation))
	case a.InnerVLAN != 0 && a.OuterVLAN == 0:
		return fmt.Sprintf("inner VLAN %d needs an outer one", a.InnerVLAN)
	case (a.Operation == PopTags || a.Operation == TranslateTag) && a.OuterVLAN == 0:
		return fmt.Sprintf("%s needs the VLAN that the circuit matches", a.Operation)
	case writes && a.VLAN == 0:
		return fmt.Sprintf("%s needs the VLAN to write", a.Operation)
	case !writes && a.VLAN != 0:
		return fmt.Sprintf("VLAN %d is not used by %s", a.VLAN, a.Operation)
	case a.PeerMAC[0]&1 != 0:
		return fmt.Sprintf("client address %s is a group address", a.PeerMAC)
	}
	return ""
}

// fault returns what is wrong with p, "" if nothing is.
func (p Profile) fault() string {
	switch {
	case p.CIR == 0 && p.EIR == 0:
		return "a bandwidth profile without a rate passes nothing"
	case p.CIR > MaxRate || p.EIR > MaxRate:
		return fmt.Sprintf("rate %d bit/s is above %d", max(p.CIR, p.EIR), uint64(MaxRate))
	case p.CBS > MaxBurst || p.EBS > MaxBurst:
		return fmt.Sprintf("burst of %d octets is above %d", max(p.CBS, p.EBS), MaxBurst)
	case p.CIR != 0 && p.CBS == 0:
		return "a committed rate needs a committed burst (RFC 4115 section 3)"
	case p.EIR != 0 && p.EBS == 0:
		return "an excess rate needs an excess burst (RFC 4115 section 3)"
	}
	return ""
}

// fault returns what is wrong with s, "" if nothing is.
func (s SwitchingPoint) fault() string {
	if f := first(faultOfName(s.Name, "a switching point"), faultOfName(s.Segments[0], "a segment"), faultOfName(s.Segments[1], "a segment")); f != "" {
		return f
	}
	if s.Segments[0] == s.Segments[1] {
		return fmt.Sprintf("pseudowire %s cannot be both segments", s.Segments[0])
	}
	return ""
}
