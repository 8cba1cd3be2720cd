package netconf

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/server/access/nacm"
)

// BenchmarkGetConfigEtags10000 is BenchmarkGetConfig10000 with every transaction
// id, after one commit for each of 100 LSPs.
func BenchmarkGetConfigEtags10000(b *testing.B) {
	c := changedLSPs(b)
	b.SetBytes(int64(len(lsps(10000))))
	for b.Loop() {
		c.discard(b, `<get-config xmlns:txid="`+nsTxidAttr+`" txid:etag="?"><source><running/></source></get-config>`)
	}
}

// BenchmarkGetConfigKnown10000 has the client know all but the last commit.
func BenchmarkGetConfigKnown10000(b *testing.B) {
	c := changedLSPs(b)
	for b.Loop() {
		c.discard(b, `<get-config xmlns:txid="`+nsTxidAttr+`" txid:etag="`+c.known+`"><source><running/></source></get-config>`)
	}
}

type knowing struct {
	*client
	known string
}

func changedLSPs(b *testing.B) knowing {
	e := newElement(b, nil)
	e.commit(lsps(10000))
	c := e.open(base11)
	c.conn.SetDeadline(time.Time{})
	for i := range 100 {
		c.discard(b, `<edit-config><target><candidate/></target><config><mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp">`+lsp(10000+i)+`</lsps></mpls-tp></config></edit-config>`)
		c.discard(b, `<commit/>`)
	}
	return knowing{c, etagOf(e.store.Instance(), e.store.Running().ID-1)}
}

func TestKnownEtags(t *testing.T) {
	for _, tc := range []struct {
		etag           string
		commit, latest uint64
		want           bool
	}{
		{"abc-5", 5, 9, true},
		{"abc-9", 5, 9, true},
		{"abc-4", 5, 9, false},
		{"abc-10", 5, 9, false},
		{"abd-5", 5, 9, false},
		{"abc-05", 5, 9, false},
		{"abc-+5", 5, 9, false},
		{"abc-", 0, 9, false},
		{"abc", 0, 9, false},
		{"", 0, 9, false},
		{"?", 0, 9, false},
		{"=", 0, 9, false},
		{"!", 0, 9, false},
		{"abc-18446744073709551615", 5, 9, false},
		{"abc-18446744073709551616", 5, 9, false},
		{"abc-0", 0, 0, true},
	} {
		if got := knownEtag("abc", tc.latest, tc.etag, tc.commit); got != tc.want {
			t.Errorf("%q of commit %d, the newest %d: %v", tc.etag, tc.commit, tc.latest, got)
		}
	}
}

// TestEtagsShowNothingHidden has no element that the user may not read, marked or
// not.
func TestEtagsShowNothingHidden(t *testing.T) {
	var control *nacm.Control
	e := newElement(t, func(o *Options) {
		control = nacm.New(nacm.Options{Schema: o.Schema, Log: o.Log})
		o.NACM = control
	})
	e.commit(oneLeafHidden + lsps(2))
	control.Update(e.store.Running().Root)
	c := e.open(base11)
	for _, etag := range []string{"?", etagOf(e.store.Instance(), 0), "zzz-1"} {
		got := c.rpc(fmt.Sprintf(`<get-config xmlns:txid="%s" txid:etag="%s"><source><running/></source></get-config>`, nsTxidAttr, etag))
		if strings.Contains(got, "<description") || !strings.Contains(got, "<static-lsp txid:etag=") {
			t.Errorf("%s: %s", etag, got)
		}
	}
	known := etagOf(e.store.Instance(), e.store.Running().ID)
	c.want(fmt.Sprintf(`<get-config xmlns:txid="%s" txid:etag="%s"><source><running/></source></get-config>`, nsTxidAttr, known), `txid:etag="="></data>`)
}

// TestConcurrentEditsWithEtags has of two clients that read the same state and
// then change it one only succeed.
func TestConcurrentEditsWithEtags(t *testing.T) {
	e := newElement(t, nil)
	e.commit(lsps(2))
	const clients = 4
	for round := range 5 {
		known := etagOf(e.store.Instance(), e.store.LastChange(nil))
		results := make(chan string, clients)
		for i := range clients {
			c := e.open(base11, privateCandidate)
			c.want(fmt.Sprintf(`<edit-config><target><candidate/></target><config xmlns:txid="%s" txid:etag="%s"><mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp">%s</lsps></mpls-tp></config></edit-config>`,
				nsTxidAttr, known, lsp(100*round+10+i)), "<ok/>")
			go func() { results <- c.rpc(`<commit/>`) }()
		}
		made := 0
		for range clients {
			switch got := <-results; {
			case strings.Contains(got, "<ok/>"):
				made++
			case !strings.Contains(got, "txid-value-mismatch-error-info"):
				t.Errorf("the commit is answered %s", got)
			}
		}
		if made != 1 {
			t.Errorf("round %d: %d commits were made", round, made)
		}
	}
}
