package wiretest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	g, err := parse("# A frame.\n@ bfd.diag 0x01\n@ x.y a b\n\n0a 0B # two\n0c\n")
	if err != nil || !bytes.Equal(g.Frame, []byte{10, 11, 12}) {
		t.Fatalf("%+v, %v", g, err)
	}
	if len(g.Fields) != 2 || g.Fields[0] != (Field{"bfd.diag", "0x01"}) || g.Fields[1] != (Field{"x.y", "a b"}) {
		t.Errorf("%+v", g.Fields)
	}
	for name, text := range map[string]string{"odd": "0a 0", "no hex": "zz", "no value": "@ field"} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); err == nil {
		t.Error("an empty directory is accepted: a test over it would prove nothing")
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.hex"), []byte("0a\nxx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "bad.hex") {
		t.Errorf("%v", err)
	}
}

// TestTsharkSeesFaults: a witness that never objects would be none.
func TestTsharkSeesFaults(t *testing.T) {
	good := Ethernet([]byte{0, 0, 0xd1, 1, 0x10, 0, 0, 0x22, 0x20, 0x40, 3, 24, 0, 0, 0, 1, 0, 0, 0, 0, 0, 15, 66, 64, 0, 15, 66, 64, 0, 0, 0, 0})
	d, err := Tshark(t.Context(), t.TempDir(), [][]byte{good, good[:40]}, "bfd.sta", "frame.protocols")
	if err != nil {
		t.Fatal(err)
	}
	if d[0][Malformed] != "" || d[0]["bfd.sta"] != "0x01" {
		t.Errorf("%v", d[0])
	}
	if d[1][Malformed] == "" {
		t.Errorf("a packet cut short is not malformed: %v", d[1])
	}
	if _, err := Tshark(t.Context(), t.TempDir(), [][]byte{good}, "no.such.field"); err == nil {
		t.Error("an unknown field is accepted")
	}
}

func TestTsharkMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Tshark(t.Context(), t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "package tshark") {
		t.Errorf("%v", err)
	}
}
