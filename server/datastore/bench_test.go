package datastore

import (
	"fmt"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
)

func benchStore(b *testing.B, n int) (*Store, *Session) {
	s := box(b)
	st, err := Open(Options{
		Schema: s, Validator: validate.New(s), Dir: b.TempDir(), Log: quiet(),
		Initial: lsps(s, tree.Empty(s), 0, n),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := st.Close(); err != nil {
			b.Error(err)
		}
	})
	return st, st.session()
}

func benchTransact(b *testing.B, session *Session, edit func(i int) tree.Edit) {
	b.ReportAllocs()
	worst := time.Duration(0)
	i := 0
	for b.Loop() {
		ed := edit(i)
		i++
		start := time.Now()
		_, err := session.Transact(bg, func(*tree.Node) ([]tree.Edit, error) { return []tree.Edit{ed}, nil }, CommitOptions{})
		if err != nil {
			b.Fatal(err)
		}
		worst = max(worst, time.Since(start))
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
}

// BenchmarkCommitOneLSP adds one LSP to many, durably.
func BenchmarkCommitOneLSP(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			st, session := benchStore(b, n)
			benchTransact(b, session, func(i int) tree.Edit { return lspEdit(st.schema, n+i) })
		})
	}
}

// BenchmarkCommitOneLeaf changes one leaf of one LSP of 10,000, durably.
func BenchmarkCommitOneLeaf(b *testing.B) {
	st, session := benchStore(b, 10_000)
	benchTransact(b, session, func(i int) tree.Edit {
		return set(st.schema, "/lsp[name='"+lspName(i%10_000)+"']/description", fmt.Sprint("d", i))
	})
}

// BenchmarkLoad commits 10,000 LSPs at once.
func BenchmarkLoad(b *testing.B) {
	s := box(b)
	for b.Loop() {
		st, err := Open(Options{Schema: s, Validator: validate.New(s), Dir: b.TempDir(), Log: quiet()})
		if err != nil {
			b.Fatal(err)
		}
		session := st.session()
		if err := session.Replace(bg, lsps(s, st.Running().Root, 0, 10_000)); err != nil {
			b.Fatal(err)
		}
		if _, err := session.Commit(bg, CommitOptions{}); err != nil {
			b.Fatal(err)
		}
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen starts from a stored configuration of 10,000 LSPs.
func BenchmarkOpen(b *testing.B) {
	s := box(b)
	dir := b.TempDir()
	o := Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet(), Initial: lsps(s, tree.Empty(s), 0, 10_000)}
	for b.Loop() {
		st, err := Open(o)
		if err != nil {
			b.Fatal(err)
		}
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
