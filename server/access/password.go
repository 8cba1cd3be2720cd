package access

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/GehirnInc/crypt"
	"github.com/GehirnInc/crypt/md5_crypt"
	"github.com/GehirnInc/crypt/sha256_crypt"
	"github.com/GehirnInc/crypt/sha512_crypt"
)

const (
	// maxPassword bounds what is hashed, in octets: the cost of the crypt
	// functions grows with the square of it.
	maxPassword = 256
	// maxRounds bounds the cost of a hash that was made elsewhere; it takes
	// about a quarter of a second.
	maxRounds = 500_000

	clearText = "$0$" // the mark of a password that is not hashed yet
)

// IsClearText reports whether a value of ianach:crypt-hash (RFC 7317) is a
// password in clear text, which must not be stored.
func IsClearText(hash string) bool { return strings.HasPrefix(hash, clearText) }

// HashPassword returns what is stored in place of a value of ianach:crypt-hash:
// the SHA-512 hash, under a new salt, of one in clear text, and any other as it
// is. The error tells why a value can let nobody in: an empty or too long
// password, or a hash whose cost would stop the element.
func HashPassword(value string) (string, error) {
	clear, ok := strings.CutPrefix(value, clearText)
	if !ok {
		_, err := parseHash(value)
		return value, err
	}
	if clear == "" || len(clear) > maxPassword {
		return "", fmt.Errorf("a password has 1 to %d octets", maxPassword)
	}
	return sha512_crypt.New().Generate([]byte(clear), nil)
}

// cryptHash is a parsed value of ianach:crypt-hash.
type cryptHash struct {
	text string
	salt string // with everything in front of it
	make func() crypt.Crypter
}

// parseHash reads "$<id>$[rounds=<n>$]<salt>$<hash>".
func parseHash(text string) (cryptHash, error) {
	h := cryptHash{text: text}
	fields := strings.Split(text, "$")
	if len(fields) < 4 || fields[0] != "" {
		return h, errors.New("it is not of the form $id$salt$hash")
	}
	switch fields[1] {
	case "1":
		h.make = md5_crypt.New
	case "5":
		h.make = sha256_crypt.New
	case "6":
		h.make = sha512_crypt.New
	default:
		return h, fmt.Errorf("%q is no hash function of iana-crypt-hash", fields[1])
	}
	if rounds, ok := strings.CutPrefix(fields[2], "rounds="); ok && fields[1] != "1" {
		n, err := strconv.Atoi(rounds)
		if err != nil || n > maxRounds {
			return h, fmt.Errorf("it has %s rounds, more than %d", rounds, maxRounds)
		}
		if len(fields) != 5 {
			return h, errors.New("it is not of the form $id$rounds=n$salt$hash")
		}
	} else if len(fields) != 4 {
		return h, errors.New("it is not of the form $id$salt$hash")
	}
	h.salt = text[:strings.LastIndexByte(text, '$')]
	return h, nil
}

// verify reports whether the hash is that of password.
func (h cryptHash) verify(password string) bool {
	if password == "" || len(password) > maxPassword {
		return false
	}
	made, err := h.make().Generate([]byte(password), []byte(h.salt))
	return err == nil && subtle.ConstantTimeCompare([]byte(made), []byte(h.text)) == 1
}
