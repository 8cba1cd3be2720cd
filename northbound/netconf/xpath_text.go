package netconf

import (
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/xpath"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// compileXPath compiles an expression of a client on the data tree, with the
// namespace declarations that are in scope on the element that holds it. A name
// without prefix belongs to any module. The errors name the element: it is
// unknown-namespace for one that no module has, else invalid-value.
func compileXPath(s *schema.Schema, text string, bindings map[string]string, element string) (*xpath.Expr, error) {
	x, err := xpath.Compile(text, s.Root(), xpath.Options{Prefixes: prefixes(s, bindings)})
	if err == nil {
		return x, nil
	}
	unknown := ""
	schema.MapPrefixes(text, func(prefix string) string {
		if space := bindings[prefix]; space != "" && s.ModuleByNamespace(space) == nil {
			unknown = space
		}
		return prefix
	})
	if unknown != "" {
		return nil, yangerr.New(yangerr.UnknownNamespace, nil, "no module of this element has the namespace %q", unknown).WithType(yangerr.Protocol).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: element}, yangerr.Info{Name: yangerr.InfoBadNamespace, Value: unknown})
	}
	return nil, yangerr.New(yangerr.InvalidValue, nil, "%q is not an expression that can be used here: %v", text, err).WithType(yangerr.Protocol).
		WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: element})
}

// prefixes returns the modules that prefixes stand for.
func prefixes(s *schema.Schema, bindings map[string]string) map[string]*schema.Module {
	known := map[string]*schema.Module{}
	for p, space := range bindings {
		if m := s.ModuleByNamespace(space); m != nil && p != "" {
			known[p] = m
		}
	}
	return known
}
