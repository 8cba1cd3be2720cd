package codec

import (
	"fmt"
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
)

// parsePredicates reads the key attribute of RFC 7950 section 7.8.6, the
// predicates of an instance-identifier such as [p:name='a'][p:id='1'], as the
// keys of list s in the order of its key statement.
func parsePredicates(s *schema.Node, text string, r schema.Resolver) ([]schema.Value, error) {
	keys := make([]schema.Value, len(s.Keys))
	for rest := skipSpace(text); rest != ""; rest = skipSpace(rest) {
		if rest[0] != '[' {
			return nil, fmt.Errorf("%q is no predicate", rest)
		}
		name, after, ok := strings.Cut(rest[1:], "=")
		if !ok {
			return nil, fmt.Errorf("the predicate %q has no =", rest)
		}
		name, after = strings.TrimSpace(name), skipSpace(after)
		if after == "" || after[0] != '\'' && after[0] != '"' {
			return nil, fmt.Errorf("the value of %q is not quoted", name)
		}
		end := strings.IndexByte(after[1:], after[0])
		if end < 0 {
			return nil, fmt.Errorf("the value of %q is not closed", name)
		}
		value := after[1 : 1+end]
		rest = skipSpace(after[1+end+1:])
		if rest == "" || rest[0] != ']' {
			return nil, fmt.Errorf("the predicate of %q is not closed", name)
		}
		rest = rest[1:]
		module, local := s.Module, name
		if p, l, ok := strings.Cut(name, ":"); ok {
			if module, local = r.Module(p), l; module == nil {
				return nil, fmt.Errorf("the prefix %q is not declared", p)
			}
		}
		key := s.ChildIn(module, local)
		if key == nil || !key.IsKey() {
			return nil, fmt.Errorf("%q is no key of list %q", name, s.Name)
		}
		i := key.KeyIndex()
		if !keys[i].IsZero() {
			return nil, fmt.Errorf("the key %q occurs twice", name)
		}
		v, err := key.Type.Parse(value, r)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", name, err)
		}
		keys[i] = v
	}
	for i, v := range keys {
		if v.IsZero() {
			return nil, fmt.Errorf("the key %q is missing", s.Keys[i].Name)
		}
	}
	return keys, nil
}

func skipSpace(s string) string { return strings.TrimLeft(s, " \t\r\n") }
