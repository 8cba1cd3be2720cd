package link

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Scheduling keeps who wants which queues on an interface. Sections on VLANs of
// one interface share its queues, so they must agree; the last one that goes
// takes them off. It is not safe for concurrent use.
type Scheduling[K comparable] struct {
	h  *Handle
	by map[int]map[K]Queues
}

// ErrOtherQueues is returned where another user of the interface wants other
// queues.
var ErrOtherQueues = errors.New("it has the queues of another section, which differ")

// NewScheduling returns one without users.
func NewScheduling[K comparable](h *Handle) *Scheduling[K] {
	return &Scheduling[K]{h: h, by: map[int]map[K]Queues{}}
}

// Set puts the queues of a user on an interface, before frames are sent through
// them. The error wraps ErrOtherQueues or ErrForeignQueues where somebody else
// is in the way.
func (s *Scheduling[K]) Set(index int, user K, q Queues) error {
	for other, theirs := range s.by[index] {
		if other != user && theirs != q {
			return ErrOtherQueues
		}
	}
	if err := s.h.SetQueues(index, q); err != nil {
		return err
	}
	s.Note(index, user, q)
	return nil
}

// Note says that a user wants queues that are there.
func (s *Scheduling[K]) Note(index int, user K, q Queues) {
	if s.by[index] == nil {
		s.by[index] = map[K]Queues{}
	}
	s.by[index][user] = q
}

// Uses tells whether a user was noted for an interface.
func (s *Scheduling[K]) Uses(index int, user K) bool {
	_, ok := s.by[index][user]
	return ok
}

// Clear ends a user's use of queues; the last one takes them off the interface.
// It is called after frames have ceased to be sent through them.
func (s *Scheduling[K]) Clear(index int, user K) error {
	users := s.by[index]
	if _, ok := users[user]; !ok {
		return nil
	}
	delete(users, user)
	if len(users) > 0 {
		return nil
	}
	delete(s.by, index)
	return s.h.ClearQueues(index)
}

// Of returns the queues of an interface; ok is false where nobody has any.
func (s *Scheduling[K]) Of(index int) (q Queues, ok bool) {
	for _, q := range s.by[index] {
		return q, true
	}
	return q, false
}

// Drift returns the users whose queues were changed behind our back.
func (s *Scheduling[K]) Drift() (users []K) {
	for index, by := range s.by {
		q, ok, err := s.h.Queues(index)
		if err != nil {
			continue
		}
		for user, want := range by {
			if !ok || q != want {
				users = append(users, user)
			}
		}
	}
	return users
}

// probeDevice is the interface on which is tried what this host can do.
const probeDevice = "mtpr0"

// ProbeQueues tells why there can be no queues on this host, nil if there can.
// It tries in a network namespace of its own, or, where it may make none, in
// that of the calling thread, on an interface that comes and goes.
func ProbeQueues() error {
	result := make(chan error)
	go func() { result <- scratch(probe) }()
	err := <-result
	if errors.Is(err, errNoNamespace) {
		err = probe()
	}
	return err
}

var errNoNamespace = errors.New("no network namespace to try in")

// scratch calls f on a thread in a network namespace of its own.
func scratch(f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return fmt.Errorf("%w: %w", errNoNamespace, err)
	}
	defer home.Close()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("%w: %w", errNoNamespace, err)
	}
	err = f()
	// A thread that cannot go back ends with its goroutine.
	if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
		runtime.UnlockOSThread()
	}
	return err
}

func probe() error {
	h, err := Open()
	if err != nil {
		return err
	}
	l, _, err := h.EnsureVeth(probeDevice, probeDevice+"x")
	if err == nil {
		err = errors.Join(h.ProbeQueues(l.Index), h.Delete(probeDevice))
	}
	return errors.Join(err, h.Close())
}
