package drivertest

import (
	"fmt"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
)

// retype changes what a pseudowire carries under a service that stays as it is:
// from each form into each other one, with a frame both ways after each change.
func (s suite) retype(t *testing.T) {
	type form struct {
		name   string
		change func(*dataplane.Pseudowire)
		// frame is what the client sends and gets, on what the pseudowire carries
		// of it.
		frame, on func(e env) []byte
	}
	packet := ip(clientIPv4, remoteIPv4, 64)
	ethernetFrame := func(env) []byte { return user() }
	out := func(e env) []byte { return ethernet(e.customer.MAC, e.customer.Peer, typeIPv4, packet) }
	numbered := func(p *dataplane.Pseudowire) { p.ControlWord, p.Type = true, dataplane.EthernetTagged }
	forms := []form{
		{"raw", func(*dataplane.Pseudowire) {}, ethernetFrame, ethernetFrame},
		{"tagged", taggedMode, ethernetFrame, func(env) []byte { return user(ctag(0)) }},
		{"raw with control word", controlWord, ethernetFrame, func(env) []byte { return append(word(0), user()...) }},
		{"tagged with control word", numbered, ethernetFrame, func(env) []byte { return append(word(0), user(ctag(0))...) }},
		{"packets", func(p *dataplane.Pseudowire) { p.Type = dataplane.NetworkLayer }, out, func(env) []byte { return packet }},
	}
	d, e, ok := s.begin(t, service(pw()))
	if !ok {
		return
	}
	defer d.close(t)
	// Between the two objects of such a change there is a moment when the
	// address of the client belongs to no packets.
	d.put(t, served(e, on(func(a *dataplane.Attachment) { a.PeerMAC = e.customer.Peer })))
	try := func(f form) {
		t.Helper()
		p := pw(f.change)
		if !d.has(needsOf([]dataplane.Object{p})...) {
			return
		}
		d.put(t, p)
		s.exchange(t, e, packetCase{in: Customer, send: f.frame, out: East, want: func(e env) []byte { return e.pwOut(0, f.on(e)) }})
		to := f.frame(e)
		if p.Type == dataplane.NetworkLayer {
			to = ethernet(e.customer.Peer, e.customer.MAC, typeIPv4, packet)
		}
		s.exchange(t, e, packetCase{in: East, send: func(e env) []byte { return e.pwIn(f.on(e)) }, out: Customer, want: func(env) []byte { return to }})
	}
	for i, from := range forms {
		for _, to := range forms[i+1:] {
			t.Run(fmt.Sprintf("%s and %s", from.name, to.name), func(t *testing.T) {
				try(from)
				try(to)
				try(from)
			})
		}
	}
}
