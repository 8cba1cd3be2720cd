package oper

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

func TestMatching(t *testing.T) {
	entry := func(name string) []string {
		return []string{"/lsp[name='" + name + "']/label=7", "/lsp[name='" + name + "']/next[a='x'][b='1']"}
	}
	tests := []struct {
		name  string
		paths []string
		start []string // configuration
		do    func(r *rig)
		want  []string // one batch a line
	}{
		{"a leaf", []string{"/lsp[name='a']/oper-state"}, entry("a"),
			func(r *rig) { r.publish("/lsp[name='a']/oper-state=up", "/lsp[name='b']/oper-state=up") },
			[]string{"+/lsp[name='a']/oper-state=up"}},
		{"all entries", []string{"/lsp/oper-state"}, append(entry("a"), entry("b")...),
			func(r *rig) { r.publish("/lsp[name='a']/oper-state=up", "/lsp[name='b']/oper-state=down") },
			[]string{"+/lsp[name='a']/oper-state=up +/lsp[name='b']/oper-state=down"}},
		{"one key of two", []string{"/lsp[name='a']/next[a='*'][b='1']"}, entry("a"),
			func(r *rig) {
				r.publish("/lsp[name='a']/next[a='x'][b='1']/state=up")
				r.publish("/lsp[name='a']/next[a='x'][b='2']/state=up")
			},
			[]string{"+/lsp[name='a']/next[a='x'][b='1']/state=up"}},
		{"a subtree", []string{"/lsp[name='a']"}, entry("a"),
			func(r *rig) {
				r.publish("/lsp[name='a']/oper-state=up")
				r.commit("/lsp[name='a']/label=8")
				r.publish("-/lsp[name='a']/oper-state")
			},
			[]string{"+/lsp[name='a']/oper-state=up", "~/lsp[name='a']/label=8", "-/lsp[name='a']/oper-state"}},
		{"everything", []string{"all"}, nil,
			func(r *rig) { r.commit("/name=x"); r.publish("/clock/offset=1") },
			[]string{"+", "+/clock"}},
		{"the top", []string{""}, entry("a"),
			func(r *rig) { r.commit("/name=x"); r.commit("-/name") },
			[]string{"+/name=x", "-/name"}},
		{"nothing of it", []string{"/clock", "/lsp[name='b']"}, entry("a"),
			func(r *rig) { r.publish("/lsp[name='a']/oper-state=up"); r.commit("/name=x") }, nil},
		{"a leaf in an entry that comes and goes", []string{"/lsp/label", "/lsp[name='a']/next[a='*'][b='*']/b"}, nil,
			func(r *rig) { r.commit(entry("a")...); r.commit("-/lsp[name='a']") },
			[]string{"+/lsp[name='a']/label=7 +/lsp[name='a']/next[a='x'][b='1']/b=1", "-/lsp[name='a']/label -/lsp[name='a']/next[a='x'][b='1']/b"}},
		{"one entry of those that come", []string{"/lsp[name='b']"}, nil,
			func(r *rig) { r.commit(append(entry("a"), entry("b")...)...) },
			[]string{"+/lsp[name='b']"}},
		{"two patterns, one in the other", []string{"/lsp[name='a']", "/lsp/oper-state", "/lsp[name='a']/oper-state"}, entry("a"),
			func(r *rig) { r.publish("/lsp[name='a']/oper-state=up") },
			[]string{"+/lsp[name='a']/oper-state=up"}},
		{"order of a list", []string{"/lsp[name='a']/hop"}, []string{"/lsp[name='a']/hop[.='1']", "/lsp[name='a']/hop[.='2']"},
			func(r *rig) {
				ed := r.edits("/lsp[name='a']/hop[.='2']")
				ed[0].Insert = tree.First
				next, errs := tree.Apply(r.running, ed)
				if len(errs) > 0 {
					r.t.Fatal(errs)
				}
				r.hub.PublishCommit(r.running, next, r.at)
			},
			[]string{">/lsp[name='a']/hop[.='2']"}},
		// The joined tree: an entry that has configuration and state comes with the
		// first and goes with the second, in whatever order.
		{"state of a configured entry", []string{"/lsp"}, entry("a"),
			func(r *rig) {
				r.publish("/lsp[name='a']/oper-state=up", "/lsp[name='a']/next[a='x'][b='1']/state=up", "/lsp[name='a']/statistics/packets=1")
			},
			[]string{"+/lsp[name='a']/oper-state=up +/lsp[name='a']/statistics +/lsp[name='a']/next[a='x'][b='1']/state=up"}},
		{"state goes, the entry stays", []string{"/lsp"}, entry("a"),
			func(r *rig) { r.publish("/lsp[name='a']/oper-state=up"); r.publish("-/lsp[name='a']") },
			[]string{"+/lsp[name='a']/oper-state=up", "-/lsp[name='a']/oper-state"}},
		{"the configuration goes before the state", []string{"/lsp"}, []string{"/name=x", "/lsp[name='a']/label=7"},
			func(r *rig) {
				r.publish("/lsp[name='a']/oper-state=up")
				r.commit("-/lsp[name='a']")
				r.publish("-/lsp[name='a']")
			},
			[]string{"+/lsp[name='a']/oper-state=up", "-/lsp[name='a']/label", "-/lsp[name='a']"}},
		{"the state comes before the configuration", []string{"/lsp"}, []string{"/name=x"},
			func(r *rig) { r.publish("/lsp[name='a']/oper-state=up"); r.commit("/lsp[name='a']/label=7") },
			[]string{"+/lsp[name='a']", "+/lsp[name='a']/label=7"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.commit(test.start...)
			r.watch = r.subscribe(test.paths...)
			test.do(r)
			r.look()
			if got := r.seen; !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestPublishRefusesAsAWhole(t *testing.T) {
	r := newRig(t)
	sub := r.subscribe("all")
	before := r.hub.Snapshot()
	if err := r.hub.Publish(r.at, r.edits("/clock/offset=1", "-/name")); err == nil {
		t.Error("an edit that cannot be made was accepted")
	}
	if r.hub.Snapshot() != before || len(waiting(t, sub)) != 0 {
		t.Error("a refused publication left something")
	}
}

func TestBatchesCarryTheEventTime(t *testing.T) {
	r := newRig(t)
	sub := r.subscribe("all")
	at := r.at.Add(-time.Hour)
	if err := r.hub.Publish(at, r.edits("/clock/offset=1")); err != nil {
		t.Fatal(err)
	}
	if b := next(t, sub); !b.Time.Equal(at) {
		t.Errorf("time %v, want %v", b.Time, at)
	}
}

func TestCoalescing(t *testing.T) {
	up := func(r *rig, name, state string) { r.publish("/lsp[name='" + name + "']/oper-state=" + state) }
	tests := []struct {
		name string
		do   func(r *rig)
		want []string
	}{
		{"one path", func(r *rig) {
			for i := range 200 {
				up(r, "a", fmt.Sprint(i))
			}
		}, []string{"+/lsp[name='a']/oper-state=199 (199)"}},
		{"the latest place in the order", func(r *rig) { up(r, "a", "1"); up(r, "b", "1"); up(r, "a", "2") },
			[]string{"+/lsp[name='b']/oper-state=1", "+/lsp[name='a']/oper-state=2 (1)"}},
		{"came and went", func(r *rig) { up(r, "a", "1"); up(r, "b", "1"); r.publish("-/lsp[name='a']/oper-state") },
			[]string{"+/lsp[name='b']/oper-state=1"}},
		{"an entry that went and came", func(r *rig) {
			r.publish("/sessions/session[id='1']/state=up")
			r.publish("-/sessions/session[id='1']")
			r.publish("/sessions/session[id='1']/peer=x")
			r.publish("/sessions/session[id='1']/peer=y")
		}, []string{"-/sessions/session[id='1']", "+/sessions/session[id='1'] (1)", "~/sessions/session[id='1']/peer=y"}},
		{"a leaf that came, came again with its entry, and went", func(r *rig) {
			r.publish("/sessions/session[id='9']/peer=x")
			r.publish("-/sessions/session[id='9']")
			r.publish("/sessions/session[id='9']/peer=y", "/clock/offset=1")
			r.publish("-/sessions/session[id='9']/peer")
		}, []string{"-/sessions", "+/sessions +/clock", "-/sessions/session[id='9']/peer (1)"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.commit("/lsp[name='a']/label=1", "/lsp[name='b']/label=2")
			r.publish("/sessions/session[id='9']/state=up")
			sub := r.subscribe("all")
			test.do(r)
			if got := waiting(t, sub); !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestCoalescedChangeSpansFromTheKnownToTheLatest(t *testing.T) {
	r := newRig(t)
	r.publish("/clock/offset=1")
	sub := r.subscribe("/clock/offset")
	for i := range 10 {
		r.publish(fmt.Sprintf("/clock/offset=%d", 10+i))
	}
	b := next(t, sub)
	c := b.Changes[0]
	if c.Op != tree.Modified || c.Old.Value().String() != "1" || c.New.Value().String() != "19" || b.Coalesced != 9 {
		t.Errorf("change %+v from %v to %v, %d coalesced", c.Op, c.Old.Value(), c.New.Value(), b.Coalesced)
	}
}

func TestOverflowAndResync(t *testing.T) {
	r := newRig(t)
	sub, _ := r.hub.Subscribe(SubOptions{Paths: []tree.Path{nil}, MaxBytes: 8 << 10})
	defer sub.Close()
	other := r.subscribe("all")
	for i := range 100 {
		r.publish(fmt.Sprintf("/sessions/session[id='%d']/state=up", i))
	}
	for range 2 {
		if _, err := sub.Next(context.Background()); !errors.Is(err, ErrOverflow) {
			t.Fatalf("error %v, want ErrOverflow", err)
		}
	}
	if changes, bytes := sub.Backlog(); changes != 0 || bytes != 0 {
		t.Errorf("%d changes and %d octets are kept", changes, bytes)
	}
	if n := len(waiting(t, other)); n != 100 {
		t.Errorf("the reader with room has %d batches, want 100", n)
	}
	snap := sub.Resync()
	if got := snap.State.Get(r.path("/sessions/session")).Len(); got != 100 {
		t.Errorf("the snapshot has %d sessions", got)
	}
	r.publish("/sessions/session[id='0']/state=down")
	if got := waiting(t, sub); !slices.Equal(got, []string{"~/sessions/session[id='0']/state=down"}) {
		t.Errorf("after Resync: %q", got)
	}
}

func TestABacklogOfOnePathNeverOverflows(t *testing.T) {
	r := newRig(t)
	sub, _ := r.hub.Subscribe(SubOptions{Paths: []tree.Path{nil}, MaxBytes: 2 << 10})
	defer sub.Close()
	for i := range 5000 {
		r.publish(fmt.Sprintf("/clock/offset=%d", i))
	}
	if got, want := waiting(t, sub), []string{"+", "~/clock/offset=4999 (4998)"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNextEnds(t *testing.T) {
	r := newRig(t)
	sub := r.subscribe("all")
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error, 1)
	go func() {
		_, err := sub.Next(ctx)
		errs <- err
	}()
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want Canceled", err)
	}
	go func() {
		_, err := sub.Next(context.Background())
		errs <- err
	}()
	sub.Close()
	if err := <-errs; !errors.Is(err, ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
	sub.Close()
	r.publish("/clock/offset=1")
	if !r.hub.index.empty() || len(r.hub.index.at) != 0 || len(r.hub.index.below) != 0 {
		t.Error("a closed subscription is still in the index")
	}
}

// replica follows a subscription in a tree of its own.
type replica struct{ root *tree.Node }

func (x *replica) follow(t testing.TB, b Batch) {
	t.Helper()
	for _, c := range b.Changes {
		ed := tree.Edit{Op: tree.Replace, Path: c.Path}
		switch {
		case c.Op == tree.Deleted:
			ed.Op = tree.Remove
		case isValue(c.New):
			ed.Value = c.New.Value()
		default:
			ed.Tree = c.New
		}
		next, errs := tree.Apply(x.root, []tree.Edit{ed})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		x.root = next
	}
}

// TestReplicaConverges has readers of all speeds follow random changes of
// configuration and state: whatever was coalesced, each ends with the joined tree.
func TestReplicaConverges(t *testing.T) {
	r := newRig(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	name := func() string { return fmt.Sprintf("/lsp[name='n%d']", rnd.IntN(5)) }
	r.commit("/name=x")
	// The top stays, so that no change concerns the root.
	r.publish("/clock/offset=0")
	type reader struct {
		sub   *Sub
		every int
		replica
	}
	readers := []*reader{{every: 1}, {every: 7}, {every: 90}, {every: 1000}}
	for _, x := range readers {
		sub, snap := r.hub.Subscribe(SubOptions{Paths: []tree.Path{nil}})
		defer sub.Close()
		x.sub, x.root = sub, tree.MergeTrees(snap.Running, snap.State)
	}
	drain := func(x *reader, all bool) {
		for changes, _ := x.sub.Backlog(); changes > 0; changes, _ = x.sub.Backlog() {
			var some [3]Batch
			n, err := x.sub.take(some[:1+rnd.IntN(3)])
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range some[:n] {
				x.follow(t, b)
			}
			if !all && rnd.IntN(3) == 0 {
				return
			}
		}
	}
	remove := func(text string) tree.Edit { return tree.Edit{Op: tree.Remove, Path: r.path(text)} }
	for step := range 1500 {
		r.at = r.at.Add(time.Second)
		if rnd.IntN(2) == 0 {
			var edits []tree.Edit
			switch rnd.IntN(4) {
			case 0:
				edits = append(edits, remove(name()))
			case 1:
				edits = r.edits(name() + fmt.Sprintf("/next[a='x'][b='%d']", rnd.IntN(3)))
			default:
				edits = r.edits(name() + fmt.Sprintf("/label=%d", step))
			}
			next, errs := tree.Apply(r.running, edits)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			r.hub.PublishCommit(r.running, next, r.at)
			r.running = next
		} else {
			var edits []tree.Edit
			switch rnd.IntN(6) {
			case 0:
				edits = append(edits, remove(name()))
			case 1:
				edits = append(edits, remove(name()+"/statistics"))
			case 2:
				edits = r.edits(name() + fmt.Sprintf("/next[a='x'][b='%d']/state=s%d", rnd.IntN(3), step))
			case 3:
				edits = r.edits(name() + fmt.Sprintf("/statistics/packets=%d", step))
			default:
				edits = r.edits(name() + fmt.Sprintf("/oper-state=s%d", step))
			}
			if err := r.hub.Publish(r.at, edits); err != nil {
				t.Fatal(err)
			}
		}
		for _, x := range readers {
			if step%x.every == x.every-1 {
				drain(x, false)
			}
		}
	}
	want := tree.MergeTrees(r.running, r.hub.State())
	for _, x := range readers {
		drain(x, true)
		if !tree.Equal(x.root, want) {
			for c := range tree.Diff(want, x.root) {
				t.Errorf("reader of every %d: %s", x.every, line(c))
			}
		}
	}
}

// TestConcurrentSubscribers has subscribers come and go while two publishers are
// at work: from its snapshot on, each sees an unbroken row of counts.
func TestConcurrentSubscribers(t *testing.T) {
	r := newRig(t)
	paths := []tree.Path{r.path("/clock/offset"), r.path("/clock/now")}
	var publishers, subscribers sync.WaitGroup
	const last = 2000
	for i, p := range paths {
		publishers.Go(func() {
			for n := 1; n <= last; n++ {
				v := schema.MustParse(p[len(p)-1].Node.Type, fmt.Sprint(n))
				if err := r.hub.Publish(time.Unix(int64(i), int64(n)), []tree.Edit{{Op: tree.Merge, Path: p, Value: v}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 8 {
		subscribers.Go(func() {
			for range 20 {
				sub, snap := r.hub.Subscribe(SubOptions{Paths: paths[:1]})
				at := "0"
				if n := snap.State.Get(paths[0]); n != nil {
					at = n.Value().String()
				}
				for at != fmt.Sprint(last) {
					b, err := sub.Next(context.Background())
					if err != nil {
						t.Error(err)
						break
					}
					c := b.Changes[0]
					if old := c.Old; old != nil && old.Value().String() != at || old == nil && at != "0" {
						t.Errorf("after %s comes a change from %v", at, old)
					}
					at = c.New.Value().String()
					if at == fmt.Sprint(last/2) {
						break
					}
				}
				sub.Close()
			}
		})
	}
	publishers.Wait()
	subscribers.Wait()
}

// TestAPublicationIsOneBatch reads while publications of many changes are
// being handed on: the reader gets each of them whole. No path comes twice,
// so that nothing is coalesced.
func TestAPublicationIsOneBatch(t *testing.T) {
	r := newRig(t)
	s := r.subscribe("/lsp/oper-state")
	const entries, rounds = 200, 100
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := range rounds {
			var texts []string
			for n := range entries {
				texts = append(texts, fmt.Sprintf("/lsp[name='%d-%d']/oper-state=up", i, n))
			}
			r.publish(texts...)
		}
	})
	for range rounds {
		if b := next(t, s); len(b.Changes) != entries {
			t.Errorf("a batch of %d changes, want %d", len(b.Changes), entries)
		}
	}
	writer.Wait()
}

// BenchmarkFanout100 has 100 subscribers of all LSPs follow one publisher; one
// operation is one delivery to one subscriber that reads it.
func BenchmarkFanout100(b *testing.B) {
	r := newRig(b)
	const subscribers, entries = 100, 1000
	p := make([][2]tree.Edit, entries)
	for i := range p {
		path := r.path(fmt.Sprintf("/lsp[name='n%d']/oper-state", i))
		leaf := path[len(path)-1].Node
		for k, v := range []string{"up", "down"} {
			p[i][k] = tree.Edit{Op: tree.Merge, Path: path, Value: schema.StringValue(leaf.Type, v)}
		}
	}
	var readers sync.WaitGroup
	subs := make([]*Sub, subscribers)
	counts, left := make([]int, subscribers), make([]int, subscribers)
	for i := range subs {
		subs[i] = r.subscribe("/lsp/oper-state")
		readers.Go(func() {
			for {
				batch, err := subs[i].Next(context.Background())
				if err != nil {
					return
				}
				counts[i] += len(batch.Changes)
				left[i] += int(batch.Coalesced)
			}
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += subscribers {
		n := i / subscribers
		if err := r.hub.Publish(time.Unix(0, int64(n)), p[n%entries][n/entries%2:][:1]); err != nil {
			b.Fatal(err)
		}
	}
	published := (b.N + subscribers - 1) / subscribers
	for _, s := range subs {
		for n, _ := s.Backlog(); n > 0; n, _ = s.Backlog() {
			s.signal()
		}
		s.Close()
	}
	readers.Wait()
	b.StopTimer()
	total, coalesced := 0, 0
	for i, n := range counts {
		total += n
		coalesced += left[i]
	}
	if total+coalesced > published*subscribers {
		b.Fatalf("%d deliveries and %d left out of %d", total, coalesced, published*subscribers)
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64(coalesced)/float64(published*subscribers), "coalesced")
}

// BenchmarkPublish changes one state of 10,000 with few or no subscribers.
func BenchmarkPublish(b *testing.B) {
	for _, subscribers := range []int{0, 1} {
		b.Run(fmt.Sprint(subscribers), func(b *testing.B) {
			r := newRig(b)
			const entries = 10_000
			edits := make([][2][]tree.Edit, entries)
			for i := range edits {
				path := r.path(fmt.Sprintf("/lsp[name='n%d']/oper-state", i))
				leaf := path[len(path)-1].Node
				for k, v := range []string{"up", "down"} {
					edits[i][k] = []tree.Edit{{Op: tree.Merge, Path: path, Value: schema.StringValue(leaf.Type, v)}}
				}
				if err := r.hub.Publish(r.at, edits[i][1]); err != nil {
					b.Fatal(err)
				}
			}
			var s *Sub
			if subscribers > 0 {
				s = r.subscribe("/lsp/oper-state")
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if err := r.hub.Publish(r.at, edits[i%entries][i/entries%2]); err != nil {
					b.Fatal(err)
				}
				i++
				if s != nil {
					if _, err := s.take(make([]Batch, 1)); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
