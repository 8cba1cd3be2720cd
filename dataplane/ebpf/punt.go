package ebpf

import (
	"fmt"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/dataplane/punt"
)

// maxSections is that of punts.h.
const maxSections = 4096

// Punts reads the frames that the programs punt. There is one reader at a
// time: a second one takes frames away from the first.
type Punts struct {
	*punt.Reader
	outlets *outlets
}

var _ packetio.Source = (*Punts)(nil)

// Punts returns a reader of punted frames. It outlives the driver's Close.
func (d *Driver) Punts() (*Punts, error) {
	r, err := d.objs.punting().Open()
	if err != nil {
		return nil, err
	}
	return &Punts{Reader: r, outlets: &d.outlets}, nil
}

// punting returns the tables of punts.
func (t *tandemMaps) punting() punt.Tables {
	return punt.Tables{Limits: t.Limits, ChannelSlots: t.ChannelSlots, Channels: t.Channels, Steady: t.Steady, Seen: t.Seen, Punts: t.Punts}
}

// rates are those of the options.
func (o Options) rates() punt.Rates {
	return punt.Rates{GAL: o.GALRate, Exception: o.ExceptionRate, MEG: o.MEGRate, Channels: o.ChannelRates, Unknown: o.UnknownChannelRate}
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
