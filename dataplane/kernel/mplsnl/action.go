package mplsnl

import (
	"encoding/binary"
	"fmt"
)

// ActionKind is a kind of action.
type ActionKind uint8

// The kinds.
const (
	GAct ActionKind = iota + 1
	MPLS
	VLAN
	Mirred
	Pedit
	SKBEdit
	Police
	TunnelKey
)

// String returns the kernel's name of the kind.
func (k ActionKind) String() string {
	switch k {
	case GAct:
		return "gact"
	case MPLS:
		return "mpls"
	case VLAN:
		return "vlan"
	case Mirred:
		return "mirred"
	case Pedit:
		return "pedit"
	case SKBEdit:
		return "skbedit"
	case Police:
		return "police"
	case TunnelKey:
		return "tunnel_key"
	}
	return fmt.Sprintf("action(%d)", uint8(k))
}

// Verdict is what follows an action: one of the constants, or GotoChain.
type Verdict int32

// The verdicts.
const (
	Continue Verdict = -1 // The next filter.
	Pass     Verdict = 0  // The packet goes up the stack.
	Drop     Verdict = 2
	Pipe     Verdict = 3 // The next action.
	Stolen   Verdict = 4 // The packet is gone elsewhere.
)

// GotoChain goes on with the filters of a chain.
func GotoChain(chain uint32) Verdict { return Verdict(0x20000000 | chain&maxChain) }

// Chain returns the chain that v goes to.
func (v Verdict) Chain() (uint32, bool) { return uint32(v) & maxChain, uint32(v)>>28 == 2 }

// MPLSOp is what an action of kind MPLS does.
type MPLSOp uint8

// The operations of act_mpls.
const (
	MPLSPop MPLSOp = iota + 1
	MPLSPush
	MPLSModify
	MPLSDecTTL
	MPLSMACPush
)

// VLANOp is what an action of kind VLAN does.
type VLANOp uint8

// The operations of act_vlan.
const (
	VLANPop VLANOp = iota + 1
	VLANPush
	VLANModify
	VLANPopEth
	VLANPushEth
)

// MirredOp is where an action of kind Mirred sends.
type MirredOp uint8

// The operations of act_mirred.
const (
	RedirectEgress MirredOp = iota + 1
	MirrorEgress
	RedirectIngress
	MirrorIngress
)

// Action is one action of a filter. The fields that its kind does not use are
// zero. It is comparable.
type Action struct {
	Kind    ActionKind
	Verdict Verdict
	// Index names the action: filters with the same index share it, and with
	// it the counters. 0: the kernel chooses.
	Index uint32
	// Cookie goes with the action, unread by the kernel; zero: none.
	Cookie [16]byte
	// NoPerCPU saves the memory of counters for each CPU.
	NoPerCPU bool

	MPLS   MPLSAction
	VLAN   VLANAction
	Mirred MirredAction
	Pedit  PeditAction
	SKB    SKBAction
	Police PoliceAction
	Tunnel TunnelKeyAction
}

// MPLSAction is the part of act_mpls.
type MPLSAction struct {
	Op                      MPLSOp
	HasLabel, HasTC, HasBOS bool
	Label                   uint32
	TC, TTL                 uint8 // TTL 0: as it is.
	BOS                     bool
	Protocol                uint16 // Of what is below (MPLSPop).
}

// VLANAction is the part of act_vlan.
type VLANAction struct {
	Op       VLANOp
	ID       uint16
	Protocol uint16
	HasPrio  bool
	Prio     uint8
	Dst, Src [6]byte // VLANPushEth.
}

// MirredAction is the part of act_mirred.
type MirredAction struct {
	Op        MirredOp
	Interface int
}

// PeditAction writes words: the bits of Mask stay, Value is put in.
type PeditAction struct {
	Keys [maxPedit]PeditKey
	N    uint8
}

// PeditKey is one word at an offset from the Ethernet header, or from the
// network header. Value and Mask are in network order.
type PeditKey struct {
	Ethernet    bool
	Value, Mask uint32
	Offset      uint32
}

// SKBAction is the part of act_skbedit.
type SKBAction struct {
	HasType, HasPriority bool
	Type                 uint16 // PACKET_HOST is 0.
	Priority             uint32
}

// PoliceAction is a token bucket. What conforms gets Conform, the rest the
// verdict of the action.
type PoliceAction struct {
	Rate    uint64 // Octets per second; 0: only MTU counts.
	Burst   uint32 // Ticks, see PoliceBurst.
	MTU     uint32 // Octets; longer packets do not conform.
	Conform Verdict
	// Overhead is added to the length of each packet.
	Overhead uint16
}

