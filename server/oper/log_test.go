package oper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// alarm makes a notification with a text.
func (r *rig) alarm(text string) *tree.Node {
	n := r.schema.Notification(r.schema.Module("ne"), "alarm")
	b := tree.NewBuilder(tree.New(n))
	b.Leaf(n.Child("text"), schema.StringValue(n.Child("text").Type, text))
	return b.Seal()
}

// drain reads what waits: texts, and the errors that Poll returns.
func drain(s *NotifSub) []string {
	var got []string
	for {
		n, ok, err := s.Poll()
		switch {
		case err != nil:
			got = append(got, err.Error())
		case !ok:
			return got
		default:
			got = append(got, n.Node.ChildNamed("text").Value().String())
		}
	}
}

// TestReplay: the log comes first, from the time that was asked for, then the
// mark, then what happened since the reading began, whenever it is read.
func TestReplay(t *testing.T) {
	for _, tc := range []struct {
		name string
		from time.Duration // after the start of the log
		want []string
	}{
		{"all", 0, []string{"1", "2", "3", "early", "4", ErrReplayed.Error(), "5", "6"}},
		{"from the time of one", 2 * time.Second, []string{"2", "3", "4", ErrReplayed.Error(), "5", "6"}},
		{"between two", 2*time.Second + 1, []string{"3", "4", ErrReplayed.Error(), "5", "6"}},
		{"after the last", time.Hour, []string{ErrReplayed.Error(), "5", "6"}},
		{"before the log", -time.Hour, []string{"1", "2", "3", "early", "4", ErrReplayed.Error(), "5", "6"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			start := r.at
			notify := func(i int) { r.hub.Notify(start.Add(time.Duration(i)*time.Second), r.alarm(fmt.Sprint(i)), nil) }
			for i := 1; i <= 3; i++ {
				notify(i)
			}
			r.hub.Notify(start.Add(time.Second), r.alarm("early"), nil) // an engine's clock is behind
			notify(4)
			s, err := r.hub.Replay(NETCONF, start.Add(tc.from), 0)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			notify(5)
			notify(6)
			if got := drain(s); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestReplayOfNoStream(t *testing.T) {
	r := newRig(t)
	if _, err := r.hub.Replay("SNMP", r.at, 0); err == nil {
		t.Error("an unknown stream is replayed")
	}
	s, err := r.hub.Replay(NETCONF, r.at, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := s.Next(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestLogBounds: the oldest go when there are too many or they are too large, and
// the stream tells the time of the latest of them. A reader that has begun still
// gets all.
func TestLogBounds(t *testing.T) {
	for name, bound := range map[string]func(*eventLog){
		"count":  func(l *eventLog) { l.maxCount = 3 },
		"octets": func(l *eventLog) { l.maxBytes = 3 * (changeSize + 2*nodeSize + 1) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			bound(&r.hub.streams.log)
			start := r.at
			info := func() StreamInfo { return r.hub.Streams()[0] }
			if i := info(); i.Name != NETCONF || !i.Created.Equal(start) || !i.Aged.IsZero() {
				t.Errorf("at the start: %+v", i)
			}
			notify := func(i int) { r.hub.Notify(start.Add(time.Duration(i)*time.Second), r.alarm(fmt.Sprint(i)), nil) }
			for i := 1; i <= 3; i++ {
				notify(i)
			}
			early, err := r.hub.Replay(NETCONF, start, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer early.Close()
			for i := 4; i <= 9; i++ {
				notify(i)
			}
			if aged, want := info().Aged, start.Add(6*time.Second); !aged.Equal(want) {
				t.Errorf("aged %v, want %v", aged, want)
			}
			late, err := r.hub.Replay(NETCONF, start, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer late.Close()
			if got, want := drain(late), []string{"7", "8", "9", ErrReplayed.Error()}; !slices.Equal(got, want) {
				t.Errorf("the log has %q, want %q", got, want)
			}
			if got, want := drain(early), []string{"1", "2", "3", ErrReplayed.Error(), "4", "5", "6", "7", "8", "9"}; !slices.Equal(got, want) {
				t.Errorf("the reader got %q, want %q", got, want)
			}
		})
	}
	t.Run("one that is larger than the log", func(t *testing.T) {
		r := newRig(t)
		r.hub.streams.log.maxBytes = 10
		r.hub.Notify(r.at, r.alarm("large"), nil)
		if l := &r.hub.streams.log; len(l.entries) != 0 || l.bytes != 0 || !l.aged.Equal(r.at) {
			t.Errorf("the log holds %d notifications, %d octets", len(l.entries), l.bytes)
		}
	})
}

// TestCollect: what several publications did is one batch with one change for a
// place; whoever applies it ends in the present state.
func TestCollect(t *testing.T) {
	r := newRig(t)
	s := r.subscribe("all")
	if _, ok, err := s.Collect(); ok || err != nil {
		t.Errorf("before any change: %t, %v", ok, err)
	}
	r.publish("/lsp[name='a']/oper-state=up")
	r.publish("/lsp[name='a']/oper-state=down")
	r.publish("/lsp[name='a']/oper-state=failed")
	r.publish("/lsp[name='b']/oper-state=up", "/clock/offset=1")
	r.publish("-/lsp[name='b']")
	b, ok, err := s.Collect()
	if !ok || err != nil || !b.Time.Equal(r.at) || b.Coalesced == 0 {
		t.Fatalf("collected %+v, %t, %v", b, ok, err)
	}
	state := tree.Empty(r.schema)
	for _, c := range b.Changes {
		ed := tree.Edit{Op: tree.Remove, Path: c.Path}
		if c.New != nil {
			ed.Op = tree.Replace
			if c.New.Schema().Kind == schema.Leaf {
				ed.Value = c.New.Value()
			} else {
				ed.Tree = c.New
			}
		}
		next, errs := tree.Apply(state, []tree.Edit{ed})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		state = next
	}
	if !tree.Equal(state, r.hub.State()) {
		t.Errorf("the changes lead to %q, the state is %q", leafs(state), leafs(r.hub.State()))
	}
	if _, ok, err := s.Collect(); ok || err != nil {
		t.Errorf("collected twice: %t, %v", ok, err)
	}
	r.publish("/clock/offset=2")
	if b, ok, err := s.Poll(); !ok || err != nil || len(b.Changes) != 1 {
		t.Errorf("after Collect: %+v, %t, %v", b, ok, err)
	}
	s.Close()
	if _, _, err := s.Collect(); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestConfigOnly: such a subscriber sees the configuration as it is in running,
// whatever state stands beside it, and no state.
func TestConfigOnly(t *testing.T) {
	r := newRig(t)
	r.commit("/name=x")
	config, _ := r.hub.Subscribe(SubOptions{Paths: []tree.Path{{}}, ConfigOnly: true})
	defer config.Close()
	both := r.subscribe("all")
	r.publish("/lsp[name='a']/oper-state=up")
	r.commit("/lsp[name='a']/label=1")
	if got, want := waiting(t, config), []string{"+/lsp[name='a']"}; !slices.Equal(got, want) {
		t.Errorf("of the configuration: %q, want %q", got, want)
	}
	if got := waiting(t, both); len(got) < 2 {
		t.Errorf("of both: %q", got)
	}
	config.Close()
	if r.hub.configSubs != 0 {
		t.Errorf("%d subscriptions are left", r.hub.configSubs)
	}
}

func TestIsPulled(t *testing.T) {
	r := newRig(t)
	if err := r.hub.Provide("/ne:ne/lsp/statistics", &counters{}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"/ne:ne/lsp/statistics/packets": true, "/ne:ne/lsp/statistics": true, "/ne:ne/lsp": false, "/ne:ne/lsp/oper-state": false, "/": false,
	} {
		n, err := r.schema.Find(path)
		if path == "/" {
			n, err = r.schema.Root(), nil
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := r.hub.IsPulled(n); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}
