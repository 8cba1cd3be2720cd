package bfd

import (
	"github.com/tandem-ne/tandem/oam"
)

// Durations the RFCs fix, in nanoseconds.
const (
	second = int64(1e9)

	// slowInterval is the interval before a session is Up: MinTx and MinRx
	// of RFC 6428 section 3.7.1, and the floor of RFC 5880 section 6.8.3.
	slowInterval = second

	// cvInterval is the interval of CV messages (RFC 6428 section 3).
	cvInterval = second

	// slowMult is the Detect Mult a peer is taken to have before its first packet.
	slowMult = 3

	// maxPeriod caps the period a bad packet claims, so that one forged
	// packet cannot hold a defect for hours. It is the longest period a MEG
	// can have.
	maxPeriod = 60 * second

	// forgetTime is how long after the detection time a peer that stays
	// silent keeps its discriminator here.
	forgetTime = 7 * second / 2

	// reportDelay is how long a change that is neither of the state nor of a
	// defect waits for others before the observer hears of it: the Poll
	// exchange makes several, and a hostile peer as many as it likes.
	reportDelay = second / 10

	// startPhase spreads the first packets of sessions configured together.
	startPhase = 10 * second / 1000

	// Packets out of turn (a change of state, a Final) are limited per
	// session to a burst and then to a steady rate, so that a flood of Polls
	// is not answered with a flood.
	extraGap   = second / 40
	extraBurst = 8 * extraGap
)

// Config is the part of a MEG's configuration the machine works with.
type Config struct {
	TxInterval, RxInterval int64 // Nanoseconds.
	Multiplier             uint8 // At least 1.
	CV                     bool
	AdminUp                bool
}

// eventKind says what an event is.
type eventKind uint8

// The kinds of event.
const (
	evConfigure  eventKind = iota // Config is set.
	evTimer                       // Seen is set.
	evCC                          // A CC packet from the right source: Packet and Time are set.
	evCV                          // A CV packet from the right source: Packet and Time are set.
	evMisconnect                  // A packet from a wrong source: Time and Period are set.
	evEncap                       // A packet from the right source in a wrong encapsulation: Time and Period are set.
	evLDI                         // Link down indication (RFC 6427): Time is set.
	evLKR                         // Lock report (RFC 6427): Time is set.
)

// event is what the machine steps on.
type event struct {
	Kind   eventKind
	Time   int64 // When the kernel saw the packet.
	Seen   int64 // Every packet the kernel saw before this instant has been an event.
	Period int64 // The period a bad packet claims, in nanoseconds.
	Packet *Packet
	Config Config
}

// note is one thing the observer is to be told.
type note struct {
	Kind   oam.EventKind
	Defect oam.Defect
	Time   int64
}

// maxNotes is more than any one step can produce: every defect, a state
// change and a report.
const maxNotes = int(oam.NumDefects) + 3

// effects is what a step asks for.
type effects struct {
	SendCC  bool // Send the packet that machine.packet makes with Flags.
	SendCV  bool
	Flags   Flags
	Changed bool // Something a reader of the state can see has changed.
	notes   [maxNotes]note
	count   int
}

// Notes lists what the observer is to be told, in order.
func (fx *effects) Notes() []note { return fx.notes[:fx.count] }

func (fx *effects) note(n note) {
	fx.notes[fx.count] = n
	fx.count++
	fx.Changed = true
}

// machine is one CC/CV session: the variables of RFC 5880 section 6.8.1 and
// the defect conditions of RFC 6371 and RFC 6428. It has no clock, no I/O
// and no goroutine: all it knows of time is the argument of step. Intervals
// are in nanoseconds.
type machine struct {
	cfg Config
	rng uint64 // State of the jitter generator, never 0.

	state, remoteState      oam.BFDState
	diag, remoteDiag        oam.Diag
	localDiscr, remoteDiscr uint32

	desiredMinTx, requiredMinRx int64 // As sent.
	activeTx, activeRx          int64 // As used: differ from the above until a Poll ends (RFC 5880 section 6.8.3).
	remoteMinTx, remoteMinRx    int64
	remoteMult                  uint8 // 0 until the first packet.
	polling                     bool
	finalOwed                   bool

	defects   oam.Defects
	detection int64 // The detection time in use.

	started    int64 // When the session left AdminDown.
	matched    bool  // A packet with our discriminator has come since.
	lastChange int64
	upCount    uint32
	downCount  uint32
	periodFree int64 // Until then the peer may still be at the slow-start interval.

	// Deadlines.
	txAt, cvAt                     int64
	detectAt                       int64
	misExit, perExit, enExit       int64
	misPeriod, perPeriod, enPeriod int64 // Longest period seen since the defect was entered.
	extraAt                        int64 // Generic cell rate: when the burst is wholly recovered.
	forgetAt                       int64 // When the silent peer's discriminator is forgotten.
	reportAt                       int64 // When to tell of changes nobody has been told of.
}

