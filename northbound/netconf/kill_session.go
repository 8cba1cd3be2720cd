package netconf

import (
	"strconv"

	"github.com/tandem-ne/tandem/server/yangerr"
)

// parseKillSession reads <kill-session> (RFC 6241 section 7.9).
func parseKillSession(q *request) (func() error, error) {
	text := ""
	err := q.params(map[string]func() error{
		"session-id": func() (err error) { text, err = q.text(); return err },
	})
	if err == nil && text == "" {
		err = missingElement("<kill-session> needs a <%s>", "session-id")
	}
	if err != nil {
		return nil, err
	}
	id, err := strconv.ParseUint(text, 10, 32)
	switch {
	case err != nil || id == 0:
		return nil, q.badSession("%q is not a session-id", text)
	case uint32(id) == q.ds.ID():
		return nil, q.badSession("%d is this session itself: use <close-session>", id)
	}
	return func() error {
		q.srv.markKilled(uint32(id), q.ds.ID())
		if err := q.srv.store.Kill(uint32(id)); err != nil {
			return err
		}
		return q.ok()
	}, nil
}

func (q *request) badSession(format string, args ...any) error {
	return yangerr.New(yangerr.InvalidValue, nil, format, args...).WithType(yangerr.Protocol).
		WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: "session-id"})
}

// markKilled notes who ends a session, for its netconf-session-end notification.
func (s *Server) markKilled(id, by uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sess := s.sessions[id]; sess != nil {
		sess.killedBy.Store(by)
	}
}
