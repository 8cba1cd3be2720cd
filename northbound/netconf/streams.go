package netconf

// streams writes the event streams of RFC 5277 section 3.4.
func (s *Server) streams(w *writer) {
	w.in("streams", nil, func() {
		for _, st := range s.hub.Streams() {
			w.in("stream", []string{st.Name}, func() {
				w.leaf("description", st.Description)
				w.leaf("replaySupport", "true")
				w.leaf("replayLogCreationTime", timestamp(st.Created))
				if !st.Aged.IsZero() {
					w.leaf("replayLogAgedTime", timestamp(st.Aged))
				}
			})
		}
	})
}

// subscribedStreams writes the event streams of RFC 8639 section 2.1.
func (s *Server) subscribedStreams(w *writer) {
	for _, st := range s.hub.Streams() {
		w.in("stream", []string{st.Name}, func() {
			w.leaf("description", st.Description)
			w.leaf("replay-support", "")
			w.leaf("replay-log-creation-time", timestamp(st.Created))
			if !st.Aged.IsZero() {
				w.leaf("replay-log-aged-time", timestamp(st.Aged))
			}
		})
	}
}
