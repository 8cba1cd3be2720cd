package access

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func open(t *testing.T, o Options) *Access {
	t.Helper()
	a, err := tryOpen(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func tryOpen(t *testing.T, o Options) (*Access, error) {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "state")
	}
	o.Log = slog.New(slog.DiscardHandler)
	return Open(o)
}

// readTree maps each file below dir to its text and mode.
func readTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	m := make(map[string]string)
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		m[strings.TrimPrefix(p, dir+"/")] = info.Mode().String() + "\n" + string(text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestFirstStartCreatesAndLaterStartsReuse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	first := open(t, Options{Dir: dir, AdminKeys: []string{testKeys(t)["ed25519"]}})
	made := readTree(t, dir)
	for _, name := range []string{
		"ssh/ssh_host_ed25519_key", "ssh/ssh_host_ecdsa_key",
		"tls/ca.key", "tls/server.key", "tls/client.key", "authorized_keys/admin",
	} {
		if mode, _, _ := strings.Cut(made[name], "\n"); mode != "-rw-------" {
			t.Errorf("%s has mode %q, want -rw-------", name, mode)
		}
	}
	for _, name := range []string{"tls/ca.crt", "tls/client.crt", "tls/server.crt", "ssh/ssh_host_ed25519_key.pub"} {
		if mode, _, _ := strings.Cut(made[name], "\n"); mode != "-rw-r--r--" {
			t.Errorf("%s has mode %q, want -rw-r--r--", name, mode)
		}
	}
	second := open(t, Options{Dir: dir, AdminKeys: []string{testKeys(t)["ed25519"]}})
	if !maps.Equal(made, readTree(t, dir)) {
		t.Error("the second start changed files")
	}
	if !slices.EqualFunc(first.HostKeys(), second.HostKeys(), slices.Equal) {
		t.Error("the second start has other host keys")
	}
	var types []string
	for _, raw := range second.HostKeys() {
		signer, err := ssh.ParsePrivateKey(raw)
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, signer.PublicKey().Type())
	}
	if want := []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256}; !slices.Equal(types, want) {
		t.Errorf("host keys are %v, want %v", types, want)
	}
}

func TestInterruptedFirstStartIsStartedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	// What a first start leaves that died before its rename.
	left := filepath.Join(dir, ".tls-123")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "ca.key"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, Options{Dir: dir})
	if _, err := os.Stat(left); err == nil {
		t.Error("the half of a directory is still there")
	}
	if _, err := os.Stat(filepath.Join(dir, "tls", "server.crt")); err != nil {
		t.Error(err)
	}
}

func TestDamagedStateIsAnErrorAndStays(t *testing.T) {
	tests := []struct {
		name, file string
		damage     func(path string) error
		want       string
	}{
		{"host key torn", "ssh/ssh_host_ecdsa_key", truncate, "ssh_host_ecdsa_key"},
		{"host key missing", "ssh/ssh_host_ed25519_key", os.Remove, "no such file"},
		{"host key readable by others", "ssh/ssh_host_ed25519_key", chmod(0o644), "mode 0644"},
		{"server key torn", "tls/server.key", truncate, "server.key"},
		{"server key readable by the group", "tls/server.key", chmod(0o640), "mode 0640"},
		{"CA certificate torn", "tls/ca.crt", truncate, "ca.crt"},
		{"client certificate missing", "tls/client.crt", os.Remove, "no such file"},
		{"authorized keys writable by others", "authorized_keys/admin", chmod(0o622), "mode 0622"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			o := Options{Dir: dir, AdminKeys: []string{testKeys(t)["ed25519"]}}
			open(t, o)
			if err := test.damage(filepath.Join(dir, test.file)); err != nil {
				t.Fatal(err)
			}
			before := readTree(t, dir)
			_, err := tryOpen(t, o)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want one with %q", err, test.want)
			}
			if !maps.Equal(before, readTree(t, dir)) {
				t.Error("the failed start changed files")
			}
		})
	}
}

func truncate(path string) error { return os.Truncate(path, 60) }

func chmod(mode os.FileMode) func(string) error {
	return func(path string) error { return os.Chmod(path, mode) }
}

