package validate

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// TestParallel: a large change gives the same errors on one core, on several,
// and without being cut into pieces.
func TestParallel(t *testing.T) {
	s := compileConditions(t)
	v := New(s)
	r := rand.New(rand.NewPCG(5, 7))
	var b strings.Builder
	b.WriteString("limit = 255\n")
	for i := range 3 * fewEntries {
		lsp := fmt.Sprintf("lsp[name='l%d']", i)
		fmt.Fprintf(&b, "%s/label = %d\n", lsp, 15+r.IntN(20))
		switch r.IntN(6) {
		case 0:
			fmt.Fprintf(&b, "%s/hop[id='%d']/cost = 1\n", lsp, r.IntN(9))
		case 1:
			fmt.Fprintf(&b, "%s/type = p2mp\n", lsp)
		case 2:
			fmt.Fprintf(&b, "%s/speed/peak = 13\n", lsp)
		}
	}
	b.WriteString("extra/note = x\nside = 1\nradius = 0\n")
	empty, errs := v.Full(tree.Empty(s))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	root := edit(t, s, tree.Empty(s), b.String())

	c := newCheck(v.plan, nil, root)
	c.collect()
	c.evaluateNew()
	pieces, entries := c.pieces()
	if entries < fewEntries || len(pieces) < 3 {
		t.Fatalf("%d entries in %d pieces are not enough for a test", entries, len(pieces))
	}
	var want []string
	for _, e := range inOrder(slices.Clone(c.errs), root) {
		want = append(want, text(yangerr.List{e}))
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, cores := range []int{1, 2, 4} {
		runtime.GOMAXPROCS(cores)
		for name, state := range map[string]*State{"Full": nil, "Change": empty} {
			_, errs := v.Change(state, root)
			got := strings.Split(text(errs), "\n")
			if len(want) < fewEntries || !slices.Equal(got, want) {
				t.Errorf("%s on %d cores: %d errors, want %d", name, cores, len(got), len(want))
			}
		}
	}
}
