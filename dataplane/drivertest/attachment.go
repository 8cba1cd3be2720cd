package drivertest

import (
	"fmt"

	"github.com/tandem-ne/tandem/dataplane"
)

// attachmentCases: ports, VLANs and QinQ, what is done to tags, classes.
func attachmentCases() []packetCase {
	attach := func(change func(*dataplane.Attachment)) func(env) []dataplane.Object {
		return service(pw(), on(change))
	}
	vlan := func(a *dataplane.Attachment) { a.OuterVLAN = 10 }
	qinq := func(a *dataplane.Attachment) { a.OuterVLAN, a.InnerVLAN, a.NNI = 10, 20, true }
	pops := func(f func(*dataplane.Attachment)) func(*dataplane.Attachment) {
		return func(a *dataplane.Attachment) { f(a); a.Operation = dataplane.PopTags }
	}
	push := func(a *dataplane.Attachment) { a.Operation, a.VLAN = dataplane.PushTag, 30 }
	pushS := func(a *dataplane.Attachment) { push(a); a.NNI = true }
	translate := func(a *dataplane.Attachment) { vlan(a); a.Operation, a.VLAN = dataplane.TranslateTag, 30 }
	type wire []vtag
	// Each line: what is on the attachment circuit, and in the pseudowire.
	var all []packetCase
	for _, c := range []struct {
		name    string
		change  func(*dataplane.Attachment)
		ac, net wire
	}{
		{"port", func(*dataplane.Attachment) {}, wire{}, wire{}},
		{"port, any tag", func(*dataplane.Attachment) {}, wire{ctag(10)}, wire{ctag(10)}},
		{"VLAN", vlan, wire{ctag(10).at(5)}, wire{ctag(10).at(5)}},
		{"VLAN, another tag inside", vlan, wire{ctag(10), ctag(77)}, wire{ctag(10), ctag(77)}},
		{"VLAN of an NNI", func(a *dataplane.Attachment) { vlan(a); a.NNI = true }, wire{stag(10)}, wire{stag(10)}},
		{"QinQ", qinq, wire{stag(10), ctag(20)}, wire{stag(10), ctag(20)}},
		{"two C-tags", func(a *dataplane.Attachment) { a.OuterVLAN, a.InnerVLAN = 10, 20 }, wire{ctag(10), ctag(20)}, wire{ctag(10), ctag(20)}},
		{"VLAN popped", pops(vlan), wire{ctag(10)}, wire{}},
		{"VLAN popped, another tag inside", pops(vlan), wire{ctag(10), ctag(77)}, wire{ctag(77)}},
		{"QinQ popped", pops(qinq), wire{stag(10), ctag(20)}, wire{}},
		{"tag pushed", push, wire{}, wire{ctag(30)}},
		{"tag pushed before another: its priority", push, wire{ctag(7).at(5)}, wire{ctag(30).at(5), ctag(7).at(5)}},
		{"S-tag pushed", pushS, wire{ctag(7)}, wire{stag(30), ctag(7)}},
		{"VLAN translated, priority kept", translate, wire{ctag(10).at(6)}, wire{ctag(30).at(6)}},
		{"VLAN translated, another tag inside", translate, wire{ctag(10), ctag(77)}, wire{ctag(30), ctag(77)}},
	} {
		all = append(all,
			packetCase{name: c.name + ", from the client", objects: attach(c.change), in: Customer, send: func(env) []byte { return user(c.ac...) },
				out: East, want: func(e env) []byte { return e.pwOut(0, user(c.net...)) }},
			packetCase{name: c.name + ", to the client", objects: attach(c.change), in: East, send: func(e env) []byte { return e.pwIn(user(c.net...)) },
				out: Customer, want: func(env) []byte { return user(c.ac...) }})
	}
	for _, c := range []struct {
		name   string
		change func(*dataplane.Attachment)
		net    wire
	}{
		{"VLAN: no tag", vlan, wire{}},
		{"VLAN: another tag", vlan, wire{ctag(11)}},
		{"VLAN: an S-tag", vlan, wire{stag(10)}},
		{"QinQ: another inner tag", qinq, wire{stag(10), ctag(21)}},
		{"QinQ: no inner tag", qinq, wire{stag(10)}},
		{"tag pushed: no tag", push, wire{}},
		{"tag pushed: another tag", push, wire{ctag(31)}},
		{"S-tag pushed: a C-tag", pushS, wire{ctag(30)}},
		{"VLAN translated: another tag", translate, wire{ctag(10)}},
	} {
		all = append(all, packetCase{name: c.name + ", to the client drops", objects: attach(c.change), in: East, drop: "vlan-mismatch",
			send: func(e env) []byte { return e.pwIn(user(c.net...)) }})
	}
	for _, c := range []struct {
		name   string
		change func(*dataplane.Attachment)
		ac     wire
	}{
		{"VLAN: untagged", vlan, wire{}},
		{"VLAN: another tag", vlan, wire{ctag(11)}},
		{"VLAN: an S-tag", vlan, wire{stag(10)}},
		{"QinQ: another inner tag", qinq, wire{stag(10), ctag(21)}},
		{"QinQ: a C-tag outside", qinq, wire{ctag(10), ctag(20)}},
	} {
		all = append(all, packetCase{name: c.name + ", from the client is not taken", objects: attach(c.change), in: Customer,
			send: func(env) []byte { return user(c.ac...) }})
	}
	return append(append(all, closestCases()...), classCases()...)
}

