package access

import (
	"bufio"
	"bytes"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

const (
	keysDir = "authorized_keys"

	maxUserLen  = 64      // characters of a user name
	maxKeysFile = 1 << 20 // octets of one user's file that are read
	minRSABits  = 2048
)

// authorizedKey is a public key in SSH wire form (RFC 4253 section 6.6).
type authorizedKey []byte

// AuthorizePublicKey reports whether key, in SSH wire form, belongs to user: it
// stands in the file authorized_keys/<user> of the state directory, which is
// read anew each time, or among the keys that Configure was given last,
// and is not revoked. All keys
// of the user are compared in constant time. A name that is not a legal user
// name is never looked up.
func (a *Access) AuthorizePublicKey(user string, key []byte) bool {
	if err := CheckUser(user); err != nil {
		return false
	}
	if err := CheckPublicKey(key); err != nil {
		a.log.Warn("refused a public key", "user", user, "reason", err)
		return false
	}
	known, err := a.fileKeys(user)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.log.Warn("cannot read authorized keys", "user", user, "reason", err)
	}
	settings := a.config.Load()
	if slices.ContainsFunc(settings.Revoked, func(r Revocation) bool { return r.PublicKey != nil && bytes.Equal(r.PublicKey, key) }) {
		a.log.Warn("refused a public key", "user", user, "reason", "it is revoked")
		return false
	}
	known = append(known, settings.keys[user]...)
	match := 0
	for _, k := range known {
		match |= subtle.ConstantTimeCompare(k, key)
	}
	return match == 1
}

func (a *Access) fileKeys(user string) ([]authorizedKey, error) {
	f, err := os.Open(a.path(keysDir, user))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if perm := info.Mode().Perm(); perm&0o022 != 0 {
		return nil, fmt.Errorf("%s has mode %04o: others may write it", f.Name(), perm)
	}
	if info.Size() > maxKeysFile {
		return nil, fmt.Errorf("%s has %d octets, more than %d", f.Name(), info.Size(), maxKeysFile)
	}
	var keys []authorizedKey
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxKeysFile)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		key, err := parseLine(line)
		if err != nil {
			a.log.Warn("passed over a line of authorized keys", "file", f.Name(), "line", n, "reason", err)
			continue
		}
		keys = append(keys, key)
	}
	return keys, lines.Err()
}

// parseLine reads one authorized_keys line. An option that would narrow what
// the key may do, and that is not enforced here, makes the line an error: to
// ignore it would widen the access that its author meant to give.
func parseLine(line string) (authorizedKey, error) {
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(rest)) != 0 {
		return nil, errors.New("more than one line")
	}
	for _, o := range options {
		switch strings.ToLower(o) {
		case "restrict", "no-pty", "no-port-forwarding", "no-agent-forwarding", "no-x11-forwarding", "no-user-rc":
			// The server offers nothing but its subsystems, so these always hold.
		default:
			return nil, fmt.Errorf("the option %q is not supported", o)
		}
	}
	wire := key.Marshal()
	return wire, CheckPublicKey(wire)
}

// CheckPublicKey reports why a public key in SSH wire form cannot be accepted:
// its type, or an RSA number of less than 2,048 bits.
func CheckPublicKey(wire []byte) error {
	key, err := ssh.ParsePublicKey(wire)
	if err != nil {
		return err
	}
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		return nil
	case ssh.KeyAlgoRSA:
		withNumber, ok := key.(ssh.CryptoPublicKey)
		if !ok {
			return errors.New("an RSA key without its number")
		}
		rsaKey, ok := withNumber.CryptoPublicKey().(*rsa.PublicKey)
		if !ok {
			return errors.New("an RSA key without its number")
		}
		if bits := rsaKey.N.BitLen(); bits < minRSABits {
			return fmt.Errorf("an RSA key of %d bits is shorter than %d", bits, minRSABits)
		}
		return nil
	}
	return fmt.Errorf("keys of type %s are not accepted", key.Type())
}

// seedAdmin adds the keys of the flag that the administrator's file lacks.
func (a *Access) seedAdmin(o Options) error {
	if err := os.MkdirAll(a.path(keysDir), 0o700); err != nil {
		return err
	}
	name := a.path(keysDir, o.AdminUser)
	have, err := a.fileKeys(o.AdminUser)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return err
	}
	var text []byte
	if !missing {
		if text, err = os.ReadFile(name); err != nil {
			return err
		}
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
	}
	added := 0
	for _, line := range o.AdminKeys {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, err := parseLine(line)
		if err != nil {
			return fmt.Errorf("key of %s: %w", o.AdminUser, err)
		}
		if contains(have, key) {
			continue
		}
		have = append(have, key)
		text = append(append(text, line...), '\n')
		added++
	}
	if added == 0 {
		if len(have) == 0 {
			a.log.Warn("no administrator's public key is known: NETCONF over SSH admits nobody", "file", name)
		}
		return nil
	}
	a.log.Info("added public keys of the administrator", "user", o.AdminUser, "keys", added)
	return replaceFile(name, text, secret)
}

func contains(keys []authorizedKey, key authorizedKey) bool {
	for _, k := range keys {
		if bytes.Equal(k, key) {
			return true
		}
	}
	return false
}

// CheckUser accepts 1 to 64 letters, digits, ".", "_", "-" and "@", of which
// the first is a letter, a digit or "_". A user name is also a file name.
func CheckUser(name string) error {
	if name == "" || len(name) > maxUserLen {
		return fmt.Errorf("the user name %.80q has not between 1 and %d characters", name, maxUserLen)
	}
	for i := range len(name) {
		c := name[i]
		plain := c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !plain && (i == 0 || c != '.' && c != '-' && c != '@') {
			return fmt.Errorf("the user name %q may not contain %q there", name, c)
		}
	}
	return nil
}
