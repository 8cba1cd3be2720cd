package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// indent prints XML text two spaces a level, with names, prefixes and
// declarations as they came.
func indent(w io.Writer, text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	depth, open := 0, false // open: the last thing printed was a start tag.
	line := func(n int) string {
		return "\n" + strings.Repeat("  ", n)
	}
	var b strings.Builder
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("the reply is not well-formed: %w", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			b.WriteString(line(depth) + "<" + name(token.Name))
			for _, a := range token.Attr {
				b.WriteString(" " + name(a.Name) + `="` + escape(a.Value) + `"`)
			}
			b.WriteString(">")
			depth, open = depth+1, true
		case xml.EndElement:
			depth--
			if open {
				b.WriteString("</" + name(token.Name) + ">")
			} else {
				b.WriteString(line(depth) + "</" + name(token.Name) + ">")
			}
			open = false
		case xml.CharData:
			if s := strings.TrimSpace(string(token)); s != "" {
				b.WriteString(escape(string(token)))
			}
		}
	}
	_, err := io.WriteString(w, strings.TrimPrefix(b.String(), "\n")+"\n")
	return err
}

func name(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

func escape(s string) string {
	var b strings.Builder
	// EscapeText fails only when its writer does.
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
