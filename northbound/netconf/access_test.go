package netconf

import (
	"strings"
	"testing"
	"testing/synctest"
)

// restricted is an element on which the user tester may write everything and read
// everything but what hidden names, a path with the prefix m of mtp-node.
func restricted(t *testing.T, hidden string) (*element, string) {
	t.Helper()
	e := newElement(t, controlled)
	rules := `<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm" xmlns:m="urn:tandem:yang:mtp-node"><groups><group><name>g</name><user-name>tester</user-name></group></groups>` +
		`<rule-list><name>l</name><group>g</group><rule><name>hidden</name><path>` + hidden + `</path><access-operations>read</access-operations><action>deny</action></rule>` +
		`<rule><name>rest</name><action>permit</action></rule></rule-list></nacm>`
	e.commit(rules)
	return e, rules
}

// TestConfigChangeNamesWhatMayBeRead: the edits of netconf-config-change are those
// that the subscriber may read; without any it is not sent, and no filter tells of
// it.
func TestConfigChangeNamesWhatMayBeRead(t *testing.T) {
	const mpls = `<mpls-tp xmlns="urn:tandem:yang:mtp-node">`
	e, rules := restricted(t, "/m:mpls-tp/m:node/m:name")
	const filter = `<filter type="xpath" xmlns:n="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications" ` +
		`select="/n:netconf-config-change[n:edit[contains(n:target, 'name') or contains(n:target, 'label-block')]]"/>`
	c, curious := e.open(base11), e.open(base11)
	c.want(`<create-subscription xmlns="`+nsNotification+`"><filter><netconf-config-change xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"/></filter></create-subscription>`, "<ok/>")
	curious.want(`<create-subscription xmlns="`+nsNotification+`">`+filter+`</create-subscription>`, "<ok/>")
	e.commit(rules + mpls + `<node><name>one</name></node></mpls-tp>`)
	e.commit(rules + mpls + `<node><name>two</name><ttl-mode>pipe</ttl-mode></node></mpls-tp>`)
	e.commit(rules + strings.Replace(blocks(0), "<mpls-label-blocks>", "<node><name>two</name><ttl-mode>pipe</ttl-mode></node><mpls-label-blocks>", 1))
	for what, test := range map[string]struct {
		c       *client
		present string
	}{"all": {c, "ttl-mode<"}, "filtered": {curious, "label-block"}} {
		if msg := test.c.next(); strings.Contains(msg, "name<") || !strings.Contains(msg, test.present) || strings.Count(msg, "<edit>") != 1 {
			t.Errorf("%s: the first event is %s", what, msg)
		}
	}
}

// TestErrorsAreDiscreet: an error of a commit or a validation names nothing that the
// user may not read (RFC 8341 section 3.2.5), and all of it to whom may.
func TestErrorsAreDiscreet(t *testing.T) {
	const interfaces = `<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"`
	eth0 := interfaces + ` xmlns:i="urn:ietf:params:xml:ns:yang:iana-if-type"><interface><name>eth0</name><type>i:ethernetCsmacd</type></interface></interfaces>`
	const west = `<mpls-tp xmlns="urn:tandem:yang:mtp-node"><sections><section><name>west</name><interface>eth0</interface></section></sections></mpls-tp>`
	for path, reads := range map[string]bool{"/m:mpls-tp/m:sections": false, "/m:mpls-tp/m:sections/m:section": false, "/m:mpls-tp/m:node": true} {
		e, rules := restricted(t, path)
		e.commit(rules + eth0 + west)
		c := e.open(base11)
		const remove = `<config>` + interfaces + ` xmlns:nc="` + nsBase + `" nc:operation="delete"/></config>`
		c.want(`<edit-config><target><candidate/></target>`+remove+`</edit-config>`, "<ok/>")
		for _, operation := range []string{
			`<commit/>`, `<validate><source><candidate/></source></validate>`,
			`<edit-config><target><candidate/></target><default-operation>none</default-operation><test-option>test-only</test-option><config/></edit-config>`,
		} {
			reply := c.want(operation, "<error-app-tag>instance-required</error-app-tag>")
			if tells := strings.Contains(reply, "west") || strings.Contains(reply, "eth0"); tells != reads {
				t.Errorf("%s hidden: %s is answered %s", path, operation, reply)
			}
		}
	}
}

