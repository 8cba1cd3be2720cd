package netconf

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/yang"
)

// TestYanglintAcceptsReplies gives what the server says about itself, and the
// configuration as <get-config> prints it, to another implementation.
func TestYanglintAcceptsReplies(t *testing.T) {
	tool, err := exec.LookPath("yanglint")
	if err != nil {
		t.Fatal("yanglint is missing: run .ci/deps")
	}
	dir := t.TempDir()
	sources, err := yang.Sources()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sources {
		if err := os.WriteFile(filepath.Join(dir, s.Name), s.Text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var features, modules []string
	for _, m := range yang.Implemented() {
		features = append(features, "--features", m.Name+":"+strings.Join(m.Features, ","))
		modules = append(modules, filepath.Join(dir, m.Name+".yang"))
	}
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
		file := filepath.Join(dir, name+".xml")
		if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		kind := map[string]string{"state": "get", "config": "config"}[name]
		args := slices.Concat([]string{"--path", dir, "--type", kind}, features, modules, []string{file})
		if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
