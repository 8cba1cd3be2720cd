package conformance_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/yang"
)

// transcript is what a server has said; of messages that differ in nothing that
// yanglint looks at it keeps one.
type transcript struct {
	mu   sync.Mutex
	seen map[string]exchange
}

type exchange struct{ sent, got string }

// Texts that make two messages differ, and nothing else.
var (
	incidental = regexp.MustCompile(`\smessage-id="[^"]*"|<(nc:)?(error-(message|path|app-tag)|bad-[a-z]+|session-id)\b[^<]*`)
	digits     = regexp.MustCompile(`[0-9]+`)
)

// add is a Target.Record.
func (t *transcript) add(sent, got string) {
	key := incidental.ReplaceAllString(got, "")
	switch {
	case strings.Contains(got, "notification xmlns"):
		key = digits.ReplaceAllString(key, "0")
	case !strings.Contains(got, "rpc-error>"):
		key += incidental.ReplaceAllString(sent, "")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = map[string]exchange{}
	}
	t.seen[key] = exchange{sent, got}
}

// lint gives what is in the transcript to yanglint, with the schema that is
// served: the data of get, get-config and get-data, the output of other
// operations, notifications, and the envelope of errors and <ok/>. It returns
// what yanglint does not accept.
func (t *transcript) lint(test *testing.T, modules string) (problems []string) {
	test.Helper()
	tool, err := exec.LookPath("yanglint")
	if err != nil {
		test.Fatal("yanglint is missing: run .ci/deps")
	}
	y := &yanglint{tool: tool, dir: test.TempDir(), counts: map[string]int{}}
	if err := y.schema(modules); err != nil {
		test.Fatal(err)
	}
	for _, key := range slices.Sorted(maps.Keys(t.seen)) {
		e := t.seen[key]
		if err := y.add(e); err != nil {
			y.problem("%v\n%s\nis answered\n%s", err, e.sent, e.got)
		}
	}
	test.Logf("yanglint reads %v", y.counts)
	for _, kind := range []string{"get", "getconfig", "reply", "notif", "nc-reply"} {
		if len(t.seen) > 500 && y.counts[kind] < 10 {
			y.problem("only %d of %s: what has become of the cases?", y.counts[kind], kind)
		}
	}
	y.check(test)
	return y.problems
}

// yanglint is the tool, the schema, and what it is to read.
type yanglint struct {
	tool, dir string
	options   []string // the same for the command line
	load      []string // the commands that load the schema
	checks    []string // those that read a message each
	envelopes []string // files with errors and <ok/>
	actions   [][2]string
	counts    map[string]int
	problems  []string
}

func (y *yanglint) problem(format string, args ...any) {
	y.problems = append(y.problems, fmt.Sprintf(format, args...))
}

// schema makes the commands that load what is served.
func (y *yanglint) schema(modules string) error {
	sources, err := yang.Sources()
	if err != nil {
		return err
	}
	for _, s := range sources {
		text := s.Text
		// What was locked or changed need not be there any more, and yanglint, which
		// looks for it in the message itself, crashes.
		if strings.HasPrefix(s.Name, "ietf-netconf-notifications.") || strings.HasPrefix(s.Name, "ietf-netconf-partial-lock.") {
			text = bytes.ReplaceAll(text, []byte("type instance-identifier;"), []byte("type instance-identifier { require-instance false; }"))
		}
		if err := os.WriteFile(filepath.Join(y.dir, s.Name), text, 0o600); err != nil {
			return err
		}
	}
	more, err := filepath.Glob(filepath.Join(modules, "*.yang"))
	if err != nil {
		return err
	}
	slices.Sort(more)
	slices.Reverse(more) // What is augmented before what augments it.
	y.load = []string{"searchpath " + y.dir}
	add := func(module, features, file string) {
		features = module + ":" + features
		y.load = append(y.load, "add -F "+features+" "+file)
		y.options = append(y.options, "--features", features, file)
	}
	for _, m := range yang.Implemented() {
		add(m.Name, strings.Join(m.Features, ","), filepath.Join(y.dir, m.Name+".yang"))
	}
	for _, file := range more {
		add(strings.TrimSuffix(filepath.Base(file), ".yang"), "", file)
	}
	return nil
}

func (y *yanglint) file(text string) (string, error) {
	f, err := os.CreateTemp(y.dir, "*.xml")
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(text)
	return f.Name(), errors.Join(err, f.Close())
}

