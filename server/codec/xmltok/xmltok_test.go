package xmltok

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// dump prints the tokens of a document, one per line.
func dump(r *Reader) (string, error) {
	var b strings.Builder
	for {
		k, err := r.Next()
		if err != nil {
			return b.String(), err
		}
		switch k {
		case EOF:
			return b.String(), nil
		case Start:
			fmt.Fprintf(&b, "<{%s}%s", r.Space(), r.Local())
			for _, a := range r.Attrs() {
				fmt.Fprintf(&b, " {%s}%s=%q", a.Space, a.Local, a.Value)
			}
			b.WriteString(">\n")
		case End:
			fmt.Fprintf(&b, "</{%s}%s>\n", r.Space(), r.Local())
		case Text:
			fmt.Fprintf(&b, "%q\n", r.Text())
		}
	}
}

func TestTokens(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"empty element", `<a/>`, "<{}a>\n</{}a>\n"},
		{"declaration, white space, comment", "\ufeff<?xml version=\"1.0\" encoding='utf-8'?>\n<!-- x -->\n<a/>\n<!-- y -->", "<{}a>\n</{}a>\n"},
		{"default namespace", `<a xmlns="urn:x"><b/></a>`, "<{urn:x}a>\n<{urn:x}b>\n</{urn:x}b>\n</{urn:x}a>\n"},
		{"prefix and undeclared default", `<p:a xmlns:p="urn:x"><b xmlns=""/></p:a>`, "<{urn:x}a>\n<{}b>\n</{}b>\n</{urn:x}a>\n"},
		{"redeclared prefix", `<p:a xmlns:p="urn:x"><p:b xmlns:p="urn:y"/><p:c/></p:a>`,
			"<{urn:x}a>\n<{urn:y}b>\n</{urn:y}b>\n<{urn:x}c>\n</{urn:x}c>\n</{urn:x}a>\n"},
		{"attribute declared later", `<a p:o="1" o="2" xmlns:p="urn:x"/>`, "<{}a {urn:x}o=\"1\" {}o=\"2\">\n</{}a>\n"},
		{"xml prefix", `<a xml:lang="en"/>`, "<{}a {" + NamespaceXML + "}lang=\"en\">\n</{}a>\n"},
		{"entities", `<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;&#x1F600;</a>`, "<{}a>\n" + `"<>&\"'AB😀"` + "\n</{}a>\n"},
		{"attribute value", "<a b='x\ty\r\nz&#10;&quot;'/>", `<{}a {}b="x y z\n\"">` + "\n</{}a>\n"},
		{"CDATA", `<a>x<![CDATA[<&]]>y</a>`, "<{}a>\n" + `"x<&y"` + "\n</{}a>\n"},
		{"empty CDATA before plain text and comment", `<a><![CDATA[]]>x<!-- c -->y</a>`, "<{}a>\n" + `"xy"` + "\n</{}a>\n"},
		{"empty CDATA is no text", `<a><![CDATA[]]></a>`, "<{}a>\n</{}a>\n"},
		{"comment splits no text", `<a>1<!-- 2 -->3<?pi 4?>5</a>`, "<{}a>\n" + `"135"` + "\n</{}a>\n"},
		{"line ends", "<a>1\r\n2\r3<![CDATA[\r\n\r]]></a>", "<{}a>\n" + `"1\n2\n3\n\n"` + "\n</{}a>\n"},
		{"single brackets", `<a>]]&gt;]</a>`, "<{}a>\n" + `"]]>]"` + "\n</{}a>\n"},
		{"space in tags", "<a  b = '1'\n/>", "<{}a {}b=\"1\">\n</{}a>\n"},
		{"names beyond ASCII", `<é·/>`, "<{}é·>\n</{}é·>\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := dump(NewReader([]byte(tc.in), Limits{}))
			if err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("got\n%swant\n%s", got, tc.want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		offset   int64
		msg      string
	}{
		{"empty", "", 0, "no root element"},
		{"only a comment", "<!-- a -->", 10, "no root element"},
		{"text outside", "x<a/>", 0, "outside the root"},
		{"text after", "<a/>x", 4, "outside the root"},
		{"second root", "<a/><b/>", 4, "second root"},
		{"unclosed element", "<a><b></b>", 10, "ends inside the element \"a\""},
		{"unclosed tag", "<a", 0, "ends inside a tag"},
		{"lone <", "<a><", 3, "ends inside a tag"},
		{"wrong end tag", "<a></b>", 3, "another end tag"},
		{"longer end tag", "<a></ab>", 3, "another end tag"},
		{"end tag first", "</a>", 0, "end tag without"},
		{"attribute in end tag", "<a></a b='1'>", 3, "another end tag"},
		{"DTD", "<!DOCTYPE a><a/>", 0, "document type"},
		{"entity declared nowhere", "<a>&x;</a>", 3, "&x; is not defined"},
		{"bare ampersand", "<a>a & b</a>", 5, "starts no reference"},
		{"reference to NUL", "<a>&#0;</a>", 3, "not defined"},
		{"reference to a surrogate", "<a>&#xD800;</a>", 3, "not defined"},
		{"reference beyond Unicode", "<a>&#x110000;</a>", 3, "not defined"},
		{"empty reference", "<a>&#;</a>", 3, "not defined"},
		{"undeclared prefix", "<p:a/>", 0, `prefix "p" is not declared`},
		{"undeclared attribute prefix", "<a p:b='1'/>", 0, `prefix "p" of an attribute`},
		{"prefix out of scope", `<a><p:b xmlns:p="urn:x"/><p:c/></a>`, 25, `prefix "p" is not declared`},
		{"empty prefix declaration", `<a xmlns:p=""/>`, 3, "declared empty"},
		{"reserved prefix", `<a xmlns:xml="urn:x"/>`, 3, "reserved"},
		{"duplicate attribute", "<a b='1' b='2'/>", 9, "occurs twice"},
		{"duplicate expanded name", `<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>`, 0, "occurs twice"},
		{"duplicate declaration", `<a xmlns="u" xmlns="v"/>`, 13, "declared twice"},
		{"unquoted value", "<a b=1/>", 5, "not quoted"},
		{"no value", "<a b/>", 4, "has no value"},
		{"< in a value", "<a b='<'/>", 6, "< in the value"},
		{"attributes without space", "<a b='1'c='2'/>", 8, "white space is missing"},
		{"double hyphen", "<a><!-- -- --></a>", 8, "-- inside"},
		{"unclosed comment", "<a><!-- ", 3, "comment is not closed"},
		{"unclosed CDATA", "<a><![CDATA[ ", 3, "CDATA section is not closed"},
		{"declaration inside", "<a><!ELEMENT b></a>", 3, "markup declaration"},
		{"]]> in text", "<a>x]]>y</a>", 4, "]]>"},
		{"late XML declaration", " <?xml version='1.0'?><a/>", 1, "only allowed at the start"},
		{"XML declaration in upper case", "<?XML version='1.0'?><a/>", 0, "only allowed at the start"},
		{"encoding", "<?xml version='1.0' encoding='ISO-8859-1'?><a/>", 0, "not UTF-8"},
		{"version", "<?xml version='1.1'?><a/>", 0, "not supported"},
		{"bad UTF-8", "<a>\xff</a>", 3, "bad UTF-8"},
		{"overlong UTF-8", "<a>\xc0\x80</a>", 3, "bad UTF-8"},
		{"control character", "<a>\x01</a>", 3, "does not allow"},
		{"U+FFFE", "<a>\ufffe</a>", 3, "does not allow"},
		{"name starts with a digit", "<1a/>", 1, "starts with"},
		{"two colons", "<a:b:c xmlns:a='u'/>", 1, "malformed qualified name"},
		{"colon at the end", "<a: xmlns:a='u'/>", 1, "a name is missing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := NewReader([]byte(tc.in), Limits{})
			_, err := dump(r)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if !strings.Contains(e.Msg, tc.msg) || e.Offset != tc.offset || e.TooBig {
				t.Errorf("got byte %d %q, want byte %d ...%q...", e.Offset, e.Msg, tc.offset, tc.msg)
			}
			if _, again := r.Next(); again != err {
				t.Errorf("a second Next gives %v, not the first error", again)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		limits   Limits
		ok       bool
	}{
		{"depth reached", "<a><b/></a>", Limits{Depth: 2}, true},
		{"depth exceeded", "<a><b><c/></b></a>", Limits{Depth: 2}, false},
		{"bytes reached", "<a/>", Limits{Bytes: 4}, true},
		{"bytes exceeded", "<a/> ", Limits{Bytes: 4}, false},
		{"attributes reached", "<a b='' c='' xmlns='u'/>", Limits{Attrs: 3}, true},
		{"attributes exceeded", "<a b='' c='' d='' xmlns='u'/>", Limits{Attrs: 3}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := dump(NewReader([]byte(tc.in), tc.limits))
			var e *Error
			switch {
			case tc.ok && err != nil:
				t.Fatal(err)
			case !tc.ok && (!errors.As(err, &e) || !e.TooBig):
				t.Fatalf("got %v, want an error with TooBig", err)
			}
		})
	}
}

func TestScopeSkipAndRewind(t *testing.T) {
	in := `<a xmlns="urn:a" xmlns:p="urn:p"><b xmlns:p="urn:q" xmlns:r="urn:r"><c/>t</b><d/></a>`
	r := NewReader([]byte(in), Limits{})
	next := func(want Kind) {
		t.Helper()
		k, err := r.Next()
		if err != nil || k != want {
			t.Fatalf("got %v, %v, want %v", k, err, want)
		}
	}
	next(Start)
	next(Start)
	m := r.Mark()
	for range 2 {
		if space, ok := r.Lookup("p"); !ok || space != "urn:q" {
			t.Errorf("p is bound to %q, %v", space, ok)
		}
		if got := len(r.Bindings()); got != 3 {
			t.Errorf("%d bindings in scope, want 3: %v", got, r.Bindings())
		}
		if err := r.Skip(); err != nil {
			t.Fatal(err)
		}
		if !r.Is("urn:a", "b") || r.Kind() != End {
			t.Fatalf("Skip ended at %s", r.Local())
		}
		r.Rewind(m)
	}
	next(Start)
	if !r.Is("urn:a", "c") {
		t.Fatalf("after Rewind comes %s", r.Local())
	}
	if err := r.Skip(); err != nil {
		t.Fatal(err)
	}
	next(Text)
	next(End)
	next(Start)
	if space, _ := r.Lookup("p"); space != "urn:p" {
		t.Errorf("p is bound to %q after b", space)
	}
	if _, ok := r.Lookup("r"); ok {
		t.Error("r is still declared after b")
	}
	if got := in[r.Offset():r.End()]; got != "<d/>" {
		t.Errorf("the token is %q", got)
	}
}

func TestEscape(t *testing.T) {
	for _, tc := range []struct{ in, text, attr string }{
		{"plain", "plain", "plain"},
		{"a<b>&\"'", "a&lt;b&gt;&amp;\"'", "a&lt;b&gt;&amp;&quot;'"},
		{"\r\n\t", "&#13;\n\t", "&#13;&#10;&#9;"},
		{"é😀", "é😀", "é😀"},
		{"\x00\xff\ufffe", "\ufffd\ufffd\ufffd", "\ufffd\ufffd\ufffd"},
	} {
		if got := string(AppendText(nil, tc.in)); got != tc.text {
			t.Errorf("text of %q is %q, want %q", tc.in, got, tc.text)
		}
		if got := string(AppendAttr(nil, tc.in)); got != tc.attr {
			t.Errorf("attribute of %q is %q, want %q", tc.in, got, tc.attr)
		}
	}
}

// FuzzAgainstEncodingXML: what this package accepts, encoding/xml accepts
// too, with the same names, attributes and text.
func FuzzAgainstEncodingXML(f *testing.F) {
	for _, s := range []string{
		`<a/>`, `<?xml version="1.0"?><a xmlns="urn:x" xmlns:p="urn:p" p:q="1&amp;" r='2'>t<p:b>&#65;</p:b><!-- c --><![CDATA[d]]>]</a>`,
		"<a>\r\n</a >", `<a xmlns:p="urn:x"><p:b xmlns=""/></a>`, "\xef\xbb\xbf<a b='\t'/>", `<a><?x y?>z</a>`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := dump(NewReader(data, Limits{}))
		if err != nil {
			return
		}
		got = attrSpace.Replace(got)
		want, err := stdDump(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
		if err != nil {
			if strings.Contains(err.Error(), "invalid XML name") {
				return // encoding/xml follows the fourth edition's tables
			}
			t.Fatalf("encoding/xml refuses: %v", err)
		}
		if want = attrSpace.Replace(want); got != want {
			t.Errorf("got\n%sencoding/xml\n%s", got, want)
		}
	})
}

// attrSpace makes all quoted white space one thing: encoding/xml does not
// normalise attribute values (XML 1.0 section 3.3.3).
var attrSpace = strings.NewReplacer(`\n`, " ", `\t`, " ")

// stdDump is dump by encoding/xml.
func stdDump(data []byte) (string, error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	var b strings.Builder
	var text []byte
	depth := 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		switch tok.(type) {
		case xml.StartElement, xml.EndElement:
			if len(text) > 0 && depth > 0 {
				fmt.Fprintf(&b, "%q\n", text)
			}
			text = text[:0]
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			depth++
			fmt.Fprintf(&b, "<{%s}%s", tok.Name.Space, tok.Name.Local)
			for _, a := range tok.Attr {
				if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
					continue
				}
				fmt.Fprintf(&b, " {%s}%s=%q", a.Name.Space, a.Name.Local, a.Value)
			}
			b.WriteString(">\n")
		case xml.EndElement:
			depth--
			fmt.Fprintf(&b, "</{%s}%s>\n", tok.Name.Space, tok.Name.Local)
		case xml.CharData:
			text = append(text, tok...)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	var doc bytes.Buffer
	doc.WriteString(`<lsps xmlns="urn:example:lsp">`)
	for i := range 10000 {
		fmt.Fprintf(&doc, "<lsp>\n  <name>lsp-%d</name>\n  <in-label>%d</in-label>\n  <out-label>%d</out-label>\n  <admin-state>enabled</admin-state>\n  <next-hop>192.0.2.%d</next-hop>\n</lsp>\n", i, i+16, i+17, i%256)
	}
	doc.WriteString("</lsps>")
	b.SetBytes(int64(doc.Len()))
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(doc.Bytes(), Limits{})
		for {
			k, err := r.Next()
			if err != nil {
				b.Fatal(err)
			}
			if k == EOF {
				break
			}
		}
	}
}
