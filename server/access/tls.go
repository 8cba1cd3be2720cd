package access

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"slices"
	"time"
)

const (
	tlsDir = "tls"

	// An element stays in the field for decades and nobody visits it to renew
	// a certificate; leaf certificates are re-issued at a start within
	// renewBefore of their end.
	caLifetime   = 30 * 365 * 24 * time.Hour
	leafLifetime = 10 * 365 * 24 * time.Hour
	renewBefore  = 90 * 24 * time.Hour
	// A certificate is valid a little before it was made, so that a peer with
	// a slow clock accepts it.
	clockSkew = time.Hour
)

// leaf describes one certificate that the element's own CA issues.
type leaf struct {
	name  string // file name without .key and .crt
	user  string // common name
	hosts []string
	usage x509.ExtKeyUsage
}

func (a *Access) openTLS(o Options) error {
	if (o.ServerCert == "") != (o.ServerKey == "") {
		return errors.New("a server certificate needs both its file and its key's file")
	}
	leaves := []leaf{
		{name: "server", user: serverName(), hosts: serverHosts(o.Hosts), usage: x509.ExtKeyUsageServerAuth},
		{name: "client", user: o.AdminUser, usage: x509.ExtKeyUsageClientAuth},
	}
	found, err := exists(a.path(tlsDir))
	if err != nil {
		return err
	}
	if !found {
		if err := createTLS(a.path(tlsDir), leaves, a.now()); err != nil {
			return err
		}
		a.log.Info("made TLS certificates", "directory", a.path(tlsDir), "client", o.AdminUser)
	}
	ca, caKey, err := readPair(a.path(tlsDir, "ca.crt"), a.path(tlsDir, "ca.key"))
	if err != nil {
		return err
	}
	for _, l := range leaves {
		if err := a.checkLeaf(l, ca, caKey); err != nil {
			return err
		}
	}
	a.clientCAs = x509.NewCertPool()
	a.clientCAs.AddCert(ca)
	if o.ClientCA != "" {
		raw, err := os.ReadFile(o.ClientCA)
		if err != nil {
			return err
		}
		if !a.clientCAs.AppendCertsFromPEM(raw) {
			return fmt.Errorf("%s holds no PEM certificate", o.ClientCA)
		}
	}
	certFile, keyFile := a.path(tlsDir, "server.crt"), a.path(tlsDir, "server.key")
	if o.ServerCert != "" {
		certFile, keyFile = o.ServerCert, o.ServerKey
	}
	if a.server, err = tls.LoadX509KeyPair(certFile, keyFile); err != nil {
		return fmt.Errorf("%s: %w", certFile, err)
	}
	return nil
}

// checkLeaf re-issues a certificate, with the key it has, when it ends soon or
// does not carry a name that is asked for.
func (a *Access) checkLeaf(l leaf, ca *x509.Certificate, caKey crypto.Signer) error {
	certFile := a.path(tlsDir, l.name+".crt")
	cert, key, err := readPair(certFile, a.path(tlsDir, l.name+".key"))
	if err != nil {
		return err
	}
	var reason string
	switch {
	case a.now().Add(renewBefore).After(cert.NotAfter):
		reason = "it ends " + cert.NotAfter.UTC().Format(time.RFC3339)
	case cert.Subject.CommonName != l.user:
		reason = fmt.Sprintf("it is for %q and not for %q", cert.Subject.CommonName, l.user)
	default:
		for _, h := range l.hosts {
			if cert.VerifyHostname(h) != nil {
				reason = fmt.Sprintf("it lacks the name %q", h)
				break
			}
		}
	}
	if reason == "" {
		return nil
	}
	raw, err := l.issue(ca, caKey, key, a.now())
	if err != nil {
		return err
	}
	a.log.Info("re-issued a TLS certificate", "file", certFile, "reason", reason)
	return replaceFile(certFile, raw, public)
}

func createTLS(dir string, leaves []leaf, now time.Time) error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := newSerial()
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"Tandem"}, CommonName: "Tandem CA of " + serverName()},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(caLifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	caKeyPEM, err := keyPEM(caKey)
	if err != nil {
		return err
	}
	files := []file{{"ca.key", caKeyPEM, secret}, {"ca.crt", certPEM(der), public}}
	for _, l := range leaves {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		cert, err := l.issue(ca, caKey, key, now)
		if err != nil {
			return err
		}
		raw, err := keyPEM(key)
		if err != nil {
			return err
		}
		files = append(files, file{l.name + ".key", raw, secret}, file{l.name + ".crt", cert, public})
	}
	return createDir(dir, files)
}

func (l leaf) issue(ca *x509.Certificate, caKey, key crypto.Signer, now time.Time) ([]byte, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"Tandem"}, CommonName: l.user},
		NotBefore:    now.Add(-clockSkew),
		NotAfter:     now.Add(leafLifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{l.usage},
	}
	if template.NotAfter.After(ca.NotAfter) {
		template.NotAfter = ca.NotAfter
	}
	for _, h := range l.hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		return nil, err
	}
	return certPEM(der), nil
}

func readPair(certFile, keyFile string) (*x509.Certificate, crypto.Signer, error) {
	rawKey, err := readSecret(keyFile)
	if err != nil {
		return nil, nil, err
	}
	rawCert, err := os.ReadFile(certFile)
	if err != nil {
		return nil, nil, err
	}
	pair, err := tls.X509KeyPair(rawCert, rawKey)
	if err != nil {
		return nil, nil, fmt.Errorf("%s and %s: %w", certFile, keyFile, err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, nil, fmt.Errorf("%s holds no key that can sign", keyFile)
	}
	return pair.Leaf, key, nil
}

func serverName() string {
	if name, err := os.Hostname(); err == nil && name != "" {
		return name
	}
	return "localhost"
}

func serverHosts(more []string) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	for _, h := range append([]string{serverName()}, more...) {
		if !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// newSerial returns a positive random number of 127 bits (RFC 5280 section
// 4.1.2.2 wants at most 20 octets).
func newSerial() (*big.Int, error) {
	limit := new(big.Int).Lsh(big.NewInt(1), 127)
	n, err := rand.Int(rand.Reader, limit)
	if err != nil {
		return nil, err
	}
	return n.Add(n, big.NewInt(1)), nil
}

func keyPEM(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
