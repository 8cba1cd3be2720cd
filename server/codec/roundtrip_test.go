package codec

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// everything is one instance of every kind and type.
const everything = `<top xmlns="urn:tandem:test:kitchen"><i8>-128</i8><i16>-32768</i16><i32>-2147483648</i32><i64>-9223372036854775808</i64>` +
	`<u8>255</u8><u16>65535</u16><u32>4294967295</u32><u64>18446744073709551615</u64><dec>-1.125</dec><str>a &lt;b&gt; &amp; "c" é😀</str>` +
	`<short>abc</short><bool>true</bool><enum>two words</enum><bits>a c</bits><bin>aGVsbG8=</bin><ref>9</ref>` +
	`<id xmlns:p="urn:tandem:test:pantry">p:square</id><empty/>` +
	`<inst xmlns:k="urn:tandem:test:kitchen" xmlns:p="urn:tandem:test:pantry">/k:top/k:entry[k:name='a:/[b'][k:id='1']/p:label</inst>` +
	`<uni>18446744073709551615</uni><share>100</share><with-default>9</with-default><numbers>3</numbers><numbers>10</numbers>` +
	`<names>z</names><names>a</names><shapes xmlns:k="urn:tandem:test:kitchen">k:round</shapes>` +
	`<blob><a xmlns="urn:tandem:test:pantry">1</a><b xmlns="urn:unknown"><c>2</c></b></blob><raw>plain</raw><presence/>` +
	`<inner><deep><z>deep</z></deep></inner><ship>s</ship><south/>` +
	`<entry><name>a</name><id>1</id><value>v</value><sub><v>w</v></sub>` +
	`<nested><kind xmlns:k="urn:tandem:test:kitchen">k:round</kind><n>-1</n></nested>` +
	`<nested><kind xmlns:p="urn:tandem:test:pantry">p:square</kind></nested>` +
	`<label xmlns="urn:tandem:test:pantry">77</label></entry><entry><name>b</name><id>2</id></entry>` +
	`<ordered><name>y</name></ordered><ordered><name>x</name></ordered>` +
	`<state><count>5</count><sample><at>1</at></sample><sample><at>1</at></sample></state>` +
	`<shelf xmlns="urn:tandem:test:pantry"><jar>jam</jar><kind xmlns:p="urn:tandem:test:pantry">p:square</kind></shelf>` +
	`<extra xmlns="urn:tandem:test:pantry">1</extra></top><store xmlns="urn:tandem:test:pantry"><n>1</n></store>`

const everythingIETF = `{"kitchen:top":{"i8":-128,"i16":-32768,"i32":-2147483648,"i64":"-9223372036854775808",` +
	`"u8":255,"u16":65535,"u32":4294967295,"u64":"18446744073709551615","dec":"-1.125","str":"a <b> & \"c\" é😀",` +
	`"short":"abc","bool":true,"enum":"two words","bits":"a c","bin":"aGVsbG8=","ref":9,"id":"pantry:square","empty":[null],` +
	`"inst":"/kitchen:top/entry[name='a:/[b'][id='1']/pantry:label","uni":"18446744073709551615","share":100,"with-default":9,` +
	`"numbers":[3,10],"names":["z","a"],"shapes":["kitchen:round"],"blob":{"pantry:a":"1","b":{"c":"2"}},"raw":"plain","presence":{},` +
	`"inner":{"deep":{"z":"deep"}},"ship":"s","south":[null],"entry":[{"name":"a","id":1,"value":"v","sub":{"v":"w"},` +
	`"nested":[{"kind":"kitchen:round","n":"-1"},{"kind":"pantry:square"}],"pantry:label":77},{"name":"b","id":2}],` +
	`"ordered":[{"name":"y"},{"name":"x"}],"state":{"count":"5","sample":[{"at":1},{"at":1}]},` +
	`"pantry:shelf":{"jar":"jam","kind":"pantry:square"},"pantry:extra":"1"},"pantry:store":{"n":1}}`

