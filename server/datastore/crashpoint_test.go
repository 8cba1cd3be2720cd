package datastore

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
)

// killEnv tells a child at which step of the journal it is to kill itself:
// "POINT N" is the Nth time that it comes to that point.
const killEnv = "TANDEM_DATASTORE_KILL"

// scenario is a row of operations of all kinds on a store. Each is known by its
// number alone, so that a model can follow it in another process.
type scenario struct {
	schema *schema.Schema
	clock  *fakeClock
	store  *Store
	admin  *Session
}

// expected is what a store has to show after an operation.
type expected struct {
	root, startup, base *tree.Node // base is nil while no confirmed commit is pending
	deadline            time.Time
}

// kinds are the operations in their order, round after round.
func kinds() []string {
	return []string{
		"commit", "transact", "start", "extend", "confirm", "startup", "checkpoint", "start", "cancel", "commit", "start", "timeout",
		"start", "extend unchanged", "checkpoint", "confirm unchanged", "startup", "transact", "large", "start", "checkpoint", "cancel",
	}
}

const (
	confirmTime = time.Hour
	token       = "token"
)

// moment is when operation k happens.
func moment(k int) time.Time { return epoch.Add(time.Duration(k) * 2 * confirmTime / 1000) }

// edits are what operation k changes.
func (sc *scenario) edits(k int) []tree.Edit {
	edits := commitEdits(sc.schema, uint64(k+1))
	if kinds()[k%len(kinds())] == "large" {
		for i := range 60 {
			edits = append(edits, set(sc.schema, fmt.Sprintf("/lsp[name='large-%d-%d']/description", k, i), strings.Repeat("d", 100)))
		}
	}
	return edits
}

// open starts the store at the time of operation k.
func (sc *scenario) open(dir string, k int, lim limits) error {
	sc.clock = &fakeClock{now: moment(k)}
	st, err := open(Options{
		Schema: sc.schema, Validator: validate.New(sc.schema), Dir: dir, Log: quiet(), Clock: sc.clock, Startup: true, BootID: "one",
	}, lim)
	if err == nil {
		sc.store, sc.admin = st, st.session()
	}
	return err
}

// do makes operation k.
func (sc *scenario) do(k int) error {
	sc.clock.moveTo(moment(k))
	commit := func(change bool, o CommitOptions) error {
		if change {
			if err := sc.admin.Edit(bg, sc.edits(k)); err != nil {
				return err
			}
		}
		_, err := sc.admin.Commit(bg, o)
		return err
	}
	confirm := &Confirm{Timeout: confirmTime, Persist: token}
	switch kind := kinds()[k%len(kinds())]; kind {
	case "commit", "large":
		return commit(true, CommitOptions{})
	case "transact":
		_, err := sc.admin.Transact(bg, func(*tree.Node) ([]tree.Edit, error) { return sc.edits(k), nil }, CommitOptions{})
		return err
	case "start":
		return commit(true, CommitOptions{Confirm: confirm})
	case "extend", "extend unchanged":
		return commit(kind == "extend", CommitOptions{Confirm: confirm, PersistID: token})
	case "confirm", "confirm unchanged":
		return commit(kind == "confirm", CommitOptions{PersistID: token})
	case "cancel":
		return sc.admin.CancelCommit(bg, token)
	case "timeout":
		p := sc.store.Pending()
		if p == nil {
			return errors.New("nothing is pending")
		}
		sc.store.expire(sc.store.pending)
		return nil
	case "startup":
		return sc.admin.SetStartup(bg, sc.store.Running().Root)
	case "checkpoint":
		return sc.store.journal.checkpoint(sc.store.Running())
	}
	return errors.New("no such operation")
}

// after returns what is expected after operation k, if e was before it.
func (sc *scenario) after(t testing.TB, e expected, k int) expected {
	switch kind := kinds()[k%len(kinds())]; kind {
	case "start", "extend", "extend unchanged":
		if e.base == nil {
			e.base = e.root
		}
		e.deadline = moment(k).Add(confirmTime)
		if kind != "extend unchanged" {
			e.root = apply(t, e.root, sc.edits(k)...)
		}
	case "confirm", "confirm unchanged":
		e.base = nil
		if kind == "confirm" {
			e.root = apply(t, e.root, sc.edits(k)...)
		}
	case "cancel", "timeout":
		e.root, e.base = e.base, nil
	case "startup":
		e.startup = e.root
	case "commit", "transact", "large":
		e.root = apply(t, e.root, sc.edits(k)...)
	}
	return e
}

// is says how the store differs from e; empty if it does not.
func (sc *scenario) is(e expected) string {
	st := sc.store
	p := st.Pending()
	switch {
	case !tree.Equal(st.Running().Root, e.root):
		return "running"
	case !tree.Equal(st.Startup().Root, e.startup):
		return "startup"
	case (p != nil) != (e.base != nil):
		return fmt.Sprintf("pending %+v", p)
	case p == nil:
		return ""
	case !p.Deadline.Equal(e.deadline) || !p.Persistent:
		return fmt.Sprintf("pending until %v, not %v", p.Deadline, e.deadline)
	case !tree.Equal(st.pending.base.Root, e.base):
		return "what a rollback leads to"
	}
	return ""
}

