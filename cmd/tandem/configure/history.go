package configure

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/tree"
)

// historyModule is what an element needs for history, rollback and the commits
// of compare.
const historyModule = "mtp-commits"

func (m *Mode) historyNS() (string, error) {
	mod := m.schema.Module(historyModule)
	if mod == nil || !mod.Implemented {
		return "", errors.New("the element keeps no history of commits (module " + historyModule + ")")
	}
	return mod.Namespace, nil
}

// log returns the element's commits, the latest first.
func (m *Mode) log(ctx context.Context) ([]*tree.Node, error) {
	ns, err := m.historyNS()
	if err != nil {
		return nil, err
	}
	root, err := m.get(ctx, `<get><filter type="subtree"><commit-log xmlns="`+ns+`"><commit/></commit-log></filter></get>`, false)
	if err != nil {
		return nil, err
	}
	var all []*tree.Node
	if log := root.ChildNamed("commit-log"); log != nil {
		if list := log.ChildNamed("commit"); list != nil {
			all = slices.Collect(list.Children())
		}
	}
	slices.SortFunc(all, func(a, b *tree.Node) int {
		return cmp.Compare(b.ChildNamed("id").Value().Uint(), a.ChildNamed("id").Value().Uint())
	})
	return all, nil
}

func (m *Mode) history(ctx context.Context, tokens []string, f filters) error {
	if err := none(tokens); err != nil {
		return err
	}
	if f.display == "xml" || f.display == "json" {
		return m.getState(ctx, []string{"commit-log"}, f)
	}
	all, err := m.log(ctx)
	if err != nil {
		return err
	}
	text := func(n *tree.Node, name string) string {
		if c := n.ChildNamed(name); c != nil {
			return c.Value().String()
		}
		return "-"
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "COMMIT\tTIME\tUSER\tPROTOCOL\tCONFIRMED\tCOMMENT")
	for _, c := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", text(c, "id"), text(c, "time"), text(c, "user"), text(c, "protocol"), text(c, "confirmed"), text(c, "comment"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return emit(m.out, b.String(), f)
}

// commitID reads the id of a commit; -1 is the one before the latest.
func (m *Mode) commitID(ctx context.Context, word string) (uint64, error) {
	if back, ok := strings.CutPrefix(word, "-"); ok {
		n, err := strconv.ParseUint(back, 10, 31)
		if err != nil {
			return 0, fmt.Errorf("%q is no number of commits", word)
		}
		all, err := m.log(ctx)
		if err != nil {
			return 0, err
		}
		if n >= uint64(len(all)) {
			return 0, fmt.Errorf("the element keeps %d commits", len(all))
		}
		return all[n].ChildNamed("id").Value().Uint(), nil
	}
	id, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no commit: history lists them", word)
	}
	return id, nil
}

// commitAt returns the configuration after a commit.
func (m *Mode) commitAt(ctx context.Context, word string) (*tree.Node, error) {
	ns, err := m.historyNS()
	if err != nil {
		return nil, err
	}
	id, err := m.commitID(ctx, word)
	if err != nil {
		return nil, err
	}
	reply, err := m.element.RPC(ctx, fmt.Sprintf(`<get-commit xmlns="%s"><commit-id>%d</commit-id></get-commit>`, ns, id))
	if err != nil {
		return nil, err
	}
	return m.data(reply, func(r *xmltok.Reader) bool { return r.Is(ns, "config") }, true)
}

func (m *Mode) compare(ctx context.Context, tokens []string, f filters) error {
	old, new := m.running, m.work
	var err error
	if len(tokens) > 2 {
		return none(tokens[2:])
	}
	if len(tokens) > 0 {
		if old, err = m.commitAt(ctx, tokens[0]); err != nil {
			return err
		}
	}
	if len(tokens) > 1 {
		if new, err = m.commitAt(ctx, tokens[1]); err != nil {
			return err
		}
	}
	switch f.display {
	case "xml":
		return emit(m.out, string(config(tree.Edits(old, new)))+"\n", f)
	case "json":
		return errors.New("a difference is printed as set lines or, as an edit-config, in XML")
	}
	return emit(m.out, compare(old, new), f)
}

func (m *Mode) rollback(ctx context.Context, tokens []string, _ filters) error {
	if len(tokens) != 1 {
		return errors.New("rollback needs a commit: an id of history, or -1 for the one before the latest")
	}
	root, err := m.commitAt(ctx, tokens[0])
	if err != nil {
		return err
	}
	m.work = root
	return nil
}
