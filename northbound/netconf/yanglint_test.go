package netconf

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/yang"
)

// yanglintSchema returns where yanglint is, and a directory with the text of all
// modules.
func yanglintSchema(t *testing.T) (tool, dir string) {
	t.Helper()
	tool, err := exec.LookPath("yanglint")
	if err != nil {
		t.Fatal("yanglint is missing: run .ci/deps")
	}
	dir = t.TempDir()
	sources, err := yang.Sources()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sources {
		if err := os.WriteFile(filepath.Join(dir, s.Name), s.Text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return tool, dir
}

// yanglint returns the command that checks a file of the given kind against the
// served schema, and a directory for the file.
func yanglint(t *testing.T, kind string) (command []string, dir string) {
	t.Helper()
	tool, dir := yanglintSchema(t)
	command = []string{tool, "--path", dir, "--type", kind}
	for _, m := range yang.Implemented() {
		command = append(command, "--features", m.Name+":"+strings.Join(m.Features, ","))
	}
	for _, m := range yang.Implemented() {
		command = append(command, filepath.Join(dir, m.Name+".yang"))
	}
	return command, dir
}

// TestYanglintAcceptsReplies gives what the server says about itself, and the
// configuration as <get-config> prints it, to another implementation.
func TestYanglintAcceptsReplies(t *testing.T) {
	e := newElement(t, nil)
	e.commit(lsps(20))
	c := e.open(base11)
	c.want("<lock><target><candidate/></target></lock>", "<ok/>")
	for name, operation := range map[string]string{
		"state": `<get><filter><netconf-state xmlns="` + nsMonitoring + `"/><yang-library xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library"/>` +
			`<modules-state xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library"/></filter></get>`,
		"config": `<get-config><source><running/></source></get-config>`,
	} {
		reply := c.rpc(operation)
		_, data, ok := strings.Cut(reply, "<data>")
		data, _, _ = strings.Cut(data, "</data>")
		if !ok || data == "" {
			t.Fatalf("%s: %s", name, reply)
		}
		kind := map[string]string{"state": "get", "config": "config"}[name]
		command, dir := yanglint(t, kind)
		file := filepath.Join(dir, name+".xml")
		if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(command[0], append(command[1:], file)...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
