package kernel

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// part is something of traffic control that chains are made of, and that not
// every kernel with MPLS has.
type part struct {
	name   string
	filter mplsnl.Filter
}

// parts are tried one by one: what a version number says is not asked for.
func parts() []part {
	flower := func(protocol uint16, m mplsnl.Match, a ...mplsnl.Action) mplsnl.Filter {
		m.Kind = mplsnl.Flower
		return mplsnl.Filter{Protocol: protocol, Handle: 1, Match: m, Actions: a}
	}
	act := func(a mplsnl.Action) mplsnl.Filter {
		a.Verdict = mplsnl.Pipe
		return flower(mplsnl.EtherMPLS, mplsnl.Match{}, a)
	}
	mpls := func(m mplsnl.MPLSAction) mplsnl.Filter { return act(mplsnl.Action{Kind: mplsnl.MPLS, MPLS: m}) }
	vlan := func(v mplsnl.VLANAction) mplsnl.Filter { return act(mplsnl.Action{Kind: mplsnl.VLAN, VLAN: v}) }
	var deep, tagged, counted, nibble mplsnl.Match
	deep.LSE[6] = mplsnl.LSE{HasLabel: true, Label: 100}
	tagged.VLAN, tagged.EtherType = mplsnl.Tag{Has: true, ID: 7}, mplsnl.EtherMPLS
	counted.Tags, counted.HasTags = 2, true
	nibble.Kind, nibble.NWords = mplsnl.U32, 1
	nibble.Words[0] = mplsnl.Word{Value: 4 << 28, Mask: 0xf0000000, Offset: 4}
	drop := mplsnl.Action{Kind: mplsnl.GAct, Verdict: mplsnl.Drop}
	ethernet := mplsnl.PeditAction{N: 1}
	ethernet.Keys[0] = mplsnl.PeditKey{Ethernet: true, Value: 1}
	const lo = 1
	return []part{
		{"flower of seven labels", flower(mplsnl.EtherMPLS, deep, drop)},
		{"flower of a tag and what is behind it", flower(mplsnl.EtherVLAN, tagged, drop)},
		{tagCount, flower(mplsnl.EtherAll, counted, drop)},
		{"u32", mplsnl.Filter{Protocol: mplsnl.EtherMPLS, Match: nibble, Actions: []mplsnl.Action{drop}}},
		{"goto chain", flower(mplsnl.EtherMPLS, mplsnl.Match{}, mplsnl.Action{Kind: mplsnl.GAct, Verdict: mplsnl.GotoChain(9)})},
		{"mpls push", mpls(mplsnl.MPLSAction{Op: mplsnl.MPLSPush, HasLabel: true, Label: 16, TTL: 255})},
		{"mpls pop", mpls(mplsnl.MPLSAction{Op: mplsnl.MPLSPop, Protocol: mplsnl.EtherIPv4})},
		{"mpls modify", mpls(mplsnl.MPLSAction{Op: mplsnl.MPLSModify, HasLabel: true, Label: 16})},
		{"mpls dec_ttl", mpls(mplsnl.MPLSAction{Op: mplsnl.MPLSDecTTL})},
		{macPush, mpls(mplsnl.MPLSAction{Op: mplsnl.MPLSMACPush, HasLabel: true, Label: 16, TTL: 255})},
		{"vlan push", vlan(mplsnl.VLANAction{Op: mplsnl.VLANPush, ID: 7, Protocol: mplsnl.EtherVLAN})},
		{"vlan pop", vlan(mplsnl.VLANAction{Op: mplsnl.VLANPop})},
		{pushEth, vlan(mplsnl.VLANAction{Op: mplsnl.VLANPushEth, Dst: [6]byte{2}, Src: [6]byte{2, 1}})},
		{popEth, vlan(mplsnl.VLANAction{Op: mplsnl.VLANPopEth})},
		{policing, act(mplsnl.Action{Kind: mplsnl.Police, Police: mplsnl.PoliceAction{MTU: 1500, Conform: mplsnl.Pipe}})},
		{numbering, act(mplsnl.Action{Kind: mplsnl.TunnelKey, Tunnel: mplsnl.TunnelKeyAction{ID: 1 << 20}})},
		{"pedit of an Ethernet header", act(mplsnl.Action{Kind: mplsnl.Pedit, Pedit: ethernet})},
		{"skbedit ptype", act(mplsnl.Action{Kind: mplsnl.SKBEdit, SKB: mplsnl.SKBAction{HasType: true}})},
		{"mirred egress", act(mplsnl.Action{Kind: mplsnl.Mirred, Mirred: mplsnl.MirredAction{Op: mplsnl.MirrorEgress, Interface: lo}})},
		{"mirred ingress", act(mplsnl.Action{Kind: mplsnl.Mirred, Mirred: mplsnl.MirredAction{Op: mplsnl.MirrorIngress, Interface: lo}})},
	}
}

