package lab

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sound is a topology without fault; the cases replace a part of it.
const sound = `name: small
description: two elements
nodes:
  a:
    config: a.xml
    interfaces:
      link: {mac: "02:00:00:00:00:01"}
      client: {addresses: [192.0.2.1/25]}
  b:
    config: a.xml
    interfaces:
      link: {mac: "02:00:00:00:00:02"}
  host:
    interfaces:
      uplink: {addresses: [192.0.2.2/25]}
    routes:
      - 192.0.2.128/25 via 192.0.2.1
links:
  - {a: "a:link", z: "b:link"}
  - {a: "host:uplink", z: "a:client"}
demo:
  pings:
    - {from: host, to: 192.0.2.130}
  watch: a
  meg: m
  cut: b:link
`

func write(t *testing.T, topology string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{FileName: topology, "a.xml": "<x/>"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad(t *testing.T) {
	topology, err := Load(write(t, sound))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(topology.NodeNames(), " "); got != "a b host" {
		t.Errorf("nodes %s", got)
	}
	if got := strings.Join(topology.Elements(), " "); got != "a b" {
		t.Errorf("elements %s", got)
	}
	if got := topology.Namespace("a"); got != "small-a" {
		t.Errorf("namespace %s", got)
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, old, new, want string
	}{
		{"not YAML", "name: small", "name: [", "yaml"},
		{"unknown field", "name: small", "name: small\ncolour: red", "field colour not found"},
		{"unknown field of a node", "config: a.xml", "konfig: a.xml", "field konfig not found"},
		{"name with capitals", "name: small", "name: Small", `name "Small"`},
		{"name that is a path", "name: small", "name: ../x", `name "../x"`},
		{"name over 32", "name: small", "name: " + strings.Repeat("x", 33), "at most 32"},
		{"name of a node", "  b:\n", "  B_1:\n", `node "B_1"`},
		{"configuration that is not there", "config: a.xml", "config: none.xml", "node a: config: stat"},
		{"interface name over 15", "      client:", "      a-very-long-name:", `interface "a-very-long-name"`},
		{"interface name with a slash", "      client:", `      "a/b":`, `interface "a/b"`},
		{"MAC", `"02:00:00:00:00:01"`, `"02:00:00"`, "interface link: mac"},
		{"address without a length", "[192.0.2.1/25]", "[192.0.2.1]", "interface client: addresses"},
		{"address of no family", "[192.0.2.1/25]", "[300.0.2.1/25]", "interface client: addresses"},
		{"route without via", "192.0.2.128/25 via 192.0.2.1", "192.0.2.128/25", "want PREFIX via ADDRESS"},
		{"route to no prefix", "192.0.2.128/25 via", "192.0.2.128 via", "node host: routes"},
		{"route via a name", "via 192.0.2.1", "via a", "node host: routes"},
		{"link to no node", `z: "b:link"`, `z: "c:link"`, `links[0]: "c:link" is not an interface`},
		{"link to no interface", `z: "b:link"`, `z: "b:eth0"`, `links[0]: "b:eth0" is not an interface`},
		{"link without an interface", `z: "b:link"`, `z: b`, `links[0]: "b" is not an interface`},
		{"link with one end", `, z: "b:link"`, "", `links[0]: "" is not an interface`},
		{"interface joined twice", `z: "b:link"`, `z: "a:client"`, `links[1]: "a:client" is already joined`},
		{"interface on no link", `  - {a: "a:link", z: "b:link"}`, "", "node a: interface link is on no link"},
		{"ping from no node", "from: host", "from: nobody", `demo: pings[0]: no node "nobody"`},
		{"ping to a name", "to: 192.0.2.130", "to: host", "demo: pings[0]"},
		{"watch of a host", "watch: a", "watch: host", `demo: watch: "host" is not an element`},
		{"cut of nothing", "cut: b:link", "cut: b:eth7", `demo: cut: "b:eth7" is not an interface`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !strings.Contains(sound, tc.old) {
				t.Fatalf("the sound topology has no %q", tc.old)
			}
			_, err := Load(write(t, strings.Replace(sound, tc.old, tc.new, 1)))
			if err == nil {
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), FileName) {
				t.Errorf("%v\nlacks %q or the name of the file", err, tc.want)
			}
		})
	}
}

func TestLoadReportsEveryFault(t *testing.T) {
	text := strings.NewReplacer("config: a.xml", "config: none.xml", "watch: a", "watch: host", "from: host", "from: nobody").Replace(sound)
	_, err := Load(write(t, text))
	if err == nil {
		t.Fatal("it was accepted")
	}
	for _, want := range []string{"node a: config", "node b: config", "demo: watch", "demo: pings[0]"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}

func TestLoadNoFile(t *testing.T) {
	if _, err := Load(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory without topology: %v", err)
	}
}

// TestLabsOfTheRepository: what is committed loads.
func TestLabsOfTheRepository(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "testdata", "lab", "*", FileName))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		if _, err := Load(filepath.Dir(f)); err != nil {
			t.Error(err)
		}
	}
}
