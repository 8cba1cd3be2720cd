package ach

import "fmt"

// ChannelType is a type in the IANA registry "MPLS Generalized Associated
// Channel (G-ACh) Types (including Pseudowire Associated Channel Types)".
type ChannelType uint16

// The channel types.
const (
	MCC         ChannelType = 0x0001 // Management Communication Channel, RFC 5718.
	SCC         ChannelType = 0x0002 // Signalling Communication Channel, RFC 5718.
	BFD         ChannelType = 0x0007 // BFD control without IP and UDP headers, RFC 5885.
	SBFD        ChannelType = 0x0008 // S-BFD control, RFC 7885.
	DualHome    ChannelType = 0x0009 // MPLS-TP dual-homing coordination, RFC 8185.
	DLM         ChannelType = 0x000A // Direct loss measurement, RFC 6374.
	ILM         ChannelType = 0x000B // Inferred loss measurement, RFC 6374.
	DM          ChannelType = 0x000C // Delay measurement, RFC 6374.
	DLMDM       ChannelType = 0x000D // Direct loss and delay measurement, RFC 6374.
	ILMDM       ChannelType = 0x000E // Inferred loss and delay measurement, RFC 6374.
	RTM         ChannelType = 0x000F // Residence time measurement, RFC 8169.
	IPv4        ChannelType = 0x0021 // IPv4 packet, RFC 4385.
	CC          ChannelType = 0x0022 // MPLS-TP continuity check, RFC 6428.
	CV          ChannelType = 0x0023 // MPLS-TP connectivity verification, RFC 6428.
	PSC         ChannelType = 0x0024 // Protection state coordination, RFC 6378.
	OnDemand    ChannelType = 0x0025 // On-demand connectivity verification, RFC 6426.
	LI          ChannelType = 0x0026 // Lock instruct, RFC 6435.
	PWOAM       ChannelType = 0x0027 // Pseudowire status, RFC 6478.
	MACWithdraw ChannelType = 0x0028 // MAC withdraw, RFC 7769.
	RPS         ChannelType = 0x002A // Ring protection switching, RFC 8227.
	IPv6        ChannelType = 0x0057 // IPv6 packet, RFC 4385.
	FaultOAM    ChannelType = 0x0058 // Fault management, RFC 6427.
	GAP         ChannelType = 0x0059 // G-ACh advertisement protocol, RFC 7212.
	ExpFirst    ChannelType = 0x7FF8 // First experimental type, RFC 5586.
	ExpLast     ChannelType = 0x7FFF // Last experimental type.
	Y1731       ChannelType = 0x8902 // G.8113.1 OAM, RFC 6671.
)

// String returns a short name, or the number of a type that has none.
func (t ChannelType) String() string {
	switch t {
	case MCC:
		return "mcc"
	case SCC:
		return "scc"
	case BFD:
		return "bfd"
	case SBFD:
		return "s-bfd"
	case DualHome:
		return "dual-homing"
	case DLM:
		return "direct-lm"
	case ILM:
		return "inferred-lm"
	case DM:
		return "dm"
	case DLMDM:
		return "direct-lm-dm"
	case ILMDM:
		return "inferred-lm-dm"
	case RTM:
		return "rtm"
	case IPv4:
		return "ipv4"
	case CC:
		return "cc"
	case CV:
		return "cv"
	case PSC:
		return "psc"
	case OnDemand:
		return "on-demand-cv"
	case LI:
		return "lock-instruct"
	case PWOAM:
		return "pw-oam"
	case MACWithdraw:
		return "mac-withdraw"
	case RPS:
		return "ring-protection"
	case IPv6:
		return "ipv6"
	case FaultOAM:
		return "fault-oam"
	case GAP:
		return "gap"
	case Y1731:
		return "g8113.1"
	}
	if t >= ExpFirst && t <= ExpLast {
		return fmt.Sprintf("experimental-0x%04x", uint16(t))
	}
	return fmt.Sprintf("0x%04x", uint16(t))
}
