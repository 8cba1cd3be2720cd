package server

import (
	"context"
	"crypto/x509"
	"iter"
	"strconv"

	"github.com/tandem-ne/tandem/server/access"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// child follows names down; nil where one is missing.
func child(n *tree.Node, names ...string) *tree.Node {
	for _, name := range names {
		if n == nil {
			return nil
		}
		n = n.ChildNamed(name)
	}
	return n
}

// entries calls f for the entries of the list called name in n.
func entries(n *tree.Node, name string, f func(*tree.Node)) {
	list := child(n, name)
	if list == nil {
		return
	}
	for e := range list.Children() {
		f(e)
	}
}

// octets returns the value of a binary leaf; nil where there is none.
func octets(n *tree.Node, name string) []byte {
	if leaf := n.ChildNamed(name); leaf != nil {
		return leaf.Value().Bytes()
	}
	return nil
}

// setAccess hands the users of ietf-system, and whom mtp-management trusts, to
// access when a commit changed them.
func (s *Server) setAccess(old, new *tree.Node) {
	if child(old, "system") == child(new, "system") && child(old, "management") == child(new, "management") {
		return
	}
	settings := access.Settings{Users: users(new), PasswordLogin: passwordLogin(new)}
	ssh := child(new, "management", "ssh")
	entries(ssh, "certificate-authority", func(n *tree.Node) {
		settings.Authorities = append(settings.Authorities, octets(n, "public-key"))
	})
	entries(ssh, "revoked", func(n *tree.Node) { settings.Revoked = append(settings.Revoked, revocation(n)) })
	tls := child(new, "management", "tls")
	entries(tls, "trust-anchor", func(n *tree.Node) {
		settings.TrustAnchors = append(settings.TrustAnchors, octets(n, "certificate"))
	})
	// Prepare has read all fingerprints before.
	entries(tls, "revoked-certificate", func(n *tree.Node) {
		if f, err := access.ParseFingerprint(n.Value().String()); err == nil {
			settings.RevokedCertificates = append(settings.RevokedCertificates, f)
		}
	})
	entries(tls, "cert-to-name", func(n *tree.Node) {
		if f, err := access.ParseFingerprint(leafText(n, "fingerprint")); err == nil {
			settings.CertToName = append(settings.CertToName, access.CertToName{
				ID: uint32(n.ChildNamed("id").Value().Uint()), Fingerprint: f,
				Map: access.MapType(localName(leafText(n, "map-type"))), Name: leafText(n, "name"),
			})
		}
	})
	s.Access.Configure(settings)
}

// users returns the users of ietf-system (RFC 7317 section 3.5).
func users(running *tree.Node) []access.User {
	var all []access.User
	entries(child(running, "system", "authentication"), "user", func(n *tree.Node) {
		u := access.User{Name: leafText(n, "name"), Password: leafText(n, "password")}
		entries(n, "authorized-key", func(k *tree.Node) {
			if data := octets(k, "key-data"); data != nil {
				u.Keys = append(u.Keys, data)
			}
		})
		all = append(all, u)
	})
	return all
}

// passwordLogin reports whether the order of authentication has local users.
func passwordLogin(running *tree.Node) bool {
	found := false
	entries(child(running, "system", "authentication"), "user-authentication-order", func(n *tree.Node) {
		found = found || localName(n.Value().String()) == "local-users"
	})
	return found
}

func revocation(n *tree.Node) access.Revocation {
	if id := n.ChildNamed("key-id"); id != nil {
		text := id.Value().String()
		return access.Revocation{KeyID: &text}
	}
	if serial := n.ChildNamed("serial"); serial != nil {
		number := serial.Value().Uint()
		return access.Revocation{Serial: &number}
	}
	return access.Revocation{PublicKey: octets(n, "public-key")}
}

// localName is an identity without its module.
func localName(identity string) string {
	for i := range len(identity) {
		if identity[i] == ':' {
			return identity[i+1:]
		}
	}
	return identity
}

// changes yields every node that differs below the top-level container new,
// whose earlier state old may be nil.
func changes(old, new *tree.Node) iter.Seq[tree.Change] {
	if old == nil {
		old = tree.New(new.Schema())
	}
	return func(yield func(tree.Change) bool) {
		for c := range tree.DiffAt(tree.Path{}.Child(new.Schema()), old, new) {
			for one := range tree.Expand(c) {
				if !yield(one) {
					return
				}
			}
		}
	}
}

// accessRules refuses what access could only leave out.
type accessRules struct{}

// Prepare implements datastore.Participant.
func (accessRules) Prepare(_ context.Context, c *datastore.Change) (func(), error) {
	var errs yangerr.List
	for _, top := range []string{"system", "management"} {
		old, new := child(c.Old, top), child(c.New, top)
		if new == nil || old == new {
			continue
		}
		for change := range changes(old, new) {
			if err := checkAccess(change.New); err != nil {
				errs = append(errs, yangerr.New(yangerr.InvalidValue, change.Path, "%v", err))
			}
		}
	}
	return nil, errs.Err()
}

// checkAccess checks a leaf of /system or /management; n may be nil.
func checkAccess(n *tree.Node) error {
	if n == nil {
		return nil
	}
	s := n.Schema()
	switch s.Path() {
	case "/ietf-system:system/authentication/user/name", "/mtp-management:management/tls/cert-to-name/name":
		return access.CheckUser(n.Value().String())
	case "/ietf-system:system/authentication/user/password":
		_, err := access.HashPassword(n.Value().String())
		return err
	case "/ietf-system:system/authentication/user/authorized-key/key-data",
		"/mtp-management:management/ssh/certificate-authority/public-key",
		"/mtp-management:management/ssh/revoked/public-key":
		return access.CheckPublicKey(n.Value().Bytes())
	case "/mtp-management:management/tls/trust-anchor/certificate":
		_, err := x509.ParseCertificate(n.Value().Bytes())
		return err
	case "/mtp-management:management/tls/cert-to-name/fingerprint", "/mtp-management:management/tls/revoked-certificate":
		if n.IsHolder() {
			return nil
		}
		_, err := access.ParseFingerprint(n.Value().String())
		return err
	}
	return nil
}

// hashPasswords replaces the passwords in clear text that a change brings by
// their hashes (RFC 7317, typedef crypt-hash), so that none is ever stored.
func hashPasswords(old, new *tree.Node) (*tree.Node, error) {
	before, after := child(old, "system", "authentication"), child(new, "system", "authentication")
	if after == nil || before == after {
		return new, nil
	}
	var errs yangerr.List
	builder := tree.NewBuilder(new)
	hashed := false
	for change := range changes(child(old, "system"), child(new, "system")) {
		if change.New == nil || change.New.Schema().Name != "password" || !access.IsClearText(change.New.Value().String()) {
			continue
		}
		hash, err := access.HashPassword(change.New.Value().String())
		if err != nil {
			errs = append(errs, yangerr.New(yangerr.InvalidValue, change.Path, "%v", err))
			continue
		}
		builder.Set(change.Path, schema.StringValue(change.New.Schema().Type, hash))
		hashed = true
	}
	if err := errs.Err(); err != nil {
		return nil, err
	}
	if !hashed {
		return new, nil
	}
	return builder.Seal(), nil
}

// authenticationState shows how many attempts to log in have failed.
type authenticationState struct {
	node   *schema.Node
	access *access.Access
}

func (s *Server) provideAuthentication() error {
	const path = "/mtp-management:management/authentication"
	node, err := s.Schema.Find(path)
	if err != nil {
		return err
	}
	return s.Hub.Provide(path, authenticationState{node, s.Access})
}

// Read implements oper.Provider.
func (a authenticationState) Read(_ context.Context, req oper.Request) error {
	failed, throttled := a.access.FailedAttempts()
	for _, p := range req.Instances {
		for name, v := range map[string]uint32{"failed-attempts": failed, "throttled-attempts": throttled} {
			leaf := a.node.Child(name)
			req.Build.Set(p.Child(leaf), schema.StringValue(leaf.Type, strconv.FormatUint(uint64(v), 10)))
		}
	}
	return nil
}
