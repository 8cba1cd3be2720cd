package codec

import (
	"errors"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

func TestDecodeEdits(t *testing.T) {
	s := testSchema(t)
	for _, tc := range []struct {
		name, in string
		op       tree.Op
		want     string
	}{
		{"nothing", ``, tree.Merge, ""},
		{"one leaf", `<top><u8>5</u8></top>`, tree.Merge,
			"merge /kitchen:top {\"u8\":5}\n"},
		{"two modules", `<top><u8>5</u8></top><p:store><p:n>1</p:n></p:store>`, tree.Merge,
			"merge /kitchen:top {\"u8\":5}\nmerge /pantry:store {\"n\":1}\n"},
		{"empty container without presence", `<top><inner/></top>`, tree.Merge, ""},
		{"presence container", `<top><presence/></top>`, tree.Merge, "merge /kitchen:top {\"presence\":{}}\n"},
		{"default-operation replace replaces all", `<top><u8>5</u8></top>`, tree.Replace,
			"replace / {\"top\":{\"u8\":5}}\n"},
		{"default-operation replace with nothing", ``, tree.Replace, "replace / {}\n"},
		{"keys in any order and last", `<top><entry><value>v</value><id>1</id><name>a</name></entry></top>`, tree.Merge,
			"merge /kitchen:top {\"entry\":[{\"name\":\"a\",\"id\":1,\"value\":\"v\"}]}\n"},
		{"comments, CDATA and white space", "<top> <!-- x -->\n<str><![CDATA[<a>]]> b</str><u8>\n 5 </u8></top>", tree.Merge,
			"merge /kitchen:top {\"u8\":5,\"str\":\"<a> b\"}\n"},
		{"delete of an entry", `<top><entry nc:operation="delete"><name>a</name><id>1</id></entry></top>`, tree.Merge,
			"delete /kitchen:top/entry[name='a'][id='1']\n"},
		{"content of what is deleted", `<top><entry nc:operation="remove"><name>a</name><id>1</id><value>x</value><sub><v>y</v></sub></entry></top>`, tree.Merge,
			"remove /kitchen:top/entry[name='a'][id='1']\n"},
		{"delete of a leaf without value", `<top><u8 nc:operation="delete"/></top>`, tree.Merge, "delete /kitchen:top/u8\n"},
		{"delete of a leaf-list value", `<top><numbers nc:operation="delete">4</numbers></top>`, tree.Merge, "delete /kitchen:top/numbers[.='4'] = 4\n"},
		{"operations in document order",
			`<top><road nc:operation="delete"/><ship>s</ship><inner nc:operation="replace"><y>1</y></inner><u8>5</u8></top>`, tree.Merge,
			"delete /kitchen:top/road\nmerge /kitchen:top/ship = s\nreplace /kitchen:top/inner {\"y\":\"1\"}\nmerge /kitchen:top/u8 = 5\n"},
		{"region before, inside and after",
			`<top><u8>5</u8><entry><name>a</name><id>1</id><value nc:operation="remove"/><sub><v>x</v></sub></entry><u16>6</u16></top>`, tree.Merge,
			"merge /kitchen:top {\"u8\":5,\"entry\":[{\"name\":\"a\",\"id\":1}]}\nremove /kitchen:top/entry[name='a'][id='1']/value\n" +
				"merge /kitchen:top/entry[name='a'][id='1']/sub {\"v\":\"x\"}\nmerge /kitchen:top/u16 = 6\n"},
		{"replace with a nested operation", `<top><inner nc:operation="replace"><y>1</y><deep nc:operation="merge"><z>2</z></deep></inner></top>`, tree.Merge,
			"replace /kitchen:top/inner {\"y\":\"1\"}\nmerge /kitchen:top/inner/deep {\"z\":\"2\"}\n"},
		{"replace of a container by nothing", `<top><inner nc:operation="replace"/></top>`, tree.Merge, "replace /kitchen:top/inner {}\n"},
		{"create twice", `<top nc:operation="create"><u8>5</u8></top>`, tree.None, "create /kitchen:top {\"u8\":5}\n"},
		{"default-operation none", `<top><entry><name>a</name><id>1</id><value nc:operation="create">v</value></entry></top>`, tree.None,
			"none /kitchen:top/entry[name='a'][id='1']\ncreate /kitchen:top/entry[name='a'][id='1']/value = v\n"},
		{"none on leafs and presence", `<top><presence><x>1</x></presence></top>`, tree.None,
			"none /kitchen:top/presence\nnone /kitchen:top/presence/x = 1\n"},
		{"insert", `<top><ordered yang:insert="first"><name>a</name></ordered><ordered yang:insert="after" yang:key="[k:name='a']"><name>b</name><v>w</v></ordered>` +
			`<names yang:insert="before" yang:value="n">m</names></top>`, tree.Merge,
			"merge /kitchen:top/ordered[name='a'] {\"name\":\"a\"} first\nmerge /kitchen:top/ordered[name='b'] {\"name\":\"b\",\"v\":\"w\"} after a\n" +
				"merge /kitchen:top/names[.='m'] = m before n\n"},
		{"prefixes in values", `<top><id>p:square</id><shelf xmlns="` + pantryNS + `"><kind xmlns:q="` + kitchenNS + `">q:round</kind></shelf><inst xmlns:x="` + kitchenNS + `">/x:top/x:entry[x:name='a'][x:id='1']/x:value</inst></top>`, tree.Merge,
			"merge /kitchen:top {\"id\":\"square\",\"inst\":\"/kitchen:top/entry[name='a'][id='1']/value\",\"shelf\":{\"kind\":\"round\"}}\n"},
		{"wd:default asks for the default", `<top><with-default wd:default="true">7</with-default></top>`, tree.Merge, "remove /kitchen:top/with-default\n"},
		{"wd:default false", `<top><with-default wd:default="false">8</with-default></top>`, tree.Merge, "merge /kitchen:top {\"with-default\":8}\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			edits, err := DecodeEdits(s, open(t, tc.in), EditOptions{Default: tc.op})
			if err != nil {
				t.Fatal(err)
			}
			if got := printEdits(edits); got != tc.want {
				t.Errorf("got\n%swant\n%s", got, tc.want)
			}
		})
	}
}

