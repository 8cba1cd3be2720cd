package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/server/alarm"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// defectNames gives each defect its identity in mtp-types and its alarm type in
// mtp-alarms.
var defectNames = [oam.NumDefects]struct{ identity, alarm string }{
	oam.LossOfContinuity:        {"mtp-types:loc", "mtp-alarms:loss-of-continuity"},
	oam.MisConnectivity:         {"mtp-types:mis-connectivity", "mtp-alarms:mis-connectivity"},
	oam.UnexpectedPeriod:        {"mtp-types:period-misconfiguration", "mtp-alarms:period-misconfiguration"},
	oam.UnexpectedEncapsulation: {"mtp-types:unexpected-encapsulation", "mtp-alarms:unexpected-encapsulation"},
	oam.RemoteDefectIndication:  {"mtp-types:rdi", "mtp-alarms:remote-defect-indication"},
}

// observer receives the shard's events on a goroutine of its own.
type observer struct{ *Server }

// OnEvent implements oam.Observer.
func (o observer) OnEvent(ev oam.Event) {
	if ev.Kind == oam.EventsLost {
		o.bfd.Each(func(name string, _ oam.SessionState) { o.publishMEG(name, nil) })
		return
	}
	if !o.publishMEG(ev.MEG, &ev) || ev.Kind == oam.StateChanged {
		return
	}
	at := o.wallTime(ev.Time)
	o.notifyDefect(ev, at)
	o.alarmDefect(ev, at)
}

// wallTime turns an instant of the OAM clock into the time of day.
func (s *Server) wallTime(monotonic int64) time.Time {
	return time.Now().Add(time.Duration(monotonic - s.clock.Now()))
}

// publishMEG pushes the state of a MEP: what ON_CHANGE subscribers see. The
// packet counters are read when asked for. ev is nil when nothing happened but
// a change of configuration. It returns false for a MEG that has no session.
func (s *Server) publishMEG(name string, ev *oam.Event) bool {
	s.megs.mu.Lock()
	defer s.megs.mu.Unlock()
	state, ok := s.bfd.State(name)
	if !ok {
		return false
	}
	at := time.Now()
	e := edits{at: below(s.intent.MEGPath(name), "mep", "state")}
	if ev != nil {
		at = s.wallTime(ev.Time)
		if ev.Kind != oam.StateChanged {
			e.defectStatus(*ev, at, s.megs.count(*ev))
		}
	}
	up := operDown
	if state.LocalState == oam.Up && !state.Defects.Has(oam.LossOfContinuity) && !state.Defects.Has(oam.MisConnectivity) {
		up = operUp
	}
	e.set(up, "oper-state")
	e.list(defectIdentities(state.Defects), "defect")
	e.session(s, state)
	if err := s.Hub.Publish(at, e.all); err != nil {
		s.log.Error("OAM state not published", "meg", name, "err", err)
	}
	s.health.onDefects(name, state.Defects)
	return true
}

func defectIdentities(set oam.Defects) []string {
	var all []string
	for d := range oam.NumDefects {
		if set.Has(d) {
			all = append(all, defectNames[d].identity)
		}
	}
	return all
}

// megStates orders what is published about MEGs: state that was read before a
// MEG left the configuration must not be published after it was removed.
type megStates struct {
	mu     sync.Mutex
	counts map[string]*[oam.NumDefects]uint32 // How often each defect has come.
}

func (m *megStates) count(ev oam.Event) uint32 {
	c := m.counts[ev.MEG]
	if c == nil {
		c = new([oam.NumDefects]uint32)
		m.counts[ev.MEG] = c
	}
	if ev.Kind == oam.DefectEntered {
		c[ev.Defect]++
	}
	return c[ev.Defect]
}

