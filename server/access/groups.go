package access

import (
	"crypto/x509"
	"slices"
	"strings"
)

// GroupsExtension is the extension of an OpenSSH user certificate that names the
// user's groups, with commas between them.
const GroupsExtension = "groups@tandem"

// CertificateGroups returns the groups (RFC 8341 section 2.5) that the extensions
// of an OpenSSH certificate name, in their order; AuthorizeCertificate must have
// accepted it. Empty names are passed over.
func CertificateGroups(extensions map[string]string) []string {
	var groups []string
	for name := range strings.SplitSeq(extensions[GroupsExtension], ",") {
		groups = addGroup(groups, strings.TrimSpace(name))
	}
	return groups
}

// PeerGroups returns the groups of a client whose certificate was verified: the
// organizational units of its subject. There are none where a cert-to-name entry
// says by itself who the client is: such an authority is not trusted with names.
// chains are those of PeerUser.
func (a *Access) PeerGroups(chains [][]*x509.Certificate) []string {
	_, certified, err := a.peer(chains)
	if err != nil || !certified {
		return nil
	}
	var groups []string
	for _, name := range chains[0][0].Subject.OrganizationalUnit {
		groups = addGroup(groups, name)
	}
	return groups
}

func addGroup(groups []string, name string) []string {
	if name == "" || slices.Contains(groups, name) {
		return groups
	}
	return append(groups, name)
}
