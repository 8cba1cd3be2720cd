package netconf

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/tree"
)

// sink is a transport that keeps what is written.
type sink struct{ bytes.Buffer }

func (s *sink) Close() error { return nil }

// FuzzRequest checks that every message is answered with one well-formed
// rpc-reply, or ends the session, and that running changes by a commit only.
func FuzzRequest(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join(casesDir, "*", "*-send*.xml"))
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, file := range seeds {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	e := newElement(f, nil)
	e.commit(lsps(3))
	f.Fuzz(func(t *testing.T, msg []byte) {
		out := &sink{}
		sess := &session{srv: e.Server, conn: out, v11: true, done: make(chan struct{}), user: "fuzz", limits: e.present.Load()}
		sess.ctx, sess.cancel = context.WithCancel(t.Context())
		sess.ds = e.store.NewSession(datastore.SessionInfo{User: "fuzz", Protocol: "netconf"}, nil)
		defer sess.ds.Close()
		sess.out.w = out
		before := e.store.Running().Root
		err := sess.request(trimStart(msg))
		sess.cancel()
		sess.notifier.Wait()
		if !bytes.Contains(msg, []byte("commit")) && e.store.Running().Root != before {
			t.Fatal("running has changed")
		}
		if fault := wellFormed(trimStart(msg)); (fault != nil && !fault.TooBig) != errors.Is(err, errMalformed) {
			t.Fatalf("the message is read with the fault %v, and the session with %v", fault, err)
		}
		if err != nil && out.Len() == 0 {
			return
		}
		// Notifications may follow.
		reply, _, ok := bytes.Cut(out.Bytes(), []byte(endOfMessage))
		if !ok {
			t.Fatalf("the reply is not framed: %q", out.Bytes())
		}
		r := xmltok.NewReader(reply, xmltok.Limits{})
		kind, rerr := r.Next()
		if !r.Is(nsBase, "rpc-reply") {
			t.Fatalf("the reply begins with <%s>", r.Local())
		}
		for ; rerr == nil && kind != xmltok.EOF; kind, rerr = r.Next() {
		}
		if rerr != nil {
			t.Fatalf("the reply %q is not well-formed: %v", reply, rerr)
		}
	})
}

// wellFormed returns the first fault of a document, nil where there is none.
func wellFormed(msg []byte) *xmltok.Error {
	r := xmltok.NewReader(msg, xmltok.Limits{})
	for {
		kind, err := r.Next()
		var fault *xmltok.Error
		if errors.As(err, &fault) || kind == xmltok.EOF {
			return fault
		}
	}
}

// FuzzFilter checks that a filter selects nothing that is not there and that
// selecting again from the selection changes nothing.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{
		`<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"><interface><name>eth0</name><type/></interface></interfaces>`,
		`<mpls-tp xmlns=""><lsps><static-lsp><in-segment><incoming-label>100</incoming-label></in-segment><name/></static-lsp></lsps></mpls-tp>`,
		`<mpls-tp xmlns="urn:tandem:yang:mtp-node"><sections><section><interface>eth0</interface></section><section><name>east</name><x/></section></sections></mpls-tp>`,
	} {
		f.Add([]byte(s))
	}
	e := newElement(f, nil)
	e.commit(lsps(3))
	root := e.store.Running().Root
	f.Fuzz(func(t *testing.T, text []byte) {
		q := &request{session: &session{srv: e.Server}}
		q.r = xmltok.NewReader(append(append([]byte("<filter>"), text...), "</filter>"...), xmltok.Limits{})
		if _, err := q.r.Next(); err != nil {
			return
		}
		filter, err := q.readFilter()
		if err != nil {
			return
		}
		once, err := filter.apply(root)
		if err != nil || once == nil {
			return
		}
		tree.Walk(once, nil, func(p tree.Path, n *tree.Node) bool {
			if len(p) > 0 && root.Get(p) == nil {
				t.Fatalf("%s is selected but not there", p)
			}
			return true
		})
		if twice, err := filter.apply(once); err != nil || twice == nil || !tree.Equal(once, twice) {
			t.Fatalf("selecting twice differs from selecting once")
		}
	})
}
