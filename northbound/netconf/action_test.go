package netconf

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// robots is a module with what the served ones have not: RPCs, actions and
// notifications below lists.
const robots = `module robots {
  yang-version 1.1; namespace "urn:robots"; prefix r;
  rpc count { input { leaf up-to { type uint8; mandatory true; } container how { leaf loud { type boolean; mandatory true; } }
      choice unit { mandatory true; leaf seconds { type empty; } leaf beats { type empty; } }
      list note { key n; min-elements 1; leaf n { type uint8; } leaf text { type string; mandatory true; } } }
    output { leaf reached { type uint8; } } }
  rpc stop;
  container hall {
    action sweep { input { leaf twice { type boolean; } } }
    list robot { key name; leaf name { type string; }
      action walk { input { leaf steps { type uint8; mandatory true; } } output { leaf where { type string; } } }
      notification fell { leaf hard { type boolean; } leaf joint { type string; } } }
  }
  notification quiet { leaf since { type string; } }
}`

func robotSource() schema.Source { return schema.Source{Name: "robots.yang", Text: []byte(robots)} }

func newRobots(t *testing.T, actions map[string]ActionFunc) *element {
	t.Helper()
	return newElement(t, func(o *Options) { o.Actions = actions }, robotSource())
}

func TestRPC(t *testing.T) {
	e := newRobots(t, map[string]ActionFunc{
		"/robots:count": func(_ context.Context, p tree.Path, input *tree.Node) (*tree.Node, error) {
			n := input.Schema().Parent.Output
			b := tree.NewBuilder(tree.New(n))
			b.Leaf(n.Child("reached"), input.ChildNamed("up-to").Value())
			if input.ChildNamed("up-to").Value().Uint() > 100 {
				return nil, yangerr.New(yangerr.ResourceDenied, nil, "too far")
			}
			return b.Seal(), nil
		},
	})
	c := e.open(base11)
	count := func(parts string) string { return `<count xmlns="urn:robots">` + parts + `</count>` }
	full := "<how><loud>true</loud></how><beats/><note><n>1</n><text>a</text></note>"
	c.want(count("<up-to>7</up-to>"+full), `<reached xmlns="urn:robots">7</reached></rpc-reply>`)
	c.want(count("<up-to>101</up-to>"+full), "<error-tag>resource-denied</error-tag>")
	c.want(count("<up-to>300</up-to>"+full), "<error-tag>invalid-value</error-tag>")
	c.want(count(full), "<bad-element>up-to</bad-element>")
	c.want(count("<up-to>7</up-to>"), "<bad-element>loud</bad-element>")
	c.want(count("<up-to>7</up-to>"), `<missing-choice xmlns="urn:ietf:params:xml:ns:yang:1">unit</missing-choice>`)
	c.want(count("<up-to>7</up-to>"), "<bad-element>note</bad-element>")
	c.want(count("<up-to>7</up-to><how><loud>true</loud></how><beats/><note><n>1</n></note>"), "<bad-element>text</bad-element>")
	c.want(count("<up-to>7</up-to><up-up/>"), "<error-tag>unknown-element</error-tag>")
	c.want(`<stop xmlns="urn:robots"/>`, "<error-tag>operation-not-supported</error-tag>")
}

func TestAction(t *testing.T) {
	var calls []string
	e := newRobots(t, map[string]ActionFunc{
		"/robots:hall/robot/walk": func(_ context.Context, p tree.Path, input *tree.Node) (*tree.Node, error) {
			calls = append(calls, fmt.Sprint(p, " ", input.ChildNamed("steps").Value()))
			return nil, nil
		},
		"/robots:hall/sweep": func(context.Context, tree.Path, *tree.Node) (*tree.Node, error) { return nil, nil },
	})
	e.commit(`<hall xmlns="urn:robots"><robot><name>r2</name></robot></hall>`)
	action := func(hall string) string {
		return `<action xmlns="` + yangerr.NamespaceYANG + `"><hall xmlns="urn:robots">` + hall + `</hall></action>`
	}
	c := e.open(base11)
	c.want(action("<robot><name>r2</name><walk><steps>3</steps></walk></robot>"), "<ok/>")
	c.want(action("<sweep/>"), "<ok/>")
	if len(calls) != 1 || calls[0] != "/robots:hall/robot[name='r2'] 3" {
		t.Errorf("calls %q", calls)
	}
	for hall, tag := range map[string]string{
		"<robot><name>c3</name><walk><steps>3</steps></walk></robot>": "data-missing",
		"<robot><name>r2</name><walk/></robot>":                       "missing-element",
		"<robot><name>r2</name><walk><steps>x</steps></walk></robot>": "invalid-value",
		"<robot><walk><steps>3</steps></walk></robot>":                "missing-element",
		"<robot><name>r2</name><fly/></robot>":                        "unknown-element",
		"<robot><name>r2</name></robot>":                              "missing-element",
	} {
		if reply := c.rpc(action(hall)); !strings.Contains(reply, "<error-tag>"+tag+"</error-tag>") {
			t.Errorf("%s: %s, want %s", hall, reply, tag)
		}
	}
	if len(calls) != 1 {
		t.Errorf("a wrong action was carried out: %q", calls)
	}
	delete(e.actions, "/robots:hall/robot/walk")
	c.want(action("<robot><name>r2</name><walk><steps>3</steps></walk></robot>"), "operation-not-supported")
}