// newMachine returns a machine in AdminDown that does nothing until it is configured.
func newMachine(localDiscr uint32, seed uint64) machine {
	return machine{
		localDiscr: localDiscr, rng: seed | 1, state: oam.AdminDown, remoteState: oam.Down, remoteMinRx: 1,
		txAt: oam.Forever, cvAt: oam.Forever, detectAt: oam.Forever,
		misExit: oam.Forever, perExit: oam.Forever, enExit: oam.Forever, forgetAt: oam.Forever, reportAt: oam.Forever,
	}
}

// step takes one event and returns what it leads to.
func (m *machine) step(now int64, ev event) (fx effects) {
	switch {
	case ev.Kind == evConfigure:
		m.configure(now, ev.Config, &fx)
	case ev.Kind == evTimer:
		m.timer(now, ev.Seen, &fx)
	case m.state != oam.AdminDown:
		m.hear(now, ev, &fx)
	}
	switch {
	case fx.count > 0:
		m.reportAt = oam.Forever // Who hears of that reads the rest too.
	case fx.Changed:
		m.reportAt = min(m.reportAt, now+reportDelay)
	}
	return fx
}

// hear takes what came from outside.
func (m *machine) hear(now int64, ev event, fx *effects) {
	switch ev.Kind {
	case evCC:
		m.receive(now, ev.Time, ev.Packet, fx)
	case evCV:
		m.matched = m.matched || ev.Packet.YourDiscr == m.localDiscr
	case evMisconnect:
		m.misPeriod = max(m.misPeriod, min(max(ev.Period, cvInterval), maxPeriod))
		m.misExit = ev.Time + m.misPeriod*7/2
		m.enter(oam.MisConnectivity, ev.Time, fx)
		m.input(misConnectivity, now, ev.Time, fx)
		m.setDiag(oam.DiagMisConnectivity, now, fx)
	case evEncap:
		m.enPeriod = max(m.enPeriod, min(max(ev.Period, m.activeRx), maxPeriod))
		m.enExit = ev.Time + m.enPeriod*7/2
		m.enter(oam.UnexpectedEncapsulation, ev.Time, fx)
	case evLDI, evLKR:
		in := rxLDI
		if ev.Kind == evLKR {
			in = rxLKR
		}
		m.enter(oam.LossOfContinuity, ev.Time, fx)
		m.input(in, now, ev.Time, fx)
		if m.diag != oam.DiagMisConnectivity {
			m.setDiag(oam.DiagPathDown, now, fx)
		}
	}
}

// nextDeadline says when a timer event is due.
func (m *machine) nextDeadline() int64 {
	return min(m.txAt, m.cvAt, m.detectAt, m.misExit, m.perExit, m.enExit, m.forgetAt, m.reportAt)
}

// configure takes a new configuration; what did not change goes on.
func (m *machine) configure(now int64, cfg Config, fx *effects) {
	old := m.cfg
	m.cfg = cfg
	fx.Changed = true
	switch {
	case !cfg.AdminUp:
		if m.state != oam.AdminDown || !m.sending() {
			m.disable(now, fx)
		}
		return
	case m.state == oam.AdminDown:
		m.enable(now, fx)
	case m.state == oam.Up && (old.TxInterval != cfg.TxInterval || old.RxInterval != cfg.RxInterval):
		m.setIntervals(cfg.TxInterval, cfg.RxInterval)
		m.sendExtra(now, fx)
	case m.state != oam.Up:
		m.setIntervals(max(slowInterval, cfg.TxInterval), slowInterval)
	case old.Multiplier != cfg.Multiplier:
		m.sendExtra(now, fx)
	}
	if cfg.CV && m.cvAt == oam.Forever {
		m.cvAt = now + m.random(startPhase)
	} else if !cfg.CV {
		m.cvAt = oam.Forever
	}
}

