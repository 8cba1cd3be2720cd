package schema

import (
	"strings"

	"github.com/openconfig/goyang/pkg/yang"
)

// maxDepth bounds the nesting of statements, so that no module text can exhaust
// the stack.
const maxDepth = 200

const dataDefs = "anydata* anyxml* choice* container* leaf* leaf-list* list* uses* "

// substatements gives for every statement its substatements with their
// cardinality: ? at most one, * any number, ! exactly one, + at least one
// (RFC 7950 section 7, the tables "substatement / cardinality").
func substatements() map[string]string {
	return map[string]string{
		"module":       "augment* contact? description? deviation* extension* feature* grouping* identity* import* include* namespace! notification* organization? prefix! reference? revision* rpc* typedef* yang-version? " + dataDefs,
		"submodule":    "augment* belongs-to! contact? description? deviation* extension* feature* grouping* identity* import* include* notification* organization? reference? revision* rpc* typedef* yang-version? " + dataDefs,
		"import":       "description? prefix! reference? revision-date?",
		"include":      "description? reference? revision-date?",
		"revision":     "description? reference?",
		"belongs-to":   "prefix!",
		"extension":    "argument? description? reference? status?",
		"argument":     "yin-element?",
		"feature":      "description? if-feature* reference? status?",
		"identity":     "base* description? if-feature* reference? status?",
		"typedef":      "default? description? reference? status? type! units?",
		"type":         "base* bit* enum* fraction-digits? length? path? pattern* range? require-instance? type*",
		"range":        "description? error-app-tag? error-message? reference?",
		"length":       "description? error-app-tag? error-message? reference?",
		"pattern":      "description? error-app-tag? error-message? modifier? reference?",
		"enum":         "description? if-feature* reference? status? value?",
		"bit":          "description? if-feature* position? reference? status?",
		"must":         "description? error-app-tag? error-message? reference?",
		"when":         "description? reference?",
		"grouping":     "action* description? grouping* notification* reference? status? typedef* " + dataDefs,
		"container":    "action* config? description? grouping* if-feature* must* notification* presence? reference? status? typedef* when? " + dataDefs,
		"leaf":         "config? default? description? if-feature* mandatory? must* reference? status? type! units? when?",
		"leaf-list":    "config? default* description? if-feature* max-elements? min-elements? must* ordered-by? reference? status? type! units? when?",
		"list":         "action* config? description? grouping* if-feature* key? max-elements? min-elements? must* notification* ordered-by? reference? status? typedef* unique* when? " + dataDefs,
		"choice":       "anydata* anyxml* case* choice* config? container* default? description? if-feature* leaf* leaf-list* list* mandatory? reference? status? when?",
		"case":         "description? if-feature* reference? status? when? " + dataDefs,
		"anydata":      "config? description? if-feature* mandatory? must* reference? status? when?",
		"anyxml":       "config? description? if-feature* mandatory? must* reference? status? when?",
		"uses":         "augment* description? if-feature* reference? refine* status? when?",
		"refine":       "config? default* description? if-feature* mandatory? max-elements? min-elements? must* presence? reference?",
		"augment":      "action* case* description? if-feature* notification* reference? status? when? " + dataDefs,
		"rpc":          "description? grouping* if-feature* input? output? reference? status? typedef*",
		"action":       "description? grouping* if-feature* input? output? reference? status? typedef*",
		"input":        "grouping* must* typedef* " + dataDefs,
		"output":       "grouping* must* typedef* " + dataDefs,
		"notification": "description? grouping* if-feature* must* reference? status? typedef* " + dataDefs,
		"deviation":    "description? deviate+ reference?",
		"deviate":      "config? default* mandatory? max-elements? min-elements? must* type? unique* units?",
	}
}

// grammar is the parsed form of substatements.
type grammar map[string]map[string]byte

func newGrammar() grammar {
	g := grammar{}
	for kw, list := range substatements() {
		g[kw] = map[string]byte{}
		for _, sub := range strings.Fields(list) {
			g[kw][sub[:len(sub)-1]] = sub[len(sub)-1]
			if _, ok := g[sub[:len(sub)-1]]; !ok {
				g[sub[:len(sub)-1]] = nil
			}
		}
	}
	return g
}