// closestCases: three circuits on one interface, the closest counts.
func closestCases() []packetCase {
	objects := func(e env) []dataplane.Object {
		all := append(e.sections(), tunnel()...)
		for i, a := range []dataplane.Attachment{{}, {OuterVLAN: 10}, {OuterVLAN: 10, InnerVLAN: 20}} {
			name := fmt.Sprint(i)
			a.Interface = e.customer.Name
			all = append(all,
				dataplane.Pseudowire{Name: name, InLabel: pIn + uint32(i), Out: into("t", pOut+uint32(i))},
				dataplane.Service{Name: name, Attachment: a, Send: name, Receive: []string{name}})
		}
		return all
	}
	var all []packetCase
	for _, c := range []struct {
		tags []vtag
		want uint32
	}{
		{nil, pOut}, {[]vtag{ctag(11)}, pOut}, {[]vtag{ctag(10)}, pOut + 1}, {[]vtag{ctag(10), ctag(21)}, pOut + 1},
		{[]vtag{ctag(10), ctag(20)}, pOut + 2}, {[]vtag{ctag(0).at(3)}, pOut}, {[]vtag{ctag(0), ctag(20)}, pOut},
	} {
		all = append(all, packetCase{name: fmt.Sprintf("the closest circuit of %v", c.tags), objects: objects, in: Customer,
			send: func(env) []byte { return user(c.tags...) },
			out:  East, want: func(e env) []byte {
				return e.toEast(stack(label{tunnelOut, 0, 255}, label{c.want, 0, 255}), user(c.tags...))
			}})
	}
	return all
}

// classCases: priority code points to traffic classes.
func classCases() []packetCase {
	classes := func(v *dataplane.Service) {
		v.Classes = &dataplane.ClassMap{Green: [8]uint8{1, 0, 2, 3, 4, 5, 6, 7}, Yellow: [8]uint8{0, 0, 1, 2, 3, 4, 5, 6}}
	}
	var all []packetCase
	for _, c := range []struct {
		tags []vtag
		tc   uint8
	}{{nil, 1}, {[]vtag{ctag(7)}, 1}, {[]vtag{ctag(7).at(1)}, 0}, {[]vtag{ctag(7).at(5)}, 5}, {[]vtag{ctag(7).at(7)}, 7}, {[]vtag{stag(7).at(4), ctag(8).at(6)}, 4}, {[]vtag{ctag(0).at(6)}, 6}} {
		all = append(all, packetCase{name: fmt.Sprintf("class of %v", c.tags), objects: service(pw(), classes), in: Customer,
			send: func(env) []byte { return user(c.tags...) },
			out:  East, want: func(e env) []byte { return e.pwOut(c.tc, user(c.tags...)) }})
	}
	popped := service(pw(), classes, on(func(a *dataplane.Attachment) { a.OuterVLAN, a.Operation = 7, dataplane.PopTags }))
	return append(all, packetCase{name: "class of a tag that is popped", objects: popped, in: Customer,
		send: func(env) []byte { return user(ctag(7).at(5)) },
		out:  East, want: func(e env) []byte { return e.pwOut(5, user()) }})
}

