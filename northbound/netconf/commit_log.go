package netconf

import "strconv"

// commitLog writes the history of mtp-commits, the oldest commit first.
func (s *Server) commitLog(w *writer) {
	history := s.store.History(0)
	for i := range history {
		c := &history[len(history)-1-i]
		w.in("commit", []string{strconv.FormatUint(c.ID, 10)}, func() {
			w.leaf("time", timestamp(c.Time))
			w.text("user", c.Session.User)
			if c.SessionID != 0 {
				w.number("session-id", c.SessionID)
			}
			w.text("protocol", c.Session.Protocol)
			w.text("peer", hostOf(c.Session.Peer))
			w.text("comment", c.Comment)
			w.text("confirmed", string(c.Confirm))
		})
	}
	p := s.store.Pending()
	if p == nil {
		return
	}
	w.in("pending-confirmed-commit", nil, func() {
		w.leaf("commit-id", strconv.FormatUint(p.Commit, 10))
		w.leaf("base-id", strconv.FormatUint(p.Base, 10))
		w.leaf("deadline", timestamp(p.Deadline))
		w.number("timeout", uint32(p.Timeout.Seconds()))
		w.text("user", p.Session.User)
		if !p.Persistent {
			w.number("session-id", p.SessionID)
		}
		w.leaf("persistent", strconv.FormatBool(p.Persistent))
	})
}

// text sets a leaf that is absent where there is nothing to say.
func (w *writer) text(name, value string) {
	if value != "" {
		w.leaf(name, value)
	}
}
