package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"testing"
	"time"
)

// alternative is one subjectAltName.
func alternative(tag int, value []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: value}
}

// certify makes a chain of an authority and a client certificate with names in
// the given order.
func certify(t *testing.T, commonName string, names ...asn1.RawValue) [][]*x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issue := func(template, parent *x509.Certificate) *x509.Certificate {
		template.SerialNumber, template.NotAfter = big.NewInt(1), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ca := &x509.Certificate{Subject: pkix.Name{CommonName: "an authority"}, IsCA: true, BasicConstraintsValid: true}
	ca = issue(ca, ca)
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: commonName}}
	if len(names) > 0 {
		value, err := asn1.Marshal(names)
		if err != nil {
			t.Fatal(err)
		}
		leaf.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value}}
	}
	return [][]*x509.Certificate{{issue(leaf, ca), ca}}
}

func fingerprint(c *x509.Certificate) Fingerprint {
	sum := sha256.Sum256(c.Raw)
	return append(Fingerprint{4}, sum[:]...)
}

func TestPeerUser(t *testing.T) {
	mail := alternative(tagRFC822, []byte("FooBar@Example.COM"))
	dns := alternative(tagDNS, []byte("NMS.Example.COM"))
	v4 := alternative(tagIP, []byte{192, 0, 2, 1})
	v6 := alternative(tagIP, []byte{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
	chains := certify(t, "carol", v6, dns, mail, v4)
	leaf, ca := fingerprint(chains[0][0]), fingerprint(chains[0][1])
	stranger := fingerprint(certify(t, "x")[0][0])
	entry := func(id uint32, f Fingerprint, m MapType) CertToName {
		return CertToName{ID: id, Fingerprint: f, Map: m}
	}
	specified := func(id uint32, f Fingerprint, name string) CertToName {
		return CertToName{ID: id, Fingerprint: f, Map: MapSpecified, Name: name}
	}
	for name, test := range map[string]struct {
		chains  [][]*x509.Certificate
		entries []CertToName
		revoked []Fingerprint
		anchors [][]byte
		want    string // empty: refused
	}{
		"no entries: common name":           {chains: chains, want: "carol"},
		"no entries, no name":               {chains: certify(t, "")},
		"no entries, no legal name":         {chains: certify(t, "../carol")},
		"no entries, configured authority":  {chains: chains, anchors: [][]byte{chains[0][1].Raw}},
		"an entry for it":                   {chains: chains, anchors: [][]byte{chains[0][1].Raw}, entries: []CertToName{entry(1, ca, MapCommonName)}, want: "carol"},
		"specified":                         {chains: chains, entries: []CertToName{specified(1, leaf, "dave")}, want: "dave"},
		"rfc822Name, host in small letters": {chains: chains, entries: []CertToName{entry(1, leaf, MapRFC822Name)}, want: "FooBar@example.com"},
		"dNSName in small letters":          {chains: chains, entries: []CertToName{entry(1, leaf, MapDNSName)}, want: "nms.example.com"},
		"iPAddress, IPv6":                   {chains: chains, entries: []CertToName{entry(1, leaf, MapIPAddress)}, want: "20010db8000000000000000000000001"},
		"any: the first in the certificate": {chains: chains, entries: []CertToName{entry(1, leaf, MapAnySAN)}, want: "20010db8000000000000000000000001"},
		"common name":                       {chains: chains, entries: []CertToName{entry(1, leaf, MapCommonName)}, want: "carol"},
		"fingerprint of the authority":      {chains: chains, entries: []CertToName{entry(1, ca, MapCommonName)}, want: "carol"},
		"lower id first":                    {chains: chains, entries: []CertToName{specified(20, leaf, "late"), specified(3, leaf, "early")}, want: "early"},
		"entries that do not match":         {chains: chains, entries: []CertToName{specified(1, stranger, "a"), specified(2, ca, "b")}, want: "b"},
		"no entry matches":                  {chains: chains, entries: []CertToName{specified(1, stranger, "a")}},
		"an unknown map":                    {chains: chains, entries: []CertToName{entry(1, leaf, "nonsense")}},
		"revoked":                           {chains: chains, revoked: []Fingerprint{leaf}},
		"revoked authority":                 {chains: chains, revoked: []Fingerprint{ca}},
		"others revoked":                    {chains: chains, revoked: []Fingerprint{stranger}, want: "carol"},
		"no certificate at all":             {},
	} {
		t.Run(name, func(t *testing.T) {
			a := open(t, Options{})
			a.Configure(Settings{CertToName: test.entries, RevokedCertificates: test.revoked, TrustAnchors: test.anchors})
			got, err := a.PeerUser(test.chains)
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("PeerUser = %q, %v, want %q", got, err, test.want)
			}
		})
	}
	t.Run("a name that cannot be had is passed over", func(t *testing.T) {
		bare := certify(t, "erin")
		own := fingerprint(bare[0][0])
		a := open(t, Options{})
		a.Configure(Settings{CertToName: []CertToName{entry(1, own, MapDNSName), entry(2, own, MapAnySAN), specified(3, own, "no/name"), entry(4, own, MapCommonName)}})
		if got, err := a.PeerUser(bare); got != "erin" || err != nil {
			t.Errorf("PeerUser = %q, %v", got, err)
		}
	})
	t.Run("IPv4", func(t *testing.T) {
		one := certify(t, "x", v4)
		a := open(t, Options{})
		a.Configure(Settings{CertToName: []CertToName{entry(1, fingerprint(one[0][0]), MapAnySAN)}})
		if got, err := a.PeerUser(one); got != "192.0.2.1" || err != nil {
			t.Errorf("PeerUser = %q, %v", got, err)
		}
	})
}

func TestFingerprints(t *testing.T) {
	cert := certify(t, "x")[0][0]
	s1, s224, s256, s384, s512 := sha1.Sum(cert.Raw), sha256.Sum224(cert.Raw), sha256.Sum256(cert.Raw), sha512.Sum384(cert.Raw), sha512.Sum512(cert.Raw)
	for algorithm, sum := range map[byte][]byte{2: s1[:], 3: s224[:], 4: s256[:], 5: s384[:], 6: s512[:]} {
		text := hex.EncodeToString(append([]byte{algorithm}, sum...))
		f, err := ParseFingerprint(text[:2] + ":" + text[2:])
		if err != nil || !f.Matches(cert) {
			t.Errorf("algorithm %d: %v", algorithm, err)
		}
		f[1] ^= 1
		if f.Matches(cert) {
			t.Errorf("algorithm %d: another fingerprint matches", algorithm)
		}
	}
	for _, bad := range []string{"", "04", "zz", "04:00", "01:00112233445566778899aabbccddeeff", "07:00", "4:00"} {
		if f, err := ParseFingerprint(bad); err == nil {
			t.Errorf("%q is %x", bad, f)
		}
	}
	if (Fingerprint{}).Matches(cert) || Fingerprint(nil).Matches(cert) {
		t.Error("nothing matches")
	}
}

func FuzzParseFingerprint(f *testing.F) {
	f.Add("04:00:11")
	f.Add("02:A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D")
	cert := &x509.Certificate{Raw: []byte("abc")}
	f.Fuzz(func(t *testing.T, s string) {
		fp, err := ParseFingerprint(s)
		if err != nil {
			return
		}
		again, err := ParseFingerprint(hex.EncodeToString(fp))
		if err != nil || string(again) != string(fp) {
			t.Errorf("%q is %x and then %x, %v", s, fp, again, err)
		}
		fp.Matches(cert)
	})
}
