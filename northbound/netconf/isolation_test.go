package netconf

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/server/datastore"
)

// heap returns the octets in use after a collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// TestStuckReaders: clients that ask for everything and read nothing cost a
// bounded memory each, far less than their reply has, and neither commits nor
// the reads of others wait for them: a stuck one holds on for two minutes.
func TestStuckReaders(t *testing.T) {
	const stuck, perSession, limit = 20, 512 << 10, 20 * time.Second
	r := newTLS(t, Limits{})
	r.commit(lsps(10000))
	cert := r.operator.client("alice", nil)
	reader := r.open(base11)
	reader.conn.SetDeadline(time.Now().Add(5 * time.Minute))
	size := len(reader.rpc(`<get-config><source><running/></source></get-config>`))
	if size < 4<<20 {
		t.Fatalf("the reply has %d octets only", size)
	}
	before := heap()
	for range stuck {
		conn, err := tls.Dial("tcp", r.addr, r.config(&cert))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(5 * time.Minute))
		w := frameWriter{w: conn}
		fmt.Fprintf(&w, clientHello, base11)
		if err := w.end(); err != nil {
			t.Fatal(err)
		}
		in := newFrameReader(conn, 1<<20)
		if _, err := in.next(); err != nil {
			t.Fatal(err)
		}
		w.chunked = true
		fmt.Fprintf(&w, `<rpc xmlns="%s" message-id="1"><get-config><source><running/></source></get-config></rpc>`, nsBase)
		if err := w.end(); err != nil {
			t.Fatal(err)
		}
		// The reply has begun; nobody reads the rest.
		if _, err := in.r.ReadByte(); err != nil {
			t.Fatal(err)
		}
	}
	if grown := int64(heap()) - int64(before); grown > stuck*perSession {
		t.Errorf("%d stuck readers of %d octets each cost %d octets", stuck, size, grown)
	}
	writer := r.open(base11)
	writer.conn.SetDeadline(time.Now().Add(5 * time.Minute))
	for i := range 20 {
		began := time.Now()
		writer.want(`<edit-config><target><candidate/></target><config><mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp">`+
			lsp(10000+i)+`</lsps></mpls-tp></config></edit-config>`, "<ok/>")
		writer.want("<commit/>", "<ok/>")
		reader.want(`<get-config><source><running/></source><filter><mpls-tp xmlns="urn:tandem:yang:mtp-node"><node/></mpls-tp></filter></get-config>`, "<data")
		if took := time.Since(began); took > limit {
			t.Errorf("a commit and a read beside stuck readers take %v", took)
		}
	}
}

// TestThousandSessions holds 1,000 sessions of one management system, which opens
// several at a time, refuses the next one and serves all the others.
func TestThousandSessions(t *testing.T) {
	const sessions, perSession = 1000, 256 << 10
	r := newTLS(t, Limits{Sessions: sessions})
	cert := r.operator.client("alice", nil)
	config := r.config(&cert)
	before := heap()
	all := make([]*client, sessions)
	var dialing sync.WaitGroup
	tickets := make(chan struct{}, r.limits.Unauthenticated/4)
	for i := range all {
		dialing.Go(func() {
			tickets <- struct{}{}
			defer func() { <-tickets }()
			c, err := r.dial(config)
			if err != nil {
				t.Errorf("session %d: %v", i, err)
				return
			}
			all[i] = c
		})
	}
	dialing.Wait()
	if t.Failed() {
		t.FailNow()
	}
	// Client and server are in one process: this is the price of both.
	grown := int64(heap()) - int64(before)
	t.Logf("%d KiB for both ends of a session", grown/sessions>>10)
	if grown > sessions*perSession {
		t.Errorf("%d sessions, with their clients, cost %d octets", sessions, grown)
	}
	if c, err := r.dial(config); err == nil {
		c.conn.Close()
		t.Error("there is a session beyond the limit")
	}
	for i, c := range all {
		c.conn.SetDeadline(time.Now().Add(20 * time.Second))
		if i%10 == 0 {
			c.want("<get-config><source><running/></source><filter/></get-config>", "<data")
		}
	}
	all[0].want("<close-session/>", "<ok/>")
	if _, err := all[0].in.next(); err == nil {
		t.Error("the session goes on after close-session")
	}
	eventually(t, "a place for a new session", func() bool {
		c, err := r.dial(config)
		if err == nil {
			c.conn.Close()
		}
		return err == nil
	})
}

// slowEngine takes its time to prepare a commit.
type slowEngine struct{ begun, release chan struct{} }

// Prepare implements datastore.Participant.
func (s slowEngine) Prepare(context.Context, *datastore.Change) (func(), error) {
	close(s.begun)
	<-s.release
	return nil, nil
}

// TestShutdownFinishesCommits: a commit under way is finished and answered before
// the session ends; sessions without a request end at once.
func TestShutdownFinishesCommits(t *testing.T) {
	e := newElement(t, nil)
	idle := e.open(base11)
	c := e.open(base11)
	c.want(strings.Replace(setName, "NAME", "late", 1), "<ok/>")
	engine := slowEngine{make(chan struct{}), make(chan struct{})}
	e.store.Register(engine)
	c.send(`<rpc xmlns="` + nsBase + `" message-id="1"><commit/></rpc>`)
	<-engine.begun
	down := make(chan error, 1)
	go func() { down <- e.Shutdown(context.Background()) }()
	if _, err := idle.in.next(); err != io.EOF {
		t.Errorf("an idle client sees %v", err)
	}
	select {
	case err := <-down:
		t.Fatalf("Shutdown returned %v amid a commit", err)
	default:
	}
	close(engine.release)
	if reply := c.next(); !strings.Contains(reply, "<ok/>") {
		t.Errorf("the commit is answered with %s", reply)
	}
	if _, err := c.in.next(); err != io.EOF {
		t.Errorf("after the reply the client sees %v", err)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
	if name := e.store.Running().Root.ChildNamed("mpls-tp").ChildNamed("node").ChildNamed("name"); name.Value().String() != "late" {
		t.Error("the commit is lost")
	}
}

// eventually waits until f is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}
