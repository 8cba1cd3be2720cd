package schema_test

import (
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
)

func TestMapPrefixes(t *testing.T) {
	for _, tc := range []struct{ expr, want string }{
		{"", ""},
		{"/a/b", "/a/b"},
		{"/p:a/q:b", "/P:a/Q:b"},
		{"p:a[p:b = 'p:c']", "P:a[P:b = 'p:c']"},
		{`p:a[. = "it's p:x" or . = 'say "q:y"']/q:*`, `P:a[. = "it's p:x" or . = 'say "q:y"']/Q:*`},
		{"child::p:a/ancestor::q:b", "child::P:a/ancestor::Q:b"},
		{"p:a*q:b", "P:a*Q:b"},
		{"p:**q:b", "P:**Q:b"},
		{"$p:v + 1.5", "$P:v + 1.5"},
		{"derived-from(../p:type, 'q:x')", "derived-from(../P:type, 'q:x')"},
		{"p-1.x:a", "P-1.X:a"},
		{"unclosed 'p:a", "unclosed 'p:a"},
		{"p:", "p:"},
		{"1p:a", "1P:a"},
	} {
		if got := schema.MapPrefixes(tc.expr, strings.ToUpper); got != tc.want {
			t.Errorf("%s becomes %s, want %s", tc.expr, got, tc.want)
		}
	}
}

// FuzzMapPrefixes: what maps every prefix to itself changes nothing.
func FuzzMapPrefixes(f *testing.F) {
	f.Add("/p:a[q:b='c:d']/*")
	f.Add("p:**q:b")
	f.Add("\"")
	f.Fuzz(func(t *testing.T, expr string) {
		if got := schema.MapPrefixes(expr, func(p string) string { return p }); got != expr {
			t.Errorf("%q becomes %q", expr, got)
		}
	})
}
