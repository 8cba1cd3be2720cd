package drivertest

import (
	"encoding/binary"

	"github.com/tandem-ne/tandem/dataplane"
)

// vtag is a VLAN tag in a test frame.
type vtag struct {
	tpid, tci uint16
}

func ctag(vlan uint16) vtag { return vtag{typeVLAN, vlan} }
func stag(vlan uint16) vtag { return vtag{typeSTag, vlan} }

// at gives the tag a priority code point.
func (v vtag) at(priority uint16) vtag {
	v.tci |= priority << 13
	return v
}

// The stations behind the attachment circuits.
var (
	stationHere  = dataplane.MAC{2, 0, 0, 0, 0xcc, 1}
	stationThere = dataplane.MAC{2, 0, 0, 0, 0xcc, 2}
)

// user is a client's frame with tags, outer first, and 50 octets of payload.
func user(tags ...vtag) []byte { return userOf(50, tags...) }

// userOf is a client's frame with n octets of payload.
func userOf(n int, tags ...vtag) []byte {
	f := append(append([]byte(nil), stationThere[:]...), stationHere[:]...)
	for _, v := range tags {
		f = binary.BigEndian.AppendUint16(f, v.tpid)
		f = binary.BigEndian.AppendUint16(f, v.tci)
	}
	f = binary.BigEndian.AppendUint16(f, typeTest)
	for i := range n {
		f = append(f, byte(i))
	}
	return f
}

// word is a control word with a sequence number, 0 for none.
func word(sequence uint16) []byte { return binary.BigEndian.AppendUint16([]byte{0, 0}, sequence) }

// The labels of the tunnel and the pseudowires of the cases: 300 and 301 of the
// tunnel out and in, 600 and 500 of pseudowire p, 601 and 501 of pseudowire q.
const (
	tunnelOut, tunnelIn = 300, 301
	pOut, pIn           = 600, 500
	qOut, qIn           = 601, 501
)

// leg is an LSP that begins here, for a group.
func leg(name string, next dataplane.NextHop) dataplane.LSP {
	return dataplane.LSP{Name: name, Op: dataplane.ImposeAndForward, Out: next}
}

// group is a group of LSPs.
func group(name string, legs ...string) dataplane.Group {
	return dataplane.Group{Name: name, Legs: legs}
}

// into is the next hop into a group with plain labels, top first.
func into(group string, labels ...uint32) dataplane.NextHop {
	h := out("", labels...)
	h.Group = group
	return h
}

// tunnel is a tunnel over East: group t, its leg, and the LSP that ends here.
func tunnel() []dataplane.Object {
	return []dataplane.Object{
		leg("t-out", out("east", tunnelOut)), group("t", "t-out"),
		dataplane.LSP{Name: "t-in", Op: popLookup, InLabel: tunnelIn},
	}
}

// pw is pseudowire p in the tunnel.
func pw(change ...func(*dataplane.Pseudowire)) dataplane.Pseudowire {
	p := dataplane.Pseudowire{Name: "p", InLabel: pIn, Out: into("t", pOut)}
	for _, f := range change {
		f(&p)
	}
	return p
}

// second is pseudowire q in the tunnel.
func second(change ...func(*dataplane.Pseudowire)) dataplane.Pseudowire {
	return pw(append([]func(*dataplane.Pseudowire){func(q *dataplane.Pseudowire) {
		q.Name, q.InLabel, q.Out = "q", qIn, into("t", qOut)
	}}, change...)...)
}

func controlWord(p *dataplane.Pseudowire) { p.ControlWord = true }
func sequencing(p *dataplane.Pseudowire)  { p.ControlWord, p.Sequencing = true, true }
func taggedMode(p *dataplane.Pseudowire)  { p.Type = dataplane.EthernetTagged }
func pwDown(p *dataplane.Pseudowire)      { p.Down = true }

// served is service s on Customer with one pseudowire, p unless changed.
func served(e env, change ...func(*dataplane.Service)) dataplane.Service {
	v := dataplane.Service{
		Name: "s", Attachment: dataplane.Attachment{Interface: e.customer.Name},
		Send: "p", Receive: []string{"p"},
	}
	for _, f := range change {
		f(&v)
	}
	return v
}

// on changes the attachment circuit of a service.
func on(change func(*dataplane.Attachment)) func(*dataplane.Service) {
	return func(v *dataplane.Service) { change(&v.Attachment) }
}

// service returns sections, tunnel, pseudowire p and its service.
func service(p dataplane.Pseudowire, change ...func(*dataplane.Service)) func(env) []dataplane.Object {
	return func(e env) []dataplane.Object {
		return append(append(e.sections(), tunnel()...), p, served(e, change...))
	}
}

// fromEast builds an MPLS frame that arrives at East.
func (e env) fromEast(body ...[]byte) []byte {
	return ethernet(e.east.MAC, e.east.Peer, typeMPLS, body...)
}

// toWest builds an MPLS frame as it leaves West.
func (e env) toWest(body ...[]byte) []byte {
	return ethernet(e.west.Peer, e.west.MAC, typeMPLS, body...)
}

// pwOut is what pseudowire p sends into the tunnel.
func (e env) pwOut(tc uint8, body ...[]byte) []byte {
	return e.toEast(append([][]byte{stack(label{tunnelOut, tc, 255}, label{pOut, tc, 255})}, body...)...)
}

// pwIn is what comes for pseudowire p out of the tunnel.
func (e env) pwIn(body ...[]byte) []byte {
	return e.fromEast(append([][]byte{stack(label{tunnelIn, 0, 64}, label{pIn, 0, 64})}, body...)...)
}
