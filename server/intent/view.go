package intent

import (
	"github.com/tandem-ne/tandem/gen/mtp"
	"github.com/tandem-ne/tandem/server/schema"
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
	blockList  []*blockConfig
	blocksRead bool
	allLabels  bool // checkBlocks has looked at every label
}

func (i *Intent) view(s *State) *view {
	return &view{
		Intent: i, state: s,
		sections: map[string]*sectionConfig{}, lsps: map[string]*lspConfig{}, bidirs: map[string]*bidirConfig{},
		tunnels: map[string]*tunnelConfig{}, megs: map[string]*megConfig{},
	}
}

// instance returns the node of a container that home knows, or nil.
func (v *view) instance(s *schema.Node) *tree.Node {
	n := v.state.root
	home := v.home(s)
	for at := range home {
		n = n.Child(home[at].Node)
	}
	return n
}

// home returns the path of a container that holds one of our lists, or of node.
func (v *view) home(s *schema.Node) tree.Path { return v.homes[s] }

func read[T any](v *view, cache map[string]*T, p *plan, list *schema.Node, name string) *T {
	if c, ok := cache[name]; ok {
		return c
	}
	c, err := decodeInto[T](p, v.instance(list.Parent).Child(list).Entry(key(list, name)))
	if err != nil {
		v.fail(v.home(list.Parent).Child(list, key(list, name)), "decode", "%v", err)
	}
	cache[name] = c
	return c
}

func (v *view) section(name string) *sectionConfig {
	return read(v, v.sections, v.sectionPlan, v.Intent.sections, name)
}

func (v *view) lsp(name string) *lspConfig {
	return read(v, v.lsps, v.lspPlan, v.Intent.lsps, name)
}

func (v *view) bidir(name string) *bidirConfig {
	return read(v, v.bidirs, v.bidirPlan, v.Intent.bidirs, name)
}

func (v *view) tunnel(name string) *tunnelConfig {
	return read(v, v.tunnels, v.tunnelPlan, v.Intent.tunnels, name)
}

func (v *view) meg(name string) *megConfig {
	return read(v, v.megs, v.megPlan, v.Intent.megs, name)
}

// node returns the settings of the node; there is always one, with its defaults.
func (v *view) node() *nodeConfig {
	if v.nodeConfig == nil {
		c, err := decodeOrDefault[nodeConfig](v.nodePlan, v.instance(v.Intent.node))
		if err != nil {
			v.fail(v.home(v.Intent.node), "decode", "%v", err)
		}
		v.nodeConfig = c
	}
	return v.nodeConfig
}

// blocks returns the label blocks in the order of their index.
func (v *view) blocks() []*blockConfig {
	if !v.blocksRead {
		v.blocksRead = true
		for e := range v.instance(v.Intent.blocks.Parent).Child(v.Intent.blocks).Children() {
			b, err := decodeInto[blockConfig](v.blockPlan, e)
			if err != nil {
				v.fail(v.home(v.Intent.blocks.Parent), "decode", "%v", err)
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
