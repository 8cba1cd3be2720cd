package mplsnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"

	"golang.org/x/sys/unix"
)

// tcmsgLen is the length of struct tcmsg.
const tcmsgLen = 20

// blockIndex in tcm_ifindex says that tcm_parent is a shared block.
const blockIndex = 0xffffffff

// Attributes of traffic control messages (linux/rtnetlink.h).
const (
	tcaKind         = 1
	tcaOptions      = 2
	tcaChain        = 11
	tcaIngressBlock = 13
	tcaEgressBlock  = 14
)

// Handles of qdiscs (linux/pkt_sched.h).
const (
	clsactHandle = 0xffff0000
	clsactParent = 0xfffffff1
)

// Filter is one filter of a shared block: the packets that Match selects go
// through Actions.
type Filter struct {
	Block    uint32
	Chain    uint32
	Pref     uint16 // Lower ones are asked first.
	Protocol uint16 // Ethernet type; EtherAll: any.
	// Handle names the filter within chain, preference and protocol. Flower
	// takes any but 0; u32 wants 0x800 in the upper 12 bits.
	Handle  uint32
	Match   Match
	Actions []Action
}

// EtherAll is the protocol of a filter for all packets, EtherTEB that of a
// whole Ethernet frame below a label.
const (
	EtherAll    = unix.ETH_P_ALL
	EtherMPLS   = unix.ETH_P_MPLS_UC
	EtherTEB    = unix.ETH_P_TEB
	EtherVLAN   = unix.ETH_P_8021Q
	EtherSVLAN  = unix.ETH_P_8021AD
	EtherIPv4   = unix.ETH_P_IP
	EtherIPv6   = unix.ETH_P_IPV6
	maxChain    = 1<<28 - 1
	u32Key0     = 0x80000000 // The hash table that u32 makes by itself.
	maxActions  = 32         // TCA_ACT_MAX_PRIO
	maxU32Keys  = 8
	maxLSEs     = 7 // FLOW_DIS_MPLS_MAX
	maxPedit    = 4
	tcInfoShift = 16
)

// MaxActions is how many actions a filter has at most.
const MaxActions = maxActions

// MatchKind is the classifier of a filter.
type MatchKind uint8

// The classifiers.
const (
	Flower MatchKind = iota + 1
	U32
	MatchAll
)

// String returns the kernel's name of the classifier.
func (k MatchKind) String() string {
	switch k {
	case Flower:
		return "flower"
	case U32:
		return "u32"
	case MatchAll:
		return "matchall"
	}
	return fmt.Sprintf("classifier(%d)", uint8(k))
}

// Match selects packets. It is comparable.
type Match struct {
	Kind MatchKind
	// Interface is the device the packet came in by ("" any). Flower only.
	Interface string
	// DstMAC is the destination address, HasDst tells whether it counts.
	DstMAC [6]byte
	HasDst bool
	// VLAN and Inner are tags; flower only. EtherType is the type behind them
	// (0: any).
	VLAN, Inner Tag
	EtherType   uint16
	// Tags is how many tags there are, where HasTags is set.
	Tags    uint8
	HasTags bool
	// TOS and TOSMask match the DS field of an IP packet.
	TOS, TOSMask uint8
	// Key is the number that an action of kind TunnelKey has given, where HasKey
	// is set.
	Key    uint32
	HasKey bool
	// LSE are label stack entries at the depths 1 to 7.
	LSE [maxLSEs]LSE
	// Words are 32-bit words at offsets from the network header; u32 only.
	Words  [maxU32Keys]Word
	NWords uint8
}

// Tag matches an IEEE 802.1Q tag.
type Tag struct {
	Has     bool // There is a tag whose VID is ID.
	ID      uint16
	HasPrio bool
	Prio    uint8
}

// LSE matches one label stack entry; only what is said counts.
type LSE struct {
	HasLabel, HasTC, HasBOS, HasTTL bool
	Label                           uint32
	TC, TTL                         uint8
	BOS                             bool
}

// Word matches the bits of Mask in a 32-bit word in network order.
type Word struct {
	Value, Mask uint32
	Offset      int32
}

// Append appends the body of an RTM_NEWTFILTER message.
func (f *Filter) Append(b []byte) ([]byte, error) {
	b, err := f.appendHead(b)
	if err != nil {
		return b, err
	}
	if len(f.Actions) > maxActions {
		return b, fmt.Errorf("%d actions in a filter, at most %d are possible", len(f.Actions), maxActions)
	}
	start := len(b)
	b = appendAttrHeader(b, tcaOptions, 0)
	switch f.Match.Kind {
	case Flower:
		b, err = f.appendFlower(b)
	case U32:
		b, err = f.appendU32Match(b)
	case MatchAll:
		b, err = appendActions(b, matchallAct, f.Actions)
	default:
		err = fmt.Errorf("unknown %s", f.Match.Kind)
	}
	if err == nil {
		err = closeNest(b, start)
	}
	return b, err
}

// AppendDelete appends the body of an RTM_DELTFILTER message.
func (f *Filter) AppendDelete(b []byte) ([]byte, error) { return f.appendHead(b) }

