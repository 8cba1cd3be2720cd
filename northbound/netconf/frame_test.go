package netconf

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestFrameReaderEndOfMessage(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     []string
		err      error
	}{
		{"nothing", "", nil, io.EOF},
		{"one", "<a/>]]>]]>", []string{"<a/>"}, io.EOF},
		{"two", "<a/>]]>]]>\n<b/>]]>]]>", []string{"<a/>", "\n<b/>"}, io.EOF},
		{"empty", "]]>]]>", []string{""}, io.EOF},
		{"marker in the middle of brackets", "]]>]]]>]]>", []string{"]]>]"}, io.EOF},
		{"cut", "<a/>]]>]]", nil, io.ErrUnexpectedEOF},
		{"too large", strings.Repeat("x", 101) + ">" + endOfMessage, nil, errMessageSize},
		{"as large as allowed", strings.Repeat("x", 100) + endOfMessage, []string{strings.Repeat("x", 100)}, io.EOF},
	} {
		t.Run(tc.name, func(t *testing.T) { readAll(t, newFrameReader(strings.NewReader(tc.in), 100), tc.want, tc.err) })
	}
}

func TestFrameReaderChunked(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     []string
		err      error
	}{
		{"nothing", "", nil, io.EOF},
		{"one chunk", "\n#4\n<a/>\n##\n", []string{"<a/>"}, io.EOF},
		{"three chunks", "\n#1\n<\n#2\na/\n#1\n>\n##\n", []string{"<a/>"}, io.EOF},
		{"two messages", "\n#1\na\n##\n\n#1\nb\n##\n", []string{"a", "b"}, io.EOF},
		{"marker as data", "\n#4\n\n##\n\n##\n", []string{"\n##\n"}, io.EOF},
		{"no chunk", "\n##\n", nil, errFraming},
		{"size zero", "\n#0\n\n##\n", nil, errFraming},
		{"leading zero", "\n#04\n<a/>\n##\n", nil, errFraming},
		{"no digit", "\n#\n", nil, errFraming},
		{"sign", "\n#+4\n<a/>\n##\n", nil, errFraming},
		{"letter", "\n#4x\n<a/>", nil, errFraming},
		{"space", "\n# 4\n<a/>", nil, errFraming},
		{"carriage return", "\r\n#4\r\n<a/>", nil, errFraming},
		{"digits after the end", "\n#1\na\n##1\n", nil, errFraming},
		{"three hashes", "\n#1\na\n###\n", nil, errFraming},
		{"too many digits", "\n#12345678901\n", nil, errFraming},
		{"beyond 32 bits", "\n#4294967296\n", nil, errFraming},
		{"no line feed", "#4\n<a/>\n##\n", nil, errFraming},
		{"short chunk", "\n#4\n<a\n##\n", nil, errFraming},
		{"long chunk", "\n#1\n<a/>\n##\n", nil, errFraming},
		{"old framing", "<a/>]]>]]>", nil, errFraming},
		{"cut in a header", "\n#", nil, io.ErrUnexpectedEOF},
		{"cut in a size", "\n#1", nil, io.ErrUnexpectedEOF},
		{"cut after a chunk", "\n#1\na", nil, io.ErrUnexpectedEOF},
		{"too large", "\n#101\n", nil, errMessageSize},
		{"too large together", "\n#60\n" + strings.Repeat("x", 60) + "\n#60\n", nil, errMessageSize},
		{"promised only", "\n#99\nx", nil, io.ErrUnexpectedEOF},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFrameReader(strings.NewReader(tc.in), 100)
			f.chunked = true
			readAll(t, f, tc.want, tc.err)
		})
	}
}

func readAll(t *testing.T, f *frameReader, want []string, end error) {
	t.Helper()
	for _, w := range want {
		msg, err := f.next()
		if err != nil || string(msg) != w {
			t.Fatalf("next() = %q, %v; want %q", msg, err, w)
		}
	}
	if msg, err := f.next(); !errors.Is(err, end) {
		t.Fatalf("next() = %q, %v; want %v", msg, err, end)
	}
}

func TestFrameWriterChunks(t *testing.T) {
	var out bytes.Buffer
	w := frameWriter{w: &out, chunked: true}
	io.WriteString(&w, strings.Repeat("a", frameBuffer))
	io.WriteString(&w, "bc")
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	want := "\n#65536\n" + strings.Repeat("a", frameBuffer) + "\n#2\nbc\n##\n"
	if out.String() != want {
		t.Errorf("wrote %d octets, want %d", out.Len(), len(want))
	}
	if cap(w.buf) > 2*frameBuffer {
		t.Errorf("the writer holds %d octets", cap(w.buf))
	}
}

func TestFrameWriterKeepsTheFirstError(t *testing.T) {
	w := frameWriter{w: failing{}}
	if _, err := w.Write(make([]byte, 2*frameBuffer)); err == nil {
		t.Error("Write does not report the error")
	}
	if err := w.end(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("end() = %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// FuzzFrames checks that a message survives both framings in any division into
// chunks, and that no input makes the reader panic.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\n#4\n<a/>\n##\n"), uint8(3))
	f.Add([]byte("<hello/>]]>]]>"), uint8(1))
	f.Add([]byte("\n#1\na\n#2\nbc\n##\n\n#1\nd\n##\n"), uint8(7))
	f.Add([]byte("]]>]]]]>]]>"), uint8(2))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		for _, chunked := range []bool{false, true} {
			r := newFrameReader(bytes.NewReader(in), 1<<16)
			r.chunked = chunked
			for {
				if _, err := r.next(); err != nil {
					break
				}
			}
			if len(in) == 0 || !chunked && bytes.Contains(append(bytes.Clone(in), endOfMessage[:5]...), []byte(endOfMessage)) {
				continue
			}
			var wire bytes.Buffer
			w := frameWriter{w: &wire, chunked: chunked}
			for rest := in; len(rest) > 0; {
				n := min(len(rest), int(step)+1)
				w.Write(rest[:n])
				if rest = rest[n:]; len(rest) > 0 {
					w.flush("")
				}
			}
			if err := w.end(); err != nil {
				t.Fatal(err)
			}
			back := newFrameReader(&wire, 1<<16)
			back.chunked = chunked
			got, err := back.next()
			if err != nil || !bytes.Equal(got, in) {
				t.Fatalf("chunked %t: wrote %q, read %q, %v", chunked, in, got, err)
			}
			if _, err := back.next(); err != io.EOF {
				t.Fatalf("after the message: %v", err)
			}
		}
	})
}