// defectStatus notes when a defect came or went.
func (e *edits) defectStatus(ev oam.Event, at time.Time, count uint32) {
	status := edits{at: entry(e.at, "defect-status", defectNames[ev.Defect].identity)}
	status.set(fmt.Sprint(ev.Kind == oam.DefectEntered), "present")
	status.setTime(at, "last-change")
	status.setUint(uint64(count), "count")
	e.all = append(e.all, status.all...)
}

// session sets what changes with the state of the session.
func (e *edits) session(s *Server, state oam.SessionState) {
	const c = "session"
	e.setUint(uint64(state.LocalDiscr), c, "local-discriminator")
	if state.RemoteDiscr != 0 {
		e.setUint(uint64(state.RemoteDiscr), c, "remote-discriminator")
	} else {
		e.remove(c, "remote-discriminator")
	}
	e.set(state.LocalState.String(), c, "local-state")
	e.set(state.RemoteState.String(), c, "remote-state")
	e.set(diagName(state.LocalDiag), c, "local-diagnostic")
	e.set(diagName(state.RemoteDiag), c, "remote-diagnostic")
	if state.LastChange != 0 {
		e.setTime(s.wallTime(state.LastChange), c, "last-change")
	}
	e.setUint(uint64(state.NegotiatedTx/time.Microsecond), c, "negotiated-tx-interval")
	e.setUint(uint64(state.NegotiatedRx/time.Microsecond), c, "negotiated-rx-interval")
	e.setUint(uint64(state.DetectionTime/time.Microsecond), c, "detection-time")
	e.setUint(uint64(state.UpCount), c, "up-count")
	e.setUint(uint64(state.DownCount), c, "down-count")
}

// diagName returns the name in mtp-types:bfd-diagnostic; codes that have none
// come from the wire and are shown as none of ours.
func diagName(d oam.Diag) string {
	names := [...]string{
		oam.DiagNone: "none", oam.DiagDetectionExpired: "controlExpiry", oam.DiagEchoFailed: "echoFailed",
		oam.DiagNeighborDown: "neighborDown", oam.DiagForwardingReset: "forwardingReset", oam.DiagPathDown: "pathDown",
		oam.DiagConcatenatedDown: "concatenatedPathDown", oam.DiagAdminDown: "adminDown",
		oam.DiagReverseConcatenated: "reverseConcatenatedPathDown", oam.DiagMisConnectivity: "misConnectivityDefect",
	}
	if int(d) < len(names) {
		return names[d]
	}
	return names[oam.DiagNone]
}

// notifyDefect sends the notification of RFC 8531 names.
func (s *Server) notifyDefect(ev oam.Event, at time.Time) {
	name := "defect-condition-notification"
	if ev.Kind == oam.DefectCleared {
		name = "defect-cleared-notification"
	}
	node := s.Schema.Notification(s.Schema.Module("mtp-oam"), name)
	b := tree.NewBuilder(tree.New(node))
	leaf := func(name, value string) {
		n := node.Child(name)
		b.Leaf(n, schema.StringValue(n.Type, value))
	}
	leaf("meg", ev.MEG)
	leaf("defect-type", defectNames[ev.Defect].identity)
	if ev.Info != "" && ev.Kind == oam.DefectEntered {
		leaf("defect-info", ev.Info)
	}
	s.Hub.Notify(at, b.Seal(), nil)
}

// alarmDefect raises or clears the alarm of a defect.
func (s *Server) alarmDefect(ev oam.Event, at time.Time) {
	id := alarm.ID{Resource: s.intent.MEGPath(ev.MEG), TypeID: defectNames[ev.Defect].alarm}
	var err error
	if ev.Kind == oam.DefectEntered {
		text := ev.Defect.String() + " at MEG " + ev.MEG
		if ev.Info != "" {
			text += ": " + ev.Info
		}
		err = s.Alarms.Raise(alarm.Alarm{ID: id, Text: text, Time: at})
	} else {
		err = s.Alarms.Clear(id, at)
	}
	if err != nil {
		s.log.Error("alarm of a defect", "meg", ev.MEG, "defect", ev.Defect, "err", err)
	}
}

