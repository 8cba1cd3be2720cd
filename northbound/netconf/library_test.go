package netconf

import (
	"html"
	"regexp"
	"strings"
	"testing"
)

// TestContentIDEverywhere: hello, yang-library, modules-state and the update that
// clients compare with name one and the same set of modules.
func TestContentIDEverywhere(t *testing.T) {
	e := newElement(t, nil)
	c := e.open(base11)
	hello := regexp.MustCompile(`yang-library:1\.1\?revision=([^&]*)&amp;content-id=([^<]*)</capability>`).FindStringSubmatch(c.hello)
	if hello == nil || hello[2] == "" || hello[2] == "0" {
		t.Fatalf("hello has no content-id: %s", c.hello)
	}
	got := c.rpc(`<get><filter><yang-library xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library"><content-id/></yang-library>` +
		`<modules-state xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library"><module-set-id/></modules-state></filter></get>`)
	for _, element := range []string{"content-id", "module-set-id"} {
		if want := "<" + element + ">" + hello[2] + "</" + element + ">"; !strings.Contains(got, want) {
			t.Errorf("%s is missing in %s", want, got)
		}
	}
	if m := e.schema.Module("ietf-yang-library"); m.Revision != hello[1] {
		t.Errorf("hello says revision %s of ietf-yang-library, which is of %s", hello[1], m.Revision)
	}
}

// TestGetSchemaOfEverything: every module and submodule that netconf-state lists,
// those that are only imported too, can be had, once, and is what it says.
func TestGetSchemaOfEverything(t *testing.T) {
	e := newElement(t, nil)
	c := e.open(base11)
	list := c.rpc(`<get><filter><netconf-state xmlns="` + nsMonitoring + `"><schemas/></netconf-state></filter></get>`)
	entries := regexp.MustCompile(`<schema><identifier>([^<]*)</identifier><version>([^<]*)</version><format[^>]*>ncm:yang</format><namespace>[^<]+</namespace><location>NETCONF</location></schema>`).
		FindAllStringSubmatch(list, -1)
	if n := strings.Count(list, "<schema>"); n != len(entries) || n < len(e.schema.Modules()) {
		t.Fatalf("%d schemas, %d of them complete, for %d modules: %s", n, len(entries), len(e.schema.Modules()), list)
	}
	imported := 0
	for _, m := range e.schema.Modules() {
		if !m.Implemented {
			imported++
		}
	}
	if imported == 0 {
		t.Error("no module is only imported: this test does not see what it is about")
	}
	for _, s := range entries {
		reply := html.UnescapeString(c.rpc(`<get-schema xmlns="` + nsMonitoring + `"><identifier>` + s[1] + `</identifier><version>` + s[2] + `</version><format>yang</format></get-schema>`))
		if !regexp.MustCompile(`<data xmlns="` + nsMonitoring + `">(?s:.*)(sub)?module ` + s[1] + `\s`).MatchString(reply) {
			t.Errorf("get-schema of %s@%s: %.200s", s[1], s[2], reply)
		}
		if s[2] != "" && !regexp.MustCompile(`revision "?`+s[2]).MatchString(reply) {
			t.Errorf("%s is not of revision %s", s[1], s[2])
		}
	}
	c.want(`<get-schema xmlns="`+nsMonitoring+`"><identifier>ietf-netconf</identifier><version>1999-01-01</version></get-schema>`, "invalid-value")
}