// TunnelKeyAction gives the packet a number that goes with it and that flower
// finds (Match.Key), or takes it away.
type TunnelKeyAction struct {
	Release bool
	ID      uint32
}

// Attributes of actions (linux/pkt_cls.h, linux/tc_act).
const (
	actKind         = 1
	actOptions      = 2
	actIndex        = 3
	actStats        = 4
	actCookie       = 6
	actFlags        = 7
	actNoPerCPU     = 1
	gactParms       = 2
	mplsParms       = 2
	mplsProto       = 4
	mplsLabel       = 5
	mplsTC          = 6
	mplsTTL         = 7
	mplsBOS         = 8
	vlanParms       = 2
	vlanID          = 3
	vlanProtocol    = 4
	vlanPrio        = 6
	vlanDst         = 7
	vlanSrc         = 8
	mirredParms     = 2
	peditParmsEx    = 4
	peditKeysEx     = 5
	peditKeyEx      = 6
	peditHType      = 1
	peditCmd        = 2
	skbeditParms    = 2
	skbeditPriority = 3
	skbeditType     = 7
	policeTBF       = 1
	policeResult    = 5
	policeRate64    = 8
	tunnelParms     = 2
	tunnelSrc       = 3
	tunnelDst       = 4
	tunnelID        = 7
	tunnelSet       = 1
	tunnelRelease   = 2
	genLen          = 20 // struct tc_gen.
	policeLen       = 56 // struct tc_police, without its time stamps.
	peditKeyLen     = 24
)

// appendActions appends an attribute with a list of actions.
func appendActions(b []byte, typ uint16, actions []Action) ([]byte, error) {
	if len(actions) == 0 {
		return b, nil
	}
	start := len(b)
	b = appendAttrHeader(b, typ, 0)
	for i := range actions {
		one := len(b)
		b = appendAttrHeader(b, uint16(i+1), 0)
		var err error
		if b, err = actions[i].append(b); err != nil {
			return b, fmt.Errorf("action %d: %w", i+1, err)
		}
		if err := closeNest(b, one); err != nil {
			return b, err
		}
	}
	return b, closeNest(b, start)
}

func (a *Action) append(b []byte) ([]byte, error) {
	b = appendString(b, actKind, a.Kind.String())
	if a.Cookie != [16]byte{} {
		b = appendAttr(b, actCookie, a.Cookie[:])
	}
	if a.NoPerCPU {
		b = appendAttrHeader(b, actFlags, 8)
		b = binary.NativeEndian.AppendUint32(b, actNoPerCPU)
		b = binary.NativeEndian.AppendUint32(b, actNoPerCPU)
	}
	start := len(b)
	b = appendAttrHeader(b, actOptions|flagNested, 0)
	switch a.Kind {
	case GAct:
		b = a.appendGen(appendAttrHeader(b, gactParms, genLen))
	case MPLS:
		b = a.appendMPLS(b)
	case VLAN:
		b = a.appendVLAN(b)
	case Mirred:
		b = a.appendGen(appendAttrHeader(b, mirredParms, genLen+8))
		b = binary.NativeEndian.AppendUint32(b, uint32(a.Mirred.Op))
		b = binary.NativeEndian.AppendUint32(b, uint32(a.Mirred.Interface))
	case Pedit:
		b = a.appendPedit(b)
	case SKBEdit:
		if a.SKB.HasPriority {
			b = appendU32(b, skbeditPriority, a.SKB.Priority)
		}
		if a.SKB.HasType {
			b = appendU16(b, skbeditType, a.SKB.Type)
		}
		b = a.appendGen(appendAttrHeader(b, skbeditParms, genLen))
	case Police:
		b = a.appendPolice(b)
	case TunnelKey:
		b = a.appendTunnel(b)
	default:
		return b, fmt.Errorf("unknown %s", a.Kind)
	}
	return b, closeNest(b, start)
}

// appendGen appends tc_gen: index, capab, action, refcnt, bindcnt.
func (a *Action) appendGen(b []byte) []byte {
	b = binary.NativeEndian.AppendUint32(b, a.Index)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = binary.NativeEndian.AppendUint32(b, uint32(a.Verdict))
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0)
}

