package netconf

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tandem-ne/tandem/server/access"
)

func hashed(t *testing.T, password string) string {
	t.Helper()
	h, err := access.HashPassword("$0$" + password)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// answers replies to every question with the same text.
func answers(text string) ssh.AuthMethod {
	return ssh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
		all := make([]string, len(questions))
		for i := range all {
			all[i] = text
		}
		return all, nil
	})
}

func TestSSHPasswords(t *testing.T) {
	settings := access.Settings{PasswordLogin: true, Users: []access.User{
		{Name: "ops", Password: hashed(t, "correct horse")}, {Name: "keys-only"},
	}}
	off := settings
	off.PasswordLogin = false
	for name, test := range map[string]struct {
		settings access.Settings
		user     string
		auth     ssh.AuthMethod // that of the rig where nil
		want     bool
	}{
		"password":               {settings, "ops", ssh.Password("correct horse"), true},
		"keyboard-interactive":   {settings, "ops", answers("correct horse"), true},
		"wrong":                  {settings, "ops", ssh.Password("battery staple"), false},
		"wrong, interactive":     {settings, "ops", answers("battery staple"), false},
		"no answer":              {settings, "ops", answers(""), false},
		"no password configured": {settings, "keys-only", ssh.Password(""), false},
		"unknown user":           {settings, "root", ssh.Password("correct horse"), false},
		"order is empty":         {off, "ops", ssh.Password("correct horse"), false},
		"no settings at all":     {access.Settings{}, "admin", ssh.Password("admin"), false},
		"a key all the same":     {off, "admin", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSSH(t, Limits{}) // Failures of other cases do not count.
			r.access.Configure(test.settings)
			config := r.config()
			config.User = test.user
			if test.auth != nil {
				config.Auth = []ssh.AuthMethod{test.auth}
			}
			c, err := ssh.Dial("tcp", r.addr, config)
			if (err == nil) != test.want {
				t.Fatalf("Dial: %v, want success %v", err, test.want)
			}
			if err != nil {
				if _, offered, _ := strings.Cut(err.Error(), "attempted methods [none"); !test.settings.PasswordLogin && !strings.HasPrefix(offered, "]") {
					t.Errorf("passwords are offered: %v", err)
				}
				return
			}
			defer c.Close()
			_, out := subsystem(t, c)
			if _, err := out.ReadByte(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSSHTriesAreLimited: a connection has no more than its tries.
func TestSSHTriesAreLimited(t *testing.T) {
	r := newSSH(t, Limits{AuthTries: 2})
	r.access.Configure(access.Settings{PasswordLogin: true, Users: []access.User{{Name: "ops", Password: hashed(t, "right")}}})
	tries := 0
	config := r.config()
	config.User = "ops"
	config.Auth = []ssh.AuthMethod{ssh.RetryableAuthMethod(ssh.PasswordCallback(func() (string, error) {
		tries++
		return "wrong", nil
	}), 10)}
	if _, err := ssh.Dial("tcp", r.addr, config); err == nil || tries > 2 {
		t.Errorf("%d tries, %v", tries, err)
	}
	if failed, _ := r.access.FailedAttempts(); failed < 2 {
		t.Errorf("%d failed attempts are counted", failed)
	}
}

func TestSSHCertificates(t *testing.T) {
	r := newSSH(t, Limits{})
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	trusted := access.Settings{Authorities: [][]byte{authority.PublicKey().Marshal()}}
	for name, test := range map[string]struct {
		settings access.Settings
		change   func(*ssh.Certificate)
		want     bool
	}{
		"good":              {trusted, nil, true},
		"no authority":      {access.Settings{}, nil, false},
		"bad principal":     {trusted, func(c *ssh.Certificate) { c.ValidPrincipals = []string{"bob"} }, false},
		"no principals":     {trusted, func(c *ssh.Certificate) { c.ValidPrincipals = nil }, false},
		"expired":           {trusted, func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Unix()) - 1 }, false},
		"from here":         {trusted, func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "127.0.0.0/8"} }, true},
		"from elsewhere":    {trusted, func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "192.0.2.0/24"} }, false},
		"for a shell":       {trusted, func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command": "sh"} }, false},
		"for netconf alone": {trusted, func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command": "netconf"} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			r.access.Configure(test.settings)
			cert := &ssh.Certificate{
				Key: r.signer.PublicKey(), CertType: ssh.UserCert, KeyId: "alice@laptop", ValidPrincipals: []string{"alice"},
				ValidBefore: uint64(time.Now().Add(time.Minute).Unix()),
			}
			if test.change != nil {
				test.change(cert)
			}
			if err := cert.SignCert(rand.Reader, authority); err != nil {
				t.Fatal(err)
			}
			signer, err := ssh.NewCertSigner(cert, r.signer)
			if err != nil {
				t.Fatal(err)
			}
			config := r.config()
			config.User, config.Auth = "alice", []ssh.AuthMethod{ssh.PublicKeys(signer)}
			c, err := ssh.Dial("tcp", r.addr, config)
			if (err == nil) != test.want {
				t.Fatalf("Dial: %v, want success %v", err, test.want)
			}
			if err == nil {
				subsystem(t, c)
				c.Close()
			}
		})
	}
}

// TestSSHRefusesWeakAlgorithms: what has a known weakness is not offered.
func TestSSHRefusesWeakAlgorithms(t *testing.T) {
	r := newSSH(t, Limits{})
	weak := ssh.InsecureAlgorithms()
	for name, change := range map[string]func(*ssh.ClientConfig){
		"key exchange": func(c *ssh.ClientConfig) { c.KeyExchanges = weak.KeyExchanges },
		"cipher":       func(c *ssh.ClientConfig) { c.Ciphers = weak.Ciphers },
		"MAC":          func(c *ssh.ClientConfig) { c.MACs, c.Ciphers = weak.MACs, []string{"aes128-ctr"} },
		"host key":     func(c *ssh.ClientConfig) { c.HostKeyAlgorithms = weak.HostKeys },
	} {
		config := r.config()
		change(config)
		if c, err := ssh.Dial("tcp", r.addr, config); err == nil {
			c.Close()
			t.Errorf("%s: the connection is accepted", name)
		}
	}
}

// TestSSHHostKeys: a client that knows one kind of host key only finds it.
func TestSSHHostKeys(t *testing.T) {
	r := newSSH(t, Limits{})
	for _, kind := range []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256} {
		config := r.config()
		config.HostKeyAlgorithms = []string{kind}
		got := ""
		config.HostKeyCallback = func(_ string, _ net.Addr, key ssh.PublicKey) error { got = key.Type(); return nil }
		c, err := ssh.Dial("tcp", r.addr, config)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		c.Close()
		if got != kind {
			t.Errorf("the host key is %s, want %s", got, kind)
		}
	}
}
