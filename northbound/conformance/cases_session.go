package conformance

import (
	"fmt"
	"strconv"
)

// sessionCases are those of RFC 6241 sections 7.3 to 7.6, 7.8 and 7.9, 8.6 and
// 8.7: whole datastores, locks, sessions.
func sessionCases() []Case {
	lock := func(ds string) string { return "<nc:lock><nc:target><nc:" + ds + "/></nc:target></nc:lock>" }
	unlock := func(ds string) string { return "<nc:unlock><nc:target><nc:" + ds + "/></nc:target></nc:unlock>" }
	cand := []string{":candidate"}
	copyOf := func(target, source string) string {
		return "<nc:copy-config><nc:target>" + target + "</nc:target><nc:source>" + source + "</nc:source></nc:copy-config>"
	}
	return []Case{
		{"rfc6241-7.3-copy-running-to-candidate", "copy-config replaces a whole datastore", cand, func(c *Context) {
			c.Set(`<top><name>a</name></top>`)
			c.Edit(`<top><name>b</name><count>1</count></top><types><int8>1</int8></types>`).OK()
			c.RPC(copyOf("<nc:candidate/>", "<nc:running/>")).OK()
			c.Want(c.Edited(), `<top><name>a</name></top>`)
		}},
		{"rfc6241-7.3-copy-inline", "the source may be a configuration in the request", cand, func(c *Context) {
			c.Edit(`<top><name>a</name></top>`).OK()
			c.RPC(copyOf("<nc:candidate/>", "<nc:config><types><int8>1</int8></types></nc:config>")).OK()
			c.Cleanup(func() { c.RPC("<nc:discard-changes/>").OK() })
			c.Want(c.Edited(), `<types><int8>1</int8></types>`)
		}},
		{"rfc6241-7.3-copy-inline-invalid", "an inline configuration is checked as an edit is", cand, func(c *Context) {
			c.Edit(`<top><name>a</name></top>`).OK()
			c.RPC(copyOf("<nc:candidate/>", "<nc:config><types><int8>1000</int8></types></nc:config>")).Error("invalid-value")
			c.Want(c.Edited(), `<top><name>a</name></top>`)
		}},
		{"rfc6241-7.3-copy-to-itself", "source and target must differ", cand, func(c *Context) {
			c.RPC(copyOf("<nc:candidate/>", "<nc:candidate/>")).OneOf([]string{"invalid-value", "operation-not-supported", "bad-element"})
		}},
		{"rfc6241-7.3-copy-unknown-source", "a source that does not exist is refused", cand, func(c *Context) {
			c.RPC(copyOf("<nc:candidate/>", "<nc:bogus/>")).Error("unknown-element", info("bad-element", "bogus"))
		}},
		{"rfc6241-7.3-copy-target-missing", "copy-config without a target is answered missing-element", nil, func(c *Context) {
			c.RPC("<nc:copy-config><nc:source><nc:running/></nc:source></nc:copy-config>").Error("missing-element", info("bad-element", "target"))
		}},
		{"rfc6241-7.3-copy-locked", "a datastore that another session has locked cannot be copied to", cand, func(c *Context) {
			c.Open().RPC(lock("candidate")).OK()
			c.RPC(copyOf("<nc:candidate/>", "<nc:running/>")).OneOf([]string{"in-use", "lock-denied"})
		}},
		{"rfc6241-7.4-delete-running", "running cannot be deleted", nil, func(c *Context) {
			c.Set(`<top><name>a</name></top>`)
			c.Check(c.RPC("<nc:delete-config><nc:target><nc:running/></nc:target></nc:delete-config>").Failed(), "it is accepted")
			c.Want(c.Running(), `<top><name>a</name></top>`)
		}},
		{"rfc6241-7.4-delete-candidate", "candidate cannot be deleted", cand, func(c *Context) {
			c.Check(c.RPC("<nc:delete-config><nc:target><nc:candidate/></nc:target></nc:delete-config>").Failed(), "it is accepted")
		}},
		{"rfc6241-7.5-lock-running", "a lock of running, and its release", nil, func(c *Context) {
			c.RPC(lock("running")).OK()
			c.RPC(unlock("running")).OK()
		}},
		{"rfc6241-7.5-lock-candidate", "a lock of candidate, and its release", cand, func(c *Context) {
			c.RPC(lock("candidate")).OK()
			c.RPC(unlock("candidate")).OK()
		}},
		{"rfc6241-7.5-lock-denied", "a lock that another session holds is answered lock-denied with that session's id", nil, func(c *Context) {
			other := c.Open()
			other.RPC(lock("running")).OK()
			c.RPC(lock("running")).Error("lock-denied", kind("protocol"), info("session-id", other.ID))
		}},
		{"rfc6241-7.5-lock-denied-candidate", "a lock of candidate that another session holds is denied", cand, func(c *Context) {
			other := c.Open()
			other.RPC(lock("candidate")).OK()
			c.RPC(lock("candidate")).Error("lock-denied", info("session-id", other.ID))
		}},
		{"rfc6241-7.5-lock-twice", "a lock that the session itself holds is denied with its own id", nil, func(c *Context) {
			c.RPC(lock("running")).OK()
			c.RPC(lock("running")).Error("lock-denied", info("session-id", c.Main().ID))
		}},
		{"rfc6241-7.5-locks-are-separate", "each datastore has a lock of its own", cand, func(c *Context) {
			c.Open().RPC(lock("running")).OK()
			c.RPC(lock("candidate")).OK()
		}},
		{"rfc6241-7.5-lock-keeps-others-out", "a locked datastore cannot be edited by others", nil, func(c *Context) {
			name := "running"
			if c.Has(":candidate") {
				name = "candidate"
			}
			c.Open().RPC(lock(name)).OK()
			c.Edit(`<top><name>a</name></top>`).OneOf([]string{"in-use", "lock-denied"})
		}},
		{"rfc6241-7.5-lock-lets-its-owner-in", "the session with the lock edits", nil, func(c *Context) {
			c.RPC(lock("running")).OK()
			c.Set(`<top><name>a</name></top>`)
			c.Want(c.Running(), `<top><name>a</name></top>`)
		}},
		{"rfc6241-7.5-lock-lets-others-read", "a lock does not keep others from reading", nil, func(c *Context) {
			c.Set(`<top><name>a</name></top>`)
			c.Open().RPC(lock("running")).OK()
			c.Want(c.Running(), `<top><name>a</name></top>`)
		}},
		{"rfc6241-7.5-locked-running-commit", "running that is locked by another session takes no commit", cand, func(c *Context) {
			c.Open().RPC(lock("running")).OK()
			c.Edit(`<top><name>a</name></top>`).OK()
			c.RPC("<nc:commit/>").OneOf([]string{"in-use", "lock-denied"})
			c.Want(c.Running(), ``)
		}},
		{"rfc6241-7.5-lock-modified-candidate", "a candidate with changes that are not committed cannot be locked by another session", cand, func(c *Context) {
			c.Open().Edit(`<top><name>a</name></top>`).OK()
			c.Check(c.RPC(lock("candidate")).Failed(), "it is locked")
		}},
		{"rfc6241-7.5-session-end-releases", "the end of a session releases its locks", nil, func(c *Context) {
			other := c.Open()
			other.RPC(lock("running")).OK()
			other.RPC("<nc:close-session/>").OK()
			c.Eventually("the lock is released", func() bool { return !c.RPC(lock("running")).Failed() })
		}},
		{"rfc6241-7.5-lost-connection-releases", "the loss of the connection releases locks", nil, func(c *Context) {
			other := c.Open()
			other.RPC(lock("running")).OK()
			other.Close()
			c.Eventually("the lock is released", func() bool { return !c.RPC(lock("running")).Failed() })
		}},
		{"rfc6241-7.5-lock-target-missing", "lock without a target is answered missing-element", nil, func(c *Context) {
			c.RPC("<nc:lock/>").Error("missing-element", info("bad-element", "target"))
		}},
		{"rfc6241-7.6-unlock-not-locked", "what is not locked cannot be unlocked", nil, func(c *Context) {
			c.RPC(unlock("running")).OneOf([]string{"operation-failed", "bad-element", "invalid-value", "lock-denied", "no-access", "data-missing"})
		}},
		{"rfc6241-7.6-unlock-of-another", "a lock that another session holds cannot be released", nil, func(c *Context) {
			other := c.Open()
			other.RPC(lock("running")).OK()
			c.Check(c.RPC(unlock("running")).Failed(), "it is released")
			c.RPC(lock("running")).Error("lock-denied", info("session-id", other.ID))
		}},
		{"rfc6241-7.8-close-session", "close-session is answered ok, then the session ends", nil, func(c *Context) {
			s := c.Open()
			s.RPC("<nc:close-session/>").OK()
			s.EndedSilently()
		}},
		{"rfc6241-7.8-requests-before-close", "requests before close-session are answered", nil, func(c *Context) {
			s := c.Open()
			for i := range 3 {
				s.Send(fmt.Sprintf(`<rpc xmlns="%s" message-id="%d"><get-config><source><running/></source><filter/></get-config></rpc>`, nsBase, i))
			}
			s.Send(fmt.Sprintf(`<rpc xmlns="%s" message-id="3"><close-session/></rpc>`, nsBase))
			for i := range 3 {
				s.reply("get-config", strconv.Itoa(i)).Works()
			}
			s.reply("close-session", "3").OK()
		}},
		{"rfc6241-7.9-kill-session", "kill-session ends the other session and releases its locks", nil, func(c *Context) {
			other := c.Open()
			other.RPC(lock("running")).OK()
			c.RPC("<nc:kill-session><nc:session-id>" + other.ID + "</nc:session-id></nc:kill-session>").OK()
			other.Ended()
			c.Eventually("the lock is released", func() bool { return !c.RPC(lock("running")).Failed() })
		}},
		{"rfc6241-7.9-kill-itself", "a session cannot kill itself: invalid-value", nil, func(c *Context) {
			c.RPC("<nc:kill-session><nc:session-id>" + c.Main().ID + "</nc:session-id></nc:kill-session>").Error("invalid-value")
			c.RPC("<nc:get-config><nc:source><nc:running/></nc:source><nc:filter/></nc:get-config>").Works()
		}},
		{"rfc6241-7.9-kill-unknown", "a session that does not exist cannot be killed", nil, func(c *Context) {
			c.RPC("<nc:kill-session><nc:session-id>4294967290</nc:session-id></nc:kill-session>").Error("invalid-value")
		}},
		{"rfc6241-7.9-kill-zero", "0 is no session", nil, func(c *Context) {
			c.RPC("<nc:kill-session><nc:session-id>0</nc:session-id></nc:kill-session>").Error("invalid-value")
		}},
		{"rfc6241-7.9-kill-missing", "kill-session needs a session-id", nil, func(c *Context) {
			c.RPC("<nc:kill-session/>").Error("missing-element", info("bad-element", "session-id"))
		}},
		{"rfc6241-8.6.4-validate-candidate", "validate checks the candidate", []string{":validate", ":candidate"}, func(c *Context) {
			c.Edit(`<must-rule><low>1</low><high>2</high></must-rule>`).OK()
			c.RPC("<nc:validate><nc:source><nc:candidate/></nc:source></nc:validate>").OK()
		}},
		{"rfc6241-8.6.4-validate-invalid-candidate", "validate reports what a commit would meet, and changes nothing", []string{":validate:1.1", ":candidate"}, func(c *Context) {
			c.Edit(`<must-rule><low>5</low><high>2</high></must-rule>`, "<nc:test-option>set</nc:test-option>").OK()
			c.RPC("<nc:validate><nc:source><nc:candidate/></nc:source></nc:validate>").Error("operation-failed", appTag("high-low"))
			c.Want(c.Edited(), `<must-rule><low>5</low><high>2</high></must-rule>`)
		}},
		{"rfc6241-8.6.4-validate-running", "validate checks running", []string{":validate"}, func(c *Context) {
			c.RPC("<nc:validate><nc:source><nc:running/></nc:source></nc:validate>").OK()
		}},
		{"rfc6241-8.6.4-validate-inline", "validate checks a configuration in the request", []string{":validate"}, func(c *Context) {
			c.RPC("<nc:validate><nc:source><nc:config><top><name>a</name></top></nc:config></nc:source></nc:validate>").OK()
			c.Want(c.Edited(), ``)
		}},
		{"rfc6241-8.6.4-validate-inline-invalid", "validate refuses a configuration that breaks a constraint", []string{":validate"}, func(c *Context) {
			c.RPC("<nc:validate><nc:source><nc:config><must-rule><low>5</low><high>2</high></must-rule></nc:config></nc:source></nc:validate>").Error("operation-failed", appTag("high-low"))
		}},
		{"rfc6241-8.6.4-validate-source-missing", "validate without a source is answered missing-element", []string{":validate"}, func(c *Context) {
			c.RPC("<nc:validate/>").Error("missing-element", info("bad-element", "source"))
		}},
		{"rfc6241-8.7-startup", "with :startup the startup datastore is read, copied to and deleted", []string{":startup"}, func(c *Context) {
			c.Set(`<top><name>a</name></top>`)
			c.RPC(copyOf("<nc:startup/>", "<nc:running/>")).OK()
			c.Want(c.Main().Get("startup"), `<top><name>a</name></top>`)
			c.Set(`<top><name>b</name></top>`)
			c.Want(c.Main().Get("startup"), `<top><name>a</name></top>`)
			c.RPC("<nc:delete-config><nc:target><nc:startup/></nc:target></nc:delete-config>").OK()
			c.Want(c.Main().Get("startup"), ``)
		}},
	}
}