func (a *Action) appendMPLS(b []byte) []byte {
	m := &a.MPLS
	b = a.appendGen(appendAttrHeader(b, mplsParms, genLen+4))
	b = binary.NativeEndian.AppendUint32(b, uint32(m.Op))
	if m.HasLabel {
		b = appendU32(b, mplsLabel, m.Label)
	}
	if m.HasTC {
		b = appendU8(b, mplsTC, m.TC)
	}
	if m.TTL != 0 {
		b = appendU8(b, mplsTTL, m.TTL)
	}
	if m.HasBOS {
		b = appendU8(b, mplsBOS, bit(m.BOS))
	}
	if m.Protocol != 0 {
		b = appendBE16(b, mplsProto, m.Protocol)
	}
	return b
}

func (a *Action) appendVLAN(b []byte) []byte {
	v := &a.VLAN
	b = a.appendGen(appendAttrHeader(b, vlanParms, genLen+4))
	b = binary.NativeEndian.AppendUint32(b, uint32(v.Op))
	switch v.Op {
	case VLANPush, VLANModify:
		b = appendU16(b, vlanID, v.ID)
		b = appendBE16(b, vlanProtocol, v.Protocol)
		if v.HasPrio {
			b = appendU8(b, vlanPrio, v.Prio)
		}
	case VLANPushEth:
		b = appendAttr(b, vlanDst, v.Dst[:])
		b = appendAttr(b, vlanSrc, v.Src[:])
	}
	return b
}

func (a *Action) appendPedit(b []byte) []byte {
	p := &a.Pedit
	n := int(min(p.N, maxPedit))
	// The structure is padded to the alignment of a word behind nkeys, flags.
	b = a.appendGen(appendAttrHeader(b, peditParmsEx, genLen+4+n*peditKeyLen))
	b = append(b, uint8(n), 0, 0, 0)
	for _, k := range p.Keys[:n] {
		b = binary.BigEndian.AppendUint32(b, k.Mask)
		b = binary.BigEndian.AppendUint32(b, k.Value)
		b = binary.NativeEndian.AppendUint32(b, k.Offset)
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	return appendNest(b, peditKeysEx|flagNested, func(b []byte) []byte {
		for _, k := range p.Keys[:n] {
			b = appendNest(b, peditKeyEx|flagNested, func(b []byte) []byte {
				b = appendU16(b, peditHType, uint16(bit(k.Ethernet)))
				return appendU16(b, peditCmd, 0)
			})
		}
		return b
	})
}

// appendTunnel appends the parameters of act_tunnel_key, which wants addresses
// of a tunnel, although there is none.
func (a *Action) appendTunnel(b []byte) []byte {
	b = a.appendGen(appendAttrHeader(b, tunnelParms, genLen+4))
	if a.Tunnel.Release {
		return binary.NativeEndian.AppendUint32(b, tunnelRelease)
	}
	b = binary.NativeEndian.AppendUint32(b, tunnelSet)
	b = appendU32(appendU32(b, tunnelSrc, 0), tunnelDst, 0)
	return appendBE32(b, tunnelID, a.Tunnel.ID)
}

// appendPolice appends struct tc_police. With TCA_POLICE_RATE64 no table of
// rates is needed, but one must be there where a rate is: the kernel looks it
// up only to compare.
func (a *Action) appendPolice(b []byte) []byte {
	p := &a.Police
	b = appendAttrHeader(b, policeTBF, policeLen)
	b = binary.NativeEndian.AppendUint32(b, a.Index)
	b = binary.NativeEndian.AppendUint32(b, uint32(a.Verdict))
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = binary.NativeEndian.AppendUint32(b, p.Burst)
	b = binary.NativeEndian.AppendUint32(b, p.MTU)
	b = append(b, 3, 1) // cell_log, linklayer: Ethernet.
	b = binary.NativeEndian.AppendUint16(b, p.Overhead)
	b = append(b, 0, 0, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, uint32(min(p.Rate, 0xffffffff)))
	b = append(b, make([]byte, policeLen-32)...)
	if p.Rate >= 1<<32 {
		b = binary.NativeEndian.AppendUint64(appendAttrHeader(b, policeRate64, 8), p.Rate)
	}
	if p.Rate != 0 {
		b = append(appendAttrHeader(b, policeRateTable, rateTableLen), make([]byte, rateTableLen)...)
	}
	return appendU32(b, policeResult, uint32(p.Conform))
}

// The table of rates that the kernel wants and no longer reads.
const (
	policeRateTable = 2
	rateTableLen    = 1024
)

// equal compares what an action does. Where one of the two has no index, the
// kernel has chosen one.
func (a *Action) equal(o *Action) bool {
	x, y := *a, *o
	if x.Index == 0 || y.Index == 0 {
		x.Index, y.Index = 0, 0
	}
	x.NoPerCPU, y.NoPerCPU = false, false
	return x == y
}
