package mplsnl

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// Numbers of linux/if_link.h and linux/mpls.h that x/sys does not have.
const (
	ifStatsMsgLen = 12
	statsAFSpec   = 5 // IFLA_STATS_AF_SPEC
	mplsStatsLink = 1 // MPLS_STATS_LINK
)

// LinkStats is struct mpls_link_stats: what MPLS counts per interface. Octets
// are those from the label stack on.
type LinkStats struct {
	RxPackets, TxPackets uint64
	RxBytes, TxBytes     uint64
	RxErrors, TxErrors   uint64
	RxDropped, TxDropped uint64
	RxNoRoute            uint64
}

// MPLSStats returns the MPLS counters of every interface by index.
func (c *Conn) MPLSStats() (map[int]LinkStats, error) {
	body := make([]byte, ifStatsMsgLen)
	binary.NativeEndian.PutUint32(body[8:], 1<<(statsAFSpec-1))
	all := map[int]LinkStats{}
	err := c.Dump(unix.RTM_GETSTATS, body, func(_ uint16, b []byte) error {
		index, s, ok, err := ParseStats(b)
		if ok {
			all[index] = s
		}
		return err
	})
	if errors.Is(err, ErrInterrupted) {
		err = nil // An interface came or went; the others are right.
	}
	return all, err
}

// ParseStats decodes the body of an RTM_NEWSTATS message; ok is false if it
// has no MPLS counters.
func ParseStats(b []byte) (index int, s LinkStats, ok bool, err error) {
	if len(b) < ifStatsMsgLen || !wellFormed(b[ifStatsMsgLen:]) {
		return 0, s, false, errors.New("malformed statistics")
	}
	index = int(int32(binary.NativeEndian.Uint32(b[4:])))
	for typ, spec := range attributes(b[ifStatsMsgLen:]) {
		if typ != statsAFSpec {
			continue
		}
		for family, v := range attributes(spec) {
			if family != unix.AF_MPLS {
				continue
			}
			for typ, v := range attributes(v) {
				if typ == mplsStatsLink {
					s, ok = parseLinkStats(v)
				}
			}
		}
	}
	return index, s, ok, nil
}

// parseLinkStats reads the nine counters; a later kernel may append more.
func parseLinkStats(v []byte) (s LinkStats, ok bool) {
	fields := []*uint64{
		&s.RxPackets, &s.TxPackets, &s.RxBytes, &s.TxBytes, &s.RxErrors,
		&s.TxErrors, &s.RxDropped, &s.TxDropped, &s.RxNoRoute,
	}
	if len(v) < 8*len(fields) {
		return s, false
	}
	for i, f := range fields {
		*f = binary.NativeEndian.Uint64(v[8*i:])
	}
	return s, true
}
