package conformance

// candidateCases are those of RFC 6241 sections 8.3 and 8.4.
func candidateCases() []Case {
	cand := []string{":candidate"}
	confirmed := []string{":candidate", ":confirmed-commit:1.1"}
	const before, after = `<top><name>old</name></top>`, `<top><name>new</name></top>`
	// pending starts a confirmed commit of after over before.
	pending := func(c *Context, s *Session, params string) {
		c.Set(before)
		c.Cleanup(func() {
			c.RPC("<nc:cancel-commit/>")
			c.RPC("<nc:cancel-commit><nc:persist-id>token</nc:persist-id></nc:cancel-commit>")
		})
		s.Edit(after).OK()
		s.RPC("<nc:commit><nc:confirmed/>" + params + "</nc:commit>").OK()
		c.Want(s.Get("running"), after)
	}
	back := func(c *Context) {
		c.Eventually("running is rolled back", func() bool { return c.Open().Get("running").Get("top/name").Value() == "old" })
	}
	return []Case{
		{"rfc6241-8.3.1-candidate-apart", "edits of the candidate do not touch running", cand, func(c *Context) {
			c.Edit(after).OK()
			c.Want(c.Running(), ``)
		}},
		{"rfc6241-8.3.4.1-commit", "commit makes the candidate running", cand, func(c *Context) {
			c.Edit(after).OK()
			c.RPC("<nc:commit/>").OK()
			c.Want(c.Running(), after)
			c.Want(c.Edited(), after)
		}},
		{"rfc6241-8.3.4.1-commit-all-or-nothing", "a commit that fails leaves running as it was", cand, func(c *Context) {
			c.Set(before)
			c.Edit(`<top><name>new</name></top><must-rule><low>5</low><high>1</high></must-rule>`, c.setOption()...).OK()
			c.RPC("<nc:commit/>").Error("operation-failed")
			c.Want(c.Running(), before)
			c.Want(c.Edited(), `<top><name>new</name></top><must-rule><low>5</low><high>1</high></must-rule>`)
		}},
		{"rfc6241-8.3.4.1-commit-of-nothing", "a commit without changes works", cand, func(c *Context) {
			c.RPC("<nc:commit/>").OK()
			c.RPC("<nc:commit/>").OK()
		}},
		{"rfc6241-8.3.4.1-commit-locked-candidate", "a candidate that another session has locked cannot be committed", cand, func(c *Context) {
			c.Open().RPC("<nc:lock><nc:target><nc:candidate/></nc:target></nc:lock>").OK()
			c.RPC("<nc:commit/>").OneOf([]string{"in-use", "lock-denied"})
		}},
		{"rfc6241-8.3.4.2-discard-changes", "discard-changes makes the candidate what running is", cand, func(c *Context) {
			c.Set(before)
			c.Edit(after).OK()
			c.RPC("<nc:discard-changes/>").OK()
			c.Want(c.Edited(), before)
		}},
		{"rfc6241-8.3.4.2-discard-locked", "a candidate that another session has locked cannot be discarded", cand, func(c *Context) {
			c.Open().RPC("<nc:lock><nc:target><nc:candidate/></nc:target></nc:lock>").OK()
			c.RPC("<nc:discard-changes/>").OneOf([]string{"in-use", "lock-denied"})
		}},
		{"rfc6241-8.3.5.2-unlock-discards", "changes that are not committed are discarded with the lock", cand, func(c *Context) {
			c.RPC("<nc:lock><nc:target><nc:candidate/></nc:target></nc:lock>").OK()
			c.Edit(after).OK()
			c.RPC("<nc:unlock><nc:target><nc:candidate/></nc:target></nc:unlock>").OK()
			c.Want(c.Open().Get("candidate"), ``)
		}},
		{"rfc6241-8.3.5.2-session-end-discards", "when the session with the lock ends its changes are discarded", cand, func(c *Context) {
			other := c.Open()
			other.RPC("<nc:lock><nc:target><nc:candidate/></nc:target></nc:lock>").OK()
			other.Edit(after).OK()
			other.Close()
			c.Eventually("the changes are discarded", func() bool { return !c.Edited().Has("top/name") })
		}},
		{"rfc6241-8.3.5.2-killed-session-discards", "when the session with the lock is killed its changes are discarded", cand, func(c *Context) {
			other := c.Open()
			other.RPC("<nc:lock><nc:target><nc:candidate/></nc:target></nc:lock>").OK()
			other.Edit(after).OK()
			c.RPC("<nc:kill-session><nc:session-id>" + other.ID + "</nc:session-id></nc:kill-session>").OK()
			c.Eventually("the changes are discarded", func() bool { return !c.Edited().Has("top/name") })
		}},
		{"rfc6241-8.3.1-candidate-shared", "the candidate is shared by the sessions", cand, func(c *Context) {
			c.Open().Edit(after).OK()
			c.Want(c.Edited(), after)
		}},
		{"rfc6241-8.4.1-timeout-rolls-back", "a confirmed commit that nobody confirms is rolled back", confirmed, func(c *Context) {
			pending(c, c.Main(), "<nc:confirm-timeout>1</nc:confirm-timeout>")
			back(c)
		}},
		{"rfc6241-8.4.1-confirmed", "a commit confirms it", confirmed, func(c *Context) {
			pending(c, c.Main(), "<nc:confirm-timeout>1</nc:confirm-timeout>")
			c.RPC("<nc:commit/>").OK()
			c.Stays(func() bool { return c.Running().Get("top/name").Value() == "new" })
		}},
		{"rfc6241-8.4.1-session-end-rolls-back", "the end of the session that started it rolls it back", confirmed, func(c *Context) {
			s := c.Open()
			pending(c, s, "<nc:confirm-timeout>60</nc:confirm-timeout>")
			s.RPC("<nc:close-session/>").OK()
			back(c)
		}},
		{"rfc6241-8.4.1-lost-connection-rolls-back", "the loss of the connection rolls it back", confirmed, func(c *Context) {
			s := c.Open()
			pending(c, s, "")
			s.Close()
			back(c)
		}},
		{"rfc6241-8.4.1-other-session-cannot-confirm", "without persist no other session confirms it", confirmed, func(c *Context) {
			s := c.Open()
			pending(c, s, "<nc:confirm-timeout>60</nc:confirm-timeout>")
			c.Check(c.RPC("<nc:commit/>").Failed(), "it is confirmed")
			s.Close()
			back(c)
		}},
		{"rfc6241-8.4.1-persist-outlives-the-session", "with persist the end of the session does not matter", confirmed, func(c *Context) {
			s := c.Open()
			pending(c, s, "<nc:confirm-timeout>60</nc:confirm-timeout><nc:persist>token</nc:persist>")
			s.RPC("<nc:close-session/>").OK()
			s.Ended()
			c.RPC("<nc:commit><nc:persist-id>token</nc:persist-id></nc:commit>").OK()
			c.Want(c.Running(), after)
		}},
		{"rfc6241-8.4.1-persist-times-out", "a persistent one times out, too", confirmed, func(c *Context) {
			s := c.Open()
			pending(c, s, "<nc:confirm-timeout>1</nc:confirm-timeout><nc:persist>token</nc:persist>")
			s.Close()
			back(c)
		}},
		{"rfc6241-8.4.5.1-wrong-persist-id", "a wrong persist-id is answered invalid-value", confirmed, func(c *Context) {
			pending(c, c.Main(), "<nc:confirm-timeout>60</nc:confirm-timeout><nc:persist>token</nc:persist>")
			c.RPC("<nc:commit><nc:persist-id>wrong</nc:persist-id></nc:commit>").Error("invalid-value")
			c.RPC("<nc:cancel-commit><nc:persist-id>token</nc:persist-id></nc:cancel-commit>").OK()
			back(c)
		}},
		{"rfc6241-8.4.5.1-persist-id-without-commit", "a persist-id without a pending commit is answered invalid-value", confirmed, func(c *Context) {
			c.RPC("<nc:commit><nc:persist-id>token</nc:persist-id></nc:commit>").Error("invalid-value")
		}},
		{"rfc6241-8.4.5.1-persist-without-confirmed", "persist goes with confirmed only", confirmed, func(c *Context) {
			c.Check(c.RPC("<nc:commit><nc:persist>token</nc:persist></nc:commit>").Failed(), "it is accepted")
		}},
		{"rfc6241-8.4.5.1-timeout-zero", "confirm-timeout is at least 1", confirmed, func(c *Context) {
			c.Set(before)
			c.Edit(after).OK()
			c.RPC("<nc:commit><nc:confirmed/><nc:confirm-timeout>0</nc:confirm-timeout></nc:commit>").Error("invalid-value")
			c.Want(c.Running(), before)
		}},
		{"rfc6241-8.4.5.1-timeout-not-a-number", "confirm-timeout is a number", confirmed, func(c *Context) {
			c.RPC("<nc:commit><nc:confirmed/><nc:confirm-timeout>soon</nc:confirm-timeout></nc:commit>").Error("invalid-value")
		}},
		{"rfc6241-8.4.1-extend", "a further confirmed commit starts the time again", confirmed, func(c *Context) {
			pending(c, c.Main(), "<nc:confirm-timeout>1</nc:confirm-timeout>")
			c.RPC("<nc:commit><nc:confirmed/><nc:confirm-timeout>60</nc:confirm-timeout></nc:commit>").OK()
			c.Stays(func() bool { return c.Running().Get("top/name").Value() == "new" })
			c.RPC("<nc:cancel-commit/>").OK()
			back(c)
		}},
		{"rfc6241-8.4.1-extend-with-changes", "a further confirmed commit brings its changes; the roll-back is to the state before the first", confirmed, func(c *Context) {
			pending(c, c.Main(), "<nc:confirm-timeout>60</nc:confirm-timeout>")
			c.Edit(`<top><count>9</count></top>`).OK()
			c.RPC("<nc:commit><nc:confirmed/><nc:confirm-timeout>60</nc:confirm-timeout></nc:commit>").OK()
			c.Want(c.Running(), `<top><name>new</name><count>9</count></top>`)
			c.RPC("<nc:cancel-commit/>").OK()
			c.Want(c.Running(), before)
		}},
		{"rfc6241-8.4.4.1-cancel", "cancel-commit rolls back at once", confirmed, func(c *Context) {
			pending(c, c.Main(), "<nc:confirm-timeout>60</nc:confirm-timeout>")
			c.RPC("<nc:cancel-commit/>").OK()
			c.Want(c.Running(), before)
		}},
		{"rfc6241-8.4.4.1-cancel-persistent", "cancel-commit with the persist-id, from another session", confirmed, func(c *Context) {
			s := c.Open()
			pending(c, s, "<nc:confirm-timeout>60</nc:confirm-timeout><nc:persist>token</nc:persist>")
			c.RPC("<nc:cancel-commit><nc:persist-id>token</nc:persist-id></nc:cancel-commit>").OK()
			c.Want(c.Running(), before)
		}},
		{"rfc6241-8.4.4.1-cancel-wrong-persist-id", "cancel-commit with a wrong persist-id is answered invalid-value", confirmed, func(c *Context) {
			pending(c, c.Main(), "<nc:confirm-timeout>60</nc:confirm-timeout><nc:persist>token</nc:persist>")
			c.RPC("<nc:cancel-commit><nc:persist-id>wrong</nc:persist-id></nc:cancel-commit>").Error("invalid-value")
			c.Want(c.Running(), after)
		}},
		{"rfc6241-8.4.4.1-cancel-of-another-session", "cancel-commit without a persist-id is for the session that started it", confirmed, func(c *Context) {
			pending(c, c.Open(), "<nc:confirm-timeout>60</nc:confirm-timeout>")
			c.Check(c.RPC("<nc:cancel-commit/>").Failed(), "it is accepted")
			c.Want(c.Running(), after)
		}},
		{"rfc6241-8.4.4.1-cancel-of-nothing", "cancel-commit without a pending commit is refused", confirmed, func(c *Context) {
			c.Check(c.RPC("<nc:cancel-commit/>").Failed(), "it is accepted")
		}},
		{"rfc6241-8.4.1-failed-commit-arms-nothing", "a confirmed commit that fails leaves nothing pending", confirmed, func(c *Context) {
			c.Set(before)
			c.Edit(`<must-rule><low>5</low><high>1</high></must-rule>`, c.setOption()...).OK()
			c.Check(c.RPC("<nc:commit><nc:confirmed/><nc:confirm-timeout>1</nc:confirm-timeout></nc:commit>").Failed(), "it is accepted")
			c.RPC("<nc:discard-changes/>").OK()
			c.Set(`<top><count>5</count></top>`)
			c.Stays(func() bool { return c.Running().Get("top/count").Value() == "5" })
		}},
	}
}