func TestDecodeEditsErrors(t *testing.T) {
	s := testSchema(t)
	for _, tc := range []struct {
		name, in string
		tag      yangerr.Tag
		path     string
		msg      string
		info     string // name=value of each error-info, comma-separated
	}{
		{"unknown element", `<top><nothing/></top>`, yangerr.UnknownElement, "/kitchen:top", `no element "nothing"`, "bad-element=nothing"},
		{"unknown at the top", `<nothing/>`, yangerr.UnknownElement, "", `top level has no element "nothing"`, "bad-element=nothing"},
		{"unknown namespace", `<top><u8 xmlns="urn:none">1</u8></top>`, yangerr.UnknownNamespace, "/kitchen:top", `"urn:none"`, "bad-element=u8,bad-namespace=urn:none"},
		{"no namespace", `<top xmlns=""/>`, yangerr.UnknownNamespace, "", `namespace ""`, "bad-element=top,bad-namespace="},
		{"name of another module", `<top><p:u8>1</p:u8></top>`, yangerr.UnknownElement, "/kitchen:top", `no element "u8" of namespace "urn:tandem:test:pantry"`, "bad-element=u8"},
		{"state data", `<top><state><count>1</count></state></top>`, yangerr.UnknownElement, "/kitchen:top/state", "state data", "bad-element=state"},
		{"wrong type", `<top><u8>x</u8></top>`, yangerr.InvalidValue, "/kitchen:top/u8", `leaf "u8"`, "bad-element=u8"},
		{"out of range", `<top><u8>256</u8></top>`, yangerr.InvalidValue, "/kitchen:top/u8", `leaf "u8"`, "bad-element=u8"},
		{"empty integer", `<top><u8/></top>`, yangerr.InvalidValue, "/kitchen:top/u8", `leaf "u8"`, "bad-element=u8"},
		{"undeclared prefix of an identity", `<top><id>zz:round</id></top>`, yangerr.InvalidValue, "/kitchen:top/id", `leaf "id"`, "bad-element=id"},
		{"mixed content", `<top>text<u8>1</u8></top>`, yangerr.BadElement, "/kitchen:top", "contains character data", "bad-element=top"},
		{"element in a leaf", `<top><u8>1<x/></u8></top>`, yangerr.UnknownElement, "/kitchen:top/u8", `contains the element "x"`, "bad-element=x"},
		{"leaf twice", `<top><u8>1</u8><u8>1</u8></top>`, yangerr.BadElement, "/kitchen:top/u8", "occurs twice", "bad-element=u8"},
		{"container twice", `<top><inner/><inner/></top>`, yangerr.BadElement, "/kitchen:top/inner", "occurs twice", "bad-element=inner"},
		{"key twice", `<top><entry><name>a</name><name>a</name><id>1</id></entry></top>`, yangerr.BadElement, "/kitchen:top/entry[name='a'][id='1']/name", "occurs twice", "bad-element=name"},
		{"entry twice", `<top><entry><name>a</name><id>1</id></entry><entry><id>01</id><name>a</name></entry></top>`, yangerr.BadElement, "/kitchen:top/entry[name='a'][id='1']", "occurs twice", "bad-element=entry"},
		{"leaf-list value twice", `<top><numbers>1</numbers><numbers>01</numbers></top>`, yangerr.BadElement, "/kitchen:top/numbers[.='1']", "occurs twice", "bad-element=numbers"},
		{"missing key", `<top><entry><name>a</name></entry></top>`, yangerr.MissingElement, "/kitchen:top/entry", `no key "id"`, "bad-element=id"},
		{"bad key", `<top><entry><name>a</name><id>x</id></entry></top>`, yangerr.InvalidValue, "/kitchen:top/entry/id", `leaf "id"`, "bad-element=id"},
		{"delete without key", `<top><entry nc:operation="delete"><id>1</id></entry></top>`, yangerr.MissingElement, "/kitchen:top/entry", `no key "name"`, "bad-element=name"},
		{"delete of a key", `<top><entry><name nc:operation="delete">a</name><id>1</id></entry></top>`, yangerr.BadAttribute, "/kitchen:top/entry[name='a'][id='1']/name", "cannot be deleted apart", "bad-attribute=operation,bad-element=name"},
		{"two cases", `<top><road>r</road><ship>s</ship></top>`, yangerr.BadElement, "/kitchen:top/ship", `case "by-sea" of choice "way"`, "bad-element=ship"},
		{"two cases of a nested choice", `<top><north/><south/></top>`, yangerr.BadElement, "/kitchen:top/south", `choice "harbour"`, "bad-element=south"},
		{"unknown operation", `<top nc:operation="destroy"/>`, yangerr.BadAttribute, "/kitchen:top", `"destroy" is no operation`, "bad-attribute=operation,bad-element=top"},
		{"operation without namespace", `<top operation="delete"/>`, yangerr.UnknownAttribute, "/kitchen:top", `"operation" of namespace ""`, "bad-attribute=operation,bad-element=top"},
		{"operation below a delete", `<top nc:operation="delete"><inner nc:operation="create"/></top>`, yangerr.BadAttribute, "/kitchen:top/inner", "being deleted", "bad-attribute=operation,bad-element=inner"},
		{"insert on a system-ordered list", `<top><numbers yang:insert="first">1</numbers></top>`, yangerr.BadAttribute, "/kitchen:top/numbers", "not ordered by the user", "bad-attribute=insert,bad-element=numbers"},
		{"insert nowhere", `<top><names yang:insert="middle">1</names></top>`, yangerr.BadAttribute, "/kitchen:top/names", `"middle"`, "bad-attribute=insert,bad-element=names"},
		{"insert without anchor", `<top><names yang:insert="after">1</names></top>`, yangerr.MissingAttribute, "/kitchen:top/names", `needs the attribute "value"`, "bad-attribute=value,bad-element=names"},
		{"anchor without insert", `<top><names yang:value="x">1</names></top>`, yangerr.BadAttribute, "/kitchen:top/names", "needs insert", "bad-attribute=value,bad-element=names"},
		{"malformed anchor", `<top><ordered yang:insert="after" yang:key="name='a'"><name>b</name></ordered></top>`, yangerr.BadAttribute, "/kitchen:top/ordered", "no predicate", "bad-attribute=key,bad-element=ordered"},
		{"wd:default with another value", `<top><with-default wd:default="true">8</with-default></top>`, yangerr.InvalidValue, "/kitchen:top/with-default", "not its default", "bad-element=with-default"},
		{"app-tag of the restriction", `<top><share>101</share></top>`, yangerr.InvalidValue, "/kitchen:top/share", "A percentage is at most 100.", "bad-element=share"},
		{"not well-formed", `<top><u8>1</u9></top>`, yangerr.MalformedMessage, "", "another end tag", ""},
		{"malformed inside the look-ahead for keys", `<top><entry><value>&x;</value></entry></top>`, yangerr.MalformedMessage, "", "&x;", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			edits, err := DecodeEdits(s, open(t, tc.in), EditOptions{Default: tree.Merge})
			var l yangerr.List
			if !errors.As(err, &l) || len(l) != 1 {
				t.Fatalf("got edits %sand %v, want one error", printEdits(edits), err)
			}
			if edits != nil {
				t.Errorf("edits came with the error")
			}
			checkError(t, l[0], tc.tag, tc.path, tc.msg)
			var info []string
			for _, i := range l[0].Info {
				info = append(info, i.Name+"="+i.Value)
			}
			if got := strings.Join(info, ","); got != tc.info {
				t.Errorf("error-info %q, want %q", got, tc.info)
			}
		})
	}
}