// sending says whether the session has ever been started.
func (m *machine) sending() bool { return m.txAt != oam.Forever }

// enable leaves AdminDown.
func (m *machine) enable(now int64, fx *effects) {
	m.started, m.matched = now, false
	m.remoteState, m.remoteDiag, m.remoteDiscr = oam.Down, oam.DiagNone, 0
	m.remoteMinTx, m.remoteMinRx, m.remoteMult = slowInterval, 1, 0
	m.setState(oam.Down, oam.DiagNone, now, fx)
	m.setIntervals(max(slowInterval, m.cfg.TxInterval), slowInterval)
	m.detection = slowMult * slowInterval
	m.detectAt = now + m.detection
	m.txAt = now + m.random(startPhase)
}

// disable enters AdminDown. The session goes on saying so once a second, so
// that its peer can tell an administrator's act from a failure; no defect
// is detected meanwhile.
func (m *machine) disable(now int64, fx *effects) {
	m.setState(oam.AdminDown, oam.DiagAdminDown, now, fx)
	for d := range oam.NumDefects {
		m.leave(d, now, fx)
	}
	m.detectAt, m.forgetAt, m.cvAt = oam.Forever, oam.Forever, oam.Forever
	m.setIntervals(max(slowInterval, m.cfg.TxInterval), slowInterval)
	m.txAt = now + m.jitter(slowInterval)
	m.sendExtra(now, fx)
}

// timer does what is due. Only silence up to seen counts as silence.
func (m *machine) timer(now, seen int64, fx *effects) {
	if m.detectAt <= seen {
		at := m.detectAt
		m.detectAt, m.forgetAt = oam.Forever, at+forgetTime
		m.enter(oam.LossOfContinuity, at, fx)
		m.input(timerExpired, now, at, fx)
		// RFC 6428 section 3.2: a sink that sends 5 keeps it, and a
		// mis-connectivity outlasts the silence that may follow it.
		if m.diag != oam.DiagPathDown && m.diag != oam.DiagMisConnectivity {
			m.setDiag(oam.DiagDetectionExpired, now, fx)
		}
	}
	if m.misExit <= seen {
		m.leave(oam.MisConnectivity, m.misExit, fx)
		diag := oam.DiagNone
		if m.defects.Has(oam.LossOfContinuity) {
			diag = oam.DiagDetectionExpired
		}
		m.setDiag(diag, now, fx)
	}
	if m.perExit <= seen {
		m.leave(oam.UnexpectedPeriod, m.perExit, fx)
	}
	if m.enExit <= seen {
		m.leave(oam.UnexpectedEncapsulation, m.enExit, fx)
	}
	if m.forgetAt <= seen {
		m.forget(now, fx)
	}
	if m.reportAt <= now {
		fx.note(note{Kind: oam.StateChanged, Time: now})
	}
	if m.txAt <= now {
		m.periodic(now, fx)
	}
	if m.cvAt <= now {
		fx.SendCV = true
		m.cvAt += cvInterval
		if m.cvAt <= now {
			m.cvAt = now + cvInterval
		}
	}
}

// forget makes the peer unknown again. RFC 5880 section 6.8.1 does so with
// the detection time, RFC 6428 would rather keep the discriminator over Down.
// Kept for ever, two ends that were each misled by a stray packet would
// reflect a discriminator the other does not have, and drop each other's
// packets until an operator comes; or both be silent for a
// RequiredMinRxInterval of 0 that neither sent.
func (m *machine) forget(now int64, fx *effects) {
	m.forgetAt = oam.Forever
	if m.remoteDiscr == 0 {
		return
	}
	m.remoteDiscr = 0
	m.setRemoteMinRx(now, 1)
	fx.Changed = true
	m.sendExtra(now, fx)
}

// periodic sends the packet that is due and plans the next.
func (m *machine) periodic(now int64, fx *effects) {
	fx.SendCC = true
	fx.Flags = m.pollFlag()
	if m.finalOwed {
		fx.Flags = FlagFinal
		m.finalOwed = false
	}
	if m.remoteMinRx == 0 {
		m.txAt = oam.Forever
		return
	}
	interval := m.jitter(m.txInterval())
	m.txAt += interval
	if m.txAt <= now {
		m.txAt = now + interval
	}
}