// TestEditErrorsAreDiscreet: what an edit says of hidden nodes does not depend on
// whether they are there.
func TestEditErrorsAreDiscreet(t *testing.T) {
	for _, operation := range []string{"create", "delete"} {
		var replies []string
		for _, there := range []string{"", nodeName("x")} {
			e := newElement(t, controlled)
			e.commit(`<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm" xmlns:m="urn:tandem:yang:mtp-node"><groups><group><name>g</name><user-name>tester</user-name></group></groups>` +
				`<rule-list><name>l</name><group>g</group><rule><name>hidden</name><path>/m:mpls-tp/m:node/m:name</path><action>deny</action></rule></rule-list></nacm>` + there)
			replies = append(replies, e.open(base11).want(`<edit-config><target><candidate/></target><config><mpls-tp xmlns="urn:tandem:yang:mtp-node" xmlns:nc="`+nsBase+`">`+
				`<node><name nc:operation="`+operation+`">x</name></node></mpls-tp></config></edit-config>`, "<error-tag>access-denied</error-tag>"))
		}
		if replies[0] != replies[1] {
			t.Errorf("%s: without it\n%s\nwith it\n%s", operation, replies[0], replies[1])
		}
	}
}

// TestFiltersSeeWhatMayBeRead: no filter, by content or by XPath, tells what is in a
// hidden leaf (RFC 8341 section 3.2.4), wherever it is evaluated.
func TestFiltersSeeWhatMayBeRead(t *testing.T) {
	e, rules := restricted(t, "/m:mpls-tp/m:node/m:name")
	const node = `<mpls-tp xmlns="urn:tandem:yang:mtp-node"><node><name>x</name><ttl-mode>pipe</ttl-mode></node></mpls-tp>`
	c := e.open(base11)
	const operational = `<get-data xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-nmda" xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores"><datastore>ds:operational</datastore>`
	const running = `<get-data xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-nmda" xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores"><datastore>ds:running</datastore>`
	const xpath = `xmlns:m="urn:tandem:yang:mtp-node"`
	for _, visible := range []bool{false, true} {
		if visible {
			e.commit(node)
		} else {
			e.commit(rules + node)
		}
		for _, name := range []string{"x", "y"} {
			content := `<mpls-tp xmlns="urn:tandem:yang:mtp-node"><node><name>` + name + `</name><ttl-mode/></node></mpls-tp>`
			path := `/m:mpls-tp/m:node[m:name='` + name + `']`
			for _, operation := range []string{
				`<get><filter>` + content + `</filter></get>`,
				`<get><filter>` + content + `</filter><with-defaults xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults">report-all</with-defaults></get>`,
				`<get><filter type="xpath" ` + xpath + ` select="` + path + `"/></get>`,
				`<get-config><source><running/></source><filter>` + content + `</filter></get-config>`,
				`<get-config><source><running/></source><filter type="xpath" ` + xpath + ` select="` + path + `"/></get-config>`,
				operational + `<subtree-filter>` + content + `</subtree-filter></get-data>`,
				operational + `<subtree-filter>` + content + `</subtree-filter><with-defaults>explicit</with-defaults></get-data>`,
				operational + `<xpath-filter ` + xpath + `>` + path + `</xpath-filter></get-data>`,
				running + `<subtree-filter>` + content + `</subtree-filter></get-data>`,
			} {
				if reply := c.rpc(operation); strings.Contains(reply, "pipe") != (visible && name == "x") || strings.Contains(reply, "rpc-error") {
					t.Errorf("visible %v: %s is answered %s", visible, operation, reply)
				}
			}
		}
	}
}

