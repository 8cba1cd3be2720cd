package validate

import (
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// judge reads content as the configuration of module net and returns the errors
// of the decoder or, if there are none, of the validator.
func judge(t *testing.T, s *schema.Schema, content string) yangerr.List {
	t.Helper()
	r := xmltok.NewReader([]byte(`<config><net xmlns="urn:n">`+content+`</net></config>`), xmltok.Limits{})
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	root, err := codec.DecodeData(s, s.Root(), r, codec.DataOptions{ConfigOnly: true})
	if err != nil {
		return yangerr.From(err)
	}
	_, errs := New(s).Full(root)
	return errs
}

// TestStatements: every constraint of YANG with data that keeps it and data that
// breaks it; the error is "tag app-tag path: message".
func TestStatements(t *testing.T) {
	for _, tc := range []struct{ name, body, valid, broken, want string }{
		{"must with message and tag", `leaf a { type uint8; must ". > 3" { error-message "four at least"; error-app-tag "low"; } }`, "<a>4</a>", "<a>3</a>",
			"operation-failed low a: four at least"},
		{"must with a message only", `leaf a { type uint8; must ". > 3" { error-message "four at least"; } }`, "<a>4</a>", "<a>3</a>", "operation-failed must-violation a: four at least"},
		{"range with message and tag", `leaf a { type uint8 { range "4..9" { error-message "four to nine"; error-app-tag "four"; } } }`, "<a>4</a>", "<a>3</a>", `invalid-value four a: four to nine`},
		{"pattern with message and tag", `leaf a { type string { pattern "[a-z]*" { error-message "small letters"; error-app-tag "small"; } } }`, "<a>x</a>", "<a>X</a>", `invalid-value small a: small letters`},
		{"when", `leaf a { type uint8; } leaf b { when "../a = 1"; type uint8; }`, "<a>1</a><b>1</b>", "<a>2</a><b>1</b>", `unknown-element b: "b" exists only when ../a = 1.`},
		{"leafref", `leaf a { type uint8; } leaf b { type leafref { path "../a"; } }`, "<a>1</a><b>1</b>", "<a>1</a><b>2</b>", `data-missing instance-required b: There is no /net:net/a with the value "2".`},
		{"leafref without instance", `leaf a { type uint8; } leaf b { type leafref { path "../a"; require-instance false; } }`, "<a>1</a><b>2</b>", "<b>x</b>", `invalid-value b: `},
		{"instance-identifier", `leaf a { type uint8; } leaf b { type instance-identifier; }`, `<a>1</a><b xmlns:n="urn:n">/n:net/n:a</b>`, `<b xmlns:n="urn:n">/n:net/n:a</b>`, `data-missing instance-required b: There is no instance /net:net/a.`},
		{"instance-identifier without instance", `leaf a { type uint8; } leaf b { type instance-identifier { require-instance false; } }`, `<b xmlns:n="urn:n">/n:net/n:a</b>`, `<b xmlns:n="urn:n">/n:net/n:c</b>`, `invalid-value b: `},
		{"unique over containers", `list l { key k; unique "c/x c/d/y"; leaf k { type uint8; } container c { leaf x { type uint8; } container d { leaf y { type uint8; } } } }`,
			"<l><k>1</k><c><x>1</x><d><y>1</y></d></c></l><l><k>2</k><c><x>1</x></c></l>", "<l><k>1</k><c><x>1</x><d><y>1</y></d></c></l><l><k>2</k><c><x>1</x><d><y>1</y></d></c></l>",
			`operation-failed data-not-unique l[k='2']: x="1" y="1" must be unique among the entries of "l".`},
		{"mandatory leaf", `container p { presence p; leaf a { type uint8; mandatory true; } }`, "<p><a>1</a></p>", "<p/>", `data-missing p/a: "a" is mandatory.`},
		{"mandatory anydata", `container p { presence p; anydata a { mandatory true; } }`, "<p><a><x/></a></p>", "<p/>", `data-missing p/a: "a" is mandatory.`},
		{"mandatory choice", `container p { presence p; choice c { mandatory true; leaf a { type uint8; } leaf b { type uint8; } } }`, "<p><b>1</b></p>", "<p/>", `data-missing missing-choice p: Choice "c" is mandatory.`},
		{"mandatory below a when", `leaf a { type uint8; } container p { presence p; leaf b { when "../../a = 1"; type uint8; mandatory true; } }`, "<a>2</a><p/>", "<a>1</a><p/>", `data-missing p/b: "b" is mandatory.`},
		{"min-elements", `container p { presence p; leaf-list a { type uint8; min-elements 2; } }`, "<p><a>1</a><a>2</a></p>", "<p><a>1</a></p>", `operation-failed too-few-elements p/a: "a" needs 2 entries at least and has 1.`},
		{"max-elements", `list a { key k; max-elements 1; leaf k { type uint8; } }`, "<a><k>1</k></a>", "<a><k>1</k></a><a><k>2</k></a>", `operation-failed too-many-elements a: "a" takes 1 entries at most and has 2.`},
		{"two cases", `choice c { leaf a { type uint8; } case b { leaf b { type uint8; } leaf d { type uint8; } } }`, "<b>1</b><d>1</d>", "<a>1</a><b>1</b>", `bad-element b: "b" is in case "b" of choice "c", of which case "a" is present too`},
		{"if-feature", `leaf a { if-feature on; type uint8; } leaf b { if-feature "off or not on"; type uint8; }`, "<a>1</a>", "<b>1</b>", `unknown-element : container "net" has no element "b"`},
		{"if-feature of an enum", `leaf a { type enumeration { enum x; enum y { if-feature off; } } }`, "<a>x</a>", "<a>y</a>", `invalid-value a: `},
		{"deviation that adds", `leaf a { type uint8; } leaf-list many { type uint8; }`, "<many>1</many>", "<many>1</many><many>2</many>", `operation-failed too-many-elements many: "many" takes 1 entries at most and has 2.`},
		{"deviation that takes away", `leaf a { type uint8; } leaf gone { type uint8; } leaf-list many { type uint8; }`, "<a>1</a>", "<gone>1</gone>", `unknown-element : container "net" has no element "gone"`},
		{"obsolete and deprecated", `leaf a { status obsolete; type uint8; } leaf b { status deprecated; type uint8; must ". > 1"; }`, "<a>1</a><b>2</b>", "<b>1</b>", `operation-failed must-violation b: The condition . > 1 does not hold.`},
		{"state", `leaf a { config false; type uint8; } leaf b { type uint8; }`, "<b>1</b>", "<a>1</a>", `unknown-element a: "a" is state data, which a configuration does not contain`},
		{"all errors", `leaf a { type uint8; must ". > 3"; } leaf b { type leafref { path "../a"; } } leaf c { when "../a = 4"; type uint8; }`, "<a>4</a><b>4</b><c>1</c>", "<a>3</a><b>4</b><c>1</c>",
			"operation-failed must-violation a: The condition . > 3 does not hold.\ndata-missing instance-required b: There is no /net:net/a with the value \"4\".\nunknown-element c: \"c\" exists only when ../a = 4."},
		{"all errors of the decoder", `leaf a { type uint8; } leaf b { type uint8; }`, "<a>4</a>", "<a>x</a><z/><b>999</b><y/>",
			"invalid-value a: \nunknown-element : container \"net\" has no element \"z\"\ninvalid-value b: \nunknown-element : container \"net\" has no element \"y\""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := schema.Options{
				Sources: []schema.Source{{Name: "net.yang", Text: []byte(`module net { yang-version 1.1; namespace "urn:n"; prefix n; feature on; feature off; container net { ` + tc.body + ` } }`)},
					{Name: "dev.yang", Text: []byte(`module dev { yang-version 1.1; namespace "urn:d"; prefix d; import net { prefix n; }
						deviation /n:net/n:many { deviate add { max-elements 1; } } deviation /n:net/n:gone { deviate not-supported; } }`)}},
				Implement: []string{"net"}, Features: map[string][]string{"net": {"on"}},
			}
			if strings.Contains(tc.body, "many") {
				if !strings.Contains(tc.body, "gone") {
					o.Sources[1].Text = []byte(strings.ReplaceAll(string(o.Sources[1].Text), "deviation /n:net/n:gone { deviate not-supported; }", ""))
				}
				o.Implement = append(o.Implement, "dev")
			}
			s, err := schema.Compile(o)
			if err != nil {
				t.Fatal(err)
			}
			if errs := judge(t, s, tc.valid); len(errs) > 0 {
				t.Errorf("%s: %v", tc.valid, errs)
			}
			errs := judge(t, s, tc.broken)
			want := strings.Split(tc.want, "\n")
			if len(errs) != len(want) {
				t.Fatalf("%s: %d errors: %v", tc.broken, len(errs), errs)
			}
			for i, e := range errs {
				path := ""
				if e.Path != nil {
					path = strings.TrimPrefix(short(e.Path.String()), "/net:net")
				}
				got := strings.Join(strings.Fields(string(e.Tag)+" "+e.AppTag), " ") + " " + path + ": " + e.Message
				if !strings.HasPrefix(got, want[i]) {
					t.Errorf("%s: got  %s\nwant %s", tc.broken, got, want[i])
				}
			}
		})
	}
}