// add enters what is to be read of one exchange.
func (y *yanglint) add(e exchange) error {
	// libyang has the attribute default in the namespace of the module, and not
	// in that of RFC 6243 section 6.
	got := strings.ReplaceAll(e.got, `"urn:ietf:params:xml:ns:netconf:default:1.0"`, `"urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"`)
	top, err := parts(got, 0)
	if err != nil {
		return err
	}
	inside, err := parts(got, 1)
	if err != nil || len(inside) == 0 {
		return errors.Join(err, errors.New("an empty message"))
	}
	var text strings.Builder
	join := func(list []part) string {
		for _, p := range list {
			text.WriteString(p.text)
		}
		return text.String()
	}
	switch first := inside[0].name.Local; {
	case top[0].name.Local == "hello":
		return nil // RFC 6241 has no YANG for it.
	case top[0].name.Local == "notification":
		return y.enter("notif", join(inside[1:])) // The first one is eventTime.
	case top[0].name.Local != "rpc-reply":
		return errors.New("no message of NETCONF")
	case first == "ok" || first == "rpc-error":
		y.counts["nc-reply"]++
		file, err := y.file(got)
		y.envelopes = append(y.envelopes, file)
		return err
	}
	if e.sent == "" && inside[0].name.Local == "data" { // Cases of the framing send no whole messages.
		e.sent = "<rpc><get/></rpc>"
	}
	op, err := parts(e.sent, 1)
	if err != nil || len(op) == 0 {
		return errors.Join(err, errors.New("the answer to what is not known"))
	}
	switch name := op[0].name; name.Local {
	case "action":
		sent, err := y.file(e.sent)
		if err != nil {
			return err
		}
		reply, err := y.file(got)
		y.actions = append(y.actions, [2]string{sent, reply})
		return err
	case "get", "get-config", "get-data":
		data, err := parts(got, 2)
		if err != nil || len(data) == 0 {
			return err
		}
		kind := "get"
		if name.Local == "get-config" {
			kind = "getconfig"
		}
		return y.enter(kind, join(data))
	default:
		return y.enter("reply", "<"+name.Local+` xmlns="`+name.Space+`">`+join(inside)+"</"+name.Local+">")
	}
}

func (y *yanglint) enter(kind, text string) error {
	file, err := y.file(text)
	y.checks = append(y.checks, "data -t "+kind+" "+file)
	y.counts[kind]++
	return err
}

// check lets yanglint read everything. Between two messages stands a command that
// does not exist, so that its complaint tells what belongs to which message.
func (y *yanglint) check(test *testing.T) {
	test.Helper()
	ctx, cancel := context.WithTimeout(test.Context(), time.Minute)
	defer cancel()
	commands := append(slices.Clone(y.load), "end of schema")
	for _, c := range y.checks {
		commands = append(commands, c, "end of message")
	}
	cmd := exec.CommandContext(ctx, y.tool)
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	said := regexp.MustCompile(`(?m)^.*Unknown command "end".*\n`).Split(string(out), -1)
	if err != nil || len(said) != len(y.checks)+2 || said[0] != "" {
		last := "the schema"
		if n := len(said) - 2; n >= 0 && n < len(y.checks) {
			last = content(y.checks[n])
		}
		y.problem("yanglint: %v\n%s\nat %s", err, said[len(said)-1], last)
		return
	}
	for i, c := range y.checks {
		if said[i+1] != "" {
			y.problem("%s%s", said[i+1], content(c))
		}
	}
	// Of an <rpc-reply> yanglint 2.1 reads one in a process. The envelope of
	// errors needs no more than the module of the operation.
	someone, err := y.file(`<rpc xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" message-id="1"><discard-changes/></rpc>`)
	if err != nil {
		test.Fatal(err)
	}
	run := func(sent, reply string, options ...string) {
		args := slices.Concat([]string{"--path", y.dir, "--type", "nc-reply", "--reply-rpc", sent}, options, []string{reply})
		if out, err := exec.CommandContext(ctx, y.tool, args...).CombinedOutput(); err != nil || len(out) > 0 {
			y.problem("%v\n%s%s", err, out, content(sent+" "+reply))
		}
	}
	for _, file := range y.envelopes {
		run(someone, file, "--features", "ietf-netconf:candidate", filepath.Join(y.dir, "ietf-netconf.yang"))
	}
	for _, a := range y.actions {
		run(a[0], a[1], y.options...)
	}
}