func (f *Filter) appendHead(b []byte) ([]byte, error) {
	if f.Chain > maxChain || f.Pref == 0 {
		return b, fmt.Errorf("chain %d preference %d is out of range", f.Chain, f.Pref)
	}
	b = appendTC(b, blockIndex, f.Handle, f.Block, uint32(f.Pref)<<tcInfoShift|uint32(swap16(f.Protocol)))
	b = appendString(b, tcaKind, f.Match.Kind.String())
	return appendU32(b, tcaChain, f.Chain), nil
}

// appendTC appends struct tcmsg.
func appendTC(b []byte, index, handle, parent, info uint32) []byte {
	b = append(b, unix.AF_UNSPEC, 0, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, index)
	b = binary.NativeEndian.AppendUint32(b, handle)
	b = binary.NativeEndian.AppendUint32(b, parent)
	return binary.NativeEndian.AppendUint32(b, info)
}

// swap16 converts between host and network order.
func swap16(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

func appendString(b []byte, typ uint16, s string) []byte {
	b = appendAttrHeader(b, typ, len(s)+1)
	b = append(append(b, s...), 0)
	return pad(b, len(s)+1)
}

func appendBE16(b []byte, typ, v uint16) []byte { return appendU16(b, typ, swap16(v)) }

func appendBE32(b []byte, typ uint16, v uint32) []byte {
	return binary.BigEndian.AppendUint32(appendAttrHeader(b, typ, 4), v)
}

// closeNest writes the length of the attribute that begins at start.
func closeNest(b []byte, start int) error {
	n := len(b) - start
	if n > 0xffff {
		return fmt.Errorf("attribute of %d octets", n)
	}
	binary.NativeEndian.PutUint16(b[start:], uint16(n))
	return nil
}

// ErrForeign tells that a filter is of a kind, or has a part, that this
// package does not write; the header is decoded all the same.
var ErrForeign = errors.New("a filter that Tandem does not make")

// ParseFilter decodes the body of an RTM_NEWTFILTER or RTM_DELTFILTER message
// of a shared block, with the statistics of the actions.
func ParseFilter(b []byte) (Filter, []ActionStats, error) {
	if len(b) < tcmsgLen || !wellFormed(b[tcmsgLen:]) {
		return Filter{}, nil, errors.New("malformed filter")
	}
	info := binary.NativeEndian.Uint32(b[16:])
	f := Filter{
		Handle: binary.NativeEndian.Uint32(b[8:]), Pref: uint16(info >> tcInfoShift), Protocol: swap16(uint16(info)),
	}
	if binary.NativeEndian.Uint32(b[4:]) != blockIndex {
		return f, nil, ErrForeign
	}
	f.Block = binary.NativeEndian.Uint32(b[12:])
	var options []byte
	for typ, v := range attributes(b[tcmsgLen:]) {
		switch typ {
		case tcaKind:
			f.Match.Kind = kindOf(unix.ByteSliceToString(v))
		case tcaChain:
			chain, err := parseU32(v)
			if err != nil {
				return f, nil, err
			}
			f.Chain = chain
		case tcaOptions:
			options = v
		}
	}
	if !wellFormed(options) {
		return f, nil, errors.New("malformed filter options")
	}
	if options == nil { // The filter itself, not one of its elements.
		return f, nil, nil
	}
	var stats []ActionStats
	var err error
	switch f.Match.Kind {
	case Flower:
		stats, err = f.parseFlower(options)
	case U32:
		stats, err = f.parseU32Match(options)
	case MatchAll:
		stats, err = f.parseMatchAll(options)
	default:
		err = ErrForeign
	}
	return f, stats, err
}

func kindOf(s string) MatchKind {
	for _, k := range []MatchKind{Flower, U32, MatchAll} {
		if k.String() == s {
			return k
		}
	}
	return 0
}

// matchallAct is TCA_MATCHALL_ACT.
const matchallAct = 2

func (f *Filter) parseMatchAll(b []byte) (stats []ActionStats, err error) {
	for typ, v := range attributes(b) {
		if typ == matchallAct && err == nil {
			f.Actions, stats, err = parseActions(v)
		}
	}
	return stats, err
}

// Equal reports whether both do the same under the same name. An index of an
// action counts only where both have one.
func (f *Filter) Equal(o *Filter) bool {
	if f.Block != o.Block || f.Chain != o.Chain || f.Pref != o.Pref || f.Protocol != o.Protocol ||
		f.Handle != o.Handle || f.Match != o.Match || len(f.Actions) != len(o.Actions) {
		return false
	}
	for i := range f.Actions {
		if !f.Actions[i].equal(&o.Actions[i]) {
			return false
		}
	}
	return true
}

// Sum returns a number that stands for a filter where it is to be compared with
// later ones of the same process: that of the message that puts it. It is not 0.
func (f *Filter) Sum(seed maphash.Seed) uint64 {
	var space [sumSpace]byte
	// What cannot be written is not in the kernel either.
	b, _ := f.Append(space[:0])
	return max(maphash.Bytes(seed, b), 1)
}

// sumSpace is more than most filters take.
const sumSpace = 2048
