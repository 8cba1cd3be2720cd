package kernel

import (
	"fmt"
	"runtime"
	"slices"

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
	var deep, tagged, nibble mplsnl.Match
	deep.LSE[6] = mplsnl.LSE{HasLabel: true, Label: 100}
	tagged.VLAN, tagged.EtherType = mplsnl.Tag{Has: true, ID: 7}, mplsnl.EtherMPLS
	nibble.Kind, nibble.NWords = mplsnl.U32, 1
	nibble.Words[0] = mplsnl.Word{Value: 4 << 28, Mask: 0xf0000000, Offset: 4}
	drop := mplsnl.Action{Kind: mplsnl.GAct, Verdict: mplsnl.Drop}
	ethernet := mplsnl.PeditAction{N: 1}
	ethernet.Keys[0] = mplsnl.PeditKey{Ethernet: true, Value: 1}
	const lo = 1
	return []part{
		{"flower of seven labels", flower(mplsnl.EtherMPLS, deep, drop)},
		{"flower of a tag and what is behind it", flower(mplsnl.EtherVLAN, tagged, drop)},
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
	macPush  = "mpls mac_push"
	pushEth  = "vlan push_eth"
	popEth   = "vlan pop_eth"
	policing = "police"
	// Frames of clients have the number of their service with them.
	numbering = "tunnel_key"
)

// forClients are those parts.
func forClients() []string { return []string{macPush, pushEth, popEth, policing, numbering} }

// Missing tells which parts of traffic control this kernel does not have. It
// tries each in a network namespace that goes with its thread.
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
		err := c.ApplyFilters([]mplsnl.FilterChange{{New: true, Filter: &f}}, func(int, error) { missing = append(missing, p.name) })
		if err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// complete tells whether chains can be on this host, and takes from c what they
// cannot do.
func complete(c *dataplane.Capabilities) error {
	if err := Complete(); err != nil {
		return err
	}
	missing, err := Missing()
	if err != nil {
		// Without leave to make a namespace nothing can be tried; what is missing
		// shows then as an error of the object that needs it.
		return nil
	}
	return restrict(c, missing)
}

// restrict takes the features from c that need a part which is missing. The
// error names a part without which chains cannot be at all.
func restrict(c *dataplane.Capabilities, missing []string) error {
	for _, name := range missing {
		if !slices.Contains(forClients(), name) {
			return fmt.Errorf("%w: traffic control has no %s", ErrUnavailable, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	for _, f := range clientFeatures() {
		c.Features[f] = false
	}
	c.Limits = append(c.Limits, fmt.Sprintf("This kernel lacks %q of traffic control, so there are no pseudowires.", missing))
	return nil
}
