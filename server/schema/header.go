package schema

import "fmt"

// Header is what the first statements of a module text say.
type Header struct {
	Name      string
	Revision  string   // the latest; empty where there is none
	BelongsTo string   // of a submodule; empty for a module
	Features  []string // that the text defines
	Includes  []string // submodules
}

// ReadHeader parses the text of one module or submodule without looking at any
// other. The error is of type CompileErrors.
func ReadHeader(src Source) (Header, error) {
	c := &compiler{}
	u := c.parse(src)
	if u == nil {
		return Header{}, c.failed()
	}
	h := Header{Name: u.name, Revision: u.revision}
	if u.stmt.Keyword == "submodule" {
		if h.BelongsTo = argOf(u.stmt, "belongs-to"); h.BelongsTo == "" {
			c.errorf(u.stmt, "submodule %s belongs to no module", u.name)
			return Header{}, c.failed()
		}
	}
	for _, s := range u.stmt.SubStatements() {
		switch s.Keyword {
		case "feature":
			h.Features = append(h.Features, s.Argument)
		case "include":
			h.Includes = append(h.Includes, s.Argument)
		}
	}
	return h, nil
}

// FileName returns the name that the text of a module ought to have (RFC 7950
// section 5.2), with the revision if there is one.
func (h Header) FileName() string {
	if h.Revision == "" {
		return h.Name + ".yang"
	}
	return fmt.Sprintf("%s@%s.yang", h.Name, h.Revision)
}
