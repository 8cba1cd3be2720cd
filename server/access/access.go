// Package access holds who may talk to the element: the SSH host keys, the TLS
// certificates, and the public keys of users. Everything lives in one state
// directory that the first start fills; later starts reuse it.
package access

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// DefaultUser is the administrator's name where Options.AdminUser is empty.
const DefaultUser = "admin"

// Options tell Open where the state is and what the first start puts there.
type Options struct {
	Dir       string   // state directory, made with mode 0700 where absent
	AdminUser string   // owner of AdminKeys and of tls/client.crt; DefaultUser where empty
	AdminKeys []string // authorized_keys lines, added to the administrator's file where missing
	Hosts     []string // further DNS names and IP addresses of the server certificate

	// Files of the operator's own PKI, all optional. ServerCert and ServerKey
	// come together; ClientCA adds roots that client certificates may chain to.
	ServerCert, ServerKey, ClientCA string

	Log *slog.Logger     // slog.Default() where nil
	Now func() time.Time // time.Now where nil
}

// Access answers the transports' questions. It is safe for concurrent use.
type Access struct {
	dir       string
	log       *slog.Logger
	now       func() time.Time
	hostKeys  [][]byte
	server    tls.Certificate
	clientCAs *x509.CertPool
	config    atomic.Pointer[settings]
	failures  failures
	hashing   chan struct{} // a place for each password that is being verified
	decoy     cryptHash     // stands in for the password of an unknown user
}

// Open reads the state directory and creates what is missing in it. A file that
// is damaged, or a private key that others may read, is an error and is never
// replaced: a host key that changes by itself looks like an attack to clients.
func Open(o Options) (*Access, error) {
	if o.Dir == "" {
		return nil, fmt.Errorf("access: no state directory given")
	}
	if o.AdminUser == "" {
		o.AdminUser = DefaultUser
	}
	if err := CheckUser(o.AdminUser); err != nil {
		return nil, fmt.Errorf("access: administrator: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("access: state directory: %w", err)
	}
	if err := sweep(o.Dir); err != nil {
		return nil, fmt.Errorf("access: state directory: %w", err)
	}
	a := &Access{dir: o.Dir, log: o.Log, now: o.Now, hashing: make(chan struct{}, hashing)}
	if err := a.makeDecoy(); err != nil {
		return nil, fmt.Errorf("access: %w", err)
	}
	steps := []struct {
		what string
		do   func(Options) error
	}{
		{"host keys", a.openHostKeys},
		{"certificates", a.openTLS},
		{"authorized keys", a.seedAdmin},
	}
	for _, step := range steps {
		if err := step.do(o); err != nil {
			return nil, fmt.Errorf("access: %s: %w", step.what, err)
		}
	}
	a.Configure(Settings{})
	return a, nil
}

// makeDecoy hashes a password that nobody knows.
func (a *Access) makeDecoy() error {
	text, err := HashPassword(clearText + rand.Text())
	if err != nil {
		return err
	}
	a.decoy, err = parseHash(text)
	return err
}

// HostKeys returns the private host keys in OpenSSH PEM form, Ed25519 first and
// ECDSA P-256 second, the order in which a server offers them.
func (a *Access) HostKeys() [][]byte { return a.hostKeys }

// TLSConfig returns a new server configuration: TLS 1.2 or later, and a client
// certificate is required that chains to the element's CA, to Options.ClientCA,
// or to a configured trust anchor, and is not revoked.
func (a *Access) TLSConfig() *tls.Config {
	config := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{a.server},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    a.clientCAs,
		Time:         a.now,
		// Whoever comes back is looked at again: a certificate may have been
		// revoked meanwhile.
		SessionTicketsDisabled: true,
	}
	base := config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		present := base.Clone()
		settings := a.config.Load()
		present.ClientCAs = settings.clientCAs
		present.VerifyConnection = func(state tls.ConnectionState) error {
			if len(settings.unrevoked(state.VerifiedChains)) == 0 {
				return errors.New("access: the client certificate is revoked")
			}
			return nil
		}
		return present, nil
	}
	return config
}

// CertificateUser returns the user name that a verified client certificate
// stands for: the common name of its subject (RFC 7407 calls this map
// common-name). A name that no user can have is an error.
func (a *Access) CertificateUser(cert *x509.Certificate) (string, error) {
	if cert == nil {
		return "", fmt.Errorf("access: no client certificate")
	}
	if err := CheckUser(cert.Subject.CommonName); err != nil {
		return "", fmt.Errorf("access: client certificate: %w", err)
	}
	return cert.Subject.CommonName, nil
}

func (a *Access) path(elem ...string) string {
	return filepath.Join(append([]string{a.dir}, elem...)...)
}
