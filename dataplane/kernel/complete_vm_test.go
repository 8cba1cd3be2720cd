//go:build vm

package kernel

import "testing"

// TestComplete: the guest can load what auto asks for.
func TestComplete(t *testing.T) {
	if err := Complete(); err != nil {
		t.Error(err)
	}
}
