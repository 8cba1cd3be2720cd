package bfd

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
)

// learnTime is how long after its start a session drops packets for a
// discriminator it does not have without calling it a mis-connection: a peer
// that outlived our restart reflects the old one until it has heard the new
// (RFC 6428 keeps bfd.RemoteDiscr over Down).
const learnTime = 7 * second / 2

// session is one CC/CV session: the machine, and what a received frame is
// held against before the machine sees it. Its methods run on the shard's
// goroutine, except state, which any goroutine may call.
type session struct {
	engine *Engine
	host   oam.Host
	name   string

	local, peer ach.MEPID
	peerTLV     []byte     // The Source MEP-ID TLV expected, whole.
	reason      oam.Reason // How the frames of this MEG are told from users'.
	m           machine
	pkt         Packet // The packet being received; here so that it does not escape.
	info        string // What caused the defect being entered.
	watch       watch

	sentCC, sentCV         atomic.Uint64
	receivedCC, receivedCV atomic.Uint64
	drops                  [oam.NumDropReasons]atomic.Uint64
	published              snapshot
	consumed               consumed
}

// Configure implements oam.Session.
func (s *session) Configure(now int64, meg *oam.MEG) {
	s.unwatch()
	s.local, s.peer = meg.Local, meg.Peer
	s.reason = meg.Path.Control.Reason()
	s.peerTLV = nil
	if meg.CV {
		// Check made sure that it can be built.
		s.peerTLV, _ = meg.Peer.Append(nil)
	}
	s.apply(now, s.m.step(now, event{Kind: evConfigure, Config: Config{
		TxInterval: int64(meg.CC.TxInterval),
		RxInterval: int64(meg.CC.RxInterval),
		Multiplier: multiplier(meg.CC),
		CV:         meg.CV,
		AdminUp:    meg.AdminUp,
	}}))
}

func multiplier(cc oam.CCConfig) uint8 {
	if cc.Multiplier == 0 {
		return oam.CCMultiplier
	}
	return cc.Multiplier
}

// Receive implements oam.Session. The order of the checks is that of RFC
// 5880 section 6.8.6, with the additions of RFC 6428 section 3.7.2.
func (s *session) Receive(now int64, rx *oam.Rx, channel ach.ChannelType, body []byte) {
	s.look()
	switch {
	case s.m.state == oam.AdminDown:
		s.drop(oam.DropAdminDown)
	case rx.Reason != s.reason || channel != ach.CC && channel != ach.CV:
		s.receiveForeign(now, rx, channel, body)
	case channel == ach.CC:
		s.receiveCC(now, rx, body)
	default:
		s.receiveCV(now, rx, body)
	}
}

func (s *session) receiveCC(now int64, rx *oam.Rx, body []byte) {
	if _, err := ParseCC(&s.pkt, body); err != nil {
		s.dropError(err)
		return
	}
	if !s.checkSession(now, rx) {
		return
	}
	count(&s.receivedCC)
	s.apply(now, s.m.step(now, event{Kind: evCC, Time: rx.Time, Packet: &s.pkt}))
	s.m.heard(s.watch.at) // It may have overtaken this one.
	s.settle(rx.Payload)
}

func (s *session) receiveCV(now int64, rx *oam.Rx, body []byte) {
	tlv, _, err := ParseCV(&s.pkt, body)
	switch {
	case isPacketError(err):
		s.dropError(err)
		return
	case s.peerTLV == nil:
		// RFC 6371 section 5.1.1.2: a CV packet in a MEG that runs CC only
		// cannot be from the right source.
		s.misconnect(now, rx, oam.DropNoCV, "CV packet where only CC is configured")
		return
	case err != nil && isUnknownType(body):
		s.misconnect(now, rx, oam.DropMEPIDUnexpected, "Source MEP-ID of unknown type")
		return
	case err != nil:
		s.drop(oam.DropMEPIDMalformed)
		return
	case !bytes.Equal(tlv, s.peerTLV):
		if !s.m.defects.Has(oam.MisConnectivity) {
			source, _, _ := ach.ParseMEPID(tlv)
			s.misconnect(now, rx, oam.DropMEPIDUnexpected, fmt.Sprintf("Source MEP-ID %v, expected %v", source, s.peer))
			return
		}
		s.misconnect(now, rx, oam.DropMEPIDUnexpected, "")
		return
	}
	if !s.checkSession(now, rx) {
		return
	}
	count(&s.receivedCV)
	s.apply(now, s.m.step(now, event{Kind: evCV, Time: rx.Time, Packet: &s.pkt}))
}

// checkSession holds the discriminators and the authentication of the parsed
// packet against the session.
func (s *session) checkSession(now int64, rx *oam.Rx) bool {
	p := &s.pkt
	switch {
	case p.YourDiscr == s.m.localDiscr:
	case p.YourDiscr == 0:
		// RFC 5880 section 6.8.6: the label selects the session, but only
		// while the peer does not know us.
		if p.State != oam.Down && p.State != oam.AdminDown {
			s.drop(oam.DropYourDiscrZero)
			return false
		}
	case !s.m.matched && rx.Time < s.m.started+learnTime:
		s.drop(oam.DropYourDiscr)
		return false
	default:
		info := ""
		if !s.m.defects.Has(oam.MisConnectivity) {
			info = fmt.Sprintf("Your Discriminator %d is not in use here", p.YourDiscr)
			if other := s.engine.owner(p.YourDiscr); other != "" {
				info = fmt.Sprintf("Your Discriminator %d belongs to MEG %q", p.YourDiscr, other)
			}
		}
		s.misconnect(now, rx, oam.DropYourDiscr, info)
		return false
	}
	if p.Flags&FlagAuth != 0 {
		s.drop(oam.DropAuth)
		return false
	}
	return true
}

