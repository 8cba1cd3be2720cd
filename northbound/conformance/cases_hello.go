package conformance

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// helloCases are those of RFC 6241 section 8.1 and what other documents add to hello.
func helloCases() []Case {
	return []Case{
		{"rfc6241-8.1-server-hello-first", "each peer sends hello when the connection is open, without waiting for the other one", nil, func(c *Context) {
			s := c.dial("") // receives before it sends
			c.Check(len(s.Capabilities) > 0, "hello has no capability")
		}},
		{"rfc6241-8.1-session-id", "the server's hello has a session-id, a number above 0", nil, func(c *Context) {
			s := c.dial("")
			n, err := strconv.ParseUint(s.ID, 10, 32)
			c.Check(err == nil && n > 0, "the session-id is %q", s.ID)
		}},
		{"rfc6241-8.1-session-ids-differ", "the session-id is that of this session", nil, func(c *Context) {
			c.Check(c.dial("").ID != c.dial("").ID, "two sessions have one session-id")
		}},
		{"rfc6241-8.1-base-announced", "a peer sends at least the base capability", nil, func(c *Context) {
			list := c.dial("").Capabilities
			c.Check(slices.Contains(list, base11), "hello has no %s: %q", base11, list)
		}},
		{"rfc6241-8.1-capabilities-are-uris", "capabilities are URIs, each given once", nil, func(c *Context) {
			list := c.dial("").Capabilities
			for i, one := range list {
				c.Check(strings.Contains(one, ":") && !strings.ContainsAny(one, " \t\n"), "%q is no URI", one)
				c.Check(!slices.Contains(list[:i], one), "%s comes twice", one)
			}
		}},
		{"rfc6241-8.1-client-session-id", "a server that receives a session-id in hello ends the session", nil, func(c *Context) {
			s := c.dial("")
			s.octets(`<hello xmlns="` + nsBase + `"><capabilities><capability>` + base11 + `</capability></capabilities><session-id>4</session-id></hello>` + endOfMessage)
			s.setFraming(true)
			s.Ended()
		}},
		{"rfc6241-8.1-no-common-version", "without a common base capability the session must not go on", nil, func(c *Context) {
			s := c.dial("")
			s.hello("urn:ietf:params:netconf:base:9.9")
			s.Ended()
		}},
		{"rfc6241-8.1-unknown-capability", "a capability that a peer does not understand is ignored", nil, func(c *Context) {
			s := c.dial("")
			s.hello(base11, "http://example.com/capability/unknown?x=1&amp;y=2", "urn:ietf:params:netconf:capability:exi:1.0")
			s.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter/></nc:get-config>`).Works()
		}},
		{"rfc6241-8.1-white-space", "white space around a capability is not part of it", nil, func(c *Context) {
			s := c.dial("")
			s.hello("\n  " + base10 + "\n")
			s.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter/></nc:get-config>`).Works()
		}},
		{"rfc6242-4.1-old-client", "a client of base:1.0 only is served with the end-of-message framing", nil, func(c *Context) {
			s := c.dial("")
			s.hello(base10)
			for range 3 {
				s.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter/></nc:get-config>`).Works()
			}
		}},
		{"rfc6242-4.1-both-versions", "with base:1.1 on both sides the chunked framing is used after hello", nil, func(c *Context) {
			s := c.dial("")
			s.hello(base10, base11)
			for range 3 {
				s.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter/></nc:get-config>`).Works()
			}
		}},
		{"rfc6241-8.1-prefixed-hello", "hello is what its namespace says, whatever the prefix", nil, func(c *Context) {
			s := c.dial("")
			s.octets(fmt.Sprintf(`<x:hello xmlns:x="%s"><x:capabilities><x:capability>%s</x:capability></x:capabilities></x:hello>`, nsBase, base11) + endOfMessage)
			s.setFraming(true)
			s.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter/></nc:get-config>`).Works()
		}},
		{"rfc7950-5.6.4-yang-library-capability", "a server of YANG 1.1 announces :yang-library with its revision and the id of its content", nil, func(c *Context) {
			for _, one := range c.dial("").Capabilities {
				for _, version := range []string{"1.0?revision=", "1.1?revision="} {
					if strings.HasPrefix(one, "urn:ietf:params:netconf:capability:yang-library:"+version) {
						c.Check(strings.Contains(one, "&module-set-id=") || strings.Contains(one, "&content-id="), "%s has no id", one)
						return
					}
				}
			}
			c.Fatalf("hello has no :yang-library")
		}},
	}
}

// framingCases are those of RFC 6242.
func framingCases() []Case {
	const get = `<nc:get-config><nc:source><nc:running/></nc:source><nc:filter/></nc:get-config>`
	envelope := func(id, inside string) string {
		return `<nc:rpc xmlns:nc="` + nsBase + `" xmlns="` + nsTest + `" message-id="` + id + `">` + inside + `</nc:rpc>`
	}
	// bad sends octets that break the framing of base:1.1.
	bad := func(octets string) func(c *Context) {
		return func(c *Context) {
			s := c.Open()
			s.octets(octets)
			s.Ended()
			c.Open().RPC(get).Works()
		}
	}
	needs := []string{":base:1.1"}
	return []Case{
		{"rfc6242-4.2-one-octet-chunks", "a message may come in any number of chunks", needs, func(c *Context) {
			s := c.Open()
			s.octets(inChunks(envelope("a", get), 1))
			s.reply(get, "a").Works()
		}},
		{"rfc6242-4.2-chunks-of-seven", "chunk borders have no meaning, not even inside a tag", needs, func(c *Context) {
			s := c.Open()
			s.octets(inChunks(envelope("a", get), 7))
			s.reply(get, "a").Works()
		}},
		{"rfc6242-4.2-chunk-inside-a-character", "a chunk may end inside a character of several octets", needs, func(c *Context) {
			s := c.Open()
			edit := envelope("a", editConfig(c.Target(), "", "<top><name>äöü€𝄞</name></top>"))
			s.octets(inChunks(edit, 3))
			s.reply(edit, "a").OK()
			s.Commit()
			c.Same("name", c.Running().Values("top/name"), []string{"äöü€𝄞"})
		}},
		{"rfc6242-4.2-octet-by-octet", "messages are a stream of octets: nothing depends on how they arrive", needs, func(c *Context) {
			s := c.Open()
			for _, b := range []byte(chunked(envelope("a", get))) {
				s.octets(string([]byte{b}))
			}
			s.reply(get, "a").Works()
		}},
		{"rfc6242-4.2-marker-inside", "the end-of-message marker means nothing inside a chunk", needs, func(c *Context) {
			s := c.Open()
			s.Send(envelope("a", `<!-- ]]>]]> -->`+get))
			s.reply(get, "a").Works()
		}},
		{"rfc6242-4.2-end-of-chunks-inside", "what looks like the end of chunks means nothing inside a chunk", needs, func(c *Context) {
			s := c.Open()
			s.Send(envelope("a", "<!--\n##\n-->"+get))
			s.reply(get, "a").Works()
		}},
		{"rfc6242-4.2-two-messages-at-once", "a client may send the next message before the reply", needs, func(c *Context) {
			s := c.Open()
			s.octets(chunked(envelope("a", get)) + chunked(envelope("b", get)) + chunked(envelope("c", get)))
			s.reply(get, "a").Works()
			s.reply(get, "b").Works()
			s.reply(get, "c").Works()
		}},
		{"rfc6242-4.2-large-reply", "a large reply comes in valid chunks", needs, func(c *Context) {
			var b strings.Builder
			for i := range 2000 {
				fmt.Fprintf(&b, "<item><name>i%d</name><value>%d</value></item>", i, i)
			}
			c.Set("<top>" + b.String() + "</top>")
			c.Check(len(c.Running().All("top/item")) == 2000, "not all of 2000 entries are there")
		}},
		{"rfc6242-4.2-size-zero", "chunk-size starts with 1 to 9; an error in decoding ends the session", needs, bad("\n#0\n\n##\n")},
		{"rfc6242-4.2-size-leading-zero", "chunk-size has no leading zero", needs, bad("\n#04\n<nc:\n##\n")},
		{"rfc6242-4.2-size-not-a-number", "chunk-size is a number", needs, bad("\n#abc\nabc\n##\n")},
		{"rfc6242-4.2-size-negative", "chunk-size has no sign", needs, bad("\n#-1\nabc\n##\n")},
		{"rfc6242-4.2-size-plus", "chunk-size has no sign", needs, bad("\n#+3\nabc\n##\n")},
		{"rfc6242-4.2-size-too-large", "chunk-size is at most 4294967295", needs, bad("\n#4294967296\nabc\n##\n")},
		{"rfc6242-4.2-size-far-too-large", "a size of any length is refused", needs, bad("\n#" + strings.Repeat("9", 300) + "\nabc\n##\n")},
		{"rfc6242-4.2-size-with-space", "nothing but digits stands between # and the line feed", needs, bad("\n#3 \nabc\n##\n")},
		{"rfc6242-4.2-size-missing", "a size must be there", needs, bad("\n#\nabc\n##\n")},
		{"rfc6242-4.2-no-line-feed", "a chunk starts with a line feed", needs, bad("#3\nabc\n##\n<more>")},
		{"rfc6242-4.2-no-chunk", "a message has at least one chunk", needs, bad("\n##\n")},
		{"rfc6242-4.2-garbage-after-chunk", "after a chunk comes another one or the end", needs, bad("\n#3\nabcdefghij\n##\n")},
		{"rfc6242-4.2-old-framing-in-new", "the end-of-message framing is not valid after hello of base:1.1", needs, bad(envelope("a", get) + endOfMessage)},
		{"rfc6242-4.3-two-messages-at-once", "base:1.0: a client may send the next message before the reply", nil, func(c *Context) {
			s := c.dial("")
			s.hello(base10)
			s.octets(envelope("a", get) + endOfMessage + envelope("b", get) + endOfMessage)
			s.reply(get, "a").Works()
			s.reply(get, "b").Works()
		}},
		{"rfc6242-4.3-octet-by-octet", "base:1.0: the marker is found however it arrives", nil, func(c *Context) {
			s := c.dial("")
			s.hello(base10)
			for _, b := range []byte(envelope("a", get) + endOfMessage) {
				s.octets(string([]byte{b}))
			}
			s.reply(get, "a").Works()
		}},
		{"rfc6242-4.3-part-of-the-marker", "base:1.0: a part of the marker does not end a message", nil, func(c *Context) {
			s := c.dial("")
			s.hello(base10)
			s.octets(envelope("a", `<!-- ]]>] ]]> ]]>]]] -->`+get) + endOfMessage)
			s.reply(get, "a").Works()
		}},
		{"rfc6242-4.3-hello-is-marked", "hello itself is always sent with the end-of-message framing", nil, func(c *Context) {
			s := c.dial("") // reads up to the marker
			c.Check(s.Hello != nil, "no hello")
		}},
	}
}
