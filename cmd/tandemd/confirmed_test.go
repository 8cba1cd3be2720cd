package main

import (
	"encoding/xml"
	"strings"
	"testing"
	"time"
)

// TestConfirmedCommitSurvives: kill -9 of a real tandemd while a confirmed commit
// waits. It is confirmed, refused and rolled back afterwards as if nothing had
// happened.
func TestConfirmedCommitSurvives(t *testing.T) {
	r := bringOne(t, "")
	const one = "one"
	contact := func(text string) string {
		return edit(`<system xmlns="urn:ietf:params:xml:ns:yang:ietf-system"><contact>` + text + `</contact></system>`)
	}
	has := func(text string) bool {
		return strings.Contains(r.config(t, one, "running"), "<contact>"+text+"</contact>")
	}
	pending := func() (deadline time.Time) {
		t.Helper()
		var reply struct {
			Deadline string `xml:"commit-log>pending-confirmed-commit>deadline"`
		}
		text := r.rpc(t, one, `<get><filter type="subtree"><commit-log xmlns="urn:tandem:yang:mtp-commits"><pending-confirmed-commit/></commit-log></filter></get>`)
		if err := xml.Unmarshal([]byte(text), &reply); err != nil {
			t.Fatal(err)
		}
		if reply.Deadline == "" {
			return time.Time{}
		}
		deadline, err := time.Parse(time.RFC3339Nano, reply.Deadline)
		if err != nil {
			t.Fatal(err)
		}
		return deadline
	}
	again := func() {
		t.Helper()
		r.kill(t, one)
		r.restart(t, one)
	}
	r.rpc(t, one, contact("first"))
	r.rpc(t, one, `<commit/>`)

	t.Run("confirmed after the kill", func(t *testing.T) {
		r.rpc(t, one, contact("second"))
		r.rpc(t, one, `<commit><confirmed/><confirm-timeout>300</confirm-timeout><persist>token</persist></commit>`)
		before := pending()
		again()
		if !has("second") {
			t.Error("the confirmed commit is lost")
		}
		if after := pending(); before.IsZero() || !after.Equal(before) {
			t.Errorf("the deadline was %v and is %v", before, after)
		}
		for _, wrong := range []string{`<commit><persist-id>wrong</persist-id></commit>`, `<cancel-commit><persist-id>wrong</persist-id></cancel-commit>`} {
			if _, err := r.session(t, one).RPC(t.Context(), wrong); err == nil || !strings.Contains(err.Error(), "invalid-value") {
				t.Errorf("%s: %v", wrong, err)
			}
		}
		r.rpc(t, one, `<commit><persist-id>token</persist-id></commit>`)
		again()
		if !has("second") || !pending().IsZero() {
			t.Error("the confirmation is lost")
		}
	})

	t.Run("rolled back in time after the kill", func(t *testing.T) {
		r.rpc(t, one, contact("third"))
		r.rpc(t, one, `<commit><confirmed/><confirm-timeout>3</confirm-timeout><persist>token</persist></commit>`)
		deadline := pending()
		again()
		eventually(t, "rolled back", func() bool { return has("second") })
		if early := time.Until(deadline); early > 0 {
			t.Errorf("rolled back %v before its time", early)
		}
		again()
		if !has("second") || !pending().IsZero() {
			t.Error("the roll-back is lost")
		}
	})

	t.Run("without persist the session's end rolls back", func(t *testing.T) {
		r.rpc(t, one, contact("fourth"))
		r.rpc(t, one, `<commit><confirmed/></commit>`)
		again()
		eventually(t, "rolled back", func() bool { return has("second") })
	})
}