// check reports every statement that may not stand where it does, is there too
// often or is missing below s. Statements of extensions are not looked into;
// their prefix must be known.
func (c *compiler) check(u *unit, s *yang.Statement, depth int) {
	if depth > maxDepth {
		c.errorf(s, "statements are nested deeper than %d", maxDepth)
		return
	}
	if s.HasArgument == (s.Keyword == "input" || s.Keyword == "output") {
		c.errorf(s, "%s %s", s.Keyword, map[bool]string{true: "takes no argument", false: "needs an argument"}[s.HasArgument])
	}
	if want, ok := identifierArguments[s.Keyword]; ok && s.HasArgument && !isIdentifier(s.Argument, want) {
		c.errorf(s, "%s: %q is not an identifier", s.Keyword, s.Argument)
	}
	allowed := c.grammar[s.Keyword]
	var seen map[string]int
	for _, sub := range s.SubStatements() {
		if prefix, _, ok := strings.Cut(sub.Keyword, ":"); ok {
			if u.prefixes[prefix] == nil && u.prefixes != nil {
				c.errorf(sub, "extension %s: no module has the prefix %q", sub.Keyword, prefix)
			}
			continue
		}
		card, ok := allowed[sub.Keyword]
		switch {
		case !ok && !c.grammar.has(sub.Keyword):
			c.errorf(sub, "unknown statement %q", sub.Keyword)
			continue
		case !ok:
			c.errorf(sub, "statement %s is not allowed in %s", sub.Keyword, describe(s))
			continue
		}
		if card == '?' || card == '!' || card == '+' {
			if seen == nil {
				seen = map[string]int{}
			}
			seen[sub.Keyword]++
			if seen[sub.Keyword] == 2 && card != '+' {
				c.errorf(sub, "second %s in %s", sub.Keyword, describe(s))
			}
		}
		c.checkVersion(u, s, sub)
		c.check(u, sub, depth+1)
	}
	for sub, card := range allowed {
		if (card == '!' || card == '+') && seen[sub] == 0 {
			c.errorf(s, "%s has no %s statement", describe(s), sub)
		}
	}
}

func (g grammar) has(keyword string) bool {
	_, ok := g[keyword]
	return ok
}

// identifierArguments lists the statements whose argument is an identifier;
// true when a prefix may stand before it.
var identifierArguments = map[string]bool{
	"module": false, "submodule": false, "import": false, "include": false,
	"belongs-to": false, "prefix": false, "extension": false, "argument": false,
	"feature": false, "identity": false, "base": true, "typedef": false,
	"type": true, "bit": false, "grouping": false, "container": false,
	"leaf": false, "leaf-list": false, "list": false, "choice": false,
	"case": false, "anydata": false, "anyxml": false, "uses": true,
	"rpc": false, "action": false, "notification": false,
}

// isIdentifier reports whether s is an identifier of RFC 7950 section 6.2,
// after a prefix when one is allowed.
func isIdentifier(s string, prefixed bool) bool {
	if prefix, name, ok := strings.Cut(s, ":"); ok {
		return prefixed && isIdentifier(prefix, false) && isIdentifier(name, false)
	}
	if s == "" || !isIdentStart(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !isIdentByte(s[i]) {
			return false
		}
	}
	return true
}

func isIdentStart(b byte) bool {
	return b == '_' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

func isIdentByte(b byte) bool {
	return isIdentStart(b) || b == '-' || b == '.' || '0' <= b && b <= '9'
}

// describe names a statement for a message: `leaf "mtu"`.
func describe(s *yang.Statement) string {
	if !s.HasArgument || len(s.Argument) > 80 {
		return s.Keyword
	}
	return s.Keyword + " \"" + s.Argument + "\""
}

// first returns the first substatement of s with the keyword, or nil.
func first(s *yang.Statement, keyword string) *yang.Statement {
	for _, sub := range s.SubStatements() {
		if sub.Keyword == keyword {
			return sub
		}
	}
	return nil
}

// argOf returns the argument of the first such substatement, or "".
func argOf(s *yang.Statement, keyword string) string {
	if sub := first(s, keyword); sub != nil {
		return sub.Argument
	}
	return ""
}
