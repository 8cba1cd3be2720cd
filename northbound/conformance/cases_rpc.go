package conformance

import (
	"fmt"
	"strings"
)

// rpcCases are those of RFC 6241 sections 3 and 4 and Appendix A.
func rpcCases() []Case {
	const get = `<get-config><source><running/></source><filter/></get-config>`
	rpc := func(attrs, inside string) string {
		return `<rpc xmlns="` + nsBase + `" ` + attrs + `>` + inside + `</rpc>`
	}
	// malformed sends what is no XML document of NETCONF.
	malformed := func(octets string) func(c *Context) {
		return func(c *Context) {
			s := c.Open()
			s.Send(octets)
			m, err := s.tryReceive()
			if err != nil {
				c.Fatalf("%q: neither an answer nor the end of the session", octets)
			}
			if m.doc != nil {
				(&Reply{Element: m.doc, Sent: octets, Text: string(m.raw), c: c}).Error("malformed-message", kind("rpc"))
			}
			c.Open().RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter/></nc:get-config>`).Works()
		}
	}
	return []Case{
		{"rfc6241-3-not-well-formed", "a message that is not well-formed is answered malformed-message, or ends the session", nil, malformed(`<rpc xmlns="` + nsBase + `" message-id="1"><get></rpc>`)},
		{"rfc6241-3-unfinished", "a message that stops in the middle is not well-formed", nil, malformed(`<rpc xmlns="` + nsBase + `" message-id="1"><get>`)},
		{"rfc6241-3-not-utf8", "a message that is not in UTF-8 is answered malformed-message, or ends the session", nil, malformed(rpc(`message-id="1"`, "<get><filter><top xmlns=\""+nsTest+"\"><name>\xff\xfe</name></top></filter></get>"))},
		{"rfc6241-3-undeclared-prefix", "a prefix that is not declared names nothing (Namespaces in XML, section 5)", nil, func(c *Context) {
			s := c.Open()
			s.Send(`<rpc xmlns="` + nsBase + `" message-id="1"><x:get/></rpc>`)
			if m, err := s.tryReceive(); err != nil {
				c.Fatalf("neither an answer nor the end of the session")
			} else if m.doc != nil {
				c.Check((&Reply{Element: m.doc, c: c}).Failed(), "it is accepted")
			}
		}},
		{"rfc6241-3-attribute-twice", "an attribute given twice is not well-formed", nil, malformed(rpc(`message-id="1" a="1" a="2"`, get))},
		{"rfc6241-3-entity", "an entity that is not declared is not well-formed", nil, malformed(rpc(`message-id="1"`, "<get>&nothing;</get>"))},
		{"rfc6241-3-two-documents", "a message is one document", nil, malformed(rpc(`message-id="1"`, get) + rpc(`message-id="2"`, get))},
		{"rfc6241-3-not-xml", "text is no message", nil, malformed("hello, world")},
		{"rfc6241-3-doctype", "a document type declaration must not appear", nil, func(c *Context) {
			s := c.Open()
			s.Send(`<!DOCTYPE rpc [<!ENTITY a "running">]>` + rpc(`message-id="1"`, get))
			if m, err := s.tryReceive(); err != nil {
				c.Fatalf("neither an answer nor the end of the session")
			} else if m.doc != nil {
				c.Check((&Reply{Element: m.doc, c: c}).Failed(), "it is accepted: %s", m.raw)
			}
		}},
		{"rfc6241-3-declaration", "an XML declaration may come first", nil, func(c *Context) {
			c.Main().Raw(`<?xml version="1.0" encoding="UTF-8"?>` + rpc(`message-id="1"`, get)).Works()
		}},
		{"rfc6241-3-comments-and-instructions", "comments, processing instructions and CDATA are XML", nil, func(c *Context) {
			c.Main().Raw(rpc(`message-id="1"`, `<!-- a --><?b c?>`+get)).Works()
			c.Set(`<top><!-- a --><name><![CDATA[a<b]]></name><?b c?></top>`)
			c.Same("name", c.Running().Values("top/name"), []string{"a<b"})
		}},
		{"rfc6241-3-character-references", "character references are XML", nil, func(c *Context) {
			c.Set(`<top><name>&#65;&#x42;&amp;&lt;&gt;&quot;&apos;</name></top>`)
			c.Same("name", c.Running().Values("top/name"), []string{`AB&<>"'`})
		}},
		{"rfc6241-4.1-message-id-repeated", "the message-id comes back as it was, whatever it holds", nil, func(c *Context) {
			for _, id := range []string{"1", "abc", "urn:x:1", "a b", "4294967296000", "-1"} {
				r := c.Main().Raw(rpc(`message-id="`+id+`"`, get)).Works()
				got, _ := r.Attr("", "message-id")
				c.Check(got == id, "message-id %q comes back as %q", id, got)
			}
		}},
		{"rfc6241-4.1-message-id-escaped", "the message-id comes back escaped so that the reply is well-formed", nil, func(c *Context) {
			r := c.Main().Raw(rpc(`message-id="&lt;&amp;&quot;'&gt;"`, get)).Works()
			got, _ := r.Attr("", "message-id")
			c.Check(got == `<&"'>`, "message-id comes back as %q", got)
		}},
		{"rfc6241-4.1-attributes-repeated", "further attributes of rpc come back unmodified in rpc-reply", nil, func(c *Context) {
			r := c.Main().Raw(rpc(`message-id="1" xmlns:ex="http://example.net/content/1.0" ex:user-id="fred" plain="2"`, get)).Works()
			found := 0
			for _, a := range r.Attrs {
				if a.Name.Space == "http://example.net/content/1.0" && a.Name.Local == "user-id" && a.Value == "fred" ||
					a.Name.Space == "" && a.Name.Local == "plain" && a.Value == "2" {
					found++
				}
			}
			c.Check(found == 2, "the reply has %v", r.Attrs)
		}},
		{"rfc6241-4.1-xmlns-repeated", "xmlns attributes of rpc come back too", nil, func(c *Context) {
			r := c.Main().Raw(rpc(`message-id="1" xmlns:ex="http://example.net/content/1.0"`, get)).Works()
			c.Check(r.resolve("ex") == "http://example.net/content/1.0", "the reply does not declare the prefix:\n%s", r.Text)
		}},
		{"rfc6241-4.1-attributes-repeated-in-errors", "attributes come back with an error, too", nil, func(c *Context) {
			r := c.Main().Raw(rpc(`message-id="x" xmlns:ex="http://example.net/content/1.0" ex:user-id="fred"`, `<bogus/>`))
			c.Check(r.Failed() && len(r.Attrs) == 2, "the reply is\n%s", r.Text)
		}},
		{"rfc6241-4.1-message-id-missing", "an rpc without message-id is answered missing-attribute", nil, func(c *Context) {
			c.Main().Raw(rpc("", get)).Error("missing-attribute", kind("rpc"), info("bad-attribute", "message-id"), info("bad-element", "rpc"))
		}},
		{"rfc6241-4.1-prefixes", "elements are what their namespaces say, whatever the prefixes", nil, func(c *Context) {
			c.Main().Raw(`<a:rpc xmlns:a="` + nsBase + `" message-id="1"><b:get-config xmlns:b="` + nsBase + `"><source xmlns="` + nsBase + `"><running/></source></b:get-config></a:rpc>`).Works()
		}},
		{"rfc6241-4.1-wrong-namespace", "an operation in an unknown namespace is refused", nil, func(c *Context) {
			c.Main().Raw(rpc(`message-id="1"`, `<get-config xmlns="urn:example:nothing"><source><running/></source></get-config>`)).
				OneOf([]string{"unknown-namespace", "operation-not-supported", "unknown-element"})
		}},
		{"rfc6241-4.2-reply-element", "an answer is rpc-reply with the message-id of its rpc", nil, func(c *Context) {
			for range 5 {
				c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter/></nc:get-config>`).Works() // RPC compares
			}
		}},
		{"rfc6241-4.3-unknown-operation", "an operation that does not exist is answered operation-not-supported", nil, func(c *Context) {
			c.RPC(`<nc:bogus/>`).OneOf([]string{"operation-not-supported", "unknown-element"})
		}},
		{"rfc6241-4.3-unknown-operation-of-a-module", "an RPC that a module does not have is answered operation-not-supported", nil, func(c *Context) {
			c.RPC(`<bogus/>`).OneOf([]string{"operation-not-supported", "unknown-element"})
		}},
		{"rfc6241-4.3-empty-rpc", "an rpc without an operation is answered missing-element", nil, func(c *Context) {
			c.Main().Raw(rpc(`message-id="1"`, "")).OneOf([]string{"missing-element", "operation-not-supported", "unknown-element"})
		}},
		{"rfc6241-4.3-error-has-all-parts", "an rpc-error has type, tag and severity, of the values that RFC 6241 lists", nil, func(c *Context) {
			e := c.RPC(`<nc:get-config><nc:source><nc:bogus/></nc:source></nc:get-config>`).Errors()
			c.Check(len(e) > 0, "no error")
			for _, one := range e {
				c.Check(strings.Contains(" transport rpc protocol application ", " "+one.Get("nc:error-type").Value()+" "), "error-type %q", one.Get("nc:error-type").Value())
				c.Check(one.Get("nc:error-tag").Value() != "", "no error-tag")
				c.Check(one.Get("nc:error-severity").Value() == "error", "error-severity %q", one.Get("nc:error-severity").Value())
			}
		}},
		{"rfc6241-4.3-missing-parameter", "a parameter that must be there and is not is answered missing-element with its name", nil, func(c *Context) {
			c.RPC(`<nc:get-config/>`).Error("missing-element", info("bad-element", "source"))
		}},
		{"rfc6241-4.3-unknown-parameter", "a parameter that does not exist is answered unknown-element with its name", nil, func(c *Context) {
			c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:bogus/></nc:get-config>`).Error("unknown-element", info("bad-element", "bogus"))
		}},
		{"rfc6241-4.3-unknown-datastore", "a datastore that does not exist is answered unknown-element with its name", nil, func(c *Context) {
			c.RPC(`<nc:get-config><nc:source><nc:bogus/></nc:source></nc:get-config>`).Error("unknown-element", info("bad-element", "bogus"))
		}},
		{"rfc6241-4.3-bad-value", "a parameter with a wrong value is answered invalid-value", nil, func(c *Context) {
			c.Edit("<top/>", "<nc:default-operation>bogus</nc:default-operation>").OneOf([]string{"invalid-value", "bad-element"})
		}},
		{"rfc6241-4.3-session-goes-on", "an error does not end the session", nil, func(c *Context) {
			for range 5 {
				c.Check(c.RPC(`<nc:bogus/>`).Failed(), "no error")
			}
			c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter/></nc:get-config>`).Works()
		}},
		{"rfc6241-4.4-ok", "ok is sent when nothing else is returned", nil, func(c *Context) {
			c.Edit("<top><name>a</name></top>").OK()
		}},
		{"rfc6241-4.5-order", "requests are carried out, and answered, in the order they come", nil, func(c *Context) {
			s := c.Main()
			const n = 50
			for i := range n {
				s.Send(rpc(fmt.Sprintf(`message-id="p%d"`, i), get))
			}
			for i := range n {
				s.reply(get, fmt.Sprintf("p%d", i)).Works()
			}
		}},
		{"rfc6241-A-unexpected-text", "text where elements belong is refused", nil, func(c *Context) {
			c.Check(c.RPC(`<nc:get-config>text<nc:source><nc:running/></nc:source></nc:get-config>`).Failed(), "it is accepted")
		}},
		{"rfc6241-A-two-sources", "a choice of datastores takes one", nil, func(c *Context) {
			c.Check(c.RPC(`<nc:get-config><nc:source><nc:running/><nc:candidate/></nc:source></nc:get-config>`).Failed(), "it is accepted")
		}},
		{"rfc6241-A-unknown-parameter-of-commit", "an operation without parameters takes none", []string{":candidate"}, func(c *Context) {
			c.RPC(`<nc:commit><nc:bogus/></nc:commit>`).Error("unknown-element", info("bad-element", "bogus"))
		}},
	}
}
