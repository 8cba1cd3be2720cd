package intent

import (
	"iter"

	"github.com/tandem-ne/tandem/gen/mtp"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// The generated types, by the names the models use.
type (
	nodeConfig    = mtp.MtpNode_MplsTp_Node
	blockConfig   = mtp.MtpNode_MplsTp_MplsLabelBlocks_MplsLabelBlock
	sectionConfig = mtp.MtpNode_MplsTp_Sections_Section
	lspConfig     = mtp.MtpNode_MplsTp_Lsps_StaticLsp
	bidirConfig   = mtp.MtpNode_MplsTp_Lsps_BidirectionalLsp
	tunnelConfig  = mtp.MtpNode_MplsTp_Tunnels_Tunnel
	megConfig     = mtp.MtpNode_MplsTp_Oam_Meg

	pseudowireConfig = mtp.MtpNode_MplsTp_Pseudowires_Pseudowire
	p2mpConfig       = mtp.MtpNode_MplsTp_Pseudowires_P2MpPseudowire
	switchingConfig  = mtp.MtpNode_MplsTp_Pseudowires_SwitchingPoint
	serviceConfig    = mtp.MtpNode_MplsTp_Services_Service
	circuitConfig    = mtp.MtpNode_MplsTp_Services_Service_Endpoint_Ac
	profileConfig    = mtp.MtpNode_MplsTp_Qos_BandwidthProfile
	tcMapConfig      = mtp.MtpNode_MplsTp_Qos_TcMap
	schedulerConfig  = mtp.MtpNode_MplsTp_Qos_Scheduler
)

// view reads one configuration as generated structs, each decoded once, and
// collects the rules that the configuration breaks. It serves one Build.
type view struct {
	*Intent
	state  *State
	errors yangerr.List

	nodeConfig *nodeConfig
	sections   map[string]*sectionConfig
	lsps       map[string]*lspConfig
	bidirs     map[string]*bidirConfig
	tunnels    map[string]*tunnelConfig
	megs       map[string]*megConfig
	pws        map[string]*pseudowireConfig
	p2mps      map[string]*p2mpConfig
	switches   map[string]*switchingConfig
	services   map[string]*serviceConfig
	profiles   map[string]*profileConfig
	tcMaps     map[string]*tcMapConfig
	schedulers map[string]*schedulerConfig
	blockList  []*blockConfig
	blocksRead bool
}

func (i *Intent) view(s *State) *view {
	return &view{
		Intent: i, state: s,
		sections: map[string]*sectionConfig{}, lsps: map[string]*lspConfig{}, bidirs: map[string]*bidirConfig{},
		tunnels: map[string]*tunnelConfig{}, megs: map[string]*megConfig{}, pws: map[string]*pseudowireConfig{},
		p2mps: map[string]*p2mpConfig{}, switches: map[string]*switchingConfig{}, services: map[string]*serviceConfig{},
		profiles: map[string]*profileConfig{}, tcMaps: map[string]*tcMapConfig{}, schedulers: map[string]*schedulerConfig{},
	}
}

// instance returns the container that holds the list of a kind, or that is the
// kind; nil when there is none.
func (v *view) instance(k kind) *tree.Node {
	n := v.state.root
	home := v.sources[k].home
	for at := range home {
		n = n.Child(home[at].Node)
	}
	return n
}

// entries yields the entries of the list of a kind.
func (v *view) entries(k kind) iter.Seq[*tree.Node] {
	return v.instance(k).Child(v.sources[k].schema).Children()
}

func read[T any](v *view, cache map[string]*T, k kind, name string) *T {
	if c, ok := cache[name]; ok {
		return c
	}
	s := &v.sources[k]
	c, err := decodeInto[T](s.plan, v.instance(k).Child(s.schema).Entry(key(s.schema, name)))
	if err != nil {
		v.fail(v.entryPath(ref{k, name}), "decode", "%v", err)
	}
	cache[name] = c
	return c
}

func (v *view) section(name string) *sectionConfig { return read(v, v.sections, section, name) }

func (v *view) lsp(name string) *lspConfig { return read(v, v.lsps, staticLSP, name) }

func (v *view) bidir(name string) *bidirConfig { return read(v, v.bidirs, bidirectionalLSP, name) }

func (v *view) tunnel(name string) *tunnelConfig { return read(v, v.tunnels, tunnel, name) }

func (v *view) meg(name string) *megConfig { return read(v, v.megs, meg, name) }

func (v *view) pseudowire(name string) *pseudowireConfig { return read(v, v.pws, pseudowire, name) }

func (v *view) p2mpPseudowire(name string) *p2mpConfig {
	return read(v, v.p2mps, p2mpPseudowire, name)
}

func (v *view) switchingPoint(name string) *switchingConfig {
	return read(v, v.switches, switchingPoint, name)
}

func (v *view) service(name string) *serviceConfig { return read(v, v.services, service, name) }

func (v *view) profile(name string) *profileConfig {
	return read(v, v.profiles, bandwidthProfile, name)
}

func (v *view) tcMap(name string) *tcMapConfig { return read(v, v.tcMaps, tcMap, name) }

func (v *view) scheduler(name string) *schedulerConfig {
	return read(v, v.schedulers, scheduler, name)
}

// node returns the settings of the node; there is always one, with its defaults.
func (v *view) node() *nodeConfig {
	if v.nodeConfig == nil {
		c, err := decodeOrDefault[nodeConfig](v.sources[settings].plan, v.instance(settings))
		if err != nil {
			v.fail(v.sources[settings].home, "decode", "%v", err)
		}
		v.nodeConfig = c
	}
	return v.nodeConfig
}

// blocks returns the label blocks in the order of their index.
func (v *view) blocks() []*blockConfig {
	if !v.blocksRead {
		v.blocksRead = true
		for e := range v.entries(labelBlock) {
			b, err := decodeInto[blockConfig](v.sources[labelBlock].plan, e)
			if err != nil {
				v.fail(v.sources[labelBlock].home, "decode", "%v", err)
				continue
			}
			v.blockList = append(v.blockList, b)
		}
	}
	return v.blockList
}

// fail records a rule of the models that is broken: operation-failed, as for a
// must, with an app-tag that names the rule.
func (v *view) fail(p tree.Path, appTag, format string, args ...any) {
	v.errors = append(v.errors, yangerr.New(yangerr.OperationFailed, p, format, args...).WithAppTag(appTag))
}

// lack records something that the engines of this release, or the data plane in
// use, cannot do.
func (v *view) lack(p tree.Path, format string, args ...any) {
	v.errors = append(v.errors, yangerr.New(yangerr.OperationNotSupported, p, format, args...).WithAppTag("not-capable"))
}