// image is the files as a SIGKILL at one step would leave them.
type image struct {
	dir, point string
	k          int // the operation under way
}

// stepwise are limits under which everything happens on the goroutine of the
// caller, and segments are full soon.
func stepwise() limits {
	lim := smallLimits()
	lim.records, lim.minBytes = 1<<30, 1<<40
	return lim
}

// TestCrashAtEveryStep takes an image of the files at each step of the journal,
// through all kinds of operations, and starts from each: what it finds is the
// state before the operation or the one after it, with the confirmed commit that
// belongs to it and the time that it has left; after the operation was answered,
// the one after it only.
func TestCrashAtEveryStep(t *testing.T) {
	sc := &scenario{schema: box(t)}
	dir := t.TempDir()
	var images []image
	k := -1
	lim := stepwise()
	lim.step = func(point string) {
		if k >= 0 {
			images = append(images, image{copyDir(t, dir), point, k})
		}
	}
	if err := sc.open(dir, 0, lim); err != nil {
		t.Fatal(err)
	}
	empty := tree.Empty(sc.schema)
	states := []expected{{root: empty, startup: empty}}
	const n = 66
	for k = range n {
		if err := sc.do(k); err != nil {
			t.Fatalf("operation %d: %v", k, err)
		}
		states = append(states, sc.after(t, states[k], k))
		if diff := sc.is(states[k+1]); diff != "" {
			t.Fatalf("operation %d: the model has another %s", k, diff)
		}
		images = append(images, image{copyDir(t, dir), "answered", k})
	}
	k = -1
	if err := sc.store.Close(); err != nil {
		t.Fatal(err)
	}
	points := map[string]int{}
	for _, im := range images {
		points[im.point]++
		again := &scenario{schema: sc.schema}
		if err := again.open(im.dir, im.k, stepwise()); err != nil {
			t.Errorf("operation %d, %s: %v", im.k, im.point, err)
			continue
		}
		before, after := again.is(states[im.k]), again.is(states[im.k+1])
		if rec := again.store.Recovery(); len(rec.Damage) > 0 {
			t.Errorf("operation %d, %s: %+v", im.k, im.point, rec)
		}
		// What is durable has happened.
		durable := im.point == "answered" || im.point == "append durable"
		if after != "" && (before != "" || durable) {
			t.Errorf("operation %d (%s), %s: another %s, or %s", im.k, kinds()[im.k%len(kinds())], im.point, before, after)
		}
		if err := again.store.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d images: %v", len(images), points)
	for _, point := range []string{
		"append", "append written", "append durable", "segment written", "segment named", "segment dropped",
		"checkpoint written", "checkpoint durable", "checkpoint named", "checkpoint dropped", "answered",
	} {
		if points[point] == 0 {
			t.Errorf("the scenario never came to %q", point)
		}
	}
}

// TestCrashWhileStarting starts from images of starts that have something to do.
func TestCrashWhileStarting(t *testing.T) {
	s := box(t)
	one := apply(t, tree.Empty(s), set(s, "/lsp[name='x']/tc", "1"))
	tests := []struct {
		name    string
		prepare func(*testing.T, *Store) // leaves running in need of a change
		damage  func(*testing.T, string)
		options Options
		want    string // /lsp[name='x']/tc
	}{
		{"first start", nil, nil, Options{Initial: one}, "1"},
		{"first start with startup", nil, nil, Options{Initial: one, Startup: true, BootID: "one"}, "1"},
		{"a session that ended", func(t *testing.T, st *Store) {
			a := st.session()
			transact(t, a, set(s, "/lsp[name='x']/tc", "2"))
			confirmed(t, a, "", set(s, "/lsp[name='x']/tc", "3"))
		}, nil, Options{}, "2"},
		{"a boot with startup", func(t *testing.T, st *Store) {
			a := st.session()
			transact(t, a, set(s, "/lsp[name='x']/tc", "2"))
			if err := a.SetStartup(bg, one); err != nil {
				t.Fatal(err)
			}
			confirmed(t, a, token, set(s, "/lsp[name='x']/tc", "3"))
		}, nil, Options{Startup: true, BootID: "two"}, "1"},
		{"damage", func(t *testing.T, st *Store) {
			a := st.session()
			transact(t, a, set(s, "/lsp[name='x']/tc", "2"))
			transact(t, a, set(s, "/lsp[name='x']/tc", "3"))
			transact(t, a, set(s, "/lsp[name='x']/tc", "4"))
		}, func(t *testing.T, dir string) {
			update(t, dir, at(2, func(raw []byte) []byte { raw[30] ^= 1; return raw }))
		}, Options{}, "2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			options := func(dir string) Options {
				o := test.options
				o.Schema, o.Validator, o.Dir, o.Log = s, validate.New(s), dir, quiet()
				return o
			}
			dir := t.TempDir()
			if test.prepare != nil {
				before := options(dir)
				before.BootID = "one"
				st, err := Open(before)
				if err != nil {
					t.Fatal(err)
				}
				test.prepare(t, st)
				left := copyDir(t, dir)
				if err := st.Close(); err != nil {
					t.Fatal(err)
				}
				dir = left
			}
			if test.damage != nil {
				test.damage(t, dir)
			}
			var images []image
			lim := defaultLimits()
			lim.step = func(point string) { images = append(images, image{dir: copyDir(t, dir), point: point}) }
			st, err := open(options(dir), lim)
			if err != nil {
				t.Fatal(err)
			}
			check := func(st *Store, what string) {
				t.Helper()
				if got := leaf(s, st.Running().Root, "/lsp[name='x']/tc"); got != test.want || st.Pending() != nil {
					t.Errorf("%s: running has %s, pending is %+v, want %s", what, got, st.Pending(), test.want)
				}
				if err := st.Close(); err != nil {
					t.Error(err)
				}
			}
			taken := slices.Clone(images)
			check(st, "the start")
			for _, im := range taken {
				st, err := Open(options(im.dir))
				if err != nil {
					t.Errorf("%s: %v", im.point, err)
					continue
				}
				check(st, im.point)
			}
			if len(taken) < 3 {
				t.Errorf("only %d steps", len(taken))
			}
		})
	}
}

