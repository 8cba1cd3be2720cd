package link_test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// TestIngress puts filters beside those of somebody else.
func TestIngress(t *testing.T) {
	l, h := open(t)
	west := index(t, l, h, drivertest.West)
	show := func() string { return tc(t, l, "filter", "show", "dev", "west0", "ingress") }
	foreign := func(args string) {
		t.Helper()
		tc(t, l, strings.Fields("filter add dev west0 ingress "+args)...)
	}
	if err := h.ClearIngress(west, "ours", true); err != nil {
		t.Errorf("nothing there: %v", err)
	}
	if id, err := h.Ingress(west, "ours"); id != 0 || err != nil {
		t.Errorf("Ingress: %d, %v", id, err)
	}
	fd := passProgram(t)
	if added, err := h.SetIngress(west, fd, "ours"); err != nil || !added {
		t.Fatalf("SetIngress: %v, %v", added, err)
	}
	first, err := h.Ingress(west, "ours")
	if err != nil || first == 0 {
		t.Fatalf("Ingress: %d, %v", first, err)
	}
	if added, err := h.SetIngress(west, passProgram(t), "ours"); err != nil || added {
		t.Fatalf("SetIngress again: %v, %v", added, err)
	}
	if second, err := h.Ingress(west, "ours"); err != nil || second == first || strings.Count(show(), "ours") != 1 {
		t.Errorf("the program was not replaced: %d, %d, %v\n%s", first, second, err, show())
	}
	if err := h.ClearIngress(west, "ours", true); err != nil {
		t.Fatal(err)
	}
	if out := tc(t, l, "qdisc", "show", "dev", "west0"); strings.Contains(out, "clsact") {
		t.Errorf("the clsact is left: %s", out)
	}

	// Somebody else has the first preference with another kind of filter.
	tc(t, l, "qdisc", "add", "dev", "west0", "clsact")
	foreign("pref 1 protocol ip u32 match u32 0 0 classid 1:1")
	if added, err := h.SetIngress(west, fd, "ours"); err != nil || added {
		t.Fatalf("beside another: %v, %v", added, err)
	}
	if out := show(); !strings.Contains(out, "u32") || !strings.Contains(out, "ours") {
		t.Errorf("filters: %s", out)
	}
	if err := h.ClearIngress(west, "ours", true); err != nil {
		t.Fatal(err)
	}
	if out := show(); !strings.Contains(out, "u32") || strings.Contains(out, "ours") {
		t.Errorf("filters after ours went: %s", out)
	}
	if _, err := h.SetIngress(4242, fd, "ours"); err == nil {
		t.Error("a filter on no interface")
	}
	if err := h.ClearIngress(4242, "ours", true); err != nil {
		t.Errorf("no interface: %v", err)
	}
	if _, err := h.SetIngress(west, -1, "ours"); err == nil {
		t.Error("no program")
	}
}

// passProgram loads a program of the kind that filters are.
func passProgram(t *testing.T) int {
	t.Helper()
	fd, err := link.Classifier(link.Queues{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}