// receive takes a CC packet that passed every check (RFC 5880 section 6.8.6,
// from "Set bfd.RemoteDiscr" on).
func (m *machine) receive(now, at int64, p *Packet, fx *effects) {
	m.matched = m.matched || p.YourDiscr == m.localDiscr
	m.forgetAt = oam.Forever
	newDiscr := m.remoteDiscr != p.MyDiscr
	minTx, minRx := int64(p.DesiredMinTx)*1000, int64(p.RequiredMinRx)*1000
	if newDiscr || m.remoteState != p.State || m.remoteDiag != p.Diag || m.remoteMinTx != minTx ||
		m.remoteMinRx != minRx || m.remoteMult != p.DetectMult {
		fx.Changed = true
		m.remoteDiscr, m.remoteState, m.remoteDiag = p.MyDiscr, p.State, p.Diag
		m.remoteMinTx, m.remoteMult = minTx, p.DetectMult
		m.setRemoteMinRx(now, minRx)
	}
	if m.polling && p.Flags&FlagFinal != 0 {
		m.polling = false
		m.useIntervals(now)
		fx.Changed = true
	}
	m.rdi(at, fx)

	before := m.state
	switch {
	case m.defects.Has(oam.MisConnectivity):
		// A wrong source has been heard within the last 3.5 s: what comes
		// from the right one does not end the defect (RFC 6428 sections
		// 3.7.2 and 3.7.4.2), and the session stays Down to say so.
	case p.State == oam.AdminDown:
		m.input(rxAdminDown, now, at, fx)
	case p.State == oam.Down:
		m.input(rxDown, now, at, fx)
	case p.State == oam.Init:
		m.input(rxInit, now, at, fx)
	case p.State == oam.Up:
		m.input(rxUp, now, at, fx)
	}
	if m.state == oam.Up {
		m.period(at, fx)
	}

	m.detection = int64(m.remoteMult) * max(m.activeRx, m.remoteMinTx)
	// Two packets may overtake each other between queues; time does not go back.
	if m.detectAt == oam.Forever || at+m.detection > m.detectAt || fx.Changed {
		m.detectAt = at + m.detection
	}
	if p.Flags&FlagPoll != 0 {
		m.sendFinal(now, fx)
	} else if newDiscr && before == m.state {
		m.sendExtra(now, fx) // Your Discriminator changed.
	}
}

// input runs the state table.
func (m *machine) input(in input, now, at int64, fx *effects) {
	c := next(m.state, in)
	if c.next == m.state {
		return
	}
	from := m.state
	m.setState(c.next, c.diag, at, fx)
	switch {
	case c.next == oam.Up:
		m.periodFree = at + slowInterval*7/2
		m.setIntervals(m.cfg.TxInterval, m.cfg.RxInterval)
		m.leave(oam.LossOfContinuity, at, fx)
	case from == oam.Up:
		m.setIntervals(max(slowInterval, m.cfg.TxInterval), slowInterval)
	}
	m.sendExtra(now, fx)
}

func (m *machine) setState(s oam.BFDState, d oam.Diag, at int64, fx *effects) {
	if m.state == s {
		m.diag = d
		return
	}
	switch {
	case s == oam.Up:
		m.upCount++
	case m.state == oam.Up:
		m.downCount++
	}
	m.state, m.diag, m.lastChange = s, d, at
	fx.note(note{Kind: oam.StateChanged, Time: at})
}

// setDiag changes the diagnostic without a change of state.
func (m *machine) setDiag(d oam.Diag, now int64, fx *effects) {
	if m.diag == d {
		return
	}
	m.diag = d
	fx.Changed = true
	m.sendExtra(now, fx)
}

// packet is the control packet to send now.
func (m *machine) packet(flags Flags) Packet {
	return Packet{
		Version: Version, Diag: m.diag, State: m.state, Flags: flags, DetectMult: m.cfg.Multiplier,
		MyDiscr: m.localDiscr, YourDiscr: m.remoteDiscr,
		DesiredMinTx: uint32(m.desiredMinTx / 1000), RequiredMinRx: uint32(m.requiredMinRx / 1000),
	}
}
