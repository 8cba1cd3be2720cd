package chain

import (
	"fmt"
	"slices"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// The counting actions of a service. Those in pairs count frames without and
// with a tag: the kernel does not count the outer one.
const (
	clientIn      = 0
	clientInDrop  = 2
	clientOutDrop = 3
	clientGreen   = 4
	clientYellow  = 6
	clientRed     = 8
)

// The stages of a service: the frames as they come, the meters and what they
// say, classes, and lanes, one for each traffic class.
const (
	stageIn = iota
	stageCommitted
	stageGreen
	stageExcess
	stageYellow
	stageRed
	stageGreenClass
	stageYellowClass
	stageLong
	stageOver
	stageLanes
)

// carried is a pseudowire that frames of the client go to.
type carried struct {
	dataplane.Pseudowire
	number uint32
	// legs are resolved where there are copies.
	legs []leg
}

// servant compiles one service.
type servant struct {
	*parts
	o       dataplane.Service
	port    Port
	packets bool
	targets []carried
	// silenced is why no pseudowire takes the client's frames, if none does.
	silenced Reason
	lanes    [8]bool // Those that are made, by traffic class.
	err      *dataplane.OpError
}

// service compiles a service: its circuit, what its frames go through to the
// pseudowires, and the last part of the way from them to the client.
func (s *State) service(c *Compiled, o dataplane.Service) *dataplane.OpError {
	for _, name := range o.Receive {
		c.need(key(dataplane.KindPseudowire, name))
	}
	port := s.Ports[o.Attachment.Interface]
	v := servant{o: o, port: port}
	if err := v.find(s, c); err != nil {
		return err
	}
	if port.Index == 0 {
		return fail(o.Key(), fmt.Sprintf("there is no interface %s", o.Attachment.Interface))
	}
	if port.Index >= 1<<14 {
		return fail(o.Key(), fmt.Sprintf("index %d of interface %s is higher than the filters can count", port.Index, port.Name))
	}
	var err *dataplane.OpError
	if v.parts, err = s.numbered(c, o.Key()); err != nil {
		return err
	}
	v.c.count(indexOf(v.number, clientInDrop), o.Key(), Dropped, 0)
	v.c.count(indexOf(v.number, clientOutDrop), o.Key(), OutDropped, 0)
	for _, name := range o.Receive {
		if err := v.toClient(s.Objects[key(dataplane.KindPseudowire, name)].(dataplane.Pseudowire)); err != nil {
			return err
		}
	}
	v.fromClient()
	if v.err != nil {
		return v.err
	}
	return v.fits()
}

// find looks up what the service refers to.
func (v *servant) find(s *State, c *Compiled) *dataplane.OpError {
	wire := func(name string) (dataplane.Pseudowire, *dataplane.OpError) {
		k := key(dataplane.KindPseudowire, name)
		c.need(k)
		w, ok := s.Objects[k].(dataplane.Pseudowire)
		if !ok {
			return w, fail(v.o.Key(), fmt.Sprintf("pseudowire %s is not in the data plane", name))
		}
		v.packets = w.Type == dataplane.NetworkLayer
		return w, nil
	}
	for _, name := range v.o.Receive {
		if _, err := wire(name); err != nil {
			return err
		}
	}
	names := []string{v.o.Send}
	v.silenced = PseudowireDown
	switch {
	case v.o.SendGroup:
		k := key(dataplane.KindGroup, v.o.Send)
		c.need(k)
		c.Follows = append(c.Follows, v.o.Send)
		g, ok := s.Objects[k].(dataplane.Group)
		if !ok {
			return fail(v.o.Key(), fmt.Sprintf("group %s is not in the data plane", v.o.Send))
		}
		names = g.Legs
		if active := int(s.Active[g.Name]); !g.Permanent {
			names = g.Legs[min(active, len(g.Legs)-1):][:1]
		}
		if g.Down {
			names, v.silenced = nil, GroupDown
		}
	case v.o.Send == "":
		names = nil
	}
	for _, name := range names {
		w, err := wire(name)
		if err != nil {
			return err
		}
		t := carried{Pseudowire: w, number: s.Records[w.Key()]}
		if i := len(v.targets); i > 0 && (v.targets[0].ControlWord != w.ControlWord || v.targets[0].Type != w.Type) {
			return fail(v.o.Key(), fmt.Sprintf("frames for pseudowires %s and %s at once must look alike: the same type and control word",
				v.targets[0].Name, w.Name))
		}
		v.targets = append(v.targets, t)
	}
	return nil
}

// taken tells whether the service takes what comes on a pseudowire: of a group
// with a permanent bridge only the active leg.
func (v *servant) taken(name string) bool {
	g, ok := v.Objects[key(dataplane.KindGroup, v.o.Send)].(dataplane.Group)
	if !v.o.SendGroup || !ok || !g.Permanent {
		return true
	}
	i := slices.Index(g.Legs, name)
	return i < 0 || uint8(i) == v.Active[g.Name]
}

// toClient adds what takes the frames of a pseudowire to the client.
func (v *servant) toClient(w dataplane.Pseudowire) *dataplane.OpError {
	number := v.Records[w.Key()]
	both := func(r Reason) []mplsnl.Action {
		return []mplsnl.Action{counting(indexOf(number, wireInDrop)), counting(indexOf(v.number, clientOutDrop)), dropping(r)}
	}
	stage := func(n int) place { return toClient(number, n) }
	switch {
	case v.o.Down:
		v.add(stage(stageFrame), 6, mplsnl.EtherAll, mplsnl.Match{}, both(ServiceDown)...)
		return nil
	case !v.taken(w.Name):
		v.add(stage(stageFrame), 6, mplsnl.EtherAll, mplsnl.Match{}, dropping(NotSelected))
		return nil
	}
	v.add(stage(stageTooLong), 6, mplsnl.EtherAll, mplsnl.Match{}, both(PayloadTooLong)...)
	a, counters := v.o.Attachment, 0
	redirect := mplsnl.Action{
		Kind: mplsnl.Mirred, Verdict: mplsnl.Stolen, NoPerCPU: true, Mirred: mplsnl.MirredAction{Op: mplsnl.RedirectEgress, Interface: v.port.Index},
	}
	// counter returns the action that counts frames which the kernel counts
	// with so many octets less than they are.
	totals := map[int]uint32{}
	counter := func(octets int) mplsnl.Action {
		index, ok := totals[octets]
		if !ok {
			index = indexOf(number, wireClient+counters)
			totals[octets] = index
			counters++
			v.c.count(index, v.o.Key(), Out, octets)
		}
		return counting(index)
	}
	if v.packets {
		tags := leastTags(a)
		ways := []mplsnl.Action{longer(etherLen+labelLen+int(w.EffectiveMTU()), stage(stageTooLong)), counter(tags*tagLen + etherLen - labelLen)}
		ways = append(ways, leg{port: v.port, peer: a.PeerMAC}.address()...)
		if a.InnerVLAN != 0 {
			ways = append(ways, pushTag(mplsnl.EtherVLAN, a.InnerVLAN, 0))
		}
		if a.OuterVLAN != 0 {
			ways = append(ways, pushTag(tagType(a), a.OuterVLAN, 0))
		}
		v.add(stage(stageFrame), 0, mplsnl.EtherAll, mplsnl.Match{}, append(ways, release(), redirect)...)
		return nil
	}
	less := labelLen + wordOf(w)
	// deliver adds the last filters; gone is how many tags were taken off.
	deliver := func(at place, ways []way, gone int) {
		whole := false
		for _, x := range ways {
			limit := etherLen + less + etherLen + tagLen*(x.tags+gone) + int(w.EffectiveMTU())
			actions := append([]mplsnl.Action{longer(limit, stage(stageTooLong)), counter(tagLen*(x.added-gone) - less)}, x.actions...)
			v.add(at, x.level, x.of, x.match, append(actions, release(), redirect)...)
			whole = whole || x.match == mplsnl.Match{}
		}
		if !whole {
			v.add(at, 6, mplsnl.EtherAll, mplsnl.Match{}, both(VLANMismatch)...)
		}
	}
	written := mplsnl.Match{VLAN: mplsnl.Tag{Has: true, ID: a.VLAN}}
	operated := func(at place, gone int) {
		next := stage(stageMatch + gone)
		switch a.Operation {
		case dataplane.PopTags:
			deliver(at, restore(a), gone)
			return
		case dataplane.PushTag:
			next = stage(stageMatch + 1 + gone)
			v.add(at, 0, tagType(a), written, popTag(), going(next.chain))
			deliver(next, fitting(a), gone+1)
		case dataplane.TranslateTag:
			back := vlan(mplsnl.VLANAction{Op: mplsnl.VLANModify, ID: a.OuterVLAN, Protocol: tagType(a)})
			v.add(at, 0, tagType(a), written, back, going(next.chain))
			deliver(next, fitting(a), gone)
		default:
			deliver(at, fitting(a), gone)
			return
		}
		v.add(at, 6, mplsnl.EtherAll, mplsnl.Match{}, both(VLANMismatch)...)
	}
	if w.Type != dataplane.EthernetTagged {
		operated(stage(stageFrame), 0)
		return nil
	}
	operated(stage(stageOps), 0)
	operated(stage(stageOps+1), 1)
	zero := mplsnl.Match{VLAN: mplsnl.Tag{Has: true, HasPrio: true}}
	v.add(stage(stageFrame), 0, mplsnl.EtherVLAN, zero, popTag(), going(stage(stageOps+1).chain))
	v.add(stage(stageFrame), 1, mplsnl.EtherAll, mplsnl.Match{HasTags: true}, both(VLANMismatch)...)
	v.add(stage(stageFrame), 2, mplsnl.EtherAll, mplsnl.Match{}, going(stage(stageOps).chain))
	return nil
}

// fromClient adds the way of the client's frames, the last part first.
func (v *servant) fromClient() {
	a := v.o.Attachment
	stage := func(n int) place { return fromClient(v.number, n) }
	v.counts()
	after := stage(stageGreenClass)
	switch {
	case v.o.Down:
	case v.o.Profile != nil:
		v.lanesOf(stage(stageGreenClass), false)
		v.lanesOf(stage(stageYellowClass), true)
		v.meter()
		after = stage(stageCommitted)
	default:
		v.lanesOf(after, false)
	}
	ways := byTags(leastTags(a))
	if v.packets {
		ways = stripped(a)
	}
	for _, w := range ways {
		actions := append([]mplsnl.Action{counting(v.pair(clientIn, w.tags))}, w.actions...)
		if v.o.Down {
			actions = append(actions, counting(indexOf(v.number, clientInDrop)), dropping(ServiceDown))
		} else {
			actions = append(actions, going(after.chain))
		}
		v.add(stage(stageIn), w.level, w.of, w.match, actions...)
	}
	v.c.Filters = append(v.c.Filters, admit(a, v.port, v.packets, known(v.number), going(stage(stageIn).chain))...)
}

// pair is the index of a counter that there is for frames without and with a
// tag.
func (v *servant) pair(which, tags int) uint32 { return indexOf(v.number, which+min(tags, 1)) }

// counts tells what the actions of the service count.
func (v *servant) counts() {
	for _, w := range []struct {
		which int
		what  What
	}{{clientIn, In}, {clientGreen, Green}, {clientYellow, Yellow}, {clientRed, Red}} {
		for tags := range 2 {
			v.c.count(v.pair(w.which, tags), v.o.Key(), w.what, etherLen+tagLen*tags)
		}
	}
}

// meter adds the two token buckets of a bandwidth profile (RFC 4115): what does
// not conform to the first goes to the second.
func (v *servant) meter() {
	stage := func(n int) place { return fromClient(v.number, n) }
	p := v.o.Profile
	least := leastTags(v.o.Attachment)
	colour := func(at, which int, end ...mplsnl.Action) {
		ways := byTags(least)
		if v.packets {
			ways = []way{{tags: least, of: mplsnl.EtherAll}}
		}
		for _, w := range ways {
			v.add(stage(at), w.level, w.of, w.match, append([]mplsnl.Action{counting(v.pair(which, w.tags))}, end...)...)
		}
	}
	colour(stageRed, clientRed, counting(indexOf(v.number, clientInDrop)), dropping(Policed))
	colour(stageYellow, clientYellow, going(stage(stageYellowClass).chain))
	colour(stageGreen, clientGreen, going(stage(stageGreenClass).chain))
	bucket := func(at int, rate, burst uint64, conform, exceed place) {
		actions := []mplsnl.Action{going(exceed.chain)}
		if rate != 0 {
			octets := max(rate/8, 1)
			actions = []mplsnl.Action{{Kind: mplsnl.Police, Verdict: mplsnl.GotoChain(exceed.chain), Police: mplsnl.PoliceAction{
				Rate: octets, Burst: mplsnl.PoliceBurst(burst, octets), MTU: mplsnl.NoMTU, Conform: mplsnl.Pipe,
				Overhead: uint16(etherLen + tagLen*min(least, 1)),
			}}, going(conform.chain)}
		}
		v.add(stage(at), 0, mplsnl.EtherAll, mplsnl.Match{}, actions...)
	}
	bucket(stageExcess, p.EIR, p.EBS, stage(stageYellow), stage(stageRed))
	bucket(stageCommitted, p.CIR, p.CBS, stage(stageGreen), stage(stageExcess))
}

// lanesOf adds what sends frames by their priority to the lanes of their
// traffic classes.
func (v *servant) lanesOf(at place, yellow bool) {
	class := func(priority uint8) uint8 {
		switch {
		case v.o.Classes == nil:
			return 0
		case yellow:
			return v.o.Classes.Yellow[priority]
		}
		return v.o.Classes.Green[priority]
	}
	for priority := uint8(1); priority < 8 && v.o.Classes != nil; priority++ {
		if class(priority) == class(0) {
			continue
		}
		to := going(v.lane(class(priority)).chain)
		tag := mplsnl.Match{VLAN: mplsnl.Tag{HasPrio: true, Prio: priority}}
		if !v.packets {
			v.add(at, 0, mplsnl.EtherVLAN, tag, to)
			v.add(at, 0, mplsnl.EtherSVLAN, tag, to)
			continue
		}
		for _, m := range precedence(priority) {
			v.add(at, m.level, m.of, m.match, to)
		}
	}
	v.add(at, 1, mplsnl.EtherAll, mplsnl.Match{}, going(v.lane(class(0)).chain))
}

// precedence returns what finds packets of a class: the upper bits of the DS
// field, or the traffic class of the label.
func precedence(priority uint8) []way {
	ds := mplsnl.Match{TOS: priority << 5, TOSMask: 0xe0}
	label := mplsnl.Match{}
	label.LSE[0] = mplsnl.LSE{HasTC: true, TC: priority}
	return []way{{of: mplsnl.EtherIPv4, match: ds}, {of: mplsnl.EtherIPv6, match: ds}, {of: mplsnl.EtherMPLS, match: label}}
}

// lane returns the stage that imposes labels of a traffic class, and makes it
// when it is asked for first.
func (v *servant) lane(tc uint8) place {
	at := fromClient(v.number, stageLanes+int(tc))
	if v.lanes[tc] {
		return at
	}
	if v.lanes == [8]bool{} {
		v.refusals()
	}
	v.lanes[tc] = true
	v.fill(at, tc)
	return at
}

// refusals adds the stages where what is too long ends.
func (v *servant) refusals() {
	for at := stageLong; at <= stageOver; at++ {
		r := PayloadTooLong
		if at == stageOver {
			r = TooLong
		}
		var actions []mplsnl.Action
		for _, t := range v.targets {
			actions = append(actions, counting(indexOf(t.number, wireOutDrop)))
		}
		v.add(fromClient(v.number, at), 0, mplsnl.EtherAll, mplsnl.Match{}, append(actions, dropping(r))...)
	}
}

// fill adds the filters of a lane.
func (v *servant) fill(at place, tc uint8) {
	end := func(actions ...mplsnl.Action) { v.add(at, 0, mplsnl.EtherAll, mplsnl.Match{}, actions...) }
	if len(v.targets) == 0 {
		end(counting(indexOf(v.number, clientInDrop)), dropping(v.silenced))
		return
	}
	var lost []mplsnl.Action
	var open []carried
	var reason []mplsnl.Action
	for _, t := range v.targets {
		switch {
		case t.Down || len(t.Out.Stack) == 0:
			reason = []mplsnl.Action{dropping(PseudowireDown)}
		case t.Blocked:
			reason = []mplsnl.Action{dropping(Blocked)}
		default:
			if reason = v.alive(&t); reason == nil {
				open = append(open, t)
				continue
			}
		}
		lost = append(lost, counting(indexOf(t.number, wireOutDrop)))
	}
	if len(open) == 0 {
		end(append(lost, reason...)...)
		return
	}
	ways := operate(v.o.Attachment)
	if v.packets {
		ways = encapsulated(leastTags(v.o.Attachment), open[0].EncapsulationLabel, tc)
	}
	for _, w := range ways {
		if open[0].Type == dataplane.EthernetTagged && w.tags+w.added <= 0 {
			w.actions = append(w.actions[:len(w.actions):len(w.actions)], pushTag(mplsnl.EtherVLAN, 0, 0))
			w.added++
		}
		v.send(at, w, open, lost, tc)
	}
}

// alive returns what ends a pseudowire that has no way out; nil: it has one.
// What happens in a group is told there.
func (v *servant) alive(t *carried) []mplsnl.Action {
	if len(v.targets) == 1 && t.Out.Group != "" {
		return nil
	}
	dead := len(v.c.dead)
	legs, err := v.resolve(v.c, v.key, t.Out, 0)
	if err != nil {
		v.err = err
	}
	if t.legs = legs; len(legs) == 0 {
		return v.c.ends(dead)
	}
	return nil
}

// stripped returns the ways of packets with the tags of the circuit, or with
// VLAN 0 where there are none, that take those off.
func stripped(a dataplane.Attachment) []way {
	ways := byTags(leastTags(a))
	if a.OuterVLAN != 0 {
		ways = ways[:1]
	} else {
		ways = ways[:2]
	}
	for i := range ways {
		for range ways[i].tags {
			ways[i].actions = append(ways[i].actions, popTag())
		}
	}
	return ways
}

// encapsulated returns the ways of IP and MPLS packets, which had tags, to
// below the service label.
func encapsulated(tags int, labels bool, tc uint8) []way {
	all := []way{{tags: tags, of: mplsnl.EtherIPv4}, {tags: tags, of: mplsnl.EtherIPv6}, {tags: tags, of: mplsnl.EtherMPLS}}
	for i, null := range []uint32{ipv4Null, ipv6Null} {
		if labels {
			all[i].null = true
			all[i].actions = push([]dataplane.LabelEntry{{Label: null}}, int(tc))
		}
	}
	return all
}

// send adds the filter that imposes the labels and sends: the control word as
// a label that is then overwritten, the label of the pseudowire, an Ethernet
// header; the rest is as for an LSP.
func (v *servant) send(at place, w way, open []carried, lost []mplsnl.Action, tc uint8) {
	// behind is what the kernel leaves out when it measures a frame: its outer
	// tag.
	behind := tagLen * min(w.tags, 1)
	octets := etherLen + behind + tagLen*w.added // More than the kernel counts.
	below, counter := wordOf(open[0].Pseudowire), w.tags
	if v.packets {
		octets = behind - tagLen*w.tags
	}
	if w.null {
		below, counter = below+labelLen, counter+manyTags+1
	}
	room, mtu := 0, 0
	var legs []leg
	actions := append([]mplsnl.Action(nil), lost...)
	for _, t := range open {
		limit := etherLen + int(t.EffectiveMTU()) + tagLen*w.tags - behind
		if mtu == 0 || limit < mtu {
			mtu = limit
		}
		index := indexOf(t.number, wireOut+counter)
		v.c.Counts = slices.DeleteFunc(v.c.Counts, func(c Count) bool { return c.Index == index })
		v.c.count(index, t.Key(), Out, octets)
		actions = append(actions, counting(index))
		ways := t.legs
		if ways == nil {
			var err *dataplane.OpError
			if ways, err = v.ways(v.c, v.key, Ingress, octets+below, []dataplane.NextHop{t.Out}); err != nil {
				v.err = err
				return
			}
		}
		legs = append(legs, ways...)
		for _, x := range ways {
			v.c.account(index, x, octets+below)
		}
		// The kernel's measure has the Ethernet header in it.
		if r := v.room(v.c, t.Out, 0); r != 0 {
			if r += etherLen - below - octets; room == 0 || r < room {
				room = max(r, 1)
			}
		}
	}
	checks := []mplsnl.Action{longer(mtu, fromClient(v.number, stageLong))}
	if room != 0 && room < mtu {
		checks = append(checks, longer(room, fromClient(v.number, stageOver)))
	}
	actions = append(append(append(checks, actions...), release()), w.actions...)
	label := mplsnl.MPLSAction{Op: mplsnl.MPLSMACPush, HasLabel: true, TTL: 1, HasTC: true, TC: tc, HasBOS: true, BOS: true}
	switch {
	case v.packets:
		label.Op, label.HasBOS, label.BOS = mplsnl.MPLSPush, true, !w.null && w.of != mplsnl.EtherMPLS
		actions = append(actions, mpls(label))
	case open[0].ControlWord:
		zero := mplsnl.Action{Kind: mplsnl.Pedit, Pedit: mplsnl.PeditAction{N: 1}}
		actions = append(actions, mpls(mplsnl.MPLSAction{Op: mplsnl.MPLSMACPush, HasLabel: true, TTL: 1, HasBOS: true}), pipe(zero))
		fallthrough
	default:
		actions = append(actions, mpls(label), vlan(mplsnl.VLANAction{Op: mplsnl.VLANPushEth}))
	}
	v.add(at, w.level, w.of, w.match, append(actions, forward(legs, given, int(tc))...)...)
}
