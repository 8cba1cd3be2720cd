package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRecoveryUser: who has locked everybody out of a real tandemd comes in again
// with --recovery-user (RFC 8341 section 2.4), mends the rules, and needs it no more.
func TestRecoveryUser(t *testing.T) {
	flags := filepath.Join(t.TempDir(), "flags")
	with := func(text string) {
		t.Helper()
		if err := os.WriteFile(flags, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	with("")
	const one = "one"
	r := bringOne(t, "$(cat "+flags+")") // read at every start
	again := func(text string) {
		t.Helper()
		with(text)
		r.kill(t, one)
		r.restart(t, one)
	}
	denied := func(body string) {
		t.Helper()
		if reply, err := r.session(t, one).RPC(t.Context(), body); err == nil || !strings.Contains(err.Error(), "access-denied") {
			t.Errorf("%s: %v, %s", body, err, reply)
		}
	}
	contact := func(text string) string {
		return edit(`<system xmlns="urn:ietf:params:xml:ns:yang:ietf-system"><contact>` + text + `</contact></system>`)
	}
	const nacm = `<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"`
	r.rpc(t, one, edit(nacm+` xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="delete"/>`))
	r.rpc(t, one, `<commit/>`)
	again("")
	denied(contact("locked out"))
	denied(`<delete-config><target><candidate/></target></delete-config>`)

	again("--recovery-user someone-else")
	denied(contact("locked out"))

	again("--recovery-user admin")
	r.commit(t, one, nacm+`><groups><group><name>ops</name><user-name>admin</user-name></group></groups>`+
		`<rule-list><name>ops</name><group>ops</group><rule><name>all</name><action>permit</action></rule></rule-list></nacm>`)

	again("")
	r.rpc(t, one, contact("back"))
	r.rpc(t, one, `<commit/>`)
	if config := r.config(t, one, "running"); !strings.Contains(config, "<contact>back</contact>") || !strings.Contains(config, "<rule-list>") {
		t.Errorf("running is %s", config)
	}
}
