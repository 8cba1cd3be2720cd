package bfd

import "github.com/tandem-ne/tandem/oam"

// setIntervals sets the intervals we send. When Up it starts a Poll, and
// until that ends uses the shorter interval to send and the longer to
// detect (RFC 5880 section 6.8.3).
func (m *machine) setIntervals(tx, rx int64) {
	m.polling = false
	if m.state == oam.Up && (tx != m.desiredMinTx || rx != m.requiredMinRx) {
		m.polling = true
		m.activeTx, m.activeRx = min(m.activeTx, tx), max(m.activeRx, rx)
	} else {
		m.activeTx, m.activeRx = tx, rx
	}
	m.desiredMinTx, m.requiredMinRx = tx, rx
}

// useIntervals ends a Poll.
func (m *machine) useIntervals(now int64) {
	m.activeTx, m.activeRx = m.desiredMinTx, m.requiredMinRx
	m.hasten(now)
}

// setRemoteMinRx takes the interval the peer can bear; 0 stops us.
func (m *machine) setRemoteMinRx(now, v int64) {
	m.remoteMinRx = v
	if v == 0 {
		m.txAt = oam.Forever
		return
	}
	m.hasten(now)
}

// hasten brings the next packet forward where the interval became shorter.
func (m *machine) hasten(now int64) {
	if m.remoteMinRx != 0 {
		m.txAt = min(m.txAt, now+m.jitter(m.txInterval()))
	}
}

// txInterval is the negotiated interval before jitter (RFC 5880 section 6.8.2).
func (m *machine) txInterval() int64 { return max(m.activeTx, m.remoteMinRx) }

// sendExtra sends a packet out of turn because its content changed (RFC 5880
// section 6.8.7).
func (m *machine) sendExtra(now int64, fx *effects) {
	if fx.SendCC || m.remoteMinRx == 0 && m.remoteMult != 0 {
		return
	}
	if m.mayExtra(now) {
		fx.SendCC, fx.Flags = true, m.pollFlag()
		m.hasten(now)
	}
}

// sendFinal answers a Poll, whatever the peer's RequiredMinRx.
func (m *machine) sendFinal(now int64, fx *effects) {
	if fx.SendCC {
		fx.Flags = FlagFinal // The packet that is due anyway answers too.
		return
	}
	if m.mayExtra(now) {
		fx.SendCC, fx.Flags = true, FlagFinal
		return
	}
	m.finalOwed = true
}

// mayExtra takes one packet out of the allowance for packets out of turn. If
// there is none left, the periodic packet is brought forward to when there is.
func (m *machine) mayExtra(now int64) bool {
	if m.extraAt-extraBurst > now {
		m.txAt = min(m.txAt, m.extraAt-extraBurst)
		return false
	}
	m.extraAt = max(m.extraAt, now) + extraGap
	return true
}

func (m *machine) pollFlag() Flags {
	if m.polling {
		return FlagPoll
	}
	return 0
}

// jitter shortens an interval by 0 to 25 %, or by 10 to 25 % with a Detect
// Mult of 1 (RFC 5880 section 6.8.7).
func (m *machine) jitter(interval int64) int64 {
	quarter := interval / 4
	if m.cfg.Multiplier == 1 {
		tenth := interval / 10
		return interval - tenth - m.random(quarter-tenth+1)
	}
	return interval - m.random(quarter+1)
}

// random returns a number in [0, n). It is a xorshift generator: the jitter
// needs no secrecy, only no allocation and no lock.
func (m *machine) random(n int64) int64 {
	m.rng ^= m.rng << 13
	m.rng ^= m.rng >> 7
	m.rng ^= m.rng << 17
	return int64(m.rng>>1) % n
}
