package validate

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/tree"
)

// TestAgainstYanglint asks yanglint whether random configurations, right and
// wrong, are valid.
func TestAgainstYanglint(t *testing.T) {
	program, err := exec.LookPath("yanglint")
	if err != nil {
		t.Fatal("yanglint is missing: install the package libyang2-tools")
	}
	for _, tc := range []struct {
		module string
		edits  func(*rand.Rand) string
	}{
		{"testdata/net.yang", randomEdits}, {"testdata/cond.yang", randomConditions}, {"testdata/when.yang", randomWhens},
	} {
		t.Run(filepath.Base(tc.module), func(t *testing.T) {
			s := compileFile(t, tc.module)
			v := New(s)
			source, err := os.ReadFile(tc.module)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			module, data := filepath.Join(dir, "net.yang"), filepath.Join(dir, "data.xml")
			if err := os.WriteFile(module, source, 0o600); err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(11, 4))
			valid, broken := 0, 0
			state, errs := v.Full(tree.Empty(s))
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			for range 200 {
				root := edit(t, s, state.Root(), tc.edits(r))
				next, errs := v.Change(state, root)
				// Most steps of the walk lead to what is valid; ask about those
				// that do not as often.
				if len(errs) == 0 {
					state = next
				}
				if (len(errs) == 0) == (valid > broken) && valid+broken > 0 {
					continue
				}
				xml := codec.AppendXML(nil, root, codec.EncodeOptions{})
				if len(xml) == 0 {
					continue
				}
				if err := os.WriteFile(data, xml, 0o600); err != nil {
					t.Fatal(err)
				}
				var out bytes.Buffer
				cmd := exec.CommandContext(t.Context(), program, "-t", "config", module, data)
				cmd.Stdout, cmd.Stderr = &out, &out
				err := cmd.Run()
				var exit *exec.ExitError
				if err != nil && !errors.As(err, &exit) {
					t.Fatal(err)
				}
				// libyang 2.1 has the default of a case in use in a unique statement
				// although another case is chosen (RFC 7950 section 7.9.3).
				if len(errs) == 0 && strings.Contains(out.String(), `"kind/plain/mode"`) {
					continue
				}
				if (err == nil) != (len(errs) == 0) {
					t.Errorf("ours: %v\nyanglint: %v %s\n%s", errs, err, &out, xml)
				}
				if len(errs) == 0 {
					valid++
				} else {
					broken++
				}
			}
			if valid < 10 || broken < 10 {
				t.Errorf("%d valid and %d broken configurations are too few", valid, broken)
			}
		})
	}
}
