package conformance

import "strings"

// typeCases are those of RFC 7950 section 9: which values a type takes, how it
// prints them, and section 8.3.1: the error for all others.
func typeCases() []Case {
	var cases []Case
	for _, v := range []struct {
		name, leaf, value, canonical string
	}{
		{"9.2-int8-min", "int8", "-128", "-128"},
		{"9.2.1-plus-sign", "int8", "+5", "5"},
		{"9.2.1-leading-zeros", "int8", "007", "7"},
		{"9.2.1-leading-zero-is-decimal", "int16", "010", "10"},
		{"9.2-white-space", "int8", " \n 5 ", "5"},
		{"9.2-int64-min", "int64", "-9223372036854775808", "-9223372036854775808"},
		{"9.2-uint64-max", "uint64", "18446744073709551615", "18446744073709551615"},
		{"9.2.4-range-second-part", "uint8", "20", "20"},
		{"9.3-decimal64", "decimal", "1.25", "1.25"},
		{"9.3.2-decimal64-canonical", "decimal", "+01.50", "1.5"},
		{"9.3.2-decimal64-point-zero", "decimal", "7", "7.0"},
		{"9.3-decimal64-negative", "decimal", "-0.01", "-0.01"},
		{"9.5-boolean", "boolean", "true", "true"},
		{"9.6-enumeration", "enumeration", "two", "two"},
		{"9.7-bits", "bits", "a c", "a c"},
		{"9.7.2-bits-canonical-order", "bits", "c a", "a c"},
		{"9.7-bits-none", "bits", "", ""},
		{"9.8-binary", "binary", "aGk=", "aGk="},
		{"9.11-empty", "empty", "", ""},
		{"9.12-union-first", "union", "7", "7"},
		{"9.12-union-second", "union", "none", "none"},
		{"9.4-string", "string", "abc", "abc"},
	} {
		cases = append(cases, Case{"rfc7950-" + v.name, "the value " + quote(v.value) + " is taken and comes back as " + quote(v.canonical), nil, func(c *Context) {
			c.Set("<types><" + v.leaf + ">" + v.value + "</" + v.leaf + "></types>")
			c.Same(v.leaf, c.Running().Values("types/"+v.leaf), []string{v.canonical})
		}})
	}
	for _, v := range []struct {
		name, leaf, value string
		wants             []want
	}{
		{"9.2-int8-too-large", "int8", "128", nil},
		{"9.2-int8-too-small", "int8", "-129", nil},
		{"9.2-not-a-number", "int8", "five", nil},
		{"9.2-fraction", "int8", "5.0", nil},
		{"9.2-no-value", "int8", "", nil},
		{"9.2-uint64-too-large", "uint64", "18446744073709551616", nil},
		{"9.2-uint64-negative", "uint64", "-1", nil},
		{"9.2.4-range", "uint8", "11", nil},
		{"9.2.4-range-error-of-the-model", "percent", "101", []want{appTag("percent-range"), message("a percentage is 0 to 100")}},
		{"9.3-too-many-fraction-digits", "decimal", "1.234", nil},
		{"9.3-no-digits-before-the-point", "decimal", ".5", nil},
		{"9.3-no-digits-after-the-point", "decimal", "5.", nil},
		{"9.4.4-length-too-short", "string", "a", []want{appTag("bad-length"), message("2 to 8 characters")}},
		{"9.4.4-length-too-long", "string", "abcdefghi", []want{appTag("bad-length")}},
		{"9.4.5-pattern", "string", "aBc", []want{appTag("bad-letters"), message("small letters only")}},
		{"9.4.5-pattern-is-anchored", "string", "abc1", nil},
		{"9.5-boolean", "boolean", "TRUE", nil},
		{"9.5-boolean-number", "boolean", "1", nil},
		{"9.6-enumeration", "enumeration", "three", nil},
		{"9.6-enumeration-by-number", "enumeration", "1", nil},
		{"9.7-unknown-bit", "bits", "a d", nil},
		{"9.7-bit-twice", "bits", "a a", nil},
		{"9.8-binary-not-base64", "binary", "###", nil},
		{"9.8-binary-length", "binary", "aGVsbG8=", nil},
		{"9.10-identity-unknown", "identity", "ct:bogus", nil},
		{"9.10-identity-not-derived", "identity", "ct:plant", nil},
		{"9.10-identity-is-the-base", "identity", "ct:animal", nil},
		{"9.10-identity-prefix-unknown", "identity", "zz:dog", nil},
		{"9.10.2-not-all-bases", "tame-mammal", "ct:dog", nil},
		{"9.11-empty-with-a-value", "empty", "x", nil},
		{"9.12-union-no-member", "union", "some", nil},
		{"9.12-union-range", "union", "256", nil},
		{"9.13-instance-identifier-no-path", "instance", "nothing", nil},
	} {
		cases = append(cases, Case{"rfc7950-" + v.name + "-refused", "the value " + quote(v.value) + " is answered invalid-value by the edit", nil, func(c *Context) {
			wants := append([]want{path("/ct:types/ct:" + v.leaf)}, v.wants...)
			c.Edit("<types><"+v.leaf+">"+v.value+"</"+v.leaf+"></types>").Error("invalid-value", wants...)
			c.Want(c.Edited(), "")
		}})
	}
	return append(cases, []Case{
		{"rfc7950-9.10.3-identity-prefix", "the prefix of an identity is one of the element", nil, func(c *Context) {
			c.Set(`<types><identity xmlns:q="` + nsTest + `">q:dog</identity></types>`)
			got := c.Running().Get("types/identity")
			c.Check(got != nil, "it is not there")
			prefix, local, ok := strings.Cut(got.Value(), ":")
			if !ok {
				prefix, local = "", got.Value()
			}
			c.Check(local == "dog" && got.resolve(prefix) == nsTest, "it comes back as %q", got.Value())
		}},
		{"rfc7950-9.10.3-identity-without-prefix", "an identity without a prefix is one of the module of the leaf", nil, func(c *Context) {
			c.Set(`<types><identity>dog</identity></types>`)
			got := c.Running().Get("types/identity")
			c.Check(got != nil && strings.HasSuffix(got.Value(), "dog"), "it is not there")
		}},
		{"rfc7950-9.10-identity-of-another-module", "identities of other modules are derived, too", []string{"mtp-conformance-augment"}, func(c *Context) {
			c.Set(`<types><identity xmlns:q="` + nsAugment + `">q:bird</identity></types>`)
			got := c.Running().Get("types/identity")
			prefix, local, _ := strings.Cut(got.Value(), ":")
			c.Check(local == "bird" && got.resolve(prefix) == nsAugment, "it comes back as %q", got.Value())
		}},
		{"rfc7950-9.10.2-all-bases", "an identity derived from all bases", nil, func(c *Context) {
			c.Set(`<types><tame-mammal>ct:cat</tame-mammal></types>`)
		}},
		{"rfc7950-9.4.6-invert-match", "an inverted pattern must not match", []string{"mtp-conformance-augment"}, func(c *Context) {
			const leaf = `<not-x xmlns="` + nsAugment + `">`
			c.Edit(`<types>`+leaf+`xyz</not-x></types>`).Error("invalid-value", path("/ct:types/cx:not-x"))
			c.Set(`<types>` + leaf + `abc</not-x></types>`)
		}},
		{"rfc7950-9.3.4-range-of-decimal64", "decimal64 takes a range", []string{"mtp-conformance-augment"}, func(c *Context) {
			const leaf = `<narrow xmlns="` + nsAugment + `">`
			c.Edit(`<types>`+leaf+`10.01</narrow></types>`).Error("invalid-value", path("/ct:types/cx:narrow"))
			c.Set(`<types>` + leaf + `-10.00</narrow></types>`)
			c.Same("narrow", c.Running().Values("types/cx:narrow"), []string{"-10.0"})
		}},
		{"rfc7950-9.1-keys-are-canonical", "a key in another form is the same key", nil, func(c *Context) {
			c.Set(`<top><pair><first>a</first><second>7</second></pair></top>`)
			c.Set(`<top><pair><first>a</first><second>+07</second><value>x</value></pair></top>`)
			c.Want(c.Running(), `<top><pair><first>a</first><second>7</second><value>x</value></pair></top>`)
		}},
		{"rfc7950-9.4-white-space-of-strings", "white space is part of a string", nil, func(c *Context) {
			c.Set("<top><name> a  b </name></top>")
			c.Check(c.Running().Get("top/name").Text == " a  b ", "it comes back as %q", c.Running().Get("top/name").Text)
		}},
		{"rfc7950-9.4-any-character", "a string has any character of XML", nil, func(c *Context) {
			c.Set("<top><name>tab\tquote\"'&amp;&lt;&gt;é𝄞</name></top>")
			c.Check(c.Running().Get("top/name").Text == "tab\tquote\"'&<>é𝄞", "it comes back as %q", c.Running().Get("top/name").Text)
		}},
		{"rfc7950-8.3.1-all-type-errors", "a wrong value is found by the edit, not by the commit", nil, func(c *Context) {
			c.Edit(`<types><uint8>15</uint8></types>`).Error("invalid-value")
			c.Edit(`<top><item><name>12345678901234567</name></item></top>`).Error("invalid-value")
		}},
	}...)
}
