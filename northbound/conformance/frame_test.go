package conformance

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReadChunked(t *testing.T) {
	for _, tc := range []struct {
		name, octets, want string
		err                error
	}{
		{"one chunk", "\n#3\nabc\n##\n", "abc", nil},
		{"two chunks", "\n#1\na\n#2\nbc\n##\n", "abc", nil},
		{"marks in the data", "\n#4\n\n##\n\n##\n", "\n##\n", nil},
		{"nothing", "", "", io.EOF},
		{"no chunk", "\n##\n", "", errFraming},
		{"size 0", "\n#0\n\n##\n", "", errFraming},
		{"leading zero", "\n#03\nabc\n##\n", "", errFraming},
		{"sign", "\n#+3\nabc\n##\n", "", errFraming},
		{"no number", "\n#x\nabc\n##\n", "", errFraming},
		{"more than 2^32-1", "\n#4294967296\n", "", errFraming},
		{"no line feed before", "#3\nabc\n##\n", "", errFraming},
		{"data after a chunk", "\n#3\nabcd\n##\n", "", errFraming},
		{"ends in the size", "\n#3", "", io.EOF},
		{"ends in the mark", "\n", "", io.ErrUnexpectedEOF},
		{"ends in the data", "\n#3\nab", "", io.ErrUnexpectedEOF},
		{"ends after a chunk", "\n#3\nabc", "", io.EOF},
		{"the old framing", "<hello/>]]>]]>", "", errFraming},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := readChunked(bufio.NewReader(strings.NewReader(tc.octets)))
			if string(got) != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("%q, %v; want %q, %v", got, err, tc.want, tc.err)
			}
		})
	}
}

func TestReadMarked(t *testing.T) {
	for _, tc := range []struct {
		name, octets, want string
		err                error
	}{
		{"a message", "<a/>]]>]]>", "<a/>", nil},
		{"an empty message", "]]>]]>", "", nil},
		{"half a mark in the data", "<a/>]]>]]]]>]]>", "<a/>]]>]]", nil},
		{"nothing", "", "", io.EOF},
		{"white space", " \n", "", io.EOF},
		{"no mark", "<a/>]]>]]", "", io.ErrUnexpectedEOF},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := readMarked(bufio.NewReader(strings.NewReader(tc.octets)))
			if string(got) != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("%q, %v; want %q, %v", got, err, tc.want, tc.err)
			}
		})
	}
}

func TestParse(t *testing.T) {
	e, err := parse([]byte(`<?xml version="1.0"?><top xmlns="` + nsTest + `" xmlns:x="urn:x"><item><name>a</name></item><item x:k="v"><name> b </name></item></top>`))
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Values("item/name"); strings.Join(got, ",") != "a,b" {
		t.Errorf("the names are %q", got)
	}
	if e.Get("item[name=b]") == nil || e.Has("item[name=c]") || e.Has("nc:item") {
		t.Error("a predicate or a namespace does not count")
	}
	if got := e.Get("item/name").resolve("x"); got != "urn:x" {
		t.Errorf("x stands for %q", got)
	}
	for name, text := range map[string]string{
		"nothing": ``, "text": `a`, "two elements": `<a/><b/>`, "not closed": `<a><b></a>`, "open": `<a>`,
		"doctype": `<!DOCTYPE a><a/>`, "entity": `<a>&b;</a>`, "attribute": `<a b=c/>`,
	} {
		if _, err := parse([]byte(text)); err == nil {
			t.Errorf("%s: %s is accepted", name, text)
		}
	}
}

// FuzzReadChunked: what is read is what was sent, however it is cut, and no
// octets make the reader panic.
func FuzzReadChunked(f *testing.F) {
	f.Add([]byte("\n#3\nabc\n##\n"), uint8(1))
	f.Add([]byte("\n#0\n"), uint8(3))
	f.Add([]byte("\n#4294967295\nabc"), uint8(2))
	f.Add([]byte("<rpc/>\n##\n"), uint8(0))
	f.Fuzz(func(t *testing.T, octets []byte, size uint8) {
		if _, err := readChunked(bufio.NewReader(bytes.NewReader(octets))); err == nil && len(octets) < 8 {
			t.Errorf("%q is a message", octets)
		}
		if len(octets) == 0 {
			return
		}
		for _, framed := range []string{chunked(string(octets)), inChunks(string(octets), int(size)+1)} {
			got, err := readChunked(bufio.NewReader(strings.NewReader(framed)))
			if err != nil || !bytes.Equal(got, octets) {
				t.Errorf("%q comes as %q, %v", octets, got, err)
			}
		}
	})
}

// FuzzParse: two readings of a message are equal, and none panics.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`<a/>`, `<a xmlns="urn:a"><b c="d">e</b></a>`, `<a><!-- b --><![CDATA[c]]></a>`, `<a>`, `<!DOCTYPE a><a/>`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		one, err := parse(text)
		two, again := parse(text)
		if (err == nil) != (again == nil) {
			t.Fatalf("%v, then %v", err, again)
		}
		if err == nil && one.canonical() != two.canonical() {
			t.Errorf("%s, then %s", one.canonical(), two.canonical())
		}
	})
}
