package access

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// hashes of "correct horse", made by crypt(3) of glibc.
const (
	md5Hash       = "$1$abcdefgh$y6iHhJNbuC0xpbk0w9pm80"
	sha256Hash    = "$5$ab$.ddUYR.SJRmHkR225smBa2rjHZ4E7cu0phDqvfioR31"
	sha512Hash    = "$6$saltsalt$hRM5XZ86KXEw9UOmjigeVqFgULtFB2sgpC9lXQDfMib3Zgw7mEiUvBJI2EplzfAqxL5Vvwp2scFtv/uamSo5z0"
	sha256Rounds  = "$5$rounds=1400$ab$aChVEQEsi/0go/r/X8Dwss7hPYFvwhJlE9Ibxz3KcqC"
	sha512Rounds  = "$6$rounds=10000$saltstringsaltst$uWkfitxWIj/pKw1nBSBgiQR8Pwbr7IMycYT33N8JITrE33DUmC8bV6rVVtFeP/iZRI3xx58jHgvVgQRG8FBmF/"
	sha512Short   = "$6$rounds=2000$x$hU4BeobCFNHbHNmrsScHEKH9XiD4XAusNwlxmboZEfOjnxGSfBre225J.gwWU8crSrxivajkqR4qTFsmJVzEB/"
	rightPassword = "correct horse"
)

func TestHashesOfCrypt(t *testing.T) {
	for _, text := range []string{md5Hash, sha256Hash, sha512Hash, sha256Rounds, sha512Rounds, sha512Short} {
		h, err := parseHash(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for password, want := range map[string]bool{
			rightPassword: true, "correct horsf": false, "correct hors": false, "": false, rightPassword + "x": false,
			text: false, strings.Repeat("x", maxPassword+1): false,
		} {
			if got := h.verify(password); got != want {
				t.Errorf("%s with %.40q: %v, want %v", text, password, got, want)
			}
		}
	}
}

func TestHashPassword(t *testing.T) {
	first, err := HashPassword("$0$" + rightPassword)
	if err != nil {
		t.Fatal(err)
	}
	second, err := HashPassword("$0$" + rightPassword)
	if err != nil || first == second {
		t.Errorf("the salt is the same twice: %s (%v)", first, err)
	}
	h, err := parseHash(first)
	if err != nil || !strings.HasPrefix(first, "$6$") || !h.verify(rightPassword) || h.verify(rightPassword+" ") {
		t.Errorf("%s is not the SHA-512 hash of the password: %v", first, err)
	}
	if IsClearText(first) || !IsClearText("$0$x") {
		t.Error("clear text is not told from a hash")
	}
	for _, kept := range []string{md5Hash, sha256Hash, sha512Hash, sha512Rounds} {
		if got, err := HashPassword(kept); got != kept || err != nil {
			t.Errorf("%s becomes %s, %v", kept, got, err)
		}
	}
	for _, bad := range []string{
		"", "plain", "$0$", "$0$" + strings.Repeat("x", maxPassword+1), "$7$salt$hash", "$6$salt", "$6$rounds=500001$salt$hash",
		"$6$rounds=99999999999999999999$salt$hash", "$6$rounds=x$salt$hash", "$6$rounds=5000$hash", "$6$salt$ha$sh", "x$6$salt$hash",
	} {
		if got, err := HashPassword(bad); err == nil {
			t.Errorf("%.40q is accepted as %s", bad, got)
		}
	}
}

// passwords is an Access with two users, of whom one has no password.
func passwords(t *testing.T, log *slog.Logger) *Access {
	t.Helper()
	a, err := Open(Options{Dir: t.TempDir(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	a.Configure(Settings{PasswordLogin: true, Users: []User{
		{Name: "ops", Password: sha512Hash}, {Name: "keys-only"}, {Name: "broken", Password: "$6$rounds=900000$a$b"},
	}})
	return a
}

func TestCheckPassword(t *testing.T) {
	for name, test := range map[string]struct {
		user, password string
		off            bool // local-users is not in the order
		want           bool
	}{
		"right":                       {user: "ops", password: rightPassword, want: true},
		"wrong":                       {user: "ops", password: "incorrect horse"},
		"empty":                       {user: "ops", password: ""},
		"the hash itself":             {user: "ops", password: sha512Hash},
		"another user":                {user: "admin", password: rightPassword},
		"user without password":       {user: "keys-only", password: ""},
		"user without, some password": {user: "keys-only", password: rightPassword},
		"hash that was left out":      {user: "broken", password: "x"},
		"passwords are off":           {user: "ops", password: rightPassword, off: true},
		"not a user name":             {user: "../ops", password: rightPassword},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := passwords(t, slog.New(slog.DiscardHandler))
				if test.off {
					a.Configure(Settings{Users: []User{{Name: "ops", Password: sha512Hash}}})
				}
				began := time.Now()
				err := a.CheckPassword(t.Context(), test.user, test.password, "192.0.2.1:4711")
				took := time.Since(began)
				failed, _ := a.FailedAttempts()
				if test.want {
					if err != nil || took != 0 || failed != 0 {
						t.Errorf("%v after %v, %d failures", err, took, failed)
					}
					return
				}
				if !errors.Is(err, ErrRefused) || took != failureDelay || failed != 1 {
					t.Errorf("%v after %v, %d failures; want a refusal after %v", err, took, failed, failureDelay)
				}
			})
		})
	}
}