// content returns the files that a command names.
func content(command string) string {
	var b strings.Builder
	for word := range strings.FieldsSeq(command) {
		if text, err := os.ReadFile(word); err == nil {
			fmt.Fprintf(&b, "%s\n", text)
		}
	}
	return b.String()
}

// part is an element of a message.
type part struct {
	name xml.Name
	text string
}

// parts returns the elements that have so many others around them, of which the
// declarations of namespaces move into each.
func parts(text string, level int) ([]part, error) {
	var list []part
	outer := map[string]string{}
	d := xml.NewDecoder(strings.NewReader(text))
	for depth := 0; ; {
		begin := d.InputOffset()
		token, err := d.Token()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		raw := text[begin:d.InputOffset()]
		inside := depth > level
		switch token := token.(type) {
		case xml.StartElement:
			spaces := map[string]string{}
			for _, a := range token.Attr {
				switch {
				case a.Name.Space == "xmlns":
					spaces[":"+a.Name.Local] = a.Value
				case a.Name.Local == "xmlns":
					spaces[""] = a.Value
				}
			}
			switch {
			case depth < level:
				maps.Copy(outer, spaces)
			case depth == level:
				at := strings.IndexAny(raw, " \t\r\n/>")
				for _, prefix := range slices.Sorted(maps.Keys(outer)) {
					space := outer[prefix]
					if _, own := spaces[prefix]; !own {
						raw = raw[:at] + fmt.Sprintf(" xmlns%s=%q", prefix, space) + raw[at:]
					}
				}
				list = append(list, part{name: token.Name})
			}
			inside = depth >= level
			depth++
		case xml.EndElement:
			depth--
		}
		if inside {
			list[len(list)-1].text += raw
		}
	}
}

// TestYanglintRefuses holds the check itself to what it is for.
func TestYanglintRefuses(t *testing.T) {
	const (
		base  = ` xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"`
		test  = ` xmlns="urn:tandem:yang:mtp-conformance-test"`
		get   = `<rpc message-id="1"` + base + `><get/></rpc>`
		poke  = `<rpc message-id="1"` + base + `><poke` + test + `><number>1</number></poke></rpc>`
		error = `<rpc-error><error-type>application</error-type><error-tag>%s</error-tag><error-severity>error</error-severity></rpc-error>`
	)
	reply := func(body string) string { return `<rpc-reply message-id="1"` + base + `>` + body + `</rpc-reply>` }
	event := func(body string) string {
		return `<notification xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"><eventTime>2026-11-22T00:00:00Z</eventTime><event` + test + `>` + body + `</event></notification>`
	}
	for name, tc := range map[string]struct{ sent, good, bad string }{
		"type":              {get, reply(`<data><top` + test + `><count>1</count></top></data>`), reply(`<data><top` + test + `><count>x</count></top></data>`)},
		"unknown node":      {get, reply(`<data><top` + test + `><name>x</name></top></data>`), reply(`<data><top` + test + `><noname>x</noname></top></data>`)},
		"namespace":         {get, reply(`<data><top` + test + `/></data>`), reply(`<data><top/></data>`)},
		"output":            {poke, reply(`<number` + test + `>1</number>`), reply(`<number` + test + `>x</number>`)},
		"error-tag":         {get, reply(fmt.Sprintf(error, "in-use")), reply(fmt.Sprintf(error, "in-abuse"))},
		"notification":      {"", event(`<level>1</level>`), event(`<level>256</level>`)},
		"no message":        {"", reply(`<ok/>`), `<ok` + base + `/>`},
		"not asked for":     {"", reply(`<ok/>`), reply(`<number` + test + `>1</number>`)},
		"not well-formed":   {get, reply(`<data/>`), `<rpc-reply` + base + `><data>`},
		"an empty envelope": {get, reply(`<ok/>`), reply(``)},
	} {
		t.Run(name, func(t *testing.T) {
			var good, bad transcript
			good.add(tc.sent, tc.good)
			bad.add(tc.sent, tc.bad)
			if problems := good.lint(t, "modules"); len(problems) > 0 {
				t.Errorf("%s is refused: %q", tc.good, problems)
			}
			if problems := bad.lint(t, "modules"); len(problems) != 1 {
				t.Errorf("%s has the problems %q, not one", tc.bad, problems)
			}
		})
	}
}
