package gnmi

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// stream serves a subscription of mode STREAM: the present data, sync_response,
// then events as they come and samples as they are due, until either side ends
// it.
//
// While the client does not read, changes wait in the Hub's subscription,
// where newer values replace older ones and a bound in octets ends the RPC.
func (sub *subscription) stream(requests <-chan error) error {
	sub.srv.streams.Add(1)
	defer sub.srv.streams.Add(-1)
	var events []tree.Path
	for _, it := range sub.items {
		if it.mode != gpb.SubscriptionMode_SAMPLE {
			events = append(events, it.patterns...)
		}
	}
	hub := sub.srv.hub
	changed := sub.nacm.Changed()
	sub.look(sub.nacm.View())
	snap := oper.Snapshot{Running: sub.srv.store.Running().Root, State: hub.State()}
	var feed *oper.Sub
	if len(events) > 0 {
		feed, snap = hub.Subscribe(oper.SubOptions{Paths: events, MaxBytes: sub.srv.opt.MaxBacklog})
		defer feed.Close()
	}
	tasks := sub.tasks(time.Now())
	// With updates_only the present values are not sent, but what leaves out
	// unchanged ones has to know them.
	if !sub.updatesOnly || slices.ContainsFunc(tasks, func(t *task) bool { return t.last != nil }) {
		err := sub.sendSnapshot(snap, sub.patterns, func(elems []*gpb.PathElem, n *tree.Node) bool {
			for _, t := range tasks {
				t.remember(elems, n)
			}
			return !sub.updatesOnly
		})
		if err != nil {
			return err
		}
	}
	if err := sub.sync(); err != nil {
		return err
	}
	var failed chan error
	if feed != nil {
		failed = make(chan error, 1)
		ctx, cancel := context.WithCancel(sub.ctx)
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			failed <- sub.follow(ctx, feed, oper.Reduce(events))
		}()
		defer func() {
			cancel()
			<-stopped
		}()
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var due <-chan time.Time
		next := earliest(tasks)
		if next != nil {
			timer.Reset(time.Until(next.at))
			due = timer.C
		}
		select {
		case now := <-due:
			if err := sub.run(next, now); err != nil {
				return err
			}
		case <-changed:
			changed = sub.nacm.Changed()
			if wake := sub.wake.Load(); wake != nil {
				(*wake)()
			}
		case err := <-failed:
			return err
		case err := <-requests:
			return err
		case <-sub.ctx.Done():
			return statusOf(sub.ctx.Err())
		case <-sub.srv.quit:
			return errStopping()
		}
	}
}

// eventsAtOnce is how many events are taken from the backlog at a time.
const eventsAtOnce = 32

// follow sends the batches of feed, which is about patterns, as they come, until
// it fails. It looks for other access rules before it sends, and whenever wake
// makes it give up waiting.
func (sub *subscription) follow(ctx context.Context, feed *oper.Sub, patterns []tree.Path) error {
	batches := make([]oper.Batch, eventsAtOnce)
	var wait context.Context
	renew := func() {
		next, cancel := context.WithCancel(ctx)
		wait = next
		sub.wake.Store(&cancel)
	}
	renew()
	defer func() { (*sub.wake.Load())() }()
	n, err := 0, error(nil)
	for {
		if sub.nacm.View() != sub.view {
			// What was read is sent again with the rest.
			n, err = 0, sub.reread(feed, patterns)
		}
		if err == nil {
			err = sub.sendBatches(batches[:n])
		}
		if err != nil {
			return statusOf(err)
		}
		clear(batches[:n])
		n, err = feed.Read(wait, batches)
		switch {
		case errors.Is(err, oper.ErrOverflow):
			return status.Error(codes.ResourceExhausted,
				"the client reads more slowly than data changes and its backlog was dropped; subscribe again")
		case wait.Err() != nil && ctx.Err() == nil:
			renew()
			if errors.Is(err, context.Canceled) {
				err = nil
			}
		}
	}
}

// task is work of a subscription that is due at times: a sample, a heartbeat,
// or the reading of counters, which nobody pushes.
type task struct {
	patterns []tree.Path
	every    time.Duration
	at       time.Time
	wanted   func(*schema.Node) bool // nil for all leafs

	last      map[string]string // values sent, kept only if unchanged ones are left out
	heartbeat time.Duration     // resend all after this time, 0 for never
	full      time.Time         // when all was sent
}

