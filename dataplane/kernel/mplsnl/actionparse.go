package mplsnl

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// ActionStats is what the kernel counted at an action: packets and octets that
// came to it, and those it dropped. Octets are those of the packet as it came
// in, without its Ethernet header.
type ActionStats struct {
	Index                  uint32
	Packets, Octets, Drops uint64
}

// Attributes of statistics (linux/gen_stats.h).
const (
	statsBasic   = 1
	statsQueue   = 3
	statsPackets = 8
)

// parseActions decodes a list of actions.
func parseActions(b []byte) ([]Action, []ActionStats, error) {
	if !wellFormed(b) {
		return nil, nil, errors.New("malformed actions")
	}
	var actions []Action
	var stats []ActionStats
	for _, v := range attributes(b) {
		a, s, err := parseAction(v)
		if err != nil {
			return nil, nil, err
		}
		actions, stats = append(actions, a), append(stats, s)
	}
	return actions, stats, nil
}

func parseAction(b []byte) (a Action, s ActionStats, err error) {
	if !wellFormed(b) {
		return a, s, errors.New("malformed action")
	}
	var options []byte
	for typ, v := range attributes(b) {
		switch typ {
		case actKind:
			a.Kind = actionKindOf(unix.ByteSliceToString(v))
		case actOptions:
			options = v
		case actCookie:
			if len(v) > len(a.Cookie) {
				return a, s, errors.New("cookie is too long")
			}
			copy(a.Cookie[:], v)
		case actFlags:
			a.NoPerCPU = len(v) == 8 && binary.NativeEndian.Uint32(v)&actNoPerCPU != 0
		case actStats:
			s.parse(v)
		}
	}
	if !wellFormed(options) {
		return a, s, errors.New("malformed action options")
	}
	for typ, v := range attributes(options) {
		if err := a.option(typ, v); err != nil {
			return a, s, err
		}
	}
	s.Index = a.Index
	return a, s, nil
}

func actionKindOf(s string) ActionKind {
	for k := GAct; k <= TunnelKey; k++ {
		if k.String() == s {
			return k
		}
	}
	return 0
}

// option takes in one attribute of the options of an action.
func (a *Action) option(typ uint16, v []byte) error {
	switch a.Kind {
	case GAct:
		if typ == gactParms {
			return a.parseGen(v, nil)
		}
	case MPLS:
		return a.parseMPLS(typ, v)
	case VLAN:
		return a.parseVLAN(typ, v)
	case Mirred:
		if typ == mirredParms {
			var op uint32
			if err := a.parseGen(v, &op); err != nil {
				return err
			}
			if len(v) < genLen+8 {
				return errors.New("truncated mirred action")
			}
			a.Mirred = MirredAction{Op: MirredOp(op), Interface: int(int32(binary.NativeEndian.Uint32(v[genLen+4:])))}
		}
	case Pedit:
		return a.parsePedit(typ, v)
	case SKBEdit:
		return a.parseSKB(typ, v)
	case Police:
		return a.parsePolice(typ, v)
	case TunnelKey:
		return a.parseTunnel(typ, v)
	}
	return nil
}

// parseGen decodes tc_gen, and the word behind it.
func (a *Action) parseGen(v []byte, op *uint32) error {
	if len(v) < genLen || op != nil && len(v) < genLen+4 {
		return errors.New("truncated action")
	}
	a.Index, a.Verdict = binary.NativeEndian.Uint32(v), Verdict(binary.NativeEndian.Uint32(v[8:]))
	if op != nil {
		*op = binary.NativeEndian.Uint32(v[genLen:])
	}
	return nil
}

func (a *Action) parseMPLS(typ uint16, v []byte) (err error) {
	m := &a.MPLS
	var x uint8
	switch typ {
	case mplsParms:
		var op uint32
		err = a.parseGen(v, &op)
		m.Op = MPLSOp(op)
	case mplsProto:
		// The kernel tells its default where none was given.
		var p uint16
		if p, err = parseBE16(v); m.Op == MPLSPop {
			m.Protocol = p
		}
	case mplsLabel:
		m.HasLabel = true
		m.Label, err = parseU32(v)
	case mplsTC:
		m.HasTC = true
		m.TC, err = parseU8(v)
	case mplsTTL:
		m.TTL, err = parseU8(v)
	case mplsBOS:
		m.HasBOS = true
		x, err = parseU8(v)
		m.BOS = x != 0
	}
	return err
}

