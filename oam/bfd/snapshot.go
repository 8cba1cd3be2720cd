package bfd

import (
	"sync/atomic"
	"time"

	"github.com/tandem-ne/tandem/oam"
)

// snapshot publishes a session's state from the shard to any reader without
// a lock and without allocating: a sequence number that is odd while the
// words are being written (a seqlock).
type snapshot struct {
	seq   atomic.Uint32
	words [7]atomic.Uint64
}

// store is called by the shard only.
func (p *snapshot) store(m *machine) {
	tx := m.txInterval()
	if m.remoteMinRx == 0 {
		tx = 0
	}
	detection := m.detection
	if m.remoteMult == 0 {
		detection = 0
	}
	p.seq.Add(1)
	p.words[0].Store(uint64(m.state) | uint64(m.remoteState)<<8 | uint64(m.diag)<<16 | uint64(m.remoteDiag)<<24 | uint64(m.defects)<<32)
	p.words[1].Store(uint64(m.remoteDiscr))
	p.words[2].Store(uint64(tx))
	p.words[3].Store(uint64(max(m.activeRx, m.remoteMinTx)))
	p.words[4].Store(uint64(detection))
	p.words[5].Store(uint64(m.lastChange))
	p.words[6].Store(uint64(m.upCount)<<32 | uint64(m.downCount))
	p.seq.Add(1)
}

// load may be called by any goroutine.
func (p *snapshot) load() oam.SessionState {
	for {
		before := p.seq.Load()
		var w [len(p.words)]uint64
		for i := range w {
			w[i] = p.words[i].Load()
		}
		if before&1 != 0 || p.seq.Load() != before {
			continue
		}
		return oam.SessionState{
			LocalState: oam.BFDState(w[0]), RemoteState: oam.BFDState(w[0] >> 8),
			LocalDiag: oam.Diag(w[0] >> 16), RemoteDiag: oam.Diag(w[0] >> 24),
			Defects:      oam.Defects(w[0] >> 32),
			RemoteDiscr:  uint32(w[1]),
			NegotiatedTx: time.Duration(w[2]), NegotiatedRx: time.Duration(w[3]),
			DetectionTime: time.Duration(w[4]), LastChange: int64(w[5]),
			UpCount: uint32(w[6] >> 32), DownCount: uint32(w[6]),
		}
	}
}
