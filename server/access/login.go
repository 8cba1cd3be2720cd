package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// failureDelay is how long the answer to a failed password takes, whatever
	// was wrong, so that it tells nothing of what exists.
	failureDelay = 500 * time.Millisecond
	// freeFailures of one address cost it nothing but failureDelay; from then
	// on each further one doubles the time in which it is not listened to, up
	// to maxPenalty.
	freeFailures = 5
	maxPenalty   = time.Minute
	// forgetAfter a failure of an address counts no more.
	forgetAfter = 10 * time.Minute
	// maxOffenders bounds the memory for addresses; the one whose last failure
	// is the oldest makes room.
	maxOffenders = 4096
	// hashing bounds the passwords that are verified at a time.
	hashing = 2
	// logInterval is the time between two lines of the log about failures.
	logInterval = 10 * time.Second
)

// ErrRefused is what a client learns of a failed login. What was wrong is in
// the log only.
var ErrRefused = errors.New("access: refused")

// PasswordLogin reports whether users may come in with passwords: the
// configuration has local-users in user-authentication-order (RFC 7317 section
// 3.5). An empty order leaves keys and certificates.
func (a *Access) PasswordLogin() bool { return a.config.Load().PasswordLogin }

// CheckPassword decides about the password of a user who comes from peer, an
// address with or without a port. A refusal, always ErrRefused, comes no
// sooner than half a second later; it does not wait longer than ctx lets it.
func (a *Access) CheckPassword(ctx context.Context, user, password, peer string) error {
	if a.Throttled(peer) {
		return a.delay(ctx)
	}
	settings := a.config.Load()
	hash, known := settings.passwords[user]
	if !known {
		hash = a.decoy // An unknown user costs as much time as a known one.
	}
	select {
	case a.hashing <- struct{}{}:
	case <-ctx.Done():
		return ErrRefused
	}
	right := hash.verify(password)
	<-a.hashing
	if right && known && settings.PasswordLogin {
		a.failures.forgive(peer)
		return nil
	}
	a.Failed(user, peer, "password")
	return a.delay(ctx)
}

func (a *Access) delay(ctx context.Context) error {
	t := time.NewTimer(failureDelay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return ErrRefused
}

// Throttled reports whether peer must wait because of its failures, and counts
// the attempt if so.
func (a *Access) Throttled(peer string) bool {
	if !a.failures.blocked(peer, a.now()) {
		return false
	}
	a.failures.throttled.Add(1)
	return true
}

// Failed counts a failed attempt of user from peer, and logs it, at most one
// line in 10 s.
func (a *Access) Failed(user, peer, method string) {
	a.failures.add(user, peer, method, a.now(), a.log)
}

// FailedAttempts returns how many attempts failed since Open, and how many were
// refused because of those.
func (a *Access) FailedAttempts() (failed, throttled uint32) {
	return a.failures.failed.Load(), a.failures.throttled.Load()
}

// failures remembers who fails to log in.
type failures struct {
	failed, throttled atomic.Uint32

	mu     sync.Mutex
	by     map[string]*offender
	unsaid int       // failures since the last line of the log
	said   time.Time // when that was
}

type offender struct {
	count int
	last  time.Time
	until time.Time // not listened to before
}

// source is what failures are counted by: an IPv4 address, or the /64 that a
// host with an IPv6 address has for itself.
func source(peer string) string {
	addr, err := netip.ParseAddr(peer)
	if err != nil {
		port, err := netip.ParseAddrPort(peer)
		if err != nil {
			return peer
		}
		addr = port.Addr()
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}

func (f *failures) blocked(peer string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.by[source(peer)]
	return o != nil && now.Before(o.until)
}

func (f *failures) forgive(peer string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.by, source(peer))
}

func (f *failures) add(user, peer, method string, now time.Time, log *slog.Logger) {
	f.failed.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil {
		f.by = map[string]*offender{}
	}
	key := source(peer)
	o := f.by[key]
	if o == nil {
		f.makeRoom(now)
		o = &offender{}
		f.by[key] = o
	}
	if now.Sub(o.last) > forgetAfter {
		o.count = 0
	}
	o.count++
	o.last = now
	if over := o.count - freeFailures; over > 0 {
		o.until = now.Add(min(maxPenalty, time.Second<<min(over-1, 10)))
	}
	f.unsaid++
	if now.Sub(f.said) >= logInterval {
		log.Warn("failed logins", "count", f.unsaid, "last-user", fmt.Sprintf("%.64q", user), "last-peer", peer, "last-method", method)
		f.unsaid, f.said = 0, now
	}
}

// makeRoom forgets who is forgiven by time, and if that is nobody the one who
// has been quiet for longest.
func (f *failures) makeRoom(now time.Time) {
	if len(f.by) < maxOffenders {
		return
	}
	oldest := ""
	for key, o := range f.by {
		if now.Sub(o.last) > forgetAfter {
			delete(f.by, key)
			continue
		}
		if oldest == "" || o.last.Before(f.by[oldest].last) {
			oldest = key
		}
	}
	if len(f.by) >= maxOffenders {
		delete(f.by, oldest)
	}
}
