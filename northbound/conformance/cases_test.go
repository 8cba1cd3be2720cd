package conformance

import (
	"slices"
	"strings"
	"testing"
)

// TestCases holds the table to its own rules: names, clauses, one order.
func TestCases(t *testing.T) {
	seen := map[string]bool{}
	var order []string
	for _, c := range Cases() {
		order = append(order, c.Name)
		switch {
		case !caseName.MatchString(c.Name):
			t.Errorf("%s is no rfcNUMBER-SECTION-what", c.Name)
			continue
		case seen[c.Name]:
			t.Errorf("%s is there twice", c.Name)
		case c.Clause == "" || strings.HasSuffix(c.Clause, "."):
			t.Errorf("%s has the clause %q", c.Name, c.Clause)
		case c.Run == nil:
			t.Errorf("%s does nothing", c.Name)
		case c.RFC() == "" || c.Section() == "":
			t.Errorf("%s has no section", c.Name)
		}
		seen[c.Name] = true
		for _, need := range c.Needs {
			if strings.Trim(need, "!:") == "" {
				t.Errorf("%s needs %q", c.Name, need)
			}
		}
	}
	var again []string
	for _, c := range Cases() {
		again = append(again, c.Name)
	}
	if !slices.Equal(order, again) {
		t.Error("the order of the cases changes")
	}
}
