package ebpf

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/dataplane/punt"
)

// Punts reads the frames that the programs punt. There is one reader at a
// time: a second one takes frames away from the first.
type Punts struct {
	*punt.Ring
	steady  steadyTable
	outlets *outlets
}

var _ packetio.Source = (*Punts)(nil)

// Punts returns a reader of punted frames. It outlives the driver's Close.
func (d *Driver) Punts() (*Punts, error) {
	fd, err := unix.FcntlInt(uintptr(d.objs.Punts.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open punt ring: %w", err)
	}
	ring, err := punt.OpenRing(fd, int(d.objs.Punts.MaxEntries()))
	if err != nil {
		return nil, err
	}
	p := &Punts{Ring: ring, outlets: &d.outlets}
	if err := p.openSteady(&d.objs.tandemMaps); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close implements packetio.Source.
func (p *Punts) Close() error {
	var err error
	if p.steady.expected != nil {
		err = p.steady.expected.Close()
	}
	return errors.Join(err, p.Ring.Close())
}

// TTLExpiries returns how often the TTL of a packet has expired, by the name of
// the section it came in on.
func (d *Driver) TTLExpiries() (map[string]uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]uint64, len(d.sections))
	var perCPU []uint64
	for _, s := range d.sections {
		if s.name == "" {
			continue // Adopted and not asked for.
		}
		if err := d.objs.Expiries.Lookup(s.id, &perCPU); err != nil {
			return nil, fmt.Errorf("read expired TTLs of section %s: %w", s.name, err)
		}
		for _, n := range perCPU {
			out[s.name] += n
		}
	}
	return out, nil
}

// oamFeatures are what the punts can do here.
func oamFeatures() []dataplane.Feature {
	return []dataplane.Feature{dataplane.FeatureGALPunt, dataplane.FeatureTTLPunt, dataplane.FeatureKernelTime,
		dataplane.FeatureSteadyCC, dataplane.FeatureSnapshot, dataplane.FeaturePuntLimits,
		dataplane.FeatureBlock, dataplane.FeatureSectionBlock, dataplane.FeatureLoopback}
}
