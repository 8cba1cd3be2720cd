package client

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nemith/netconf"
	"golang.org/x/crypto/ssh"
)

func TestDescribe(t *testing.T) {
	for _, tc := range []struct {
		name string
		errs netconf.RPCErrors
		want string
	}{
		{"tag and message", netconf.RPCErrors{{Tag: "lock-denied", Message: "held by session 4"}}, "lock-denied: held by session 4"},
		{"path", netconf.RPCErrors{{Tag: "invalid-value", Message: "no", Path: "/a/b"}}, "invalid-value: no\n  at /a/b"},
		{"rule", netconf.RPCErrors{{Tag: "data-missing", Message: "no", Path: "/a", AppTag: "instance-required"}}, "data-missing: no\n  at /a\n  rule instance-required"},
		{"several", netconf.RPCErrors{{Tag: "a", Message: "1"}, {Tag: "b", Message: "2", Path: "/p"}}, "a: 1\nb: 2\n  at /p"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := describe(tc.errs).Error(); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func newKey(t *testing.T) (ssh.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key, private
}

func TestHostKeyCheck(t *testing.T) {
	known, _ := newKey(t)
	other, _ := newKey(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "keys")
	if err := os.WriteFile(file, append([]byte("# the element's keys\n"), ssh.MarshalAuthorizedKey(known)...), 0o600); err != nil {
		t.Fatal(err)
	}
	check, algorithms, err := hostKeyCheck(Target{HostKeyFile: file})
	if err != nil {
		t.Fatal(err)
	}
	if len(algorithms) != 1 || algorithms[0] != ssh.KeyAlgoED25519 {
		t.Errorf("algorithms %v", algorithms)
	}
	if err := check("ne:830", &net.TCPAddr{}, known); err != nil {
		t.Errorf("the known key: %v", err)
	}
	if err := check("ne:830", &net.TCPAddr{}, other); err == nil || !strings.Contains(err.Error(), ssh.FingerprintSHA256(other)) {
		t.Errorf("another key: %v", err)
	}
}

func TestDialRefuses(t *testing.T) {
	dir := t.TempDir()
	_, private := newKey(t)
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, noKey := write("key", string(pem.EncodeToMemory(block))), write("nokey", "nothing")
	public, _ := newKey(t)
	hosts := write("hosts", string(ssh.MarshalAuthorizedKey(public)))
	// An address nobody listens on any more.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		target Target
		want   string
	}{
		{"no key file", Target{KeyFile: filepath.Join(dir, "none")}, "private key: open"},
		{"key file without a key", Target{KeyFile: noKey}, "private key " + noKey},
		{"no file of host keys", Target{KeyFile: key, HostKeyFile: filepath.Join(dir, "none")}, "host keys: open"},
		{"file without host keys", Target{KeyFile: key, HostKeyFile: noKey}, "holds no public key"},
		{"no known_hosts", Target{KeyFile: key, KnownHosts: filepath.Join(dir, "none")}, "known hosts: open"},
		{"nobody listens", Target{KeyFile: key, HostKeyFile: hosts, Address: address}, "connect to " + address},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := Dial(t.Context(), tc.target)
			if err == nil {
				s.Close()
				t.Fatal("it connected")
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}