// The parts that only pseudowires need.
const (
	tagCount = "flower of the number of tags"
	macPush  = "mpls mac_push"
	pushEth  = "vlan push_eth"
	popEth   = "vlan pop_eth"
	policing = "police"
	// Frames of clients have the number of their service with them.
	numbering = "tunnel_key"
)

// forClients are the parts that only pseudowires need.
func forClients() []string {
	return []string{tagCount, macPush, pushEth, popEth, policing, numbering}
}

// Missing tells which parts of traffic control this kernel does not have. It
// tries each in a network namespace that goes with its thread, and reads back
// what was put: before Linux 5.19 flower takes a number of tags and forgets it.
func Missing() (missing []string, err error) { return missingOf(parts()) }

func missingOf(all []part) (missing []string, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // Never unlocked: the thread ends with its namespace.
		missing, err = try(all)
	}()
	<-done
	return missing, err
}

func try(all []part) (missing []string, err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	c, err := mplsnl.Open()
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := c.Close(); err == nil {
			err = e
		}
	}()
	const lo, block = 1, 7
	if err := c.AddQdisc(mplsnl.Qdisc{Interface: lo, IngressBlock: block}); err != nil {
		return []string{"clsact with a shared block"}, nil
	}
	for i, p := range all {
		f := p.filter
		f.Block, f.Pref = block, uint16(i+1)
		// What is refused is not there when the filters are read.
		if err := c.ApplyFilters([]mplsnl.FilterChange{{New: true, Filter: &f}}, func(int, error) {}); err != nil {
			return nil, err
		}
	}
	there := map[uint16]mplsnl.Match{}
	if err := c.Filters(block, func(f mplsnl.Filter, _ []mplsnl.ActionStats, err error) {
		if err == nil {
			there[f.Pref] = f.Match
		}
	}); err != nil {
		return nil, err
	}
	for i, p := range all {
		if there[uint16(i+1)] != p.filter.Match {
			missing = append(missing, p.name)
		}
	}
	return missing, nil
}

// complete returns what chains can do on this host; the error tells why there
// can be none.
func complete() (dataplane.Capabilities, error) {
	if err := Complete(); err != nil {
		return dataplane.Capabilities{}, err
	}
	missing, err := Missing()
	if err != nil {
		// Without leave to make a namespace nothing can be tried. What is missing
		// shows then as an error of the object that needs it, but for what a
		// kernel takes and forgets.
		missing = []string{tagCount}
	}
	return Without(missing)
}

// Without returns what chains can do on a kernel that lacks parts of traffic
// control, by the names of Missing. The error names a part without which there
// are no chains.
func Without(missing []string) (dataplane.Capabilities, error) {
	c := Capabilities()
	for _, name := range missing {
		if !slices.Contains(forClients(), name) {
			return c, fmt.Errorf("%w: traffic control has no %s", ErrUnavailable, name)
		}
	}
	if len(missing) > 0 {
		why := "traffic control of this kernel has no " + strings.Join(missing, ", no ")
		c.Withdraw(why, clientFeatures()...)
		c.Limits = append(c.Limits, "There are no pseudowires here: "+why+".")
	}
	return c, nil
}
