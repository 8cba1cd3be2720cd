// Package elementtest runs an element without engines for the tests of the
// tandem command: schema, datastore and NETCONF over SSH on loopback.
package elementtest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tandem-ne/tandem/cmd/tandem/client"
	"github.com/tandem-ne/tandem/northbound/netconf"
	"github.com/tandem-ne/tandem/server/access"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/served"
	"github.com/tandem-ne/tandem/server/validate"
)

// Password is the administrator's.
const Password = "correct horse"

// Element is an element that ends with the test.
type Element struct {
	Store  *datastore.Store
	Target client.Target // of its administrator
	// Actions is what the element carries out, by schema path; a test fills it
	// before its first session.
	Actions map[string]netconf.ActionFunc
}

// New starts an element that serves the modules of more besides its own.
func New(t testing.TB, more ...schema.Source) *Element {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	dir := t.TempDir()
	keyFile, public := newKey(t, dir)
	s, err := served.Schema(more...)
	if err != nil {
		t.Fatal(err)
	}
	a, err := access.Open(access.Options{Dir: filepath.Join(dir, "access"), AdminKeys: []string{public}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := access.HashPassword("$0$" + Password)
	if err != nil {
		t.Fatal(err)
	}
	a.Configure(access.Settings{PasswordLogin: true, Users: []access.User{{Name: access.DefaultUser, Password: hash}}})
	store, err := datastore.Open(datastore.Options{Schema: s, Validator: validate.New(s), Dir: filepath.Join(dir, "datastore"), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	hub := oper.New(s, store.Running().Root, time.Now)
	store.OnCommit(func(c datastore.Commit) { hub.PublishCommit(c.Old, c.New, c.Time) })
	actions := map[string]netconf.ActionFunc{}
	n, err := netconf.New(netconf.Options{Schema: s, Store: store, Hub: hub, Access: a, Actions: actions, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- n.Serve(l) }()
	t.Cleanup(func() {
		if err := n.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-done
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	hostKeys := filepath.Join(dir, "host_keys")
	var known []byte
	for _, pem := range a.HostKeys() {
		signer, err := ssh.ParsePrivateKey(pem)
		if err != nil {
			t.Fatal(err)
		}
		known = append(known, ssh.MarshalAuthorizedKey(signer.PublicKey())...)
	}
	if err := os.WriteFile(hostKeys, known, 0o600); err != nil {
		t.Fatal(err)
	}
	return &Element{Store: store, Actions: actions, Target: client.Target{
		Address: l.Addr().String(), User: access.DefaultUser, KeyFile: keyFile, HostKeyFile: hostKeys, Timeout: time.Minute,
	}}
}

func newKey(t testing.TB, dir string) (file, public string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "key")
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return file, string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
}

// Dial opens a session that ends with the test.
func (e *Element) Dial(t testing.TB) *client.Session {
	t.Helper()
	s, err := client.Dial(t.Context(), e.Target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