func TestEncodeXML(t *testing.T) {
	s := testSchema(t)
	n := data(t, s, everything)
	if got := string(AppendXML(nil, n, EncodeOptions{})); got != everything {
		t.Errorf("got\n%s\nwant\n%s", got, everything)
	}
	var w bytes.Buffer
	if err := EncodeXML(&w, n, EncodeOptions{ConfigOnly: true}); err != nil || strings.Contains(w.String(), "state") {
		t.Errorf("%v: state data in %s", err, w.String())
	}
	top := n.ChildNamed("top")
	for _, tc := range []struct {
		name string
		n    *tree.Node
		opt  EncodeOptions
		want string
	}{
		{"nil", nil, EncodeOptions{}, ""},
		{"a leaf", top.ChildNamed("id"), EncodeOptions{}, `<id xmlns="urn:tandem:test:kitchen" xmlns:p="urn:tandem:test:pantry">p:square</id>`},
		{"a holder", top.ChildNamed("ordered"), EncodeOptions{}, `<ordered xmlns="urn:tandem:test:kitchen"><name>y</name></ordered><ordered xmlns="urn:tandem:test:kitchen"><name>x</name></ordered>`},
		{"indented", top.ChildNamed("inner"), EncodeOptions{Indent: "  "}, "<inner xmlns=\"urn:tandem:test:kitchen\">\n  <deep>\n    <z>deep</z>\n  </deep>\n</inner>"},
		{"carriage return", data(t, s, `<top><str>&#13;</str></top>`), EncodeOptions{}, `<top xmlns="urn:tandem:test:kitchen"><str>&#13;</str></top>`},
		{"empty string", data(t, s, `<top><str></str></top>`), EncodeOptions{}, `<top xmlns="urn:tandem:test:kitchen"><str/></top>`},
		{"trimmed", data(t, s, `<top><u8>1</u8><with-default>7</with-default></top>`), EncodeOptions{Defaults: tree.Trim}, `<top xmlns="urn:tandem:test:kitchen"><u8>1</u8></top>`},
		{"all defaults", data(t, s, `<top><u8>1</u8></top>`), EncodeOptions{Defaults: tree.ReportAll}, `<top xmlns="urn:tandem:test:kitchen"><u8>1</u8><with-default>7</with-default></top>`},
		{"tagged, not set", data(t, s, `<top><u8>1</u8></top>`), EncodeOptions{Defaults: tree.ReportAllTagged}, `<top xmlns="urn:tandem:test:kitchen"><u8>1</u8><with-default xmlns:wd="` + NamespaceWithDefaults + `" wd:default="true">7</with-default></top>`},
		{"tagged, set to it", data(t, s, `<top><with-default>7</with-default></top>`), EncodeOptions{Defaults: tree.ReportAllTagged}, `<top xmlns="urn:tandem:test:kitchen"><with-default xmlns:wd="` + NamespaceWithDefaults + `" wd:default="true">7</with-default></top>`},
		{"tagged, set to something else", data(t, s, `<top><with-default>8</with-default></top>`), EncodeOptions{Defaults: tree.ReportAllTagged}, `<top xmlns="urn:tandem:test:kitchen"><with-default>8</with-default></top>`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := string(AppendXML(nil, tc.n, tc.opt)); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestEncodeJSON(t *testing.T) {
	s := testSchema(t)
	n := data(t, s, everything)
	if got := string(AppendJSON(nil, n, EncodeOptions{IETF: true})); got != everythingIETF {
		t.Errorf("got\n%s\nwant\n%s", got, everythingIETF)
	}
	top := n.ChildNamed("top")
	for _, tc := range []struct {
		name string
		n    *tree.Node
		opt  EncodeOptions
		want string
	}{
		{"nil", nil, EncodeOptions{}, "{}"},
		{"a leaf", top.ChildNamed("u64"), EncodeOptions{IETF: true}, `"18446744073709551615"`},
		{"a leaf in plain JSON", top.ChildNamed("u64"), EncodeOptions{}, `18446744073709551615`},
		{"decimal64 in plain JSON", top.ChildNamed("dec"), EncodeOptions{}, `-1.125`},
		{"identity in plain JSON", top.ChildNamed("id"), EncodeOptions{}, `"square"`},
		{"a leaf-list", top.ChildNamed("names"), EncodeOptions{IETF: true}, `["z","a"]`},
		{"names at the top of a value", top.ChildNamed("inner"), EncodeOptions{IETF: true}, `{"kitchen:deep":{"z":"deep"}}`},
		{"no names in plain JSON", top.ChildNamed("shelf"), EncodeOptions{}, `{"jar":"jam","kind":"square"}`},
		{"indented", top.ChildNamed("ordered"), EncodeOptions{Indent: " "}, "[\n {\n  \"name\": \"y\"\n },\n {\n  \"name\": \"x\"\n }\n]"},
		{"control characters", tree.NewLeaf(top.ChildNamed("str").Schema(), schema.StringValue(top.ChildNamed("str").Value().Type(), "\t\n\r\\\"\x01\xff")), EncodeOptions{}, `"\t\n\r\\\"\u0001` + "\ufffd" + `"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := string(AppendJSON(nil, tc.n, tc.opt)); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
	var w bytes.Buffer
	if err := EncodeJSON(&w, n, EncodeOptions{ConfigOnly: true}); err != nil || strings.Contains(w.String(), "state") {
		t.Errorf("%v: state data in %s", err, w.String())
	}
}

// TestAnyKeepsItsNamespaces captures anydata under prefixes of the elements
// around it.
func TestAnyKeepsItsNamespaces(t *testing.T) {
	s := testSchema(t)
	for _, tc := range []struct{ name, in, want string }{
		{"default namespace of outside", `<top><blob><x/></blob></top>`, `<x xmlns="urn:tandem:test:kitchen"/>`},
		{"prefix of outside", `<top><blob><p:x a='1'>t<p:y/></p:x></blob></top>`, `<p:x xmlns="urn:tandem:test:kitchen" xmlns:p="urn:tandem:test:pantry" a='1'>t<p:y/></p:x>`},
		{"prefix only in text", `<top><blob><x xmlns="urn:q">p:square</x></blob></top>`, `<x xmlns:p="urn:tandem:test:pantry" xmlns="urn:q">p:square</x>`},
		{"two children, a comment and space", "<top><blob> <x xmlns='u'/><!-- c -->\n<y xmlns='u'></y> </blob></top>", " <x xmlns='u'/><!-- c -->\n<y xmlns='u'></y> "},
		{"empty", `<top><blob/></top>`, ""},
		{"CDATA in anyxml", `<top><raw><![CDATA[<]]></raw></top>`, `<![CDATA[<]]>`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := data(t, s, tc.in).ChildNamed("top")
			var got *tree.Any
			for c := range n.Children() {
				got = c.Anydata()
			}
			if string(got.XML) != tc.want {
				t.Errorf("got  %s\nwant %s", got.XML, tc.want)
			}
		})
	}
}

// TestAnyAcrossEncodings prints in XML what came in JSON.
func TestAnyAcrossEncodings(t *testing.T) {
	s := testSchema(t)
	n, err := DecodeJSONData(s, s.Root(), []byte(`{"kitchen:top":{"blob":{"pantry:a":[1,"two"],"b":{"c":null,"d":true,"e":"<"}}}}`), JSONOptions{IETF: true})
	if err != nil {
		t.Fatal(err)
	}
	want := `<top xmlns="urn:tandem:test:kitchen"><blob><a xmlns="urn:tandem:test:pantry">1</a><a xmlns="urn:tandem:test:pantry">two</a><b><c></c><d>true</d><e>&lt;</e></b></blob></top>`
	if got := string(AppendXML(nil, n, EncodeOptions{})); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// FuzzXML: what decodes prints, and what is printed decodes to the same tree.
func FuzzXML(f *testing.F) {
	s := testSchema(f)
	f.Add([]byte(everything))
	f.Add([]byte(`<k:top xmlns:k="urn:tandem:test:kitchen"><k:str> a<![CDATA[b]]>&#13;</k:str><k:uni>s1</k:uni></k:top>`))
	f.Add([]byte(`<top xmlns="urn:tandem:test:kitchen"><uni xmlns:q="urn:tandem:test:pantry">q:square</uni><blob><q:x xmlns:q="u"/></blob></top>`))
	f.Fuzz(func(t *testing.T, in []byte) {
		n, err := decodeXMLDoc(s, in)
		if err != nil {
			return
		}
		once := AppendXML(nil, n, EncodeOptions{})
		again, err := decodeXMLDoc(s, once)
		if err != nil {
			t.Fatalf("%s\nprints as\n%s\nwhich is refused: %v", in, once, err)
		}
		if twice := AppendXML(nil, again, EncodeOptions{}); !bytes.Equal(once, twice) {
			t.Errorf("prints as\n%s\nthen as\n%s", once, twice)
		}
	})
}

// FuzzJSON is FuzzXML for JSON, and prints the same tree in XML in between.
func FuzzJSON(f *testing.F) {
	s := testSchema(f)
	f.Add([]byte(everythingIETF), true)
	f.Add([]byte(`{"top":{"i64":-1,"dec":1.50,"str":"\u00e9\ud83d\ude00","uni":true,"empty":[ null ]}}`), false)
	f.Add([]byte(`{"kitchen:top":{"u8":1e1,"blob":{"a":[1,{"b":null}]}}}`), true)
	f.Fuzz(func(t *testing.T, in []byte, ietf bool) {
		n, err := DecodeJSONData(s, s.Root(), in, JSONOptions{IETF: ietf})
		if err != nil {
			return
		}
		once := AppendJSON(nil, n, EncodeOptions{IETF: true})
		again, err := DecodeJSONData(s, s.Root(), once, JSONOptions{IETF: true})
		if err != nil {
			t.Fatalf("%s\nprints as\n%s\nwhich is refused: %v", in, once, err)
		}
		if twice := AppendJSON(nil, again, EncodeOptions{IETF: true}); !bytes.Equal(once, twice) {
			t.Errorf("prints as\n%s\nthen as\n%s", once, twice)
		}
		if bytes.Contains(once, []byte(`"blob"`)) || bytes.Contains(once, []byte(`"raw"`)) || bytes.Contains(once, []byte(`\u00`)) || bytes.ContainsRune(once, 0xFFFE) || bytes.ContainsRune(once, 0xFFFF) {
			return // JSON values and characters that XML cannot carry
		}
		x := AppendXML(nil, n, EncodeOptions{})
		fromXML, err := decodeXMLDoc(s, x)
		if err != nil {
			t.Fatalf("%s\nprints as\n%s\nwhich is refused: %v", in, x, err)
		}
		if !tree.Equal(n, fromXML) {
			t.Errorf("JSON %s\nis not XML %s", once, x)
		}
	})
}

// FuzzEdits: whatever the message, decoding ends, and what it returns applies
// or is refused without a panic.
func FuzzEdits(f *testing.F) {
	s := testSchema(f)
	base, err := decodeXMLDoc(s, []byte(everything))
	if err != nil {
		f.Fatal(err)
	}
	const ns = ` xmlns="urn:tandem:test:kitchen" xmlns:nc="` + NamespaceNETCONF + `" xmlns:yang="` + NamespaceYANG + `"`
	f.Add([]byte(`<config`+ns+`><top><entry nc:operation="delete"><name>a</name><id>1</id></entry><names yang:insert="first">a</names></top></config>`), byte(1))
	f.Add([]byte(`<config`+ns+`><top nc:operation="replace"><road>r</road></top></config>`), byte(0))
	f.Fuzz(func(t *testing.T, in []byte, op byte) {
		r := xmltok.NewReader(in, xmltok.Limits{})
		if k, err := r.Next(); err != nil || k != xmltok.Start {
			return
		}
		edits, err := DecodeEdits(s, r, EditOptions{Default: tree.Op(op % 3)})
		if err != nil {
			return
		}
		after, errs := tree.Apply(base, edits)
		if len(errs) > 0 && after != base {
			t.Error("a refused edit changed the tree")
		}
	})
}

// decodeXMLDoc decodes top-level elements, which it puts into one root.
func decodeXMLDoc(s *schema.Schema, content []byte) (*tree.Node, error) {
	doc := append(append([]byte("<data>"), content...), "</data>"...)
	r := xmltok.NewReader(doc, xmltok.Limits{})
	if _, err := r.Next(); err != nil {
		return nil, err
	}
	n, err := DecodeData(s, s.Root(), r, DataOptions{})
	if err != nil {
		return nil, err
	}
	if _, err := r.Next(); err != nil {
		return nil, err
	}
	return n, nil
}
