package conformance

// filterCases are those of RFC 6241 sections 6, 7.1, 7.7 and 8.9.
func filterCases() []Case {
	const data = `<top><name>n</name><count>7</count>` +
		`<item><name>a</name><value>1</value><inner><a>x</a><b>y</b></inner></item>` +
		`<item><name>b</name><value>2</value></item><item><name>c</name><value>1</value></item>` +
		`<pair><first>p</first><second>1</second><value>v</value></pair><pair><first>p</first><second>2</second></pair>` +
		`<tag>t1</tag><tag>t2</tag><flag/></top><types><int8>5</int8></types>`
	// filtered is what a filter selects out of data.
	filtered := func(filter, want string) func(c *Context) {
		return func(c *Context) {
			c.Set(data)
			got := c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="subtree">` + filter + `</nc:filter></nc:get-config>`).Data()
			c.Want(got, want)
		}
	}
	xpath := func(attrs, want string) func(c *Context) {
		return func(c *Context) {
			c.Set(data)
			got := c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="xpath" ` + attrs + `/></nc:get-config>`)
			c.Want(got.Data(), want)
		}
	}
	plain := func(sel string) string { return `xmlns:t="` + nsTest + `" select="` + sel + `"` }
	needX := []string{":xpath"}
	return []Case{
		{"rfc6241-6.2.1-namespace-selects", "only elements of the namespace of the filter are selected", nil, filtered(`<top xmlns="urn:example:other"/>`, ``)},
		{"rfc6241-6.2.1-prefix-means-nothing", "prefixes play no part in a filter", nil, filtered(`<p:top xmlns:p="`+nsTest+`"><p:name/></p:top>`, `<top><name>n</name></top>`)},
		{"rfc6241-6.2.1-namespace-of-a-child", "a child of another namespace selects nothing", nil, filtered(`<top><name xmlns="urn:example:other"/></top>`, ``)},
		{"rfc6241-6.2.1-same-local-name", "nodes of one local name are told apart by namespace", []string{"mtp-conformance-names"}, func(c *Context) {
			c.Set(`<top><name>one</name><name xmlns="` + namespace("cn") + `">two</name></top>`)
			got := c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="subtree"><top><name xmlns="` + namespace("cn") + `"/></top></nc:filter></nc:get-config>`).Data()
			c.Check(got.Has("top/cn:name") && !got.Has("top/name"), "both are selected, or none")
		}},
		{"rfc6241-6.2.2-attribute", "an attribute match expression that no node can meet selects nothing, or is refused", nil, func(c *Context) {
			c.Set(data)
			r := c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="subtree"><top bogus="1"/></nc:filter></nc:get-config>`)
			c.Check(r.Failed() || !r.Data().Has("top"), "the attribute is ignored")
		}},
		{"rfc6241-6.2.3-containment", "a containment node selects what its children select", nil, filtered(`<top><item><inner><a/></inner></item></top>`, `<top><item><name>a</name><inner><a>x</a></inner></item></top>`)},
		{"rfc6241-6.2.4-selection-of-a-leaf", "an empty leaf selects the leaf", nil, filtered(`<top><count/></top>`, `<top><count>7</count></top>`)},
		{"rfc6241-6.2.4-selection-of-a-container", "an empty node selects all that is below it", nil, filtered(`<types/>`, `<types><int8>5</int8></types>`)},
		{"rfc6241-6.2.4-selection-of-a-list", "an empty list node selects every entry", nil, filtered(`<top><pair/></top>`, `<top><pair><first>p</first><second>1</second><value>v</value></pair><pair><first>p</first><second>2</second></pair></top>`)},
		{"rfc6241-6.2.4-selection-of-a-leaf-list", "an empty leaf-list node selects every value", nil, filtered(`<top><tag/></top>`, `<top><tag>t1</tag><tag>t2</tag></top>`)},
		{"rfc6241-6.2.4-white-space", "white space in a filter has no meaning", nil, filtered("\n  <top>\n    <count/>\n  </top>\n", `<top><count>7</count></top>`)},
		{"rfc6241-6.2.5-content-of-a-key", "a content match selects the entries whose leaf has the value", nil, filtered(`<top><item><name>b</name></item></top>`, `<top><item><name>b</name><value>2</value></item></top>`)},
		{"rfc6241-6.2.5-content-of-another-leaf", "any leaf can be matched, and many entries selected", nil, filtered(`<top><item><value>1</value></item></top>`,
			`<top><item><name>a</name><value>1</value><inner><a>x</a><b>y</b></inner></item><item><name>c</name><value>1</value></item></top>`)},
		{"rfc6241-6.2.5-content-and-selection", "beside a content match the other nodes select", nil, filtered(`<top><item><name>a</name><inner><b/></inner></item></top>`, `<top><item><name>a</name><inner><b>y</b></inner></item></top>`)},
		{"rfc6241-6.2.5-all-contents-match", "several content matches must all be met", nil, filtered(`<top><item><name>a</name><value>2</value></item></top>`, ``)},
		{"rfc6241-6.2.5-two-keys", "a content match for each key selects one entry", nil, filtered(`<top><pair><first>p</first><second>2</second></pair></top>`, `<top><pair><first>p</first><second>2</second></pair></top>`)},
		{"rfc6241-6.2.5-no-match", "a content match that nothing meets selects nothing", nil, filtered(`<top><item><name>zzz</name></item></top>`, ``)},
		{"rfc6241-6.2.5-white-space", "white space around the value of a content match is ignored", nil, filtered("<top><item><name>\n b \n</name></item></top>", `<top><item><name>b</name><value>2</value></item></top>`)},
		{"rfc6241-6.2.5-content-beside-containers", "a content match on a leaf beside containers selects the whole instance", nil, filtered(`<top><count>7</count><item><name/></item></top>`,
			`<top><count>7</count><item><name>a</name></item><item><name>b</name></item><item><name>c</name></item></top>`)},
		{"rfc6241-6.2.5-content-mismatch-hides-siblings", "where a content match fails nothing of the instance is selected", nil, filtered(`<top><count>8</count><item/></top>`, ``)},
		{"rfc6241-6.3-siblings", "each sibling of a filter selects on its own", nil, filtered(`<top><count/></top><types/>`, `<top><count>7</count></top><types><int8>5</int8></types>`)},
		{"rfc6241-6.3-same-entry-twice", "an instance that two filters select comes once", nil, filtered(`<top><item><name>a</name><value/></item><item><name>a</name><inner><a/></inner></item></top>`,
			`<top><item><name>a</name><value>1</value><inner><a>x</a></inner></item></top>`)},
		{"rfc6241-6.3-two-entries", "two filters of a list select two entries", nil, filtered(`<top><item><name>b</name></item><item><name>c</name></item></top>`,
			`<top><item><name>b</name><value>2</value></item><item><name>c</name><value>1</value></item></top>`)},
		{"rfc6241-6.4.1-no-filter", "without a filter everything is returned", nil, func(c *Context) {
			c.Set(data)
			got := c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source></nc:get-config>`).Data()
			c.Check(got.Has("top/name") && got.Has("types/int8"), "it is not")
		}},
		{"rfc6241-6.4.2-empty-filter", "an empty filter selects nothing", nil, func(c *Context) {
			c.Set(data)
			got := c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="subtree"/></nc:get-config>`).Data()
			c.Check(len(got.Children) == 0, "it selects something")
		}},
		{"rfc6241-6.4.3-unknown-element", "what the server does not have is not selected", nil, filtered(`<top><bogus/></top>`, ``)},
		{"rfc6241-7.1-default-filter-type", "a filter without type is a subtree filter", nil, func(c *Context) {
			c.Set(data)
			c.Want(c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter><types/></nc:filter></nc:get-config>`).Data(), `<types><int8>5</int8></types>`)
		}},
		{"rfc6241-7.1-bad-filter-type", "a filter type that does not exist is answered with an error", nil, func(c *Context) {
			c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="bogus"/></nc:get-config>`).OneOf([]string{"bad-attribute", "invalid-value"})
		}},
		{"rfc6241-7.1-no-state", "get-config returns configuration only", nil, func(c *Context) {
			got := c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source></nc:get-config>`).Data()
			c.Check(!got.Has("state") && !got.Has("ncm:netconf-state") && !got.Has("yanglib:modules-state"), "there is state in it")
		}},
		{"rfc6241-7.1-no-startup", "a datastore that the server does not have is refused", []string{"!:startup"}, func(c *Context) {
			c.Check(c.RPC(`<nc:get-config><nc:source><nc:startup/></nc:source></nc:get-config>`).Failed(), "it is accepted")
		}},
		{"rfc6241-7.1-candidate-before-commit", "the source says which datastore is read", []string{":candidate"}, func(c *Context) {
			c.Set(`<top><name>old</name></top>`)
			c.Edit(`<top><name>new</name></top>`).OK()
			c.Want(c.Edited(), `<top><name>new</name></top>`)
			c.Want(c.Running(), `<top><name>old</name></top>`)
		}},
		{"rfc6241-7.7-get-has-both", "get returns the running configuration and state", []string{"ietf-netconf-monitoring"}, func(c *Context) {
			c.Set(data)
			got := c.RPC(`<nc:get/>`).Data()
			c.Check(got.Has("top/name") && got.Has("ncm:netconf-state"), "one of them is missing")
		}},
		{"rfc6241-7.7-get-filter", "get takes a filter", nil, func(c *Context) {
			c.Set(data)
			got := c.RPC(`<nc:get><nc:filter type="subtree"><types/></nc:filter></nc:get>`).Data()
			c.Want(got, `<types><int8>5</int8></types>`)
		}},
		{"rfc6241-7.7-get-is-running", "get does not show the candidate", []string{":candidate"}, func(c *Context) {
			c.Edit(`<top><name>new</name></top>`).OK()
			c.Want(c.RPC(`<nc:get><nc:filter type="subtree"><top/></nc:filter></nc:get>`).Data(), ``)
		}},
		{"rfc6241-7.7-state-filter", "state is filtered as configuration is", []string{"ietf-netconf-monitoring"}, func(c *Context) {
			got := c.RPC(`<nc:get><nc:filter type="subtree"><netconf-state xmlns="` + namespace("ncm") + `"><capabilities/></netconf-state></nc:filter></nc:get>`).Data()
			c.Check(got.Has("ncm:netconf-state/ncm:capabilities/ncm:capability") && !got.Has("ncm:netconf-state/ncm:sessions"), "the filter is not kept to")
		}},
		{"rfc6241-8.9.5-leaf", "an XPath expression selects nodes, their ancestors come with them", needX, xpath(plain(`/t:top/t:count`), `<top><count>7</count></top>`)},
		{"rfc6241-8.9.5-subtree", "what is below a selected node comes with it", needX, xpath(plain(`/t:types`), `<types><int8>5</int8></types>`)},
		{"rfc6241-8.9.5-predicate-on-key", "a predicate on the key selects one entry", needX, xpath(plain(`/t:top/t:item[t:name='b']`), `<top><item><name>b</name><value>2</value></item></top>`)},
		{"rfc6241-8.9.5-predicate-on-value", "a predicate on a number", needX, xpath(plain(`/t:top/t:item[t:value &gt; 1]`), `<top><item><name>b</name><value>2</value></item></top>`)},
		{"rfc6241-8.9.5-keys-come-with", "the keys of an entry come with what is selected in it", needX, xpath(plain(`/t:top/t:item[t:name='a']/t:inner/t:a`), `<top><item><name>a</name><inner><a>x</a></inner></item></top>`)},
		{"rfc6241-8.9.5-descendants", "// is part of XPath", needX, xpath(plain(`//t:inner/t:b`), `<top><item><name>a</name><inner><b>y</b></inner></item></top>`)},
		{"rfc6241-8.9.5-union", "| is part of XPath", needX, xpath(plain(`/t:top/t:count | /t:types/t:int8`), `<top><count>7</count></top><types><int8>5</int8></types>`)},
		{"rfc6241-8.9.5-function", "the core functions are part of XPath", needX, xpath(plain(`/t:top/t:item[starts-with(t:name, 'c')]/t:value`), `<top><item><name>c</name><value>1</value></item></top>`)},
		{"rfc6241-8.9.5-axis", "the axes are part of XPath", needX, xpath(plain(`/t:top/t:count/following-sibling::t:item/t:inner/child::t:a`), `<top><item><name>a</name><inner><a>x</a></inner></item></top>`)},
		{"rfc6241-8.9.5-nothing", "an expression that selects nothing returns nothing", needX, xpath(plain(`/t:top/t:item[t:name='zzz']`), ``)},
		{"rfc6241-8.9.5-namespaces-of-the-element", "the prefixes are those in scope on the filter element", needX, func(c *Context) {
			c.Set(data)
			c.Want(c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="xpath" select="/ct:types"/></nc:get-config>`).Data(), `<types><int8>5</int8></types>`)
		}},
		{"rfc6241-8.9.5-get", "get takes an XPath filter, too", needX, func(c *Context) {
			c.Set(data)
			c.Want(c.RPC(`<nc:get><nc:filter type="xpath" select="/ct:types"/></nc:get>`).Data(), `<types><int8>5</int8></types>`)
		}},
		{"rfc6241-8.9.5-no-node-set", "an expression that is no node set is answered invalid-value", needX, func(c *Context) {
			c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="xpath" select="1 + 1"/></nc:get-config>`).Error("invalid-value")
		}},
		{"rfc6241-8.9.5-syntax-error", "an expression that is none is answered with an error", needX, func(c *Context) {
			c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="xpath" select="/ct:top["/></nc:get-config>`).OneOf([]string{"invalid-value", "bad-attribute"})
		}},
		{"rfc6241-8.9.5-unknown-prefix", "a prefix that is not declared is answered with an error", needX, func(c *Context) {
			c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="xpath" select="/zz:top"/></nc:get-config>`).OneOf([]string{"invalid-value", "unknown-namespace", "bad-attribute"})
		}},
		{"rfc6241-8.9.5-select-missing", "an XPath filter without select is answered missing-attribute", needX, func(c *Context) {
			c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="xpath"/></nc:get-config>`).Error("missing-attribute", info("bad-attribute", "select"))
		}},
	}
}
