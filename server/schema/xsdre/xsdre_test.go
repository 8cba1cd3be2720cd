package xsdre_test

import (
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema/xsdre"
)

func TestTranslate(t *testing.T) {
	for _, tc := range []struct {
		pattern   string
		match, no []string
	}{
		{"", []string{""}, []string{"a"}},
		{"abc", []string{"abc"}, []string{"ab", "abcd", "xabc", "ABC", "abc\n"}},
		{"a|bc", []string{"a", "bc"}, []string{"ac", "abc", ""}},
		{"(|a)b", []string{"b", "ab"}, []string{"aab"}},
		{"a.c", []string{"abc", "aéc", "a𝄞c"}, []string{"a\nc", "a\rc", "ac"}},
		{"^a$", []string{"^a$"}, []string{"a"}},
		{"a{2}", []string{"aa"}, []string{"a", "aaa"}},
		{"a{2,}", []string{"aa", "aaaa"}, []string{"a"}},
		{"a{0,2}", []string{"", "a", "aa"}, []string{"aaa"}},
		{"(ab){2}c?d*e+", []string{"ababe", "ababcdde"}, []string{"abe", "abab"}},
		{`\.\\\?\*\+\(\)\|\[\]\{\}\-\^`, []string{`.\?*+()|[]{}-^`}, []string{"x"}},
		{`\n\r\t`, []string{"\n\r\t"}, []string{"nrt"}},
		{"[a-c]", []string{"a", "c"}, []string{"d", "-", "ab"}},
		{"[-a]", []string{"-", "a"}, []string{"b"}},
		{"[a-]", []string{"-", "a"}, []string{"b"}},
		{"[+--]", []string{"+", ",", "-"}, []string{"."}},
		{"[^a-c]", []string{"d", "é", "\n"}, []string{"a", ""}},
		{"[a^]", []string{"a", "^"}, []string{"b"}},
		{`[\]\[\\]`, []string{"]", "[", `\`}, []string{"a"}},
		{`[\d.]+`, []string{"1.2", "٣"}, []string{"a"}},
		{`[\w-]+`, []string{"a-b"}, []string{"a b"}},
		{`[a-z-[aeiou]]+`, []string{"xyz"}, []string{"a", "xay", "-"}},
		{`[\p{L}-[\p{Lu}-[Z]]]+`, []string{"ab", "Z", "é"}, []string{"A", "É", "1"}},
		{`[^\s-[\n]]`, []string{"a"}, []string{" ", "\n"}},
		{`\s+`, []string{" \t\n\r"}, []string{"\v", "\u00a0"}},
		{`\S+`, []string{"a\v"}, []string{" "}},
		{`\d+`, []string{"09", "٠١"}, []string{"Ⅷ"}},
		{`\D`, []string{"a"}, []string{"5"}},
		{`\w+`, []string{"aé1+"}, []string{"a.b", "_", " "}},
		{`\W`, []string{".", " "}, []string{"a"}},
		{`\i\c*`, []string{"_a-1.b", ":x", "é·"}, []string{"1a", "-a"}},
		{`\I\C`, []string{"1 "}, []string{"a ", "1a"}},
		{`\p{Lu}\p{Nd}`, []string{"A1"}, []string{"a1"}},
		{`\P{L}`, []string{"1"}, []string{"a"}},
		{`\p{Cn}`, []string{"\u0378"}, []string{"a", "\u0000"}},
		{`\p{IsBasicLatin}+`, []string{"az~"}, []string{"é"}},
		{`\p{IsLatin-1Supplement}`, []string{"é"}, []string{"e"}},
		{`\p{IsGreek}\p{IsGreekandCoptic}`, []string{"αβ"}, []string{"ab"}},
		{`[\P{IsCyrillic}]`, []string{"a"}, []string{"ж"}},
		{"é{2}", []string{"éé"}, []string{"é"}},
		{"a{1500}", []string{strings.Repeat("a", 1500)}, []string{strings.Repeat("a", 1499), strings.Repeat("a", 1501)}},
		{"a{2,1500}", []string{"aa", strings.Repeat("a", 1500)}, []string{"a", strings.Repeat("a", 1501)}},
		{"(ab){1200,}", []string{strings.Repeat("ab", 1300)}, []string{strings.Repeat("ab", 1199)}},
	} {
		expr, err := xsdre.Translate(tc.pattern)
		if err != nil {
			t.Errorf("%q: %v", tc.pattern, err)
			continue
		}
		match := xsdre.Lazy(expr)
		for _, s := range tc.match {
			if !match(s) {
				t.Errorf("%.40q does not match %.40q", tc.pattern, s)
			}
		}
		for _, s := range tc.no {
			if match(s) {
				t.Errorf("%.40q matches %.40q", tc.pattern, s)
			}
		}
	}
}

func TestTranslateErrors(t *testing.T) {
	for pattern, want := range map[string]string{
		"(a":                           "closing parenthesis is missing",
		"a)":                           "has no opening one",
		"[a":                           "closing bracket of a class is missing",
		"[a-":                          "closing bracket of a class is missing",
		"[]":                           "a class is empty",
		"[^]":                          "a class is empty",
		"[a[b]]":                       "must be written with a backslash",
		"]":                            "must be written with a backslash",
		"a}":                           "must be written with a backslash",
		"*a":                           "has nothing before it",
		"a**":                          "has nothing before it",
		"a??":                          "has nothing before it",
		"(?:a)":                        "has nothing before it",
		"{2}":                          "has nothing before it",
		"a{":                           "closing brace of a quantifier is missing",
		"a{x}":                         "is not a count",
		"a{+1}":                        "is not a count",
		"a{,2}":                        "is not a count",
		"a{3,2}":                       "smaller count last",
		"a{70000}":                     "greater than 65535",
		"[z-a]":                        "the range z-a is empty",
		`[a-\d]`:                       "escape for many characters",
		`a\`:                           "ends in a backslash",
		`\b`:                           "does not exist in XML Schema",
		`\/`:                           "does not exist in XML Schema",
		`\1`:                           "does not exist in XML Schema",
		`\pL`:                          "needs a name in braces",
		`\p{L`:                         "closing brace of \\p is missing",
		`\p{Xx}`:                       `no category or block "Xx"`,
		`\p{IsKlingon}`:                `no category or block "IsKlingon"`,
		`\p{Latin}`:                    `no category or block "Latin"`,
		"[a-z-[aeiou]x]":               "a subtraction must end its class",
		"\xff":                         "not UTF-8",
		"((a{1000}){1000}){1000}":      "invalid repeat count",
		strings.Repeat("(", 300) + "a": "nested deeper",
	} {
		expr, err := xsdre.Translate(pattern)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %q, %v; want an error with %q", pattern, expr, err, want)
		}
	}
}

// FuzzTranslate checks that every translation compiles and that quoting a text
// character by character gives a pattern for this text only.
func FuzzTranslate(f *testing.F) {
	for _, s := range []string{`[a-z-[aeiou]]+`, `\i\c*(\.\p{IsGreek}{2,3})?`, `(a{1001}|b{0,2000})*`, `[^\s-[\n]]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		if len(pattern) > 200 {
			return
		}
		if expr, err := xsdre.Translate(pattern); err == nil {
			xsdre.Lazy(expr)(pattern)
		}
		var quoted strings.Builder
		for _, r := range pattern {
			if strings.ContainsRune(`\|.?*+(){}-[]^`, r) {
				quoted.WriteByte('\\')
			}
			quoted.WriteRune(r)
		}
		text := string([]rune(pattern))
		expr, err := xsdre.Translate(quoted.String())
		if err != nil {
			t.Fatalf("quoted %q: %v", pattern, err)
		}
		if match := xsdre.Lazy(expr); !match(text) || match(text+"x") {
			t.Fatalf("quoted %q does not match exactly itself", pattern)
		}
	})
}
