package bfd

import "github.com/tandem-ne/tandem/oam"

// rdi holds the received diagnostic against RFC 6428 section 3.2.
func (m *machine) rdi(at int64, fx *effects) {
	switch m.remoteDiag {
	case oam.DiagDetectionExpired, oam.DiagPathDown, oam.DiagMisConnectivity:
		m.enter(oam.RemoteDefectIndication, at, fx)
	default:
		m.leave(oam.RemoteDefectIndication, at, fx)
	}
}

// period holds the period the peer sends with against the configured one
// (RFC 6371 section 5.1.1.3).
func (m *machine) period(at int64, fx *effects) {
	if m.periodExpected() {
		return
	}
	if m.remoteMinTx == slowInterval && at < m.periodFree {
		return // Slow start: its Poll is still to come.
	}
	// The packets come as fast as both ends bear, not as the peer would like.
	m.perPeriod = max(m.perPeriod, min(max(m.remoteMinTx, m.activeRx), maxPeriod))
	m.perExit = at + m.perPeriod*7/2
	m.enter(oam.UnexpectedPeriod, at, fx)
}

func (m *machine) periodExpected() bool {
	diff := m.remoteMinTx - m.cfg.RxInterval
	// 3.3, 3.33 and 3333 microseconds are all written for "3.33 ms".
	if diff < 0 {
		diff = -diff
	}
	return diff*50 <= m.cfg.RxInterval
}

func (m *machine) enter(d oam.Defect, at int64, fx *effects) {
	if !m.defects.Has(d) {
		m.defects = m.defects.With(d)
		fx.note(note{oam.DefectEntered, d, at})
	}
}

func (m *machine) leave(d oam.Defect, at int64, fx *effects) {
	switch d {
	case oam.MisConnectivity:
		m.misExit, m.misPeriod = oam.Forever, 0
	case oam.UnexpectedPeriod:
		m.perExit, m.perPeriod = oam.Forever, 0
	case oam.UnexpectedEncapsulation:
		m.enExit, m.enPeriod = oam.Forever, 0
	}
	if m.defects.Has(d) {
		m.defects = m.defects.Without(d)
		fx.note(note{oam.DefectCleared, d, at})
	}
}