// forgetMEG removes the state and clears the alarms of a MEG that left the
// configuration.
func (s *Server) forgetMEG(name string) {
	s.megs.mu.Lock()
	defer s.megs.mu.Unlock()
	delete(s.megs.counts, name)
	p := s.intent.MEGPath(name)
	if err := s.Hub.Publish(time.Now(), []tree.Edit{{Op: tree.Remove, Path: p}}); err != nil {
		s.log.Error("OAM state not removed", "meg", name, "err", err)
	}
	for _, d := range defectNames {
		if err := s.Alarms.Clear(alarm.ID{Resource: p, TypeID: d.alarm}, time.Now()); err != nil {
			s.log.Error("alarm not cleared", "meg", name, "err", err)
		}
	}
}

// sessionProvider reads a session when somebody asks: packet counters, and the
// rest as it is now.
type sessionProvider struct{ *Server }

// Read implements oper.Provider.
func (p sessionProvider) Read(_ context.Context, req oper.Request) error {
	for _, at := range req.Instances {
		name := at[len(at)-4].Keys[0].String() // .../meg[name]/mep/state/session
		state, ok := p.bfd.State(name)
		if !ok {
			continue
		}
		e := edits{at: at[:len(at)-1]}
		e.session(p.Server, state)
		c := state.Counters
		e.setUint(c.SentCC+c.SentCV, "session", "send-packet-count")
		e.setUint(c.SentCV, "session", "send-cv-packet-count")
		e.setUint(c.ReceivedCC+c.ReceivedCV, "session", "receive-packet-count")
		e.setUint(c.ReceivedCV, "session", "receive-cv-packet-count")
		e.setUint(c.Dropped(), "session", "receive-invalid-packet-count")
		e.build(req.Build)
		discards(req.Build, at, c.Drops)
	}
	return nil
}

// discards lists the reasons that occurred.
func discards(b *tree.Builder, at tree.Path, drops [oam.NumDropReasons]uint64) {
	if at[len(at)-1].Node.Child("discard") == nil {
		return
	}
	for reason, n := range drops {
		if n > 0 {
			e := edits{at: entry(at, "discard", oam.DropReason(reason).String())}
			e.setUint(n, "packets")
			e.build(b)
		}
	}
}

// build writes the collected leaves into a Builder instead of publishing them.
func (e *edits) build(b *tree.Builder) {
	for _, edit := range e.all {
		if edit.Op == tree.Merge {
			b.Set(edit.Path, edit.Value)
		}
	}
}

// puntReasons are the data plane's names of the punts.
var puntReasons = map[string]oam.Reason{
	"gal": oam.ReasonGAL, "ttl": oam.ReasonTTLExpired, "router-alert": oam.ReasonRouterAlert, "reserved": oam.ReasonReserved,
	"pw-ach": oam.ReasonPWACH,
}

// oamCounters reads the counters that belong to no single MEG.
type oamCounters struct{ *Server }

// Read implements oper.Provider.
func (p oamCounters) Read(_ context.Context, req oper.Request) error {
	c := p.shard.Counters()
	drops, err := p.drops()
	if err != nil {
		return err
	}
	for _, at := range req.Instances {
		e := edits{at: at}
		e.setUint(c.Sent, "sent-packets")
		e.setUint(c.NotSent, "send-failures")
		if drops != nil {
			e.setUint(drops["punt-rate"]+drops["punt-full"]+drops["punt-channel-limited"]+drops["punt-meg-limited"], "punt-overruns")
		}
		e.build(req.Build)
		for name, reason := range puntReasons {
			if n := drops[punted+name]; n > 0 {
				punt := edits{at: entry(at, "punt", reason.String())}
				punt.setUint(n, "packets")
				punt.build(req.Build)
			}
		}
		discards(req.Build, at, c.Drops)
	}
	return nil
}
