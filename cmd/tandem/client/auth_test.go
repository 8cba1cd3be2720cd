package client_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"encoding/pem"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/tandem-ne/tandem/cmd/tandem/client"
	"github.com/tandem-ne/tandem/cmd/tandem/elementtest"
)

// serveAgent is an ssh-agent with the key of a file, until the test ends.
func serveAgent(t *testing.T, keyFile string) (socket string) {
	t.Helper()
	text, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParseRawPrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "agent") // The path of a socket must be short.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go agent.ServeAgent(ring, conn)
		}
	}()
	return socket
}

// lock writes the key of a file to another, under a passphrase.
func lock(t *testing.T, keyFile, phrase string) string {
	t.Helper()
	text, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParseRawPrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(phrase))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "locked")
	if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestWaysIn(t *testing.T) {
	e := elementtest.New(t)
	locked := lock(t, e.Target.KeyFile, "open sesame")
	absent := filepath.Join(t.TempDir(), "absent")
	socket := serveAgent(t, e.Target.KeyFile)
	for _, c := range []struct {
		name, key, agent string
		answers          []string // nil: nobody to ask
		asked            []string
		fails            string
	}{
		{"key", e.Target.KeyFile, "", nil, nil, ""},
		{"agent", absent, socket, nil, nil, ""},
		{"key beside an agent that has gone", e.Target.KeyFile, absent, nil, nil, ""},
		{"passphrase", locked, "", []string{"open sesame"}, []string{"passphrase of " + locked}, ""},
		{"wrong passphrase", locked, "", []string{"x"}, []string{"passphrase of " + locked}, "decryption password incorrect"},
		{"nobody knows the passphrase", locked, "", nil, nil, "passphrase protected"},
		{"no key, nobody to ask", absent, "", nil, nil, "private key: open " + absent},
		{"password", absent, "", []string{elementtest.Password}, []string{"password of admin"}, ""},
		{"password at the second try", absent, "", []string{"1", elementtest.Password}, []string{"password of admin", "password of admin"}, ""},
		{"password refused", absent, "", []string{"1", "2", "3"}, []string{"password of admin", "password of admin", "password of admin"}, "unable to authenticate"},
		{"nothing typed", absent, "", []string{}, []string{"password of admin"}, "the user went away"},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := e.Target
			target.KeyFile, target.AgentSocket = c.key, c.agent
			var asked []string
			if c.answers != nil {
				target.Ask = func(prompt string) (string, error) {
					asked = append(asked, prompt)
					if len(asked) > len(c.answers) {
						return "", errors.New("the user went away")
					}
					return c.answers[len(asked)-1], nil
				}
			}
			s, err := client.Dial(t.Context(), target)
			if err == nil {
				err = s.Close()
			}
			if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%v, want %q", err, c.fails)
			}
			if len(asked) != len(c.asked) {
				t.Fatalf("asked %q", asked)
			}
			for i := range asked {
				if !strings.HasPrefix(asked[i], c.asked[i]) {
					t.Errorf("asked %q", asked[i])
				}
			}
		})
	}
}