// TestKeyedFilters: a filter with keys selects of what may be read the same as from
// all that may be read, in every mode of with-defaults.
func TestKeyedFilters(t *testing.T) {
	e := newElement(t, controlled)
	rules := func(path, action string) string {
		return `<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm" xmlns:m="urn:tandem:yang:mtp-node" xmlns:l="urn:tandem:yang:mtp-lsp"><groups><group><name>g</name><user-name>tester</user-name></group></groups>` +
			`<rule-list><name>l</name><group>g</group><rule><name>r</name><path>/m:mpls-tp/l:lsps/l:static-lsp` + path + `</path><action>` + action + `</action></rule></rule-list></nacm>`
	}
	for _, path := range []string{"/l:description", "/l:admin-state", "/l:out-segment/l:nhlfe-single", "[l:name='lsp-1']", "[l:name='lsp-2']", ""} {
		e.commit(rules(path, "deny") + lsps(3))
		c := e.open(base11)
		for _, in := range []string{
			`<name>lsp-1</name>`, `<name>lsp-1</name><description/>`, `<name>lsp-1</name><admin-state/><out-segment/>`,
			`<name>lsp-1</name><description>from west to east, number 1</description>`, `<name>lsp-1</name><admin-state>up</admin-state><operation/>`,
			`<name>lsp-7</name>`,
		} {
			for _, mode := range []string{"", "report-all", "trim", "explicit"} {
				filter := `<filter><mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp"><static-lsp>` + in + `</static-lsp></lsps>`
				defaults := ""
				if mode != "" {
					defaults = `<with-defaults xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults">` + mode + `</with-defaults>`
				}
				// A second part without keys makes the server sift everything first.
				quick := c.rpc(`<get-config><source><running/></source>` + filter + `</mpls-tp></filter>` + defaults + `</get-config>`)
				slow := c.rpc(`<get-config><source><running/></source>` + filter + `<node><name/></node></mpls-tp></filter>` + defaults + `</get-config>`)
				if quick != slow || strings.Contains(quick, "rpc-error") {
					t.Errorf("%s hidden, %s, %s:\n%s\nfrom everything\n%s", path, in, mode, quick, slow)
				}
			}
		}
	}
}

// TestUpdatesHoldWhatMayBeRead: periodic updates, and those of on-change with dampening,
// hold what the subscriber may read and nothing else (RFC 8641 section 3.9).
func TestUpdatesHoldWhatMayBeRead(t *testing.T) {
	for what, trigger := range map[string]string{
		"periodic": "<periodic><period>10</period></periodic>", "dampened": "<on-change><dampening-period>10</dampening-period></on-change>",
		"on-change": "<on-change/>",
	} {
		for _, datastore := range []string{"running", "operational"} {
			synctest.Test(t, func(t *testing.T) {
				e, rules := restricted(t, "/m:mpls-tp/m:node/m:name")
				node := func(name, mode string) string {
					return `<mpls-tp xmlns="urn:tandem:yang:mtp-node"><node><name>` + name + `</name><ttl-mode>` + mode + `</ttl-mode></node></mpls-tp>`
				}
				e.commit(rules + node("one", "pipe"))
				c := e.open(base11).forever()
				c.want(pushTo(datastore, nameFilter+trigger), "<id ")
				if msg := c.next(); !strings.Contains(msg, "pipe") || strings.Contains(msg, "one<") {
					t.Errorf("%s of %s: the first update is %s", what, datastore, msg)
				}
				e.commit(rules + node("two", "pipe")) // nothing that the subscriber sees
				e.commit(rules + node("three", "short-pipe"))
				for msg := ""; !strings.Contains(msg, "short-pipe"); {
					if msg = c.next(); strings.Contains(msg, "two<") || strings.Contains(msg, "three<") || strings.Contains(msg, "node/mtp-node:name") || strings.Contains(msg, "node/name") {
						t.Fatalf("%s of %s: the update is %s", what, datastore, msg)
					}
					if what != "periodic" && !strings.Contains(msg, "short-pipe") {
						t.Errorf("%s of %s: an update about nothing: %s", what, datastore, msg)
					}
				}
			})
		}
	}
}
