//go:build vm

package kernel

import (
	"slices"
	"testing"

	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// TestComplete: the guest can load what auto asks for.
func TestComplete(t *testing.T) {
	if err := Complete(); err != nil {
		t.Error(err)
	}
}

// TestMissingOf: a part that no kernel has is missing, the others are not.
func TestMissingOf(t *testing.T) {
	all := parts()
	refused := part{"an operation that there is not", all[slices.IndexFunc(all, func(p part) bool { return p.name == macPush })].filter}
	refused.filter.Actions = []mplsnl.Action{{Kind: mplsnl.MPLS, Verdict: mplsnl.Pipe, MPLS: mplsnl.MPLSAction{Op: 99}}}
	// matchall has no interface to match, and is put without.
	forgotten := part{"an interface for matchall", all[0].filter}
	forgotten.filter.Match = mplsnl.Match{Kind: mplsnl.MatchAll, Interface: "lo"}
	got, err := missingOf([]part{all[0], refused, forgotten, all[1]})
	if err != nil || !slices.Equal(got, []string{refused.name, forgotten.name}) {
		t.Errorf("missing are %q, %v", got, err)
	}
}
