package datastore

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
)

// childEnv makes the test binary a writer that TestKill9 kills.
const childEnv = "TANDEM_DATASTORE_CHILD"

// smallLimits make checkpoints and pruning happen all the time.
func smallLimits() limits {
	return limits{records: 20, minBytes: 2 << 10, historyRecords: 30, historyBytes: 1 << 20, segment: 4 << 10, chunk: 4 << 10}
}

// commitEdits is what commit id does: random changes, and its id.
func commitEdits(s *schema.Schema, id uint64) []tree.Edit {
	edits := randomEdits(rand.New(rand.NewPCG(id, 99)), s, 6)
	return append(edits, set(s, "/values/i64", fmt.Sprint(id)))
}

// child commits until it is killed, and says each commit's id once it is durable.
func child(dir string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s, err := compileBox()
	if err != nil {
		fail(err)
	}
	st, err := open(Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet()}, smallLimits())
	if err != nil {
		fail(err)
	}
	session := st.session()
	for {
		id := st.Running().ID + 1
		_, err := session.Transact(bg, func(*tree.Node) ([]tree.Edit, error) { return commitEdits(s, id), nil }, CommitOptions{})
		if err != nil {
			fail(err)
		}
		if _, err := fmt.Println(id); err != nil {
			fail(err)
		}
	}
}

// TestKill9 kills a writer at random points under load, again and again on the
// same files. No commit that it reported may be missing, and what is found is
// the state after the last reported commit or after the one that was under way.
func TestKill9(t *testing.T) {
	s := box(t)
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(13, 14))
	want, at := tree.Empty(s), uint64(0)
	for round := range 12 {
		acked := killChild(t, dir, 1+r.IntN(120))
		st, err := open(Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet()}, smallLimits())
		if err != nil {
			t.Fatal(err)
		}
		found := st.Running()
		if rec := st.Recovery(); len(rec.Damage) > 0 || rec.SchemaChanged || len(rec.Invalid) > 0 {
			t.Errorf("round %d: recovery %+v", round, rec)
		}
		if found.ID != acked && found.ID != acked+1 {
			t.Fatalf("round %d: commit %d was reported, found is %d", round, acked, found.ID)
		}
		for ; at < found.ID; at++ {
			want = apply(t, want, commitEdits(s, at+1)...)
		}
		if !tree.Equal(want, found.Root) {
			t.Fatalf("round %d: the tree found is not that of commit %d", round, found.ID)
		}
		if h := st.History(1); len(h) != 1 || h[0].ID != found.ID {
			t.Errorf("round %d: the history ends with %+v, want commit %d", round, h, found.ID)
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if at < 100 {
		t.Errorf("only %d commits were made", at)
	}
}

// killChild starts a writer, kills it after it has reported n commits and
// returns the last one that it reported before it died.
func killChild(t *testing.T, dir string, n int) uint64 {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var last uint64
	in := bufio.NewReader(out)
	for reported := 0; ; reported++ {
		var id uint64
		if _, err := fmt.Fscanln(in, &id); err != nil {
			if err != io.EOF && err != io.ErrUnexpectedEOF {
				t.Error(err)
			}
			break
		}
		last = id
		if reported == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() == 1 {
		t.Fatalf("the writer ended by itself: %v", err)
	}
	return last
}