func TestNestedNotification(t *testing.T) {
	e := newRobots(t, nil)
	e.commit(`<hall xmlns="urn:robots"><robot><name>r2</name></robot></hall>`)
	path, err := tree.ParsePath(e.schema, "/robots:hall/robot[name='r2']")
	if err != nil {
		t.Fatal(err)
	}
	fell, err := e.schema.Find("/robots:hall/robot/fell")
	if err != nil {
		t.Fatal(err)
	}
	b := tree.NewBuilder(tree.New(fell))
	b.Leaf(fell.Child("hard"), schema.MustParse(fell.Child("hard").Type, "true"))
	when := time.Date(2026, 11, 21, 12, 0, 0, 5000000, time.FixedZone("", 3600))
	n := b.Seal()
	const wanted = `<notification xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"><eventTime>2026-11-21T11:00:00.005Z</eventTime>` +
		`<hall xmlns="urn:robots"><robot xmlns="urn:robots"><name xmlns="urn:robots">r2</name><fell xmlns="urn:robots"><hard>true</hard></fell></robot></hall></notification>`
	for filter, admitted := range map[string]bool{
		"":          true,
		`<filter/>`: false,
		`<filter><hall xmlns="urn:robots"/></filter>`:                                                                    true,
		`<filter><hall xmlns=""/></filter>`:                                                                              true,
		`<filter><hall xmlns="urn:other"/></filter>`:                                                                     false,
		`<filter><quiet xmlns="urn:robots"/></filter>`:                                                                   false,
		`<filter><hall xmlns="urn:robots"><robot><name>r2</name></robot></hall></filter>`:                                true,
		`<filter><hall xmlns="urn:robots"><robot><name>c3</name></robot></hall></filter>`:                                false,
		`<filter><hall xmlns="urn:robots"><robot><fell/></robot></hall></filter>`:                                        true,
		`<filter><hall xmlns="urn:robots"><robot><name>r2</name><fell><hard>true</hard></fell></robot></hall></filter>`:  true,
		`<filter><hall xmlns="urn:robots"><robot><name>r2</name><fell><hard>false</hard></fell></robot></hall></filter>`: false,
		`<filter><hall xmlns="urn:robots"><robot><fell><joint/></fell></robot></hall></filter>`:                          false,
		`<filter><hall xmlns="urn:robots"><robot><stood/></robot></hall></filter>`:                                       false,
		`<filter><hall xmlns="urn:robots"><robot><kind>big</kind></robot></hall></filter>`:                               false,
	} {
		c := e.open(base11)
		c.want(`<create-subscription xmlns="`+nsNotification+`">`+filter+`</create-subscription>`, "<ok/>")
		e.hub.Notify(when, n, path)
		got := ""
		if admitted {
			for !strings.Contains(got, "urn:robots") {
				got = c.next()
			}
			if got != wanted {
				t.Errorf("%s\n got %s\nwant %s", filter, got, wanted)
			}
		}
		c.send(`<rpc xmlns="` + nsBase + `" message-id="9"><close-session/></rpc>`)
		for !strings.Contains(got, "<ok/>") {
			if got = c.next(); strings.Contains(got, "urn:robots") {
				t.Errorf("%s lets %s through", filter, got)
			}
		}
		c.ended()
	}
}