func checkError(t *testing.T, e *yangerr.Error, tag yangerr.Tag, path, msg string) {
	t.Helper()
	got := ""
	if e.Path != nil {
		got = e.Path.String()
	}
	if e.Tag != tag || got != path || !strings.Contains(e.Message, msg) {
		t.Errorf("got %s at %q: %q\nwant %s at %q: ...%s...", e.Tag, got, e.Message, tag, path, msg)
	}
	if tag == yangerr.MalformedMessage && e.Type != yangerr.RPC {
		t.Errorf("error-type %q, want rpc", e.Type)
	}
	if strings.Contains(e.Message, "percentage") && e.AppTag != "percent-range" {
		t.Errorf("error-app-tag %q", e.AppTag)
	}
}

func TestDecodeReportsAllErrors(t *testing.T) {
	s := testSchema(t)
	_, err := DecodeEdits(s, open(t, `<top><u8>x</u8><nothing><u8/></nothing><entry><id>1</id></entry><i8>1</i8><bool>maybe</bool></top>`), EditOptions{Default: tree.Merge})
	l := yangerr.From(err)
	want := []yangerr.Tag{yangerr.InvalidValue, yangerr.UnknownElement, yangerr.MissingElement, yangerr.InvalidValue}
	if len(l) != len(want) {
		t.Fatalf("got %v", l)
	}
	for i, tag := range want {
		if l[i].Tag != tag {
			t.Errorf("error %d is %v, want %s", i, l[i], tag)
		}
	}
	_, err = DecodeEdits(s, open(t, `<top>`+strings.Repeat("<nothing/>", 1000)+`</top>`), EditOptions{Default: tree.Merge})
	if l := yangerr.From(err); len(l) != maxErrors {
		t.Errorf("%d errors reported, want %d", len(l), maxErrors)
	}
}