// packetClientCases: network-layer clients with service and encapsulation
// labels (RFC 5921 section 3.4.5).
func packetClientCases() []packetCase {
	client := func(change ...func(*dataplane.Pseudowire)) func(env) []dataplane.Object {
		return func(e env) []dataplane.Object {
			p := pw(append([]func(*dataplane.Pseudowire){func(p *dataplane.Pseudowire) { p.Type = dataplane.NetworkLayer }}, change...)...)
			return service(p, on(func(a *dataplane.Attachment) { a.PeerMAC = e.customer.Peer }))(e)
		}
	}
	classes := func(e env) []dataplane.Object {
		o := client()(e)
		v := o[len(o)-1].(dataplane.Service)
		v.Classes = &dataplane.ClassMap{Green: [8]uint8{0, 1, 2, 3, 4, 7, 6, 5}}
		o[len(o)-1] = v
		return o
	}
	onVLAN := func(e env) []dataplane.Object {
		o := client()(e)
		v := o[len(o)-1].(dataplane.Service)
		v.Attachment.OuterVLAN = 50
		o[len(o)-1] = v
		return o
	}
	fromVLAN := func(tci uint16, packet []byte) func(env) []byte {
		return func(e env) []byte { return tagged(e.customer.MAC, e.customer.Peer, tci, typeIPv4, packet) }
	}
	encapsulation := func(p *dataplane.Pseudowire) { p.EncapsulationLabel = true }
	mtu := func(p *dataplane.Pseudowire) { p.MTU = 40 }
	v4, v6 := ip(clientIPv4, remoteIPv4, 1), ip(clientIPv6, remoteIPv6, 64)
	expedited := ip(clientIPv4, remoteIPv4, 64)
	expedited[1] = 46 << 2
	mpls := append(stack(label{100, 5, 64}), v4...)
	from := func(typ uint16, packet []byte) func(env) []byte {
		return func(e env) []byte { return ethernet(e.customer.MAC, e.customer.Peer, typ, packet) }
	}
	to := func(typ uint16, packet []byte) func(env) []byte {
		return func(e env) []byte { return ethernet(e.customer.Peer, e.customer.MAC, typ, packet) }
	}
	in := func(labels []label, body []byte) func(env) []byte {
		return func(e env) []byte { return e.fromEast(stack(append([]label{{tunnelIn, 0, 64}}, labels...)...), body) }
	}
	outs := func(labels []label, body []byte) func(env) []byte {
		return func(e env) []byte { return e.toEast(stack(append([]label{{tunnelOut, 0, 255}}, labels...)...), body) }
	}
	bottom := []label{{pOut, 0, 255}}
	return []packetCase{
		{name: "IPv4 client, in", objects: client(), in: Customer, send: from(typeIPv4, v4), out: East, want: outs(bottom, v4)},
		{name: "IPv4 client, out", objects: client(), in: East, send: in([]label{{pIn, 0, 64}}, v4), out: Customer, want: to(typeIPv4, v4)},
		{name: "IPv6 client, in", objects: client(), in: Customer, send: from(typeIPv6, v6), out: East, want: outs(bottom, v6)},
		{name: "IPv6 client, out", objects: client(), in: East, send: in([]label{{pIn, 0, 64}}, v6), out: Customer, want: to(typeIPv6, v6)},
		{name: "MPLS client, in", objects: client(), in: Customer, send: from(typeMPLS, mpls),
			out: East, want: outs([]label{{pOut, 0, 255}, {100, 5, 64}}, v4)},
		{name: "MPLS client, out", objects: client(), in: East, send: in([]label{{pIn, 0, 64}, {100, 5, 64}}, v4), out: Customer, want: to(typeMPLS, mpls)},
		{name: "encapsulation label of IPv4, in", objects: client(encapsulation), in: Customer, send: from(typeIPv4, v4),
			out: East, want: outs([]label{{pOut, 0, 255}, {0, 0, 255}}, v4)},
		{name: "encapsulation label of IPv6, in", objects: client(encapsulation), in: Customer, send: from(typeIPv6, v6),
			out: East, want: outs([]label{{pOut, 0, 255}, {2, 0, 255}}, v6)},
		{name: "encapsulation label of IPv4, out", objects: client(encapsulation), in: East, send: in([]label{{pIn, 0, 64}, {0, 0, 64}}, v4),
			out: Customer, want: to(typeIPv4, v4)},
		{name: "encapsulation label of IPv6, out", objects: client(encapsulation), in: East, send: in([]label{{pIn, 0, 64}, {2, 0, 64}}, v6),
			out: Customer, want: to(typeIPv6, v6)},
		{name: "class of an IP client", objects: classes, in: Customer, send: from(typeIPv4, expedited),
			out: East, want: func(e env) []byte { return e.toEast(stack(label{tunnelOut, 7, 255}, label{pOut, 7, 255}), expedited) }},
		{name: "a packet with a tag of priority alone", objects: client(), in: Customer, send: fromVLAN(0x6000, v4),
			out: East, want: func(e env) []byte { return e.toEast(stack(label{tunnelOut, 0, 255}, label{pOut, 0, 255}), v4) }},
		{name: "a packet of another VLAN is not taken", objects: client(), in: Customer, send: fromVLAN(50, v4)},
		{name: "a packet of a VLAN", objects: onVLAN, in: Customer, send: fromVLAN(50, v4),
			out: East, want: func(e env) []byte { return e.toEast(stack(label{tunnelOut, 0, 255}, label{pOut, 0, 255}), v4) }},
		{name: "a packet with a tag inside that of the VLAN is not taken", objects: onVLAN, in: Customer,
			send: func(e env) []byte {
				return tagged(e.customer.MAC, e.customer.Peer, 50, typeVLAN, []byte{0, 7, 0x08, 0}, v4)
			}},
		{name: "another protocol is not taken", objects: client(), in: Customer, send: from(typeTest, []byte("not for the service"))},
		{name: "a packet for another station is not taken", objects: client(), in: Customer,
			send: func(e env) []byte { return ethernet(stationThere, e.customer.Peer, typeIPv4, v4) }},
		{name: "what is neither IP nor MPLS drops", objects: client(), in: East, drop: "unknown-payload",
			send: in([]label{{pIn, 0, 64}}, []byte("\x00\x00\x00\x00control word"))},
		{name: "a packet too long drops, in", objects: client(mtu), in: Customer, send: from(typeIPv4, v4), drop: "payload-too-long"},
		{name: "a packet too long drops, out", objects: client(mtu), in: East, send: in([]label{{pIn, 0, 64}}, v4), drop: "payload-too-long"},
	}
}