// receiveForeign takes a packet that came in another encapsulation than the
// G-ACh of RFC 6428. From the right source it is a warning (RFC 6371 section
// 5.1.1.4), from any other a mis-connection (RFC 6428 section 3.7.2).
func (s *session) receiveForeign(now int64, rx *oam.Rx, channel ach.ChannelType, body []byte) {
	bfd, ok := foreign(channel, body)
	if !ok {
		s.drop(oam.DropUnknownChannel)
		return
	}
	tlv, _, err := ParseCV(&s.pkt, bfd)
	if isPacketError(err) {
		s.dropError(err)
		return
	}
	right := s.pkt.YourDiscr == s.m.localDiscr && (s.m.remoteDiscr == 0 || s.pkt.MyDiscr == s.m.remoteDiscr)
	if err == nil && s.peerTLV != nil {
		right = bytes.Equal(tlv, s.peerTLV)
	}
	if !right {
		s.misconnect(now, rx, oam.DropEncapsulation, encapsulation(rx, channel, s.reason))
		return
	}
	s.drop(oam.DropEncapsulation)
	s.info = encapsulation(rx, channel, s.reason)
	s.apply(now, s.m.step(now, event{Kind: evEncap, Time: rx.Time, Period: s.period()}))
}

// misconnect gives the machine a packet from a wrong source.
func (s *session) misconnect(now int64, rx *oam.Rx, reason oam.DropReason, info string) {
	s.drop(reason)
	s.info = info
	s.apply(now, s.m.step(now, event{Kind: evMisconnect, Time: rx.Time, Period: s.period()}))
}

// period is the period the received packet claims to be sent with.
func (s *session) period() int64 { return int64(s.pkt.DesiredMinTx) * 1000 }

// Expire implements oam.Session.
func (s *session) Expire(now, seen int64) {
	s.look()
	s.apply(now, s.m.step(now, event{Kind: evTimer, Seen: seen}))
}

// Next implements oam.Session.
func (s *session) Next() int64 { return s.m.nextDeadline() }

// Close implements oam.Session: the peer learns at once that this end is
// gone on purpose.
func (s *session) Close(now int64) {
	s.unwatch()
	if s.m.state != oam.AdminDown {
		s.m.cfg.AdminUp = false
		s.apply(now, s.m.step(now, event{Kind: evConfigure, Config: s.m.cfg}))
	}
}

// apply carries out what a step asks for.
func (s *session) apply(now int64, fx effects) {
	if fx.SendCC {
		p := s.m.packet(fx.Flags)
		if frame, err := AppendCC(s.host.Buffer(), &p); err == nil && s.host.Send(frame) {
			count(&s.sentCC)
		}
	}
	if fx.SendCV {
		// State, diagnostic and flags of a CV packet have no meaning to
		// its receiver (RFC 6428 section 3); it never polls.
		p := s.m.packet(0)
		if frame, err := AppendCV(s.host.Buffer(), &p, s.local); err == nil && s.host.Send(frame) {
			count(&s.sentCV)
		}
	}
	if !fx.Changed {
		return
	}
	if !s.m.steady() {
		s.unwatch()
	}
	s.published.store(&s.m)
	for _, n := range fx.Notes() {
		s.host.Emit(oam.Event{
			Time: n.Time, Kind: n.Kind, Defect: n.Defect,
			State: s.m.state, Diag: s.m.diag, Info: s.describe(n),
		})
	}
}

// describe says in words what an event is about.
func (s *session) describe(n note) string {
	if n.Kind != oam.DefectEntered {
		return ""
	}
	switch n.Defect {
	case oam.LossOfContinuity:
		return fmt.Sprintf("no CC packet for %v", time.Duration(s.m.detection))
	case oam.UnexpectedPeriod:
		return fmt.Sprintf("period %v, expected %v", time.Duration(s.m.remoteMinTx), time.Duration(s.m.cfg.RxInterval))
	case oam.RemoteDefectIndication:
		return fmt.Sprintf("diagnostic %d", s.m.remoteDiag)
	}
	return s.info
}

func (s *session) drop(reason oam.DropReason) {
	count(&s.drops[reason])
	s.host.Drop(reason)
}

func (s *session) dropError(err error) {
	if e, ok := err.(*ParseError); ok {
		s.drop(e.Reason)
		return
	}
	s.drop(oam.DropMEPIDMalformed)
}

// isPacketError says that the control packet itself could not be read.
func isPacketError(err error) bool {
	_, ok := err.(*ParseError)
	return ok
}

// isUnknownType says that what follows the control packet in a CV body that
// ParseCV refused is a whole TLV, only of no type RFC 6428 knows.
func isUnknownType(body []byte) bool {
	tlv := body[body[3]:] // ParseCV has checked the Length field.
	if len(tlv) < 4 || int(tlv[2])<<8|int(tlv[3]) > len(tlv)-4 {
		return false
	}
	return ach.MEPIDType(int(tlv[0])<<8|int(tlv[1])) > ach.MEPIDPW
}

// state reads the session's state and counters.
func (s *session) state() oam.SessionState {
	st := s.published.load()
	st.LocalDiscr = s.m.localDiscr // Never changes.
	st.Counters = oam.Counters{
		SentCC: s.sentCC.Load(), SentCV: s.sentCV.Load(),
		ReceivedCC: s.receivedCC.Load() + s.consumed.load(), ReceivedCV: s.receivedCV.Load(),
	}
	for r := range s.drops {
		st.Counters.Drops[r] = s.drops[r].Load()
	}
	return st
}

// count adds one to a counter that only this goroutine writes.
func count(c *atomic.Uint64) { c.Store(c.Load() + 1) }
