package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openconfig/gnmi/proto/gnmi"

	"github.com/tandem-ne/tandem/cmd/tandem/client"
	"github.com/tandem-ne/tandem/cmd/tandem/lab"
)

// operatorYANG are the modules of an operator that package server is tested with.
const operatorYANG = "../../server/testdata/yang"

// oneElement is a lab of one element with further flags, not up yet.
func oneElement(tb testing.TB, name, flags string) *lab.Lab {
	tb.Helper()
	scratch := tb.TempDir()
	// The lab starts a daemon by its name and knows nothing of flags.
	wrapper := filepath.Join(scratch, "tandemd")
	script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = flush ] && exec %s \"$@\"\nexec %s %s \"$@\"\n", tandemd, tandemd, flags)
	if err := os.WriteFile(wrapper, []byte(script), 0o700); err != nil {
		tb.Fatal(err)
	}
	topology := &lab.Topology{Name: name, Nodes: map[string]lab.Node{"one": {Config: "none"}}, Dir: scratch}
	return lab.New(topology, filepath.Join(scratch, "run"), wrapper, "ebpf")
}

// bringOne starts one element with further flags.
func bringOne(t *testing.T, flags string) *rig {
	t.Helper()
	r := &rig{oneElement(t, fmt.Sprintf("t1y-%d", os.Getpid()), flags), map[string]*client.Session{}}
	t.Cleanup(func() {
		r.hangUp(t, "one")
		if err := r.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := r.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestYANGDir: an operator's modules over both northbounds of a real tandemd, and
// its refusals.
func TestYANGDir(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(operatorYANG)); err != nil {
		t.Fatal(err)
	}
	r := bringOne(t, "--yang-dir "+dir)
	const site = `<site xmlns="urn:acme:site"><name>north</name><feeds>2</feeds><rack><id>7</id><units>42</units></rack></site>`

	t.Run("is told", func(t *testing.T) {
		library := r.rpc(t, "one", `<get><filter><yang-library xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library"/></filter></get>`)
		for _, want := range []string{"<name>acme-site</name><revision>2026-11-01</revision><namespace>urn:acme:site</namespace>",
			"<name>acme-site-rack</name>", "<feature>power</feature>", "<deviation>acme-limits</deviation>", "<name>acme-ticket</name>"} {
			if !strings.Contains(library, want) {
				t.Errorf("yang-library lacks %s", want)
			}
		}
		hello := strings.Join(r.session(t, "one").Capabilities(), "\n")
		// RFC 7950 section 5.6.4: modules of version 1 are in the hello.
		if want := "urn:acme:site?module=acme-site&revision=2026-11-01&features=power"; !strings.Contains(hello, want) {
			t.Errorf("the hello lacks %s:\n%s", want, hello)
		}
		for name, want := range map[string]string{"acme-site": "prefix site;", "acme-site-rack": "belongs-to acme-site", "acme-limits": "max-elements 2"} {
			text := r.rpc(t, "one", `<get-schema xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"><identifier>`+name+`</identifier></get-schema>`)
			if !strings.Contains(text, want) {
				t.Errorf("get-schema of %s: %s", name, text)
			}
		}
		list := r.rpc(t, "one", `<get><filter><netconf-state xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"><schemas/></netconf-state></filter></get>`)
		for _, name := range []string{"acme-site", "acme-site-rack", "acme-ticket", "acme-limits"} {
			if !strings.Contains(list, "<identifier>"+name+"</identifier>") {
				t.Errorf("netconf-state/schemas lacks %s", name)
			}
		}
	})

	t.Run("NETCONF", func(t *testing.T) {
		r.commit(t, "one", site)
		if got := r.config(t, "one", "running"); !strings.Contains(got, "<units>42</units>") {
			t.Errorf("running is %s", got)
		}
		_, err := r.session(t, "one").RPC(t.Context(), edit(`<site xmlns="urn:acme:site"><rack><id>7</id><units>49</units></rack><fans>1</fans></site>`))
		if err == nil || !strings.Contains(err.Error(), "invalid-value") || !strings.Contains(err.Error(), "unknown-element") {
			t.Errorf("a value out of range and a leaf of a feature that is off: %v", err)
		}
	})

	t.Run("gNMI", func(t *testing.T) {
		conn, c, err := r.GNMI("one")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		path := &gnmi.Path{Elem: []*gnmi.PathElem{{Name: "acme-site:site"}, {Name: "gateway"}}}
		_, err = c.Set(t.Context(), &gnmi.SetRequest{Update: []*gnmi.Update{{
			Path: path, Val: &gnmi.TypedValue{Value: &gnmi.TypedValue_JsonIetfVal{JsonIetfVal: []byte(`"192.0.2.254"`)}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Get(t.Context(), &gnmi.GetRequest{Path: []*gnmi.Path{path}, Encoding: gnmi.Encoding_JSON_IETF})
		if err != nil || !strings.Contains(got.String(), "192.0.2.254") {
			t.Errorf("Get: %v, %v", got, err)
		}
		models, err := c.Capabilities(t.Context(), &gnmi.CapabilityRequest{})
		if err != nil || !strings.Contains(models.String(), "acme-site") {
			t.Errorf("Capabilities: %v", err)
		}
	})

	t.Run("kept", func(t *testing.T) {
		r.kill(t, "one")
		r.restart(t, "one")
		if got := r.config(t, "one", "running"); !strings.Contains(got, "<units>42</units>") || !strings.Contains(got, "192.0.2.254") {
			t.Errorf("after a crash running is %s", got)
		}
		r.kill(t, "one")
	})

	t.Run("refused", func(t *testing.T) {
		broken := filepath.Join(dir, "acme-broken.yang")
		if err := os.WriteFile(broken, []byte("module acme-broken {\n  namespace \"urn:acme:broken\";\n  prefix b;\n  leaf speed { type nothing; }\n}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct{ name, dir, want string }{
			{"a module that does not compile", dir, broken + ":4: "},
			{"no directory", filepath.Join(dir, "nowhere"), "nowhere: no such file or directory"},
			{"without the modules of the data", "", "acme-site"},
		} {
			message := refusal(t, r, tc.dir)
			if !strings.Contains(message, tc.want) || strings.Contains(message, "panic") {
				t.Errorf("%s: %s", tc.name, message)
			}
		}
		if err := os.Remove(broken); err != nil {
			t.Fatal(err)
		}
		r.restart(t, "one")
		if got := r.config(t, "one", "running"); !strings.Contains(got, "<units>42</units>") {
			t.Errorf("after the refused starts running is %s", got)
		}
	})
}

// refusal starts the daemon of a node, which must give up, and returns the last
// line that it says.
func refusal(t *testing.T, r *rig, dir string) string {
	t.Helper()
	args := []string{"--state-dir", r.StateDir("one"), "--instance", r.Topology.Namespace("one"),
		"--dataplane", "ebpf", "--netconf-listen", "127.0.0.1:0", "--gnmi-listen", "127.0.0.1:0"}
	if dir != "" {
		args = append(args, "--yang-dir", dir)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), tandemd, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := r.Enter("one", cmd.Start); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("tandemd ended with %v:\n%s", err, &out)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, "tandemd: ") {
		t.Errorf("the last line is no message of tandemd:\n%s", &out)
	}
	return last
}