// confirmed makes a confirmed commit of an hour.
func confirmed(t *testing.T, session *Session, persist string, edits ...tree.Edit) {
	t.Helper()
	if err := session.Edit(bg, edits); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Commit(bg, CommitOptions{Confirm: &Confirm{Timeout: time.Hour, Persist: persist}}); err != nil {
		t.Fatal(err)
	}
}

// crashChild goes through the scenario until it comes to the step at which it is
// to kill itself. It tells when an operation begins and when it is answered.
func crashChild(dir, kill string) error {
	point, nth, _ := strings.Cut(kill, "#")
	n, err := strconv.ParseInt(nth, 10, 64)
	if err != nil {
		return err
	}
	var left atomic.Int64
	left.Store(n)
	s, err := compileBox()
	if err != nil {
		return err
	}
	lim := smallLimits() // checkpoints and pruning run beside
	lim.step = func(p string) {
		if p != point {
			return
		}
		if left.Add(-1) == 0 {
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
				panic(err)
			}
			select {}
		}
	}
	sc := &scenario{schema: s}
	if err := sc.open(dir, 0, lim); err != nil {
		return err
	}
	for k := 0; ; k++ {
		fmt.Println("begin", k)
		if kinds()[k%len(kinds())] != "checkpoint" { // they come by themselves
			if err := sc.do(k); err != nil {
				return err
			}
		}
		fmt.Println("answered", k)
	}
}

// TestKilledAtEachPoint has a process kill itself at each step of the journal,
// early and late, with checkpoints and pruning beside its commits.
func TestKilledAtEachPoint(t *testing.T) {
	sc := &scenario{schema: box(t)}
	empty := tree.Empty(sc.schema)
	states := []expected{{root: empty, startup: empty}}
	for _, kill := range []string{
		"append#1", "append#7", "append#40", "append written#3", "append written#12", "append written#77", "append durable#2", "append durable#9", "append durable#90",
		"segment written#2", "segment written#9", "segment named#2", "segment named#11",
		"checkpoint written#2", "checkpoint written#9", "checkpoint durable#3", "checkpoint durable#10", "checkpoint named#4", "checkpoint named#12",
		"checkpoint dropped#1", "checkpoint dropped#3", "segment dropped#1", "segment dropped#4",
	} {
		t.Run(kill, func(t *testing.T) {
			dir := t.TempDir()
			begun, answered := runCrashChild(t, dir, kill)
			for k := len(states) - 1; k <= begun; k++ {
				states = append(states, sc.after(t, states[k], k))
			}
			again := &scenario{schema: sc.schema}
			if err := again.open(dir, max(begun, 0), smallLimits()); err != nil {
				t.Fatal(err)
			}
			defer again.store.Close()
			if rec := again.store.Recovery(); len(rec.Damage) > 0 {
				t.Errorf("recovery %+v", rec)
			}
			before, after := again.is(states[answered+1]), again.is(states[begun+1])
			if before != "" && after != "" {
				t.Errorf("operation %d was answered and %d begun: another %s, or %s", answered, begun, before, after)
			}
			if files, err := filepath.Glob(filepath.Join(dir, "*"+tmpSuffix)); err != nil || len(files) > 0 {
				t.Errorf("unfinished files are left: %q %v", files, err)
			}
		})
	}
}

// runCrashChild returns the operations that were begun and answered last, -1 for
// none.
func runCrashChild(t *testing.T, dir, kill string) (begun, answered int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir, killEnv+"="+kill)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begun, answered = -1, -1
	in := bufio.NewReader(out)
	for {
		var what string
		var k int
		if _, err := fmt.Fscanln(in, &what, &k); err != nil {
			if err != io.EOF && err != io.ErrUnexpectedEOF {
				t.Error(err)
			}
			break
		}
		if what == "begin" {
			begun = k
		} else {
			answered = k
		}
	}
	err = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the process ended by itself: %v", err)
	}
	return begun, answered
}
