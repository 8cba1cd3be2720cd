package packetio

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/oam"
)

// maxGarbage is how many frames one Recv looks at.
const maxGarbage = 4096

// rxBatch is the memory of Recv.
type rxBatch struct {
	frames  []Frame
	fds     []unix.PollFd
	timeout unix.Timespec
	drain   [8]byte
}

func (r *rxBatch) init(event int, s Source) {
	r.fds = []unix.PollFd{{Fd: int32(event), Events: unix.POLLIN}}
	if s != nil {
		r.fds = append(r.fds, unix.PollFd{Fd: int32(s.FD()), Events: unix.POLLIN})
	}
}

// Recv implements oam.Transport.
func (t *Transport) Recv(batch []oam.Rx, deadline int64) (int, error) {
	t.recvMu.Lock()
	defer t.recvMu.Unlock()
	for {
		if t.closed.Load() {
			return 0, os.ErrClosed
		}
		if t.source != nil {
			t.source.Release()
		}
		if n := t.take(batch); n > 0 || len(batch) == 0 {
			return n, nil
		}
		if t.woken.Load() {
			t.quench()
			return 0, nil
		}
		wait := int64(-1)
		if deadline != oam.Forever {
			now := monotonic()
			if wait = deadline - now; wait <= 0 {
				return 0, nil
			}
		}
		if err := t.wait(wait); err != nil {
			return 0, err
		}
	}
}

// quench takes back what Wake did. The flag goes first: a Wake in between
// leaves at worst one more wake-up behind, never one too few.
func (t *Transport) quench() {
	t.woken.Store(false)
	_, _ = unix.Read(t.event, t.rx.drain[:])
}

// wait waits until a frame, Wake or Close, for at most ns nanoseconds;
// negative: without end.
func (t *Transport) wait(ns int64) error {
	var timeout *unix.Timespec
	if ns >= 0 {
		t.rx.timeout = unix.NsecToTimespec(ns)
		timeout = &t.rx.timeout
	}
	_, err := unix.Ppoll(t.rx.fds, timeout, nil)
	if err == unix.EINTR {
		return nil
	}
	if err == nil && t.rx.fds[0].Revents != 0 && !t.woken.Load() && !t.closed.Load() {
		// Left behind by a quench that was overtaken.
		_, _ = unix.Read(t.event, t.rx.drain[:])
	}
	return err
}

// take fills batch from the source. It returns fewer frames than there is room
// for only when the source is empty, or when nearly all it gives is garbage:
// a flood of that must not hold up the deadline.
func (t *Transport) take(batch []oam.Rx) (n int) {
	if t.source == nil {
		return 0
	}
	if len(t.rx.frames) < len(batch) {
		t.rx.frames = make([]Frame, len(batch)) // Once: the shard's batch has one size.
	}
	names := *t.names.Load()
	for taken := 0; n < len(batch) && taken < maxGarbage; {
		want := len(batch) - n
		got := t.source.Next(t.rx.frames[:want])
		taken += got
		for i := range got {
			if t.frame(&t.rx.frames[i], names, &batch[n]) {
				n++
			}
		}
		if got < want {
			break
		}
	}
	t.count.received.Add(uint64(n))
	return n
}

// frame turns a punted frame into what the shard sees, or counts why not.
func (t *Transport) frame(f *Frame, names map[port]string, rx *oam.Rx) bool {
	name, ok := names[port{f.IfIndex, f.VLAN}]
	if !ok {
		t.count.noSection.Add(1)
		return false
	}
	depth, payload, ok := walk(f.Stack)
	if !ok {
		t.count.malformed.Add(1)
		return false
	}
	if f.Truncated {
		t.count.truncated.Add(1)
	}
	*rx = oam.Rx{
		Time: f.Time, IfIndex: f.IfIndex, Section: name, Reason: f.Reason, Entity: f.Entity, Label: f.Label, HasLabel: f.HasLabel,
		Depth: uint8(depth), Truncated: f.Truncated, Snapshot: f.Snapshot, Stack: f.Stack[:4*depth], Payload: payload,
	}
	return true
}

// monotonic reads CLOCK_MONOTONIC.
func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // It cannot fail.
	return ts.Nano()
}