func (a *Action) parseVLAN(typ uint16, v []byte) (err error) {
	l := &a.VLAN
	switch typ {
	case vlanParms:
		var op uint32
		err = a.parseGen(v, &op)
		l.Op = VLANOp(op)
	case vlanID:
		if len(v) != 2 {
			return errors.New("malformed VLAN")
		}
		l.ID = binary.NativeEndian.Uint16(v)
	case vlanProtocol:
		l.Protocol, err = parseBE16(v)
	case vlanPrio:
		// The kernel tells priority 0 where none was given.
		l.Prio, err = parseU8(v)
		l.HasPrio = l.Prio != 0
	case vlanDst:
		err = parseBytes(l.Dst[:], v)
	case vlanSrc:
		err = parseBytes(l.Src[:], v)
	}
	return err
}

func (a *Action) parsePedit(typ uint16, v []byte) error {
	p := &a.Pedit
	switch typ {
	case peditParmsEx, peditParmsEx - 2:
		if err := a.parseGen(v, nil); err != nil {
			return err
		}
		if len(v) < genLen+4 || v[genLen] > maxPedit || len(v) < genLen+4+int(v[genLen])*peditKeyLen {
			return ErrForeign
		}
		p.N = v[genLen]
		for i := range p.Keys[:p.N] {
			k := v[genLen+4+i*peditKeyLen:]
			p.Keys[i].Mask, p.Keys[i].Value = binary.BigEndian.Uint32(k), binary.BigEndian.Uint32(k[4:])
			p.Keys[i].Offset = binary.NativeEndian.Uint32(k[8:])
		}
	case peditKeysEx:
		i := 0
		for _, one := range attributes(v) {
			for typ, x := range attributes(one) {
				if typ == peditHType && len(x) == 2 && i < maxPedit {
					p.Keys[i].Ethernet = binary.NativeEndian.Uint16(x) == 1
				}
			}
			i++
		}
	}
	return nil
}

func (a *Action) parseSKB(typ uint16, v []byte) (err error) {
	switch typ {
	case skbeditParms:
		return a.parseGen(v, nil)
	case skbeditPriority:
		a.SKB.HasPriority = true
		a.SKB.Priority, err = parseU32(v)
	case skbeditType:
		if len(v) != 2 {
			return errors.New("malformed packet type")
		}
		a.SKB.HasType, a.SKB.Type = true, binary.NativeEndian.Uint16(v)
	}
	return err
}

func (a *Action) parsePolice(typ uint16, v []byte) error {
	p := &a.Police
	switch typ {
	case policeTBF:
		if len(v) < 36 {
			return errors.New("truncated police action")
		}
		a.Index, a.Verdict = binary.NativeEndian.Uint32(v), Verdict(binary.NativeEndian.Uint32(v[4:]))
		p.Burst, p.MTU = binary.NativeEndian.Uint32(v[12:]), binary.NativeEndian.Uint32(v[16:])
		p.Overhead = binary.NativeEndian.Uint16(v[22:])
		p.Rate = max(p.Rate, uint64(binary.NativeEndian.Uint32(v[28:])))
	case policeRate64:
		if len(v) != 8 {
			return errors.New("malformed rate")
		}
		p.Rate = binary.NativeEndian.Uint64(v)
	case policeResult:
		r, err := parseU32(v)
		p.Conform = Verdict(r)
		return err
	}
	return nil
}

func (a *Action) parseTunnel(typ uint16, v []byte) (err error) {
	switch typ {
	case tunnelParms:
		var op uint32
		err = a.parseGen(v, &op)
		a.Tunnel.Release = op == tunnelRelease
	case tunnelID:
		a.Tunnel.ID, err = parseBE32(v)
	}
	return err
}

// parse reads the statistics of an action. Packets are 32 bits wide in the
// first attribute; once they are more the kernel adds one of 64.
func (s *ActionStats) parse(b []byte) {
	for typ, v := range attributes(b) {
		switch {
		case typ == statsBasic && len(v) >= 12:
			s.Octets, s.Packets = binary.NativeEndian.Uint64(v), uint64(binary.NativeEndian.Uint32(v[8:]))
		case typ == statsPackets && len(v) >= 8:
			s.Packets = binary.NativeEndian.Uint64(v)
		case typ == statsQueue && len(v) >= 12:
			s.Drops = uint64(binary.NativeEndian.Uint32(v[8:]))
		}
	}
}