func TestOpenRefusesBadOptions(t *testing.T) {
	tests := []struct {
		name string
		o    Options
		want string
	}{
		{"administrator with a slash", Options{AdminUser: "../root"}, "user name"},
		{"key that is none", Options{AdminKeys: []string{"ssh-ed25519 AAAA"}}, "key of admin"},
		{"key with a restricting option", Options{AdminKeys: []string{`from="10.0.0.1" ` + testKeys(t)["ed25519"]}}, "not supported"},
		{"certificate without key", Options{ServerCert: "x"}, "both"},
		{"client CA missing", Options{ClientCA: "absent.pem"}, "absent.pem"},
		{"server certificate missing", Options{ServerCert: "absent.crt", ServerKey: "absent.key"}, "absent.crt"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := tryOpen(t, test.o); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
	if _, err := Open(Options{}); err == nil {
		t.Error("Open without a directory succeeded")
	}
}

// handshake runs one TLS handshake over a pipe and returns the server's view.
func handshake(t *testing.T, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan error, 1)
	s := tls.Server(a, server)
	go func() {
		err := s.Handshake()
		if err != nil {
			a.Close()
		}
		done <- err
	}()
	c := tls.Client(b, client)
	clientErr := c.Handshake()
	if clientErr != nil {
		b.Close()
	} else {
		// A TLS 1.3 client learns only from its first read that it was refused.
		go io.Copy(io.Discard, c)
	}
	if err := <-done; err != nil {
		return tls.ConnectionState{}, err
	}
	return s.ConnectionState(), clientErr
}

func clientConfig(t *testing.T, dir string) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls/client.crt"), filepath.Join(dir, "tls/client.key"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "tls/ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		t.Fatal("ca.crt holds no certificate")
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool}
}

func TestTLSHandshake(t *testing.T) {
	dir, foreign := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	a := open(t, Options{Dir: dir, AdminUser: "eve", Hosts: []string{"ne1.example.net", "192.0.2.7"}})
	open(t, Options{Dir: foreign})
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1", hostname, "ne1.example.net", "192.0.2.7"} {
		client := clientConfig(t, dir)
		client.ServerName = name
		state, err := handshake(t, a.TLSConfig(), client)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		user, err := a.CertificateUser(state.PeerCertificates[0])
		if user != "eve" || err != nil {
			t.Errorf("%s: user %q, %v, want eve", name, user, err)
		}
	}
	refused := []struct {
		name string
		edit func(*tls.Config)
	}{
		{"a name that is not the server's", func(c *tls.Config) { c.ServerName = "other.example.net" }},
		{"no client certificate", func(c *tls.Config) { c.Certificates = nil }},
		{"a client certificate of another element", func(c *tls.Config) {
			c.Certificates = clientConfig(t, foreign).Certificates
		}},
		{"TLS 1.1", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }},
		{"the server's certificate used by a client", func(c *tls.Config) {
			pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls/server.crt"), filepath.Join(dir, "tls/server.key"))
			if err != nil {
				t.Fatal(err)
			}
			c.Certificates = []tls.Certificate{pair}
		}},
	}
	for _, test := range refused {
		t.Run(test.name, func(t *testing.T) {
			client := clientConfig(t, dir)
			client.ServerName = "localhost"
			test.edit(client)
			if _, err := handshake(t, a.TLSConfig(), client); err == nil {
				t.Error("the handshake succeeded")
			}
		})
	}
	t.Run("another element trusted by option", func(t *testing.T) {
		b := open(t, Options{Dir: dir, AdminUser: "eve", ClientCA: filepath.Join(foreign, "tls/ca.crt")})
		client := clientConfig(t, dir)
		client.ServerName = "localhost"
		client.Certificates = clientConfig(t, foreign).Certificates
		if _, err := handshake(t, b.TLSConfig(), client); err != nil {
			t.Error(err)
		}
	})
}

func TestCertificatesAreReissuedWithTheSameKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	start := time.Now()
	open(t, Options{Dir: dir})
	made := readTree(t, dir)
	tests := []struct {
		name    string
		o       Options
		changed []string
	}{
		{"nothing new", Options{Dir: dir}, nil},
		{"a further host", Options{Dir: dir, Hosts: []string{"ne1"}}, []string{"tls/server.crt"}},
		{"another administrator", Options{Dir: dir, Hosts: []string{"ne1"}, AdminUser: "eve"}, []string{"tls/client.crt"}},
		{"near the end", Options{Dir: dir, Hosts: []string{"ne1"}, AdminUser: "eve",
			Now: func() time.Time { return start.Add(leafLifetime - renewBefore + time.Hour) }},
			[]string{"tls/client.crt", "tls/server.crt"}},
	}
	for _, test := range tests {
		open(t, test.o)
		now := readTree(t, dir)
		var changed []string
		for name, text := range now {
			if made[name] != text {
				changed = append(changed, name)
			}
		}
		slices.Sort(changed)
		if !slices.Equal(changed, test.changed) {
			t.Errorf("%s: changed %v, want %v", test.name, changed, test.changed)
		}
		made = now
	}
}

func TestCertificateUserRefusesBadNames(t *testing.T) {
	a := open(t, Options{})
	if _, err := a.CertificateUser(nil); err == nil {
		t.Error("no certificate gave a user")
	}
	for _, name := range []string{"", "a/b", "..", "-x", strings.Repeat("a", 65), "a\x00b", "ä"} {
		cert := &x509.Certificate{}
		cert.Subject.CommonName = name
		if user, err := a.CertificateUser(cert); err == nil {
			t.Errorf("%q gave the user %q", name, user)
		}
	}
}
