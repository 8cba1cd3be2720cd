package xpath_test

import (
	"testing"

	"github.com/tandem-ne/tandem/server/xpath"
)

// FuzzCompile: no text makes the compiler or the evaluation panic; what compiles
// prints, and the print compiles to the same print and the same value.
func FuzzCompile(f *testing.F) {
	s, root := yard(f)
	for _, e := range yanglintExpressions() {
		f.Add(e)
	}
	for _, d := range dependents {
		f.Add(d[1])
	}
	for _, e := range []string{
		"(/) * 3", "- - 1", "a[b][1][last()]", "* * *", "div div div", "a/b//c/@d | ../e", "processing-instruction(\"it's\")", "concat('a\"', \"b'\")", "self::node()[1]", "(a | b)[2]/c", "current()/../x[. = current()]",
		".5 + 5. - 5", "y:*[y:name]", "//*[//*]", "child :: a / parent :: node ( )", "deref(deref(main)/../name)", "string(//node())", "ancestor-or-self::*[position() = last()]",
	} {
		f.Add(e)
	}
	n, c := at(f, s, root, trackBNode)
	o := options(s)
	f.Fuzz(func(t *testing.T, text string) {
		x, err := xpath.Compile(text, n, o)
		if err != nil {
			return
		}
		again, err := xpath.Compile(x.String(), n, o)
		if err != nil {
			t.Fatalf("%q prints as %q: %v", text, x, err)
		}
		if again.String() != x.String() {
			t.Fatalf("%q prints as %q, then as %q", text, x, again)
		}
		a, errA := x.Text(c)
		b, errB := again.Text(c)
		if a != b || (errA == nil) != (errB == nil) {
			t.Fatalf("%q is %q (%v), printed as %q it is %q (%v)", text, a, errA, x, b, errB)
		}
	})
}
