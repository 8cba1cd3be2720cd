package oper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ne compiles testdata/ne.yang.
func ne(t testing.TB) *schema.Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/ne.yang")
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Compile(schema.Options{Sources: []schema.Source{{Name: "ne.yang", Text: text}}, Implement: []string{"ne"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rig is a Hub with a running configuration and a clock that the test moves.
type rig struct {
	t       testing.TB
	schema  *schema.Schema
	hub     *Hub
	running *tree.Node
	at      time.Time

	watch *Sub     // read after each change, where set
	seen  []string // by watch
}

func (r *rig) look() {
	r.t.Helper()
	if r.watch != nil {
		r.seen = append(r.seen, waiting(r.t, r.watch)...)
	}
}

func newRig(t testing.TB) *rig {
	s := ne(t)
	r := &rig{t: t, schema: s, running: tree.Empty(s), at: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)}
	r.hub = New(s, r.running, func() time.Time { return r.at })
	return r
}

// path reads a path below /ne:ne; "*" as a key stands for any.
func (r *rig) path(text string) tree.Path {
	r.t.Helper()
	p, err := tree.ParsePath(r.schema, "/ne:ne"+strings.ReplaceAll(text, "='*'", "='0'"))
	if err != nil {
		r.t.Fatal(err)
	}
	if strings.Contains(text, "='*'") {
		for i := range p {
			for k, v := range p[i].Keys {
				if v.String() == "0" {
					p[i].Keys[k] = schema.Value{}
				}
			}
		}
	}
	return p
}

// edits reads "path=value", "path" or "-path" each.
func (r *rig) edits(texts ...string) []tree.Edit {
	r.t.Helper()
	var list []tree.Edit
	for _, text := range texts {
		if path, ok := strings.CutPrefix(text, "-"); ok {
			list = append(list, tree.Edit{Op: tree.Delete, Path: r.path(path)})
			continue
		}
		path, value := text, ""
		if i := strings.LastIndexByte(text, '='); i > strings.LastIndexByte(text, ']') {
			path, value = text[:i], text[i+1:]
		}
		p := r.path(path)
		ed := tree.Edit{Op: tree.Merge, Path: p}
		if value != "" {
			ed.Value = schema.MustParse(p[len(p)-1].Node.Type, value)
		}
		list = append(list, ed)
	}
	return list
}

// publish pushes state one second later.
func (r *rig) publish(texts ...string) {
	r.t.Helper()
	r.at = r.at.Add(time.Second)
	if err := r.hub.Publish(r.at, r.edits(texts...)); err != nil {
		r.t.Fatal(err)
	}
	r.look()
}

// commit changes the configuration one second later.
func (r *rig) commit(texts ...string) {
	r.t.Helper()
	r.at = r.at.Add(time.Second)
	next, errs := tree.Apply(r.running, r.edits(texts...))
	if len(errs) > 0 {
		r.t.Fatal(errs)
	}
	r.hub.PublishCommit(r.running, next, r.at)
	r.running = next
	r.look()
}

func (r *rig) subscribe(paths ...string) *Sub {
	r.t.Helper()
	var o SubOptions
	for _, p := range paths {
		if p == "all" {
			o.Paths = append(o.Paths, nil)
		} else {
			o.Paths = append(o.Paths, r.path(p))
		}
	}
	sub, _ := r.hub.Subscribe(o)
	r.t.Cleanup(sub.Close)
	return sub
}

// line prints a change: "+" created, "-" deleted, "~" modified, ">" moved.
func line(c tree.Change) string {
	sign := map[tree.ChangeOp]string{tree.Created: "+", tree.Deleted: "-", tree.Modified: "~", tree.Moved: ">"}[c.Op]
	text := sign + strings.TrimPrefix(c.Path.String(), "/ne:ne")
	if c.New != nil && isValue(c.New) && c.New.Schema().Kind == schema.Leaf {
		text += "=" + c.New.Value().String()
	}
	return text
}

// next reads one batch that must be there.
func next(t testing.TB, s *Sub) Batch {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	b, err := s.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// waiting reads all batches that are there, each on one line.
func waiting(t testing.TB, s *Sub) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var list []string
	for {
		b, err := s.Next(ctx)
		if errors.Is(err, context.Canceled) {
			return list
		}
		if err != nil {
			return append(list, err.Error())
		}
		var words []string
		for _, c := range b.Changes {
			words = append(words, line(c))
		}
		if b.Coalesced > 0 {
			words = append(words, fmt.Sprintf("(%d)", b.Coalesced))
		}
		list = append(list, strings.Join(words, " "))
	}
}
