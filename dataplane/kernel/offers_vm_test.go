//go:build vm

package kernel

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// TestMissing: what each kernel lacks, exactly. One that is not in the table may
// lack nothing.
func TestMissing(t *testing.T) {
	lacks := map[string][]string{
		"5.10": nil,
		"6.1":  nil,
		"6.12": nil,
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	release := strings.SplitN(unix.ByteSliceToString(u.Release[:]), ".", 3)
	want := lacks[release[0]+"."+release[1]]
	got, err := Missing()
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("kernel %s lacks %q, want %q (%v)", unix.ByteSliceToString(u.Release[:]), got, want, err)
	}
	none := part{"an operation that there is not", parts()[4].filter}
	none.filter.Actions = []mplsnl.Action{{Kind: mplsnl.MPLS, Verdict: mplsnl.Pipe, MPLS: mplsnl.MPLSAction{Op: 99}}}
	if got, err := missingOf([]part{none, parts()[0]}); err != nil || !slices.Equal(got, []string{none.name}) {
		t.Errorf("of an operation that there is not is missing %q, %v", got, err)
	}
	c := Capabilities()
	if err := complete(&c); err != nil {
		t.Errorf("chains cannot be here: %v", err)
	}
}
