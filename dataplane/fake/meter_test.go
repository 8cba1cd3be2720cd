package fake_test

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/fake"
)

// TestMeter goes through RFC 4115 step by step: 8 kbit/s are one octet in a
// millisecond.
func TestMeter(t *testing.T) {
	start := time.Unix(1000, 0)
	m := fake.NewMeter(dataplane.Profile{CIR: 8000, CBS: 100, EIR: 4000, EBS: 60}, start)
	for i, c := range []struct {
		at     time.Duration
		octets int
		want   fake.Colour
	}{
		{0, 60, fake.Green},  // 40 left, 60 in excess.
		{0, 50, fake.Yellow}, // Excess 10.
		{0, 40, fake.Green},  // 0.
		{0, 11, fake.Red},    // Takes nothing.
		{0, 10, fake.Yellow}, // Both empty.
		{0, 1, fake.Red},     //
		{999 * time.Microsecond, 1, fake.Red},
		{time.Millisecond, 1, fake.Green},
		{2*time.Millisecond - 1, 1, fake.Red},
		{2 * time.Millisecond, 1, fake.Green}, // Excess 1 by now.
		{2 * time.Millisecond, 1, fake.Yellow},
		{time.Hour, 100, fake.Green}, // Full, and not more.
		{time.Hour, 61, fake.Red},
		{time.Hour, 60, fake.Yellow},
		{time.Minute, 1, fake.Red}, // A clock that goes back brings nothing.
		{time.Hour + 10*time.Millisecond, 10, fake.Green},
		{time.Hour + 10*time.Millisecond, 0, fake.Green},
	} {
		if got := m.Mark(start.Add(c.at), c.octets); got != c.want {
			t.Fatalf("frame %d of %d octets at %v: colour %d, want %d", i, c.octets, c.at, got, c.want)
		}
	}
	// A smaller burst cuts what there is, a larger one does not fill.
	late := start.Add(2 * time.Hour)
	m.Set(dataplane.Profile{CIR: 8, CBS: 50, EIR: 8, EBS: 10}, late)
	m.Set(dataplane.Profile{CIR: 8, CBS: 500, EIR: 8, EBS: 500}, late)
	if got := m.Mark(late, 51); got != fake.Red {
		t.Errorf("51 octets of 50: colour %d", got)
	}
	if got := m.Mark(late, 50); got != fake.Green {
		t.Errorf("50 octets of 50: colour %d", got)
	}
}

// TestMeterIsExact compares with rational numbers that never round.
func TestMeterIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		p := dataplane.Profile{CIR: r.Uint64N(1e12), CBS: 1 + r.Uint64N(1<<uint(r.IntN(30))), EIR: r.Uint64N(1e6), EBS: 1 + r.Uint64N(5000)}
		now := time.Unix(0, 0)
		m := fake.NewMeter(p, now)
		full := func(octets uint64) *big.Rat { return new(big.Rat).SetUint64(octets) }
		buckets := [2]*big.Rat{full(p.CBS), full(p.EBS)}
		for range 100 {
			d := time.Duration(r.Int64N(int64(1) << uint(1+r.IntN(40))))
			now = now.Add(d)
			for i, rate := range []uint64{p.CIR, p.EIR} {
				in := new(big.Rat).SetFrac(new(big.Int).Mul(new(big.Int).SetUint64(rate), big.NewInt(int64(d))), big.NewInt(8e9))
				buckets[i].Add(buckets[i], in)
				if burst := full([2]uint64{p.CBS, p.EBS}[i]); buckets[i].Cmp(burst) > 0 {
					buckets[i].Set(burst)
				}
			}
			n := 1 + r.IntN(9000)
			want := fake.Red
			for i := range buckets {
				if buckets[i].Cmp(full(uint64(n))) >= 0 {
					buckets[i].Sub(buckets[i], full(uint64(n)))
					want = fake.Colour(i)
					break
				}
			}
			if got := m.Mark(now, n); got != want {
				t.Fatalf("%+v: %d octets after %v: colour %d, want %d", p, n, d, got, want)
			}
		}
	}
}
