package ebpf

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/fake"
)

// policeRig runs the policer on described frames, at times that a test chooses.
type policeRig struct {
	services, policers *ebpf.Map
	program            *ebpf.Program
	frame              []byte
}

func newPoliceRig(t *testing.T) *policeRig {
	t.Helper()
	spec, err := loadBench()
	if err != nil {
		t.Fatal(err)
	}
	objs := struct {
		Police   *ebpf.Program `ebpf:"bench_police"`
		Services *ebpf.Map     `ebpf:"services"`
		Policers *ebpf.Map     `ebpf:"policers"`
	}{}
	if err := spec.LoadAndAssign(&objs, nil); err != nil {
		t.Fatalf("load: %v (the test needs root)", err)
	}
	t.Cleanup(func() {
		objs.Police.Close()
		objs.Services.Close()
		objs.Policers.Close()
	})
	return &policeRig{services: objs.Services, policers: objs.Policers, program: objs.Police, frame: make([]byte, 64)}
}

func (r *policeRig) set(t *testing.T, p dataplane.Profile) {
	t.Helper()
	e := serviceEntry(dataplane.Service{Name: "s", Profile: &p})
	if err := r.services.Update(uint32(1), e, ebpf.UpdateAny); err != nil {
		t.Fatal(err)
	}
}

// start fills the buckets, as the Put of a new service does.
func (r *policeRig) start(t *testing.T) {
	t.Helper()
	if err := r.policers.Update(uint32(1), tandemPolicer{}, ebpf.UpdateAny); err != nil {
		t.Fatal(err)
	}
}

func (r *policeRig) mark(t *testing.T, now uint64, octets int) fake.Colour {
	t.Helper()
	binary.LittleEndian.PutUint64(r.frame, now)
	binary.LittleEndian.PutUint32(r.frame[8:], uint32(octets))
	opt := ebpf.RunOptions{Data: r.frame, DataOut: make([]byte, 128)}
	verdict, err := r.program.Run(&opt)
	if err != nil || verdict != xdpPass {
		t.Fatalf("verdict %d, %v", verdict, err)
	}
	return fake.Colour(binary.LittleEndian.Uint32(opt.DataOut[12:]))
}

// TestPolice holds the policer against the exact one of package fake: rates from
// 1 kbit/s to 400 Gbit/s and beyond, bursts from one octet to the largest, gaps
// from a nanosecond to a day.
func TestPolice(t *testing.T) {
	r := newPoliceRig(t)
	for _, c := range []struct {
		name string
		p    dataplane.Profile
	}{
		{"1 kbit/s", dataplane.Profile{CIR: 1000, CBS: 1500, EIR: 1000, EBS: 3000}},
		{"1 Mbit/s", dataplane.Profile{CIR: 1e6, CBS: 9000, EIR: 5e5, EBS: 9000}},
		{"10 Gbit/s", dataplane.Profile{CIR: 10e9, CBS: 125_000, EIR: 7_777_777_777, EBS: 100_001}},
		{"400 Gbit/s", dataplane.Profile{CIR: 400e9, CBS: 50_000_000, EIR: 400e9, EBS: 1}},
		{"the largest", dataplane.Profile{CIR: dataplane.MaxRate, CBS: dataplane.MaxBurst, EIR: dataplane.MaxRate, EBS: dataplane.MaxBurst}},
		{"the largest burst at the lowest rate", dataplane.Profile{CIR: 1, CBS: dataplane.MaxBurst, EIR: 1, EBS: dataplane.MaxBurst}},
		{"committed only", dataplane.Profile{CIR: 123_457, CBS: 2000}},
		{"excess only", dataplane.Profile{EIR: 123_457, EBS: 2000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, c.p.CIR^c.p.EBS))
			r.set(t, c.p)
			r.start(t)
			base, now := time.Unix(1000, 0), uint64(1)
			m := fake.NewMeter(c.p, base.Add(time.Duration(now)))
			var seen [3]int
			for i := range 1500 {
				switch random.IntN(8) {
				case 0: // as from another CPU, late
				case 1:
					now += uint64(random.Int64N(int64(24 * time.Hour)))
				case 2:
					now++
				default:
					// About as long as a frame takes.
					now += uint64(random.Int64N(2 * int64(1+1500*8e9/max(c.p.CIR+c.p.EIR, 1))))
				}
				at := now
				if random.IntN(16) == 0 {
					at -= min(at-1, uint64(random.IntN(1000)))
				}
				octets := 14 + random.IntN(9000)
				if i%100 == 99 {
					// A change of the profile keeps what the buckets have.
					p := c.p
					p.CBS, p.EBS = p.CBS/2, p.EBS/2
					r.mark(t, now, 0)
					m.Mark(base.Add(time.Duration(now)), 0)
					for _, p := range []dataplane.Profile{p, c.p} {
						r.set(t, p)
						m.Set(p, base.Add(time.Duration(now)))
						r.mark(t, now, 0)
						m.Mark(base.Add(time.Duration(now)), 0)
					}
				}
				got, want := r.mark(t, at, octets), m.Mark(base.Add(time.Duration(at)), octets)
				if got != want {
					t.Fatalf("frame %d of %d octets at %d: colour %d, want %d", i, octets, at, got, want)
				}
				seen[got]++
			}
			t.Logf("%d green, %d yellow, %d red", seen[0], seen[1], seen[2])
		})
	}
}

// TestPoliceStartsFull: a new service passes a burst at once, however short the
// machine has been up.
func TestPoliceStartsFull(t *testing.T) {
	r := newPoliceRig(t)
	r.set(t, dataplane.Profile{CIR: 1000, CBS: 3000, EIR: 1000, EBS: 1500})
	r.start(t)
	for i, want := range []fake.Colour{fake.Green, fake.Green, fake.Yellow, fake.Red, fake.Red} {
		if got := r.mark(t, 5, 1500); got != want {
			t.Errorf("frame %d: colour %d, want %d", i, got, want)
		}
	}
}
