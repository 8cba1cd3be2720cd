package main

import (
	"context"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/cmd/tandem/client"
	"github.com/tandem-ne/tandem/cmd/tandem/elementtest"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// TestMEPCommands lets an element answer that only says what it was asked.
func TestMEPCommands(t *testing.T) {
	e := elementtest.New(t)
	const name = `a"<b>&'`
	asked, answer := "", [2]string{}
	for _, action := range []string{"lock", "unlock", "loopback"} {
		e.Actions["/mtp-node:mpls-tp/mtp-oam:oam/meg/mep/"+action] = func(_ context.Context, at tree.Path, input *tree.Node) (*tree.Node, error) {
			asked = at[len(at)-2].Keys[0].String() + " " + action
			if action == "loopback" {
				asked += " " + input.ChildNamed("enable").Value().String()
			}
			for _, n := range at[len(at)-1].Node.Actions() {
				if n.Name == action {
					b := tree.NewBuilder(tree.New(n.Output))
					for i, leaf := range []string{"outcome", "text"} {
						c := n.Output.Child(leaf)
						b.Leaf(c, schema.StringValue(c.Type, answer[i]))
					}
					return b.Seal(), nil
				}
			}
			return nil, nil
		}
	}
	s, err := client.Dial(t.Context(), e.Target)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const escaped = `a"&lt;b&gt;&amp;'`
	if err := s.Configure(t.Context(), `<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"><interface><name>e</name><type xmlns:i="urn:ietf:params:xml:ns:yang:iana-if-type">i:ethernetCsmacd</type></interface></interfaces>`+
		nodeNS+`<node><node-id>192.0.2.1</node-id></node><sections><section><name>s</name><interface>e</interface><if-num>1</if-num><peer><node-id>192.0.2.2</node-id><if-num>1</if-num></peer></section></sections>`+
		`<oam xmlns="urn:tandem:yang:mtp-oam"><meg><name>`+escaped+`</name><section>s</section><mep/></meg></oam>`+nodeEnd); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   []string
		answer [2]string
		asked  string
		out    string
		fails  string
	}{
		{[]string{"mep", "lock", name}, [2]string{"accepted", "locked"}, name + " lock", "locked\n", ""},
		{[]string{"mep", "unlock", name}, [2]string{"accepted", ""}, name + " unlock", "", ""},
		{[]string{"mep", "loopback", name, "on"}, [2]string{"refused", "not locked"}, name + " loopback true", "", "tandem: refused: not locked"},
		{[]string{"mep", "loopback", name, "off"}, [2]string{"accepted", "cleared"}, name + " loopback false", "cleared\n", ""},
		{[]string{"mep", "lock", "nobody"}, [2]string{}, "", "", "data-missing"},
	} {
		asked, answer = "", c.answer
		cmd := tandem(t, e, c.args...)
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		if asked != c.asked || out.String() != c.out || (err != nil) != (c.fails != "") || !strings.Contains(errs.String(), c.fails) {
			t.Errorf("%v: asked %q, printed %q, %q, %v", c.args, asked, out.String(), errs.String(), err)
		}
	}
}
