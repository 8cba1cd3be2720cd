package mplsnl

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Attributes of flower (linux/pkt_cls.h).
const (
	flowerIndev       = 2
	flowerAct         = 3
	flowerEthDst      = 4
	flowerEthDstMask  = 5
	flowerEthType     = 8
	flowerFlags       = 22
	flowerVLANID      = 23
	flowerVLANPrio    = 24
	flowerVLANType    = 25
	flowerKey         = 26
	flowerMPLSTTL     = 67
	flowerMPLSBOS     = 68
	flowerMPLSTC      = 69
	flowerMPLSLabel   = 70
	flowerIPTOS       = 73
	flowerIPTOSMask   = 74
	flowerCVLANID     = 77
	flowerCVLANPrio   = 78
	flowerCVLANType   = 79
	flowerInHWCount   = 86
	flowerMPLSOpts    = 99
	flowerMPLSOptsLSE = 1
	flowerTags        = 102 // TCA_FLOWER_KEY_NUM_OF_VLANS, from 5.19 on
	lseDepth          = 1
	lseTTL            = 2
	lseBOS            = 3
	lseTC             = 4
	lseLabel          = 5
)

// Attributes of u32.
const (
	u32ClassID = 1
	u32Sel     = 5
	u32Act     = 7
	u32SelLen  = 16
	u32KeyLen  = 16
	u32Term    = 1 // TC_U32_TERMINAL
)