func TestDecodeAction(t *testing.T) {
	s := testSchema(t)
	path, action, input, err := DecodeAction(s, open(t, `<top><entry><name>a</name><id>1</id><reset><hard>true</hard></reset></entry></top>`))
	if err != nil {
		t.Fatal(err)
	}
	if path.String() != "/kitchen:top/entry[name='a'][id='1']" || action.Name != "reset" {
		t.Errorf("action %s on %s", action.Name, path)
	}
	if got := string(AppendJSON(nil, input, EncodeOptions{})); got != `{"hard":true}` {
		t.Errorf("input %s", got)
	}
	for _, tc := range []struct {
		name, in string
		tag      yangerr.Tag
	}{
		{"no action", `<top><entry><name>a</name><id>1</id></entry></top>`, yangerr.MissingElement},
		{"nothing", ``, yangerr.MissingElement},
		{"no key", `<top><entry><reset/></entry></top>`, yangerr.MissingElement},
		{"unknown action", `<top><entry><name>a</name><id>1</id><explode/></entry></top>`, yangerr.UnknownElement},
		{"action of another namespace", `<top><entry><name>a</name><id>1</id><p:reset/></entry></top>`, yangerr.UnknownElement},
		{"bad input", `<top><entry><name>a</name><id>1</id><reset><hard>maybe</hard></reset></entry></top>`, yangerr.InvalidValue},
		{"two actions", `<top><entry><name>a</name><id>1</id><reset/><reset/></entry></top>`, yangerr.BadElement},
		{"leaf beside it", `<top><u8>1</u8></top>`, yangerr.UnknownElement},
		{"not well-formed", `<top><entry>`, yangerr.MalformedMessage},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, _, err := DecodeAction(s, open(t, tc.in))
			if l := yangerr.From(err); len(l) == 0 || l[0].Tag != tc.tag {
				t.Errorf("got %v, want %s", err, tc.tag)
			}
		})
	}
}

func TestDecodeOperation(t *testing.T) {
	s := testSchema(t)
	rpc := s.RPC(s.Module("kitchen"), "cook")
	in, err := DecodeData(s, rpc.Input, open(t, `<what>soup</what><how><p:slow a="1">very</p:slow></how>`), DataOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := `<what xmlns="urn:tandem:test:kitchen">soup</what><how xmlns="urn:tandem:test:kitchen"><p:slow xmlns="urn:tandem:test:kitchen" xmlns:p="urn:tandem:test:pantry" a="1">very</p:slow></how>`
	if got := string(AppendXML(nil, in, EncodeOptions{})); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	_, err = DecodeData(s, rpc.Input, open(t, `<what>soup</what><who>me</who>`), DataOptions{})
	l := yangerr.From(err)
	if len(l) != 1 || l[0].Tag != yangerr.UnknownElement || l[0].Path.String() != "/kitchen:cook" {
		t.Errorf("got %v", l)
	}
}
