package server

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/tree"
)

const (
	opUser  = "/ietf-system:system/authentication/user[name='op']"
	opOrder = "/ietf-system:system/authentication/user-authentication-order[.='ietf-system:local-users'] = ietf-system:local-users"
	// A hash of "correct horse" by crypt(3).
	opHash = "$5$ab$.ddUYR.SJRmHkR225smBa2rjHZ4E7cu0phDqvfioR31"
)

// stored returns the password of op in running and in the candidate.
func (r *rig) stored(t *testing.T) (running, candidate string) {
	t.Helper()
	text := func(root *tree.Node) string {
		p, err := tree.ParsePath(r.Schema, opUser+"/password")
		if err != nil {
			t.Fatal(err)
		}
		v, _ := root.GetValue(p)
		return v.String()
	}
	return text(r.Store.Running().Root), text(r.session.Candidate())
}

// TestPasswordsAreHashed: what comes in clear text is stored as a hash, whatever
// way it takes, and lets the user in.
func TestPasswordsAreHashed(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	must(t, r.commit(t, opUser+"/password = $0$correct horse"))
	running, _ := r.stored(t)
	if !strings.HasPrefix(running, "$6$") || strings.Contains(running, "horse") {
		t.Errorf("Transact stores %q", running)
	}
	check := func(password string, want bool) {
		t.Helper()
		if err := r.Access.CheckPassword(t.Context(), "op", password, "192.0.2.1:4711"); (err == nil) != want {
			t.Errorf("%q: %v, want success %v", password, err, want)
		}
	}
	check("correct horse", false) // Nobody has allowed passwords yet.
	must(t, r.commit(t, opOrder))
	check("correct horse", true)
	check("$0$correct horse", false)
	check(running, false)

	// A commit of something else leaves the hash alone.
	must(t, r.commit(t, "/ietf-system:system/contact = noc"))
	if again, _ := r.stored(t); again != running {
		t.Errorf("the hash becomes %q without a new password", again)
	}

	p, err := tree.ParsePath(r.Schema, opUser+"/password")
	if err != nil {
		t.Fatal(err)
	}
	leaf := p[len(p)-1].Node
	value, err := leaf.Type.Parse("$0$battery staple", nil)
	if err != nil {
		t.Fatal(err)
	}
	must(t, r.session.Edit(t.Context(), []tree.Edit{{Op: tree.Merge, Path: p, Value: value}}))
	if _, candidate := r.stored(t); !strings.HasPrefix(candidate, "$6$") {
		t.Errorf("the candidate has %q", candidate)
	}
	if _, err := r.session.Commit(t.Context(), datastore.CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	check("battery staple", true)
	check("correct horse", false)

	must(t, r.commit(t, opUser+"/password = "+opHash))
	if running, _ := r.stored(t); running != opHash {
		t.Errorf("a hash is stored as %q", running)
	}
	check("correct horse", true)
}

// TestAccessRefusals: what access could not use is refused by name.
func TestAccessRefusals(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	const management = "/mtp-management:management"
	binary := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	toName := management + "/tls/cert-to-name[id='1']"
	for name, test := range map[string]struct {
		lines []string
		want  string // in the error
	}{
		"a user name that is none":  {[]string{"/ietf-system:system/authentication/user[name='../op']/password = " + opHash}, "../op"},
		"an empty password":         {[]string{opUser + "/password = $0$"}, "password"},
		"a hash that costs minutes": {[]string{opUser + "/password = $6$rounds=900000000$a$" + strings.Repeat("x", 86)}, "rounds"},
		"a key that is none": {[]string{opUser + "/authorized-key[name='k']/algorithm = ssh-ed25519",
			opUser + "/authorized-key[name='k']/key-data = " + binary("nonsense")}, "key-data"},
		"an authority that is none":    {[]string{management + "/ssh/certificate-authority[name='a']/public-key = " + binary("nonsense")}, "public-key"},
		"a certificate that is none":   {[]string{management + "/tls/trust-anchor[name='a']/certificate = " + binary("nonsense")}, "certificate"},
		"a fingerprint of nothing":     {[]string{toName + "/fingerprint = 04:00", toName + "/map-type = ietf-x509-cert-to-name:common-name"}, "fingerprint"},
		"a revoked fingerprint of MD5": {[]string{management + "/tls/revoked-certificate[.='01:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff'] = 01:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff"}, "fingerprint"},
		"RADIUS, which is not there":   {[]string{strings.ReplaceAll(opOrder, "local-users", "radius")}, "radius"},
	} {
		if err := r.commit(t, test.lines...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, test.want)
		}
	}
	must(t, r.commit(t, toName+"/fingerprint = 02:A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D",
		toName+"/map-type = ietf-x509-cert-to-name:common-name"))
}

// TestAuthenticationState: failed attempts are counted where operators look.
func TestAuthenticationState(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	const failed = "/mtp-management:management/authentication/failed-attempts"
	if got := r.value(t, failed); got != "0" {
		t.Errorf("failed-attempts is %q at the start", got)
	}
	r.Access.Failed("op", "192.0.2.1:4711", "publickey")
	if got := r.value(t, failed); got != "1" {
		t.Errorf("failed-attempts is %q after one", got)
	}
}
