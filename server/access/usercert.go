package access

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Revocation says which OpenSSH certificates and keys are refused. Exactly one
// of the fields is set.
type Revocation struct {
	Serial    *uint64
	KeyID     *string
	PublicKey []byte // of the user or of the authority, SSH wire form
}

func (r Revocation) matches(c *ssh.Certificate) bool {
	switch {
	case r.Serial != nil:
		return c.Serial == *r.Serial
	case r.KeyID != nil:
		return c.KeyId == *r.KeyID
	}
	return bytes.Equal(r.PublicKey, c.Key.Marshal()) || bytes.Equal(r.PublicKey, c.SignatureKey.Marshal())
}

// The critical options that are enforced (OpenSSH PROTOCOL.certkeys).
const (
	sourceAddress = "source-address"
	forceCommand  = "force-command"
)

// AuthorizeCertificate decides about an OpenSSH user certificate, in SSH wire
// form, of a user who comes from peer, an address with or without a port. The
// certificate must be of a configured authority, in its time, not revoked, and
// have the user among its principals. Of the critical options source-address is
// enforced, and force-command must name the subsystem netconf, the one thing
// there is; every other option refuses the certificate. The error is for the
// log.
func (a *Access) AuthorizeCertificate(user, peer string, wire []byte) error {
	key, err := ssh.ParsePublicKey(wire)
	if err != nil {
		return fmt.Errorf("access: %w", err)
	}
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return fmt.Errorf("access: a key of type %s is no certificate", key.Type())
	}
	if err := CheckUser(user); err != nil {
		return fmt.Errorf("access: %w", err)
	}
	if err := a.checkCertificate(user, peer, cert); err != nil {
		return fmt.Errorf("access: certificate %.80q of %q: %w", cert.KeyId, user, err)
	}
	return nil
}

func (a *Access) checkCertificate(user, peer string, cert *ssh.Certificate) error {
	settings := a.config.Load()
	if cert.CertType != ssh.UserCert {
		return fmt.Errorf("it is not one of a user")
	}
	for _, k := range []ssh.PublicKey{cert.Key, cert.SignatureKey} {
		if err := CheckPublicKey(k.Marshal()); err != nil {
			return err
		}
	}
	if cert.Signature.Format == ssh.KeyAlgoRSA {
		return fmt.Errorf("its signature uses SHA-1")
	}
	// To the library none would mean all.
	if len(cert.ValidPrincipals) == 0 {
		return fmt.Errorf("it has no principals")
	}
	checker := ssh.CertChecker{
		SupportedCriticalOptions: []string{sourceAddress, forceCommand},
		Clock:                    a.now,
		IsRevoked: func(c *ssh.Certificate) bool {
			return slices.ContainsFunc(settings.Revoked, func(r Revocation) bool { return r.matches(c) })
		},
	}
	authority := cert.SignatureKey.Marshal()
	if !slices.ContainsFunc(settings.Authorities, func(k []byte) bool { return bytes.Equal(k, authority) }) {
		return fmt.Errorf("its authority is not trusted")
	}
	if err := checker.CheckCert(user, cert); err != nil {
		return err
	}
	if command, ok := cert.CriticalOptions[forceCommand]; ok && command != "netconf" {
		return fmt.Errorf("it is for the command %.80q only", command)
	}
	if list, ok := cert.CriticalOptions[sourceAddress]; ok {
		return checkSource(peer, list)
	}
	return nil
}

// checkSource finds peer in a list of addresses and prefixes between commas.
func checkSource(peer, list string) error {
	addr, err := netip.ParseAddr(peer)
	if err != nil {
		port, err := netip.ParseAddrPort(peer)
		if err != nil {
			return fmt.Errorf("it is bound to addresses, and that of the client is not known")
		}
		addr = port.Addr()
	}
	addr = addr.Unmap().WithZone("")
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.TrimSpace(entry)
		if one, err := netip.ParseAddr(entry); err == nil && one.Unmap() == addr {
			return nil
		}
		if prefix, err := netip.ParsePrefix(entry); err == nil && prefix.Contains(addr) {
			return nil
		}
	}
	return fmt.Errorf("it does not allow the address %s", addr)
}