// tasks returns the timed work of the items, first due one interval from now.
func (sub *subscription) tasks(now time.Time) []*task {
	var tasks []*task
	add := func(t *task) {
		t.at, t.full = now.Add(t.every), now
		tasks = append(tasks, t)
	}
	for _, it := range sub.items {
		if it.mode == gpb.SubscriptionMode_SAMPLE {
			t := &task{patterns: oper.Reduce(it.patterns), every: it.interval}
			if it.suppress {
				t.last, t.heartbeat = map[string]string{}, it.heartbeat
			}
			add(t)
			continue
		}
		// ON_CHANGE sends a counter that differs when read; TARGET_DEFINED
		// samples counters and watches all else.
		if counters := counterPatterns(sub.srv.schema.Root(), it.patterns); len(counters) > 0 {
			t := &task{patterns: counters, every: sub.srv.opt.CounterInterval, wanted: isCounter}
			if it.mode == gpb.SubscriptionMode_ON_CHANGE || it.suppress {
				t.last = map[string]string{}
			}
			add(t)
		}
		if it.heartbeat > 0 {
			add(&task{patterns: oper.Reduce(it.patterns), every: it.heartbeat})
		}
	}
	return tasks
}

func earliest(tasks []*task) *task {
	var next *task
	for _, t := range tasks {
		if next == nil || t.at.Before(next.at) {
			next = t
		}
	}
	return next
}

// remember notes a value that was sent.
func (t *task) remember(elems []*gpb.PathElem, n *tree.Node) {
	if t.last == nil || t.wanted != nil && !t.wanted(n.Schema()) {
		return
	}
	t.last[elemsKey(elems)] = valueKey(n)
}

// run does t, which is due: it sends the leafs of t as they are now.
func (sub *subscription) run(t *task, now time.Time) error {
	// The schedule does not drift with the time that sending takes; after a
	// stall it starts anew instead of catching up.
	if t.at = t.at.Add(t.every); t.at.Before(now) {
		t.at = now.Add(t.every)
	}
	all := t.last == nil
	if t.heartbeat > 0 && now.Sub(t.full) >= t.heartbeat {
		all, t.full = true, now
	}
	snap := oper.Snapshot{Running: sub.srv.store.Running().Root, State: sub.srv.hub.State()}
	var seen map[string]string
	if t.last != nil {
		seen = make(map[string]string, len(t.last))
	}
	err := sub.sendSnapshot(snap, t.patterns, func(elems []*gpb.PathElem, n *tree.Node) bool {
		if t.wanted != nil && !t.wanted(n.Schema()) {
			return false
		}
		if seen == nil {
			return true
		}
		key, value := elemsKey(elems), valueKey(n)
		old, ok := t.last[key]
		seen[key] = value
		return all || !ok || old != value
	})
	t.last = seen // what is gone is forgotten with it
	return err
}

func elemsKey(elems []*gpb.PathElem) string {
	var b strings.Builder
	for _, e := range elems {
		b.WriteByte('/')
		b.WriteString(e.GetName())
		writeKeys(&b, e)
	}
	return b.String()
}

func valueKey(n *tree.Node) string {
	if n.Schema().Kind == schema.Leaf {
		return n.Value().String()
	}
	return string(valueOf(n, gpb.Encoding_JSON_IETF).GetJsonIetfVal())
}

// isCounter reports whether s is a counter by its type: such state is read
// when asked and pushed by nobody.
func isCounter(s *schema.Node) bool {
	if s.Kind != schema.Leaf || s.Config {
		return false
	}
	switch s.Type.Name() {
	case "counter32", "counter64", "zero-based-counter32", "zero-based-counter64":
		return true
	}
	return false
}

// counterPatterns returns the patterns of the counters at or below patterns:
// the container around them where that holds only state, else each of them.
func counterPatterns(root *schema.Node, patterns []tree.Path) []tree.Path {
	var out []tree.Path
	var below func(s *schema.Node, p tree.Path)
	below = func(s *schema.Node, p tree.Path) {
		if isCounter(s) {
			out = append(out, p)
			return
		}
		if s.Kind == schema.Container && !s.Config && slices.ContainsFunc(s.Children(), isCounter) {
			out = append(out, p)
			return
		}
		for _, c := range s.Children() {
			below(c, p.Child(c))
		}
	}
	for _, p := range patterns {
		if len(p) == 0 {
			below(root, p)
			continue
		}
		below(p[len(p)-1].Node, p)
	}
	return oper.Reduce(out)
}
