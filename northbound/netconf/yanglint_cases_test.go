package netconf

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/yang"
)

var (
	operationTag = regexp.MustCompile(`\A\s*<rpc[^>]*>\s*<([\w-]+)([^>]*?)/?>`)
	defaultSpace = regexp.MustCompile(`xmlns="([^"]*)"`)
	prunedTag    = regexp.MustCompile(`<[\w-]+( xmlns="[^"]*")? txid:etag="="/>`)
	txidAttr     = regexp.MustCompile(` (xmlns:txid|txid:etag)="[^"]*"`)
	replyBody    = regexp.MustCompile(`(?s)\A<rpc-reply[^>]*>(.*)</rpc-reply>\z`)
)

// TestYanglintAcceptsCases gives every reply with data that the cases expect to
// another implementation, with the schema that is served.
func TestYanglintAcceptsCases(t *testing.T) {
	tool, dir := yanglintSchema(t)
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	commands := []string{"searchpath " + dir}
	for _, m := range yang.Implemented() {
		commands = append(commands, fmt.Sprintf("add -F %s:%s %s", m.Name, strings.Join(m.Features, ","), filepath.Join(dir, m.Name+".yang")))
	}
	modules, err := filepath.Glob(filepath.Join(casesDir, "*", "*.yang"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		if add := "add " + write(filepath.Base(m), readFile(t, m)); !slices.Contains(commands, add) {
			commands = append(commands, add)
		}
	}
	replies, err := filepath.Glob(filepath.Join(casesDir, "*", "*-expect*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, expect := range replies {
		name := filepath.Base(filepath.Dir(expect)) + "-" + filepath.Base(expect)
		request, err := os.ReadFile(strings.Replace(expect, "-expect", "-send", 1))
		if err != nil {
			continue // a notification
		}
		kind, text := yanglintData(string(request), readFile(t, expect))
		if kind == "" {
			continue
		}
		commands = append(commands, "data -t "+kind+" "+write(name, text))
		count++
	}
	if count < 150 {
		t.Errorf("only %d replies have data: what has become of the cases?", count)
	}
	cmd := exec.Command(tool)
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("libyang[0]")) || bytes.Contains(out, []byte("YANGLINT[E]")) || bytes.Contains(out, []byte("libyang err")) {
		t.Errorf("yanglint is not content (%v):\n%s", err, out)
	}
}

// yanglintData returns a reply in the form that yanglint reads, and the name of
// that form; none for a reply without data of the schema.
func yanglintData(request, reply string) (kind, text string) {
	var b strings.Builder
	for line := range strings.Lines(reply) {
		b.WriteString(strings.TrimSpace(line))
	}
	// Transaction ids are attributes that no module defines, and what the client
	// knows is there without its content.
	plain := txidAttr.ReplaceAllString(prunedTag.ReplaceAllString(b.String(), ""), "")
	body := replyBody.FindStringSubmatch(plain)
	op := operationTag.FindStringSubmatch(request)
	switch {
	case body == nil || op == nil || strings.Contains(body[1], "<rpc-error>") || strings.Contains(body[1], "<ok/>"):
		return "", ""
	case op[1] == "partial-lock":
		return "", "" // libyang looks for the nodes that are locked in the reply
	}
	// An ellipsis stands for a time; libyang has the attribute default in the
	// namespace of the module, and not in that of RFC 6243 section 6.
	text = strings.NewReplacer("…", "2026-11-22T00:00:00Z",
		`xmlns:wd="urn:ietf:params:xml:ns:netconf:default:1.0"`, `xmlns:wd="`+nsWithDefaults+`"`).Replace(body[1])
	space := defaultSpace.FindStringSubmatch(op[2])
	switch {
	case space != nil:
		return "reply", fmt.Sprintf(`<%s xmlns="%s">%s</%s>`, op[1], space[1], text, op[1])
	case op[1] == "get", op[1] == "get-config":
		text = strings.TrimSuffix(strings.TrimPrefix(text, "<data>"), "</data>")
		if text == "" || strings.HasPrefix(text, "<data") {
			return "", ""
		}
		return strings.ReplaceAll(op[1], "-", ""), text
	}
	return "", ""
}