func (f *Filter) appendFlower(b []byte) ([]byte, error) {
	m := &f.Match
	if m.Interface != "" {
		b = appendString(b, flowerIndev, m.Interface)
	}
	b, err := appendActions(b, flowerAct, f.Actions)
	if err != nil {
		return b, err
	}
	if f.Protocol != EtherAll {
		b = appendBE16(b, flowerEthType, f.Protocol)
	}
	if m.HasDst {
		b = appendAttr(b, flowerEthDst, m.DstMAC[:])
		b = appendAttr(b, flowerEthDstMask, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	}
	b = m.VLAN.append(b, flowerVLANID, flowerVLANPrio)
	switch {
	case m.Inner.Has:
		b = appendBE16(b, flowerVLANType, EtherVLAN)
		b = m.Inner.append(b, flowerCVLANID, flowerCVLANPrio)
		if m.EtherType != 0 {
			b = appendBE16(b, flowerCVLANType, m.EtherType)
		}
	case m.EtherType != 0:
		b = appendBE16(b, flowerVLANType, m.EtherType)
	}
	if m.HasTags {
		b = appendU8(b, flowerTags, m.Tags)
	}
	if m.TOSMask != 0 {
		b = appendU8(b, flowerIPTOS, m.TOS)
		b = appendU8(b, flowerIPTOSMask, m.TOSMask)
	}
	if m.HasKey {
		b = appendBE32(b, flowerKey, m.Key)
	}
	return m.appendLSEs(b)
}

func (t Tag) append(b []byte, id, prio uint16) []byte {
	if t.Has {
		b = appendU16(b, id, t.ID) // In the order of the host, unlike the types.
	}
	if t.HasPrio {
		b = appendU8(b, prio, t.Prio)
	}
	return b
}

func (m *Match) appendLSEs(b []byte) ([]byte, error) {
	start := len(b)
	for i, e := range m.LSE {
		if e == (LSE{}) {
			continue
		}
		if e.Label >= 1<<20 || e.TC > 7 {
			return b, fmt.Errorf("label %d traffic class %d is out of range", e.Label, e.TC)
		}
		if len(b) == start {
			b = appendAttrHeader(b, flowerMPLSOpts|flagNested, 0)
		}
		one := len(b)
		b = appendAttrHeader(b, flowerMPLSOptsLSE|flagNested, 0)
		b = appendU8(b, lseDepth, uint8(i+1))
		if e.HasTTL {
			b = appendU8(b, lseTTL, e.TTL)
		}
		if e.HasBOS {
			b = appendU8(b, lseBOS, bit(e.BOS))
		}
		if e.HasTC {
			b = appendU8(b, lseTC, e.TC)
		}
		if e.HasLabel {
			b = appendU32(b, lseLabel, e.Label)
		}
		if err := closeNest(b, one); err != nil {
			return b, err
		}
	}
	if len(b) == start {
		return b, nil
	}
	return b, closeNest(b, start)
}

func bit(v bool) uint8 {
	if v {
		return 1
	}
	return 0
}

// parseFlower decodes the options of a flower filter.
func (f *Filter) parseFlower(b []byte) (stats []ActionStats, err error) {
	m := &f.Match
	var ethType, vlanType uint16
	for typ, v := range attributes(b) {
		switch typ {
		case flowerIndev:
			m.Interface = unix.ByteSliceToString(v)
		case flowerAct:
			if f.Actions, stats, err = parseActions(v); err != nil {
				return stats, err
			}
		case flowerEthDst:
			m.HasDst = true
			err = parseBytes(m.DstMAC[:], v)
		case flowerEthDstMask:
			for _, x := range v {
				if x != 0xff {
					return stats, ErrForeign
				}
			}
		case flowerEthType:
			ethType, err = parseBE16(v)
		case flowerVLANType:
			vlanType, err = parseBE16(v)
		case flowerCVLANType:
			m.EtherType, err = parseBE16(v)
		case flowerVLANID:
			m.VLAN.Has = true
			m.VLAN.ID, err = parseU16(v)
		case flowerVLANPrio:
			m.VLAN.HasPrio = true
			m.VLAN.Prio, err = parseU8(v)
		case flowerCVLANID:
			m.Inner.Has = true
			m.Inner.ID, err = parseU16(v)
		case flowerCVLANPrio:
			m.Inner.HasPrio = true
			m.Inner.Prio, err = parseU8(v)
		case flowerTags:
			m.HasTags = true
			m.Tags, err = parseU8(v)
		case flowerIPTOS:
			m.TOS, err = parseU8(v)
		case flowerIPTOSMask:
			m.TOSMask, err = parseU8(v)
		case flowerKey:
			m.HasKey = true
			m.Key, err = parseBE32(v)
		case flowerMPLSOpts:
			err = m.parseLSEs(v)
		case flowerMPLSTTL, flowerMPLSBOS, flowerMPLSTC, flowerMPLSLabel:
			// The kernel tells a match of the first entry alone in the old way.
			err = m.LSE[0].attribute(typ-flowerMPLSTTL+lseTTL, v)
		case flowerFlags, flowerInHWCount:
		default:
			err = ErrForeign
		}
		if err != nil {
			return stats, err
		}
	}
	// With a tag the kernel tells the type behind it here or there.
	switch {
	case m.Inner.Has || m.EtherType != 0:
	case vlanType != 0 && vlanType != f.Protocol:
		m.EtherType = vlanType
	case ethType != f.Protocol && ethType != 0:
		m.EtherType = ethType
	}
	return stats, nil
}

func (m *Match) parseLSEs(b []byte) error {
	if !wellFormed(b) {
		return errors.New("malformed label match")
	}
	for typ, v := range attributes(b) {
		if typ != flowerMPLSOptsLSE || !wellFormed(v) {
			return ErrForeign
		}
		var e LSE
		depth := uint8(0)
		var err error
		for typ, v := range attributes(v) {
			if typ == lseDepth {
				depth, err = parseU8(v)
			} else {
				err = e.attribute(typ, v)
			}
			if err != nil {
				return err
			}
		}
		if depth < 1 || depth > maxLSEs {
			return fmt.Errorf("label match at depth %d", depth)
		}
		m.LSE[depth-1] = e
	}
	return nil
}

// attribute takes in what is said about a label stack entry.
func (e *LSE) attribute(typ uint16, v []byte) (err error) {
	switch typ {
	case lseTTL:
		e.HasTTL = true
		e.TTL, err = parseU8(v)
	case lseBOS:
		e.HasBOS = true
		var x uint8
		x, err = parseU8(v)
		e.BOS = x != 0
	case lseTC:
		e.HasTC = true
		e.TC, err = parseU8(v)
	case lseLabel:
		e.HasLabel = true
		e.Label, err = parseU32(v)
	}
	return err
}

// appendU32Match appends the options of a u32 filter: one selector, terminal.
func (f *Filter) appendU32Match(b []byte) ([]byte, error) {
	m := &f.Match
	if m.NWords == 0 || int(m.NWords) > len(m.Words) {
		return b, fmt.Errorf("u32 filter with %d words", m.NWords)
	}
	b = appendAttrHeader(b, u32Sel, u32SelLen+u32KeyLen*int(m.NWords))
	b = append(b, u32Term, 0, m.NWords, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	for _, w := range m.Words[:m.NWords] {
		b = binary.BigEndian.AppendUint32(b, w.Mask)
		b = binary.BigEndian.AppendUint32(b, w.Value)
		b = binary.NativeEndian.AppendUint32(b, uint32(w.Offset))
		b = binary.NativeEndian.AppendUint32(b, 0)
	}
	return appendActions(b, u32Act, f.Actions)
}

func (f *Filter) parseU32Match(b []byte) (stats []ActionStats, err error) {
	for typ, v := range attributes(b) {
		switch typ {
		case u32Sel:
			if err := f.Match.parseSelector(v); err != nil {
				return nil, err
			}
		case u32Act:
			if f.Actions, stats, err = parseActions(v); err != nil {
				return stats, err
			}
		}
	}
	return stats, nil
}

func (m *Match) parseSelector(v []byte) error {
	if len(v) < u32SelLen || len(v) != u32SelLen+u32KeyLen*int(v[2]) {
		return errors.New("malformed u32 selector")
	}
	if int(v[2]) > len(m.Words) || v[0]&u32Term == 0 {
		return ErrForeign
	}
	m.NWords = v[2]
	for i := range m.Words[:m.NWords] {
		k := v[u32SelLen+u32KeyLen*i:]
		m.Words[i] = Word{
			Mask: binary.BigEndian.Uint32(k), Value: binary.BigEndian.Uint32(k[4:]),
			Offset: int32(binary.NativeEndian.Uint32(k[8:])),
		}
	}
	return nil
}

func parseBE16(v []byte) (uint16, error) {
	if len(v) != 2 {
		return 0, errors.New("malformed 16-bit attribute")
	}
	return binary.BigEndian.Uint16(v), nil
}

func parseBE32(v []byte) (uint32, error) {
	if len(v) != 4 {
		return 0, errors.New("malformed 32-bit attribute")
	}
	return binary.BigEndian.Uint32(v), nil
}

func parseBytes(dst, v []byte) error {
	if len(v) != len(dst) {
		return fmt.Errorf("attribute of %d octets, expected %d", len(v), len(dst))
	}
	copy(dst, v)
	return nil
}
