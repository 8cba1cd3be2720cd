package fake

import (
	"math/bits"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
)

// Colour is what a Meter makes of a frame.
type Colour uint8

// The colours. Their order is that of Counters.Colours.
const (
	Green Colour = iota
	Yellow
	Red
)

// Meter is the two-rate, three-colour marker of RFC 4115 in its colour-blind
// mode, exact to the nanosecond: tokens are counted in units of one octet
// divided by the 8*10^9 bit-nanoseconds it takes at one bit per second, so that
// nothing is ever rounded. The buckets start full.
type Meter struct {
	profile   dataplane.Profile
	committed bucket
	excess    bucket
	last      time.Time
}

// unit is an octet in units of a bucket.
const unit = 8_000_000_000

// bucket is a token bucket.
type bucket struct {
	rate   uint64 // Bits per second: units per nanosecond.
	burst  uint64 // Octets.
	tokens uint64 // Units; at most burst * unit < 2^63.
}

// NewMeter returns a meter with full buckets.
func NewMeter(p dataplane.Profile, now time.Time) *Meter {
	return &Meter{
		profile:   p,
		committed: bucket{rate: p.CIR, burst: p.CBS, tokens: p.CBS * unit},
		excess:    bucket{rate: p.EIR, burst: p.EBS, tokens: p.EBS * unit},
		last:      now,
	}
}

// Set changes the profile; the buckets keep what they have, as far as it fits.
func (m *Meter) Set(p dataplane.Profile, now time.Time) {
	m.advance(now)
	m.profile = p
	m.committed.set(p.CIR, p.CBS)
	m.excess.set(p.EIR, p.EBS)
}

func (b *bucket) set(rate, burst uint64) {
	b.rate, b.burst, b.tokens = rate, burst, min(b.tokens, burst*unit)
}

// Mark meters a frame of some octets. Green takes from the committed bucket
// alone, yellow from the excess one, red from neither (RFC 4115 section 3).
func (m *Meter) Mark(now time.Time, octets int) Colour {
	m.advance(now)
	switch {
	case m.committed.take(octets):
		return Green
	case m.excess.take(octets):
		return Yellow
	}
	return Red
}

func (m *Meter) advance(now time.Time) {
	if d := now.Sub(m.last); d > 0 {
		m.committed.fill(uint64(d))
		m.excess.fill(uint64(d))
		m.last = now
	}
}

// fill adds what ns nanoseconds bring.
func (b *bucket) fill(ns uint64) {
	full := b.burst * unit
	high, more := bits.Mul64(b.rate, ns)
	if high != 0 || more > full-b.tokens {
		b.tokens = full
		return
	}
	b.tokens += more
}

func (b *bucket) take(octets int) bool {
	if n := uint64(octets) * unit; n <= b.tokens {
		b.tokens -= n
		return true
	}
	return false
}
