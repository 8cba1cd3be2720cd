package netconf

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/server/access"
)

// authority issues client certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, key: key}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an operator"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = a.sign(template, template, key)
	return a
}

func (a *authority) sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// client issues a certificate; change may alter it before.
func (a *authority) client(name string, change func(*x509.Certificate)) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	c := a.sign(template, a.cert, key)
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}
}

// tlsRig is an element that serves TLS on a loopback port and trusts an operator.
type tlsRig struct {
	*element
	addr     string
	access   *access.Access
	operator *authority
	dir      string
	served   chan error
}

func newTLS(t testing.TB, limits Limits, change ...func(*Options)) *tlsRig {
	t.Helper()
	r := &tlsRig{operator: newAuthority(t), dir: t.TempDir(), served: make(chan error, 1)}
	var err error
	if r.access, err = access.Open(access.Options{Dir: r.dir, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	r.trust(access.Settings{})
	r.element = newElement(t, func(o *Options) {
		o.Access, o.Limits = r.access, limits
		for _, f := range change {
			f(o)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	go func() { r.served <- r.ServeTLS(l) }()
	return r
}

// trust configures access with the operator's authority, whose common names are
// users unless s has other entries.
func (r *tlsRig) trust(s access.Settings) {
	s.TrustAnchors = append(s.TrustAnchors, r.operator.cert.Raw)
	if s.CertToName == nil {
		s.CertToName = []access.CertToName{{ID: 1, Fingerprint: fingerprint(r.operator.cert), Map: access.MapCommonName}}
	}
	r.access.Configure(s)
}

// config is that of a client with a certificate; none where it is nil.
func (r *tlsRig) config(cert *tls.Certificate) *tls.Config {
	r.t.Helper()
	pem, err := os.ReadFile(filepath.Join(r.dir, "tls", "ca.crt"))
	if err != nil {
		r.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	c := &tls.Config{RootCAs: roots, ServerName: "localhost"}
	if cert != nil {
		c.Certificates = []tls.Certificate{*cert}
	}
	return c
}

// dial does the handshake and reads the hello; the error is of whatever failed.
func (r *tlsRig) dial(c *tls.Config) (*client, error) {
	r.t.Helper()
	conn, err := tls.Dial("tcp", r.addr, c)
	if err != nil {
		return nil, err
	}
	r.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	cl := &client{t: r.t, conn: conn, in: newFrameReader(bufio.NewReader(conn), 64<<20)}
	cl.out.w = conn
	hello, err := cl.in.next()
	if err != nil {
		return nil, err
	}
	cl.hello = string(hello)
	cl.send(fmt.Sprintf(clientHello, base11))
	cl.in.chunked, cl.out.chunked = true, true
	return cl, nil
}

func fingerprint(c *x509.Certificate) access.Fingerprint {
	sum := sha256.Sum256(c.Raw)
	return append(access.Fingerprint{4}, sum[:]...)
}

func TestTLSSession(t *testing.T) {
	r := newTLS(t, Limits{})
	cert := r.operator.client("alice", nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c := r.config(&cert)
		c.MinVersion, c.MaxVersion = version, version
		s, err := r.dial(c)
		if err != nil {
			t.Fatalf("%s: %v", tls.VersionName(version), err)
		}
		s.want(`<get><filter><netconf-state xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"><sessions/></netconf-state></filter></get>`,
			"<username>alice</username>")
		if sess := r.list()[0]; sess.transport != "netconf-tls" || sess.user != "alice" {
			t.Errorf("%s: the session is one of %s over %s", tls.VersionName(version), sess.user, sess.transport)
		}
		s.want("<close-session/>", "<ok/>")
		// The element ends TLS in order (RFC 7589 section 4): io.EOF, and not
		// io.ErrUnexpectedEOF.
		if _, err := s.in.next(); err != io.EOF {
			t.Errorf("%s: after close-session the client sees %v", tls.VersionName(version), err)
		}
	}
}

func TestTLSRefusesStrangers(t *testing.T) {
	for name, test := range map[string]struct {
		cert   func(*tlsRig) *tls.Certificate
		config func(*tls.Config)
		want   string // in the error of the client
	}{
		"no certificate": {func(*tlsRig) *tls.Certificate { return nil }, nil, "certificate required"},
		"TLS 1.1": {func(r *tlsRig) *tls.Certificate { c := r.operator.client("alice", nil); return &c }, func(c *tls.Config) {
			c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		}, "protocol version"},
		"expired": {func(r *tlsRig) *tls.Certificate {
			c := r.operator.client("alice", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
			return &c
		}, nil, "expired certificate"},
		"not yet valid": {func(r *tlsRig) *tls.Certificate {
			c := r.operator.client("alice", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) })
			return &c
		}, nil, "certificate"},
		"another authority": {func(r *tlsRig) *tls.Certificate { c := newAuthority(r.t).client("alice", nil); return &c }, nil, "unknown certificate authority"},
		"a server's": {func(r *tlsRig) *tls.Certificate {
			c := r.operator.client("alice", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
			return &c
		}, nil, "bad certificate"},
		"revoked": {func(r *tlsRig) *tls.Certificate {
			c := r.operator.client("alice", nil)
			r.trust(access.Settings{RevokedCertificates: []access.Fingerprint{fingerprint(c.Leaf)}})
			return &c
		}, nil, "bad certificate"},
		"no user's name": {func(r *tlsRig) *tls.Certificate { c := r.operator.client("not a name", nil); return &c }, nil, "EOF"},
		"authority without an entry": {func(r *tlsRig) *tls.Certificate {
			c := r.operator.client("alice", nil)
			r.trust(access.Settings{CertToName: []access.CertToName{}})
			return &c
		}, nil, "EOF"},
		"no entry of cert-to-name": {func(r *tlsRig) *tls.Certificate {
			c := r.operator.client("alice", nil)
			r.trust(access.Settings{CertToName: []access.CertToName{{ID: 1, Fingerprint: fingerprint(c.Leaf), Map: access.MapDNSName}}})
			return &c
		}, nil, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTLS(t, Limits{})
			config := r.config(test.cert(r))
			if test.config != nil {
				test.config(config)
			}
			_, err := r.dial(config)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the client sees %v, want %q", err, test.want)
			}
			good := r.operator.client("bob", nil)
			r.trust(access.Settings{})
			if _, err := r.dial(r.config(&good)); err != nil {
				t.Errorf("a good certificate after it: %v", err)
			}
		})
	}
}

// TestTLSCertToName: the first entry that matches names the user.
func TestTLSCertToName(t *testing.T) {
	r := newTLS(t, Limits{})
	cert := r.operator.client("alice", func(c *x509.Certificate) { c.DNSNames = []string{"NMS.example.com"} })
	ca := fingerprint(r.operator.cert)
	r.trust(access.Settings{CertToName: []access.CertToName{
		{ID: 2, Fingerprint: ca, Map: access.MapDNSName}, {ID: 9, Fingerprint: ca, Map: access.MapSpecified, Name: "late"},
		{ID: 1, Fingerprint: ca, Map: access.MapRFC822Name},
	}})
	s, err := r.dial(r.config(&cert))
	if err != nil {
		t.Fatal(err)
	}
	s.want("<get><filter/></get>", "<data>")
	if user := r.list()[0].user; user != "nms.example.com" {
		t.Errorf("the user is %q", user)
	}
}

// TestTLSSilentStrangersKeepNobodyOut is the same as for SSH: connections that
// say nothing, or stop in the middle of the handshake, take no place for long.
func TestTLSSilentStrangersKeepNobodyOut(t *testing.T) {
	r := newTLS(t, Limits{HandshakeTimeout: time.Hour, Unauthenticated: 8})
	r.door.setGrace(time.Second)
	for i := range 24 {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%2 == 0 {
			// The beginning of a ClientHello that never goes on.
			if _, err := c.Write([]byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01}); err != nil {
				t.Fatal(err)
			}
		}
	}
	cert := r.operator.client("alice", nil)
	s, err := r.dial(r.config(&cert))
	if err != nil {
		t.Fatal(err)
	}
	s.want("<get><filter/></get>", "<data>")
}

func TestTLSHandshakeTimeout(t *testing.T) {
	r := newTLS(t, Limits{HandshakeTimeout: 100 * time.Millisecond})
	for name, say := range map[string][]byte{"silent": nil, "one octet": {0x16}, "half a record": {0x16, 0x03, 0x01, 0x02, 0x00, 0x01}} {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Write(say); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection is still there", name)
		}
	}
}

func TestTLSHelloTimeout(t *testing.T) {
	r := newTLS(t, Limits{HelloTimeout: 100 * time.Millisecond})
	cert := r.operator.client("alice", nil)
	conn, err := tls.Dial("tcp", r.addr, r.config(&cert))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a client without a hello is still there")
	}
}

func TestShutdownEndsTLS(t *testing.T) {
	r := newTLS(t, Limits{})
	cert := r.operator.client("alice", nil)
	s, err := r.dial(r.config(&cert))
	if err != nil {
		t.Fatal(err)
	}
	s.want("<get><filter/></get>", "<data>")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-r.served; !errors.Is(err, ErrServerClosed) {
		t.Errorf("ServeTLS returned %v", err)
	}
	if _, err := s.in.next(); err != io.EOF {
		t.Errorf("the client sees %v", err)
	}
}

const ncclientTLSScript = `
import ssl, sys
from ncclient import manager
host, port, key, cert, ca = sys.argv[1:6]
with manager.connect_tls(host=host, port=int(port), keyfile=key, certfile=cert, ca_certs=ca,
                         protocol=ssl.PROTOCOL_TLS_CLIENT, timeout=20) as m:
    assert ":candidate" in m.server_capabilities
    config = '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">%s</config>'
    node = '<mpls-tp xmlns="urn:tandem:yang:mtp-node"><node><name>over-tls</name></node></mpls-tp>'
    with m.locked("candidate"):
        m.edit_config(target="candidate", config=config % node)
        m.commit()
    assert "<name>over-tls</name>" in m.get_config("running").data_xml
print("fine")
`

// TestClientNcclientTLS also shows that the element's certificate has the address
// in it, which ncclient checks.
func TestClientNcclientTLS(t *testing.T) {
	r := newTLS(t, Limits{})
	cert := r.operator.client("alice", nil)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := map[string][]byte{
		"key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		"crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Leaf.Raw}),
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, port, _ := net.SplitHostPort(r.addr)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, python(t), "-c", ncclientTLSScript, "127.0.0.1", port,
		filepath.Join(dir, "key"), filepath.Join(dir, "crt"), filepath.Join(r.dir, "tls", "ca.crt")).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "fine" {
		t.Fatalf("%v\n%s", err, out)
	}
}

// tlsClient is the client's side of TLS on a connection that is there.
func tlsClient(conn net.Conn, c *tls.Config) *tls.Conn { return tls.Client(conn, c) }