// TestGuessing: an address that guesses is listened to less and less, others are
// not troubled, and the log has few lines.
func TestGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		a := passwords(t, slog.New(slog.NewTextHandler(&out, nil)))
		out.Reset()
		const guesser, other = "192.0.2.1:1", "192.0.2.2:1"
		for range 100 {
			if err := a.CheckPassword(t.Context(), "ops", "guess", guesser); !errors.Is(err, ErrRefused) {
				t.Fatal(err)
			}
		}
		failed, throttled := a.FailedAttempts()
		if failed > 12 || failed+throttled != 100 {
			t.Errorf("%d guesses were looked at and %d not; 100 were made in 50 s", failed, throttled)
		}
		if err := a.CheckPassword(t.Context(), "ops", rightPassword, guesser); err == nil {
			t.Error("the right password is accepted amid guesses")
		}
		if err := a.CheckPassword(t.Context(), "ops", rightPassword, other); err != nil {
			t.Errorf("another address: %v", err)
		}
		if lines := strings.Count(out.String(), "failed logins"); lines == 0 || lines > 6 {
			t.Errorf("%d lines in the log:\n%s", lines, &out)
		}
		if strings.Contains(out.String(), "guess\"") || strings.Contains(out.String(), rightPassword) {
			t.Errorf("a password is in the log:\n%s", &out)
		}
		time.Sleep(maxPenalty)
		if err := a.CheckPassword(t.Context(), "ops", rightPassword, guesser); err != nil {
			t.Errorf("after a minute of silence: %v", err)
		}
	})
}

func TestFailureEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := passwords(t, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := a.CheckPassword(ctx, "ops", "x", "192.0.2.1:1"); err == nil || time.Since(began) != time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestSourcesOfFailures(t *testing.T) {
	for peer, want := range map[string]string{
		"192.0.2.1:22": "192.0.2.1", "192.0.2.1": "192.0.2.1", "[::ffff:192.0.2.1]:22": "192.0.2.1",
		"[2001:db8:1:2:3::4]:22": "2001:db8:1:2::/64", "2001:db8:1:2::9": "2001:db8:1:2::/64", "[fe80::1%eth0]:22": "fe80::/64",
		"pipe": "pipe",
	} {
		if got := source(peer); got != want {
			t.Errorf("source(%q) = %q, want %q", peer, got, want)
		}
	}
}

// TestOffendersAreBounded: many addresses cost a bounded memory.
func TestOffendersAreBounded(t *testing.T) {
	var f failures
	now := time.Unix(1000, 0)
	for i := range 3 * maxOffenders {
		f.add("u", string(rune(i)), "password", now.Add(time.Duration(i)), slog.New(slog.DiscardHandler))
	}
	if len(f.by) > maxOffenders {
		t.Errorf("%d addresses are remembered", len(f.by))
	}
	if f.by[string(rune(3*maxOffenders-1))] == nil {
		t.Error("the latest one is forgotten")
	}
}

// FuzzParseHash: what parses is a hash that the element can make itself, from a
// salt that is a part of it, at a bounded cost.
func FuzzParseHash(f *testing.F) {
	for _, seed := range []string{md5Hash, sha256Hash, sha512Hash, sha256Rounds, sha512Short, "$0$x", "$6$rounds=1$$", "$$$$", "$1$rounds=5$x$y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if err != nil {
			return
		}
		if h.text != text || !strings.HasPrefix(text, h.salt+"$") {
			t.Fatalf("%q has the salt %q", text, h.salt)
		}
		if strings.Contains(text, "rounds=") {
			return // Right, but slow.
		}
		if again, err := HashPassword(text); again != text || err != nil {
			t.Errorf("%q is stored as %q, %v", text, again, err)
		}
	})
}
