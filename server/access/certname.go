package access

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// MapType is how a name is taken from a certificate: an identity of
// ietf-x509-cert-to-name (RFC 7407).
type MapType string

// The identities.
const (
	MapSpecified             MapType = "specified"
	MapRFC822Name            MapType = "san-rfc822-name"
	MapDNSName               MapType = "san-dns-name"
	MapIPAddress             MapType = "san-ip-address"
	MapAnySAN                MapType = "san-any"
	MapCommonName            MapType = "common-name"
	sanOID                           = "2.5.29.17"
	tagRFC822, tagDNS, tagIP         = 1, 2, 7
)

// Fingerprint is a tls-fingerprint: one octet for the hash algorithm (TLS
// HashAlgorithm registry: 2 SHA-1, 3 SHA-224, 4 SHA-256, 5 SHA-384, 6 SHA-512),
// then the hash of the certificate.
type Fingerprint []byte

// ParseFingerprint reads hexadecimal octets with colons between them.
func ParseFingerprint(s string) (Fingerprint, error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(raw) < 2 {
		return nil, fmt.Errorf("access: %.80q is no fingerprint", s)
	}
	if f := Fingerprint(raw); f.sum([]byte{}) == nil || len(f.sum([]byte{})) != len(raw)-1 {
		return nil, fmt.Errorf("access: the fingerprint %.80q is not one of SHA-1 (02) to SHA-512 (06)", s)
	}
	return raw, nil
}

// sum hashes data with the algorithm of the fingerprint; nil for an unknown one.
func (f Fingerprint) sum(data []byte) []byte {
	switch f[0] {
	case 2:
		h := sha1.Sum(data)
		return h[:]
	case 3:
		h := sha256.Sum224(data)
		return h[:]
	case 4:
		h := sha256.Sum256(data)
		return h[:]
	case 5:
		h := sha512.Sum384(data)
		return h[:]
	case 6:
		h := sha512.Sum512(data)
		return h[:]
	}
	return nil
}

// Matches reports whether the fingerprint is that of cert.
func (f Fingerprint) Matches(cert *x509.Certificate) bool {
	return len(f) > 1 && slices.Equal(f.sum(cert.Raw), f[1:])
}

// CertToName is an entry of the list cert-to-name.
type CertToName struct {
	ID          uint32
	Fingerprint Fingerprint
	Map         MapType
	Name        string // of MapSpecified
}

// PeerUser returns the user that a client stands for whose certificate was
// verified, by the configured entries in the order of their ids (RFC 7589
// section 7). Where there are none, the common name counts, but only for those
// whose authority is the element's own or came with Options: one that was
// configured says by an entry what its names mean. chains are those of
// tls.ConnectionState.VerifiedChains. A revoked certificate, or one that no
// entry makes a legal user name of, is an error.
func (a *Access) PeerUser(chains [][]*x509.Certificate) (string, error) {
	user, _, err := a.peer(chains)
	return user, err
}

// peer is PeerUser; certified says that the name is one of the certificate, not
// of an entry.
func (a *Access) peer(chains [][]*x509.Certificate) (user string, certified bool, err error) {
	if len(chains) == 0 || len(chains[0]) == 0 {
		return "", false, errors.New("access: no client certificate")
	}
	settings := a.config.Load()
	chains = settings.unrevoked(chains)
	if len(chains) == 0 {
		return "", false, errors.New("access: the client certificate is revoked")
	}
	leaf := chains[0][0]
	if len(settings.CertToName) == 0 {
		if !slices.ContainsFunc(chains, settings.ours) {
			return "", false, fmt.Errorf("access: there is no cert-to-name entry for the authority of %.80q", leaf.Subject)
		}
		user, err = a.CertificateUser(leaf)
		return user, true, err
	}
	for _, entry := range settings.CertToName {
		if !inChain(entry.Fingerprint, chains) {
			continue
		}
		name, ok := entry.name(leaf)
		if ok && CheckUser(name) == nil {
			return name, entry.Map != MapSpecified, nil
		}
	}
	return "", false, fmt.Errorf("access: no cert-to-name entry gives the certificate of %.80q a user", leaf.Subject)
}

// ours reports whether a chain ends in an authority that was not configured.
func (s *settings) ours(chain []*x509.Certificate) bool {
	root := chain[len(chain)-1].Raw
	return !slices.ContainsFunc(s.TrustAnchors, func(der []byte) bool { return slices.Equal(der, root) })
}

// unrevoked returns the chains in which no certificate is revoked.
func (s *settings) unrevoked(chains [][]*x509.Certificate) [][]*x509.Certificate {
	return slices.DeleteFunc(slices.Clone(chains), func(chain []*x509.Certificate) bool {
		return slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
			return slices.ContainsFunc(s.RevokedCertificates, func(f Fingerprint) bool { return f.Matches(c) })
		})
	})
}

func inChain(f Fingerprint, chains [][]*x509.Certificate) bool {
	return slices.ContainsFunc(chains, func(chain []*x509.Certificate) bool {
		return slices.ContainsFunc(chain, f.Matches)
	})
}

// name derives the name of an entry that the certificate matches.
func (c CertToName) name(cert *x509.Certificate) (string, bool) {
	switch c.Map {
	case MapSpecified:
		return c.Name, c.Name != ""
	case MapCommonName:
		return cert.Subject.CommonName, cert.Subject.CommonName != ""
	case MapRFC822Name:
		return alternativeName(cert, tagRFC822)
	case MapDNSName:
		return alternativeName(cert, tagDNS)
	case MapIPAddress:
		return alternativeName(cert, tagIP)
	case MapAnySAN:
		return alternativeName(cert, tagRFC822, tagDNS, tagIP)
	}
	return "", false
}

// alternativeName returns the first subjectAltName of one of the kinds, in the
// order of the certificate, which crypto/x509 does not keep.
func alternativeName(cert *x509.Certificate, kinds ...int) (string, bool) {
	for _, ext := range cert.Extensions {
		if ext.Id.String() != sanOID {
			continue
		}
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(ext.Value, &names); err != nil || len(rest) > 0 {
			return "", false
		}
		for _, n := range names {
			if n.Class != asn1.ClassContextSpecific || !slices.Contains(kinds, n.Tag) {
				continue
			}
			switch n.Tag {
			case tagRFC822:
				return lowerHost(string(n.Bytes))
			case tagDNS:
				return strings.ToLower(string(n.Bytes)), true
			case tagIP:
				return addressName(n.Bytes)
			}
		}
	}
	return "", false
}

// lowerHost returns an rfc822Name with the host part in small letters.
func lowerHost(mail string) (string, bool) {
	at := strings.LastIndexByte(mail, '@')
	if at <= 0 {
		return "", false
	}
	return mail[:at] + strings.ToLower(mail[at:]), true
}

// addressName returns an IPv4 address in dotted form, an IPv6 address as 32
// hexadecimal digits.
func addressName(raw []byte) (string, bool) {
	addr, ok := netip.AddrFromSlice(raw)
	if !ok {
		return "", false
	}
	if addr.Is4() {
		return addr.String(), true
	}
	return hex.EncodeToString(raw), true
}
