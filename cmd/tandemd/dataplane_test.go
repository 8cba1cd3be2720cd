package main

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane/ebpf"
)

// TestXDPFlag: what --xdp asks for reaches the driver, and nothing else is
// taken.
func TestXDPFlag(t *testing.T) {
	for text, want := range map[string]ebpf.Mode{
		"auto": ebpf.ModeAuto, "native": ebpf.ModeNative, "generic": ebpf.ModeGeneric, "tc": ebpf.ModeTC,
	} {
		f := flags{xdp: text}
		if o, err := f.ebpfOptions(slog.Default()); err != nil || o.Mode != want {
			t.Errorf("--xdp %s: %v, %v", text, o.Mode, err)
		}
	}
	for _, text := range []string{"", "relay", "Native", "offload"} {
		f := flags{xdp: text}
		if _, err := f.ebpfOptions(slog.Default()); err == nil || !strings.Contains(err.Error(), "--xdp") {
			t.Errorf("--xdp %q: %v", text, err)
		}
	}
}
