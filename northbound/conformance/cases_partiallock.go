package conformance

// partialLockCases are those of RFC 5717.
func partialLockCases() []Case {
	need := []string{":partial-lock"}
	const ns = "urn:ietf:params:xml:ns:netconf:partial-lock:1.0"
	const data = `<top><item><name>a</name></item><item><name>b</name></item></top>`
	lock := func(s *Session, paths ...string) *Reply {
		list := ""
		for _, p := range paths {
			list += "<select>" + p + "</select>"
		}
		return s.RPC(`<partial-lock xmlns="` + ns + `">` + list + `</partial-lock>`)
	}
	unlock := func(s *Session, id string) *Reply {
		return s.RPC(`<partial-unlock xmlns="` + ns + `"><lock-id>` + id + `</lock-id></partial-unlock>`)
	}
	const a = "/ct:top/ct:item[ct:name='a']"
	busy := []string{"in-use", "lock-denied", "access-denied"}
	// change edits and commits in a session and returns the reply that refuses it, or the last.
	change := func(s *Session, config string) *Reply {
		r := s.Edit(config)
		if !r.Failed() && s.c.has[":candidate"] {
			r = s.RPC("<nc:commit/>")
			if r.Failed() {
				s.RPC("<nc:discard-changes/>")
			}
		}
		return r
	}
	return []Case{
		{"rfc5717-2.4.1-lock", "a partial lock returns its id and the nodes that are locked", need, func(c *Context) {
			c.Set(data)
			r := lock(c.Main(), a).Works()
			c.Check(r.Get("pl:lock-id").Value() != "", "there is no lock-id")
			n := r.Get("pl:locked-node")
			c.Check(n != nil && expand(n.Value(), n.resolve) == expand(a, namespace), "the locked node is %q", n.Value())
		}},
		{"rfc5717-2.4.1-several-nodes", "an expression may select many nodes", need, func(c *Context) {
			c.Set(data)
			c.Check(len(lock(c.Main(), "/ct:top/ct:item").Works().All("pl:locked-node")) == 2, "not two nodes are locked")
		}},
		{"rfc5717-2.4.1-keeps-others-out", "a locked node cannot be changed by another session", need, func(c *Context) {
			c.Set(data)
			lock(c.Main(), a).Works()
			change(c.Open(), `<top><item><name>a</name><value>1</value></item></top>`).OneOf(busy)
			c.Want(c.Running(), data)
		}},
		{"rfc5717-2.4.1-below-is-locked", "what is below a locked node is locked, too", need, func(c *Context) {
			c.Set(data)
			lock(c.Main(), a).Works()
			change(c.Open(), `<top><item><name>a</name><inner><a>x</a></inner></item></top>`).OneOf(busy)
		}},
		{"rfc5717-2.4.1-deletion-is-a-change", "a locked node cannot be deleted by another session", need, func(c *Context) {
			c.Set(data)
			lock(c.Main(), a).Works()
			change(c.Open(), `<top><item nc:operation="delete"><name>a</name></item></top>`).OneOf(busy)
		}},
		{"rfc5717-2.4.1-the-rest-is-free", "what is not locked can be changed", need, func(c *Context) {
			c.Set(data)
			lock(c.Main(), a).Works()
			change(c.Open(), `<top><item><name>b</name><value>1</value></item></top>`).OK()
		}},
		{"rfc5717-2.4.1-owner", "the owner of the lock changes what it has locked", need, func(c *Context) {
			c.Set(data)
			lock(c.Main(), a).Works()
			change(c.Main(), `<top><item><name>a</name><value>1</value></item></top>`).OK()
		}},
		{"rfc5717-2.4.1-overlap", "nodes that another session has locked are answered lock-denied with its id", need, func(c *Context) {
			c.Set(data)
			other := c.Open()
			lock(other, a).Works()
			lock(c.Main(), "/ct:top").Error("lock-denied", info("session-id", other.ID))
		}},
		{"rfc5717-2.4.1-overlap-of-one-session", "a session may lock a node twice", need, func(c *Context) {
			c.Set(data)
			one := lock(c.Main(), a).Works().Get("pl:lock-id").Value()
			two := lock(c.Main(), "/ct:top").Works().Get("pl:lock-id").Value()
			c.Check(one != two, "both locks have the id %s", one)
		}},
		{"rfc5717-2.4.1-global-lock-of-another", "with a global lock of another session a partial lock is denied", need, func(c *Context) {
			c.Set(data)
			other := c.Open()
			other.RPC("<nc:lock><nc:target><nc:running/></nc:target></nc:lock>").OK()
			lock(c.Main(), a).Error("lock-denied", info("session-id", other.ID))
		}},
		{"rfc5717-2.6-global-lock-after-partial", "with a partial lock of another session a global lock is denied", need, func(c *Context) {
			c.Set(data)
			other := c.Open()
			lock(other, a).Works()
			c.RPC("<nc:lock><nc:target><nc:running/></nc:target></nc:lock>").Error("lock-denied", info("session-id", other.ID))
		}},
		{"rfc5717-2.4.1-no-node", "an expression that selects nothing is answered operation-failed, no-matches", need, func(c *Context) {
			lock(c.Main(), "/ct:top/ct:item[ct:name='zzz']").Error("operation-failed", appTag("no-matches"))
		}},
		{"rfc5717-2.4.1-no-node-set", "an expression that is no node set is answered invalid-value, not-a-node-set", need, func(c *Context) {
			lock(c.Main(), "1 + 1").Error("invalid-value", appTag("not-a-node-set"))
		}},
		{"rfc5717-2.4.1-select-missing", "select must be there", need, func(c *Context) {
			c.Check(lock(c.Main()).Failed(), "a lock of nothing is granted")
		}},
		{"rfc5717-2.4.2-unlock", "partial-unlock releases the lock", need, func(c *Context) {
			c.Set(data)
			unlock(c.Main(), lock(c.Main(), a).Works().Get("pl:lock-id").Value()).OK()
			change(c.Open(), `<top><item><name>a</name><value>1</value></item></top>`).OK()
		}},
		{"rfc5717-2.4.2-unlock-unknown", "a lock that does not exist is answered invalid-value", need, func(c *Context) {
			unlock(c.Main(), "4294967290").Error("invalid-value")
		}},
		{"rfc5717-2.4.2-unlock-of-another", "a lock of another session is answered invalid-value", need, func(c *Context) {
			c.Set(data)
			unlock(c.Main(), lock(c.Open(), a).Works().Get("pl:lock-id").Value()).Error("invalid-value")
		}},
		{"rfc5717-2.3-session-end", "the end of the session releases the lock", need, func(c *Context) {
			c.Set(data)
			other := c.Open()
			lock(other, a).Works()
			other.Close()
			c.Eventually("the lock is released", func() bool { return !lock(c.Main(), a).Failed() })
		}},
		{"rfc5717-2.1.1.1-monitoring", "a partial lock is shown with its session and nodes", []string{":partial-lock", "ietf-netconf-monitoring"}, func(c *Context) {
			c.Set(data)
			id := lock(c.Main(), a).Works().Get("pl:lock-id").Value()
			got := c.RPC(`<nc:get><nc:filter type="subtree"><netconf-state xmlns="` + namespace("ncm") + `"><datastores/></netconf-state></nc:filter></nc:get>`).Data()
			l := got.Get("ncm:netconf-state/ncm:datastores/ncm:datastore[name=running]/ncm:locks/ncm:partial-lock[lock-id=" + id + "]")
			c.Check(l != nil && l.Get("ncm:locked-by-session").Value() == c.Main().ID && l.Has("ncm:locked-node"), "it is not")
		}},
	}
}
