package access

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// testKeys returns authorized_keys lines by the name of their key.
func testKeys(t testing.TB) map[string]string {
	t.Helper()
	lines := make(map[string]string)
	add := func(name string, pub crypto.PublicKey) {
		key, err := ssh.NewPublicKey(pub)
		if err != nil {
			t.Fatal(err)
		}
		lines[name] = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	}
	seed := make([]byte, ed25519.SeedSize)
	add("ed25519", ed25519.NewKeyFromSeed(seed).Public())
	seed[0] = 1
	add("other", ed25519.NewKeyFromSeed(seed).Public())
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	add("ecdsa", ec.Public())
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	add("rsa2048", big.Public())
	// The primes of a 1,024 bit key are of no use here, only its length is.
	small := &rsa.PublicKey{N: big.Primes[0], E: 65537}
	add("rsa1024", small)
	return lines
}

func wire(t testing.TB, line string) []byte {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	return key.Marshal()
}

func TestAuthorizePublicKey(t *testing.T) {
	keys := testKeys(t)
	tests := []struct {
		name, file, user, key string
		want                  bool
	}{
		{"ed25519", keys["ed25519"], "ops", "ed25519", true},
		{"ecdsa with comment", keys["ecdsa"] + " me@host\n", "ops", "ecdsa", true},
		{"rsa of 2048 bits", keys["rsa2048"], "ops", "rsa2048", true},
		{"comments and empty lines", "# ours\n\n  \n" + keys["ed25519"] + "\n", "ops", "ed25519", true},
		{"second of two", keys["ecdsa"] + "\n" + keys["other"], "ops", "other", true},
		{"options that always hold", "restrict,no-pty " + keys["ed25519"], "ops", "ed25519", true},
		{"a bad line before a good one", "ssh-ed25519 %%%\n" + keys["ed25519"], "ops", "ed25519", true},

		{"another key", keys["ed25519"], "ops", "other", false},
		{"another user", keys["ed25519"], "eve", "ed25519", false},
		{"rsa of 1024 bits", keys["rsa1024"], "ops", "rsa1024", false},
		{"an option that restricts", `from="192.0.2.1" ` + keys["ed25519"], "ops", "ed25519", false},
		{"a forced command", `command="id" ` + keys["ed25519"], "ops", "ed25519", false},
		{"a certificate authority", "cert-authority " + keys["ed25519"], "ops", "ed25519", false},
		{"commented out", "#" + keys["ed25519"], "ops", "ed25519", false},
		{"empty file", "", "ops", "ed25519", false},
		{"a path as user", keys["ed25519"], "../authorized_keys/ops", "ed25519", false},
		{"no user", keys["ed25519"], "", "ed25519", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			a := open(t, Options{Dir: dir})
			if err := os.WriteFile(filepath.Join(dir, keysDir, "ops"), []byte(test.file), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := a.AuthorizePublicKey(test.user, wire(t, keys[test.key])); got != test.want {
				t.Errorf("AuthorizePublicKey = %v, want %v", got, test.want)
			}
		})
	}
}

func TestAuthorizePublicKeyRefusesGarbage(t *testing.T) {
	keys := testKeys(t)
	a := open(t, Options{AdminKeys: []string{keys["ed25519"]}})
	good := wire(t, keys["ed25519"])
	if !a.AuthorizePublicKey("admin", good) {
		t.Fatal("the administrator's key is refused")
	}
	for _, key := range [][]byte{nil, {}, good[:len(good)-1], append(append([]byte(nil), good...), 0), []byte("ssh-ed25519")} {
		if a.AuthorizePublicKey("admin", key) {
			t.Errorf("key %x is accepted", key)
		}
	}
}

func TestKeyFileIsReadAnew(t *testing.T) {
	keys := testKeys(t)
	dir := filepath.Join(t.TempDir(), "state")
	a := open(t, Options{Dir: dir, AdminKeys: []string{keys["ed25519"]}})
	if err := os.WriteFile(filepath.Join(dir, keysDir, "admin"), []byte(keys["other"]), 0o600); err != nil {
		t.Fatal(err)
	}
	if a.AuthorizePublicKey("admin", wire(t, keys["ed25519"])) {
		t.Error("a key that was taken out of the file is accepted")
	}
	if !a.AuthorizePublicKey("admin", wire(t, keys["other"])) {
		t.Error("a key that was put into the file is refused")
	}
}

func TestAdminKeysAreAddedOnce(t *testing.T) {
	keys := testKeys(t)
	dir := filepath.Join(t.TempDir(), "state")
	for range 3 {
		open(t, Options{Dir: dir, AdminKeys: []string{keys["ed25519"] + " first", "# none", keys["ecdsa"], keys["ed25519"]}})
	}
	text, err := os.ReadFile(filepath.Join(dir, keysDir, "admin"))
	if err != nil {
		t.Fatal(err)
	}
	if want := keys["ed25519"] + " first\n" + keys["ecdsa"] + "\n"; string(text) != want {
		t.Errorf("file is\n%swant\n%s", text, want)
	}
}

func TestConfigure(t *testing.T) {
	keys := testKeys(t)
	a := open(t, Options{AdminKeys: []string{keys["ed25519"]}})
	a.Configure(Settings{Users: []User{
		{Name: "ops", Keys: [][]byte{{1, 2, 3}, wire(t, keys["rsa1024"]), wire(t, keys["ecdsa"])}},
		{Name: "../x", Keys: [][]byte{wire(t, keys["ecdsa"])}},
		{Name: "admin", Keys: [][]byte{wire(t, keys["other"])}},
	}})
	check := func(user, key string, want bool) {
		t.Helper()
		if got := a.AuthorizePublicKey(user, wire(t, keys[key])); got != want {
			t.Errorf("%s with %s: %v, want %v", user, key, got, want)
		}
	}
	check("ops", "ecdsa", true)
	check("ops", "rsa1024", false)
	check("ops", "ed25519", false)
	check("../x", "ecdsa", false)
	check("admin", "other", true)
	check("admin", "ed25519", true)
	a.Configure(Settings{})
	check("ops", "ecdsa", false)
	check("admin", "ed25519", true)
}

func TestConcurrentUse(t *testing.T) {
	keys := testKeys(t)
	a := open(t, Options{AdminKeys: []string{keys["ed25519"]}})
	good := wire(t, keys["ed25519"])
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				a.Configure(Settings{Users: []User{{Name: "ops", Keys: [][]byte{good}}}})
				if !a.AuthorizePublicKey("admin", good) {
					t.Error("refused")
				}
				a.TLSConfig()
			}
		})
	}
	wg.Wait()
}

func FuzzAuthorizedKeysLine(f *testing.F) {
	keys := testKeys(f)
	for _, k := range keys {
		f.Add(k)
		f.Add(`from="1.2.3.4",restrict ` + k + " comment")
	}
	f.Add("")
	f.Add("restrict,no-pty ")
	f.Fuzz(func(t *testing.T, line string) {
		key, err := parseLine(line)
		if err != nil {
			return
		}
		// What is accepted is one usable key, and it reads back from its printed form.
		pub, err := ssh.ParsePublicKey(key)
		if err != nil {
			t.Fatalf("%q gave a key that cannot be read: %v", line, err)
		}
		again, err := parseLine(string(ssh.MarshalAuthorizedKey(pub)))
		if err != nil || string(again) != string(key) {
			t.Fatalf("%q: printed and read again: %x, %v, want %x", line, again, err, key)
		}
	})
}
