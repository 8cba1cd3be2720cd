package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/tandem-ne/tandem/cmd/tandem/elementtest"
)

// TestMain lets the test binary stand in for tandem.
func TestMain(m *testing.M) {
	if os.Getenv("TANDEM_TEST_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// tandem is the command with an element as its target.
func tandem(t *testing.T, e *elementtest.Element, args ...string) *exec.Cmd {
	t.Helper()
	// What hangs is killed, so that the test can tell what it had printed.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), "TANDEM_TEST_MAIN=1", "TANDEM_ADDRESS="+e.Target.Address, "TANDEM_USER="+e.Target.User,
		"TANDEM_KEY="+e.Target.KeyFile, "TANDEM_HOST_KEYS="+e.Target.HostKeyFile, "XDG_CACHE_HOME="+t.TempDir(), "TERM=xterm")
	return cmd
}

func TestConfigureScript(t *testing.T) {
	e := elementtest.New(t)
	file := filepath.Join(t.TempDir(), "changes.txt")
	if err := os.WriteFile(file, []byte("# the contact\nset system contact file\ncommit\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		args  []string
		stdin string
		fails string
		out   string
	}{
		{"lines", []string{"-c", "set system contact NOC", "-c", "commit", "-c", "show | display set"}, "", "", "committed\nset system contact NOC\n"},
		{"file", []string{"-f", file}, "", "", "committed\n"},
		{"standard input", nil, "set system contact stdin\ncompare\ncommit\n", "", "- set system contact file\n+ set system contact stdin\ncommitted\n"},
		{"shared", []string{"--shared", "-c", "set system location here", "-c", "commit"}, "", "", "committed\n"},
		{"refused", []string{"-c", "set system contact x", "-c", "set system bogus x", "-c", "commit"}, "", "tandem: -c:2: there is no \"bogus\" below system", ""},
		{"refused by the element", []string{"-c", "set mpls-tp sections section s interface none", "-c", "commit"}, "", "tandem: -c:2: data-missing: ", ""},
		{"lines and a file", []string{"-c", "show", "-f", file}, "", "exclude each other", ""},
		{"no such file", []string{"-f", file + "x"}, "", "no such file", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := e.Store.Running().ID
			cmd := tandem(t, e, append([]string{"configure"}, c.args...)...)
			cmd.Stdin = strings.NewReader(c.stdin)
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			err := cmd.Run()
			if c.fails == "" && (err != nil || out.String() != c.out) {
				t.Errorf("%v\n%s%s\nwant\n%s", err, out.String(), errs.String(), c.out)
			}
			if c.fails != "" && (err == nil || !strings.Contains(errs.String(), c.fails)) {
				t.Errorf("%v\n%s, want %s", err, errs.String(), c.fails)
			}
			if c.fails != "" && e.Store.Running().ID != before {
				t.Error("a script that failed has committed")
			}
			if len(e.Store.Locks()) > 0 {
				t.Errorf("locks stay: %v", e.Store.Locks())
			}
		})
	}
}

// TestConfigureTerminal types into a terminal: completion, help, a mistake, the
// commit, the way out.
func TestConfigureTerminal(t *testing.T) {
	e := elementtest.New(t)
	cmd := tandem(t, e, "configure")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 200})
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	screen := bufio.NewReader(terminal)
	var seen strings.Builder
	read := func() error {
		r, _, err := screen.ReadRune()
		if err != nil {
			return err
		}
		seen.WriteRune(r)
		if strings.HasSuffix(seen.String(), "\x1b[6n") {
			// Where the cursor is, a terminal tells by itself.
			_, err = io.WriteString(terminal, "\x1b[1;1R")
		}
		return err
	}
	for _, step := range []struct{ expect, typed string }{
		{"# ", "set sys\t"},
		{"system ", "cont\t"},
		{"contact ", "?"},
		{"<contact>", "typed\r"},
		{"*# ", "bogus\r"},
		{`error: there is no command "bogus"`, "commit\r"},
		{"committed", "exit\r"},
	} {
		for !strings.Contains(seen.String(), step.expect) {
			if err := read(); err != nil {
				t.Fatalf("%v before %q; on the screen since:\n%q", err, step.expect, seen.String())
			}
		}
		seen.Reset()
		if _, err := io.WriteString(terminal, step.typed); err != nil {
			t.Fatal(err)
		}
	}
	// A terminal whose other end has gone reads as an error.
	for read() == nil {
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if contact := e.Store.Running().Root.ChildNamed("system").ChildNamed("contact"); contact.Value().String() != "typed" {
		t.Errorf("contact is %s", contact.Value())
	}
}

// TestShowManagement: the views of sessions and commits, of a real server.
func TestShowManagement(t *testing.T) {
	e := elementtest.New(t)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"configure", "-c", "set system contact NOC", "-c", "commit confirmed 300 comment ticket-17"}, []string{"committed until"}},
		{[]string{"show", "commits"}, []string{"COMMIT", "ticket-17", "rolled-back", "admin"}},
		{[]string{"show", "sessions"}, []string{"SESSION", "admin", "netconf-ssh", "127.0.0.1"}},
	} {
		out, err := tandem(t, e, c.args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", c.args, err, out)
		}
		for _, want := range c.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("%v: no %q in\n%s", c.args, want, out)
			}
		}
	}
}
