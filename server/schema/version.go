package schema

import "github.com/openconfig/goyang/pkg/yang"

// isNewIn11 reports whether YANG version 1 does not have sub below a statement
// of the given keyword (RFC 7950 section 1.1 lists what came with 1.1).
func isNewIn11(keyword string, sub *yang.Statement) bool {
	switch sub.Keyword {
	case "anydata", "action", "modifier":
		return true
	case "notification":
		return keyword != "module" && keyword != "submodule"
	case "must":
		return keyword == "input" || keyword == "output" || keyword == "notification"
	case "if-feature":
		switch keyword {
		case "identity", "enum", "bit", "refine":
			return true
		}
		return !isIdentifier(sub.Argument, true) // An expression of several features.
	case "default":
		return keyword == "leaf-list"
	case "choice":
		return keyword == "choice"
	case "description", "reference":
		return keyword == "import" || keyword == "include"
	}
	return false
}

// checkVersion reports a statement that the YANG version of u does not have.
func (c *compiler) checkVersion(u *unit, s, sub *yang.Statement) {
	if v := argOf(u.stmt, "yang-version"); (v == "" || v == "1") && isNewIn11(s.Keyword, sub) {
		c.errorf(sub, "%s in %s needs yang-version 1.1", sub.Keyword, describe(s))
	}
}
