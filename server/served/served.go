// Package served compiles the modules that the element serves: the embedded
// sources of package yang, with the features they are served with, and the
// modules and deviations of the operator.
package served

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/yang"
)

// Options returns what to compile: the served modules and more, which are
// implemented with all their features. The name of a source is its file name.
func Options(more ...schema.Source) (schema.Options, error) {
	return OptionsWith(Choices{}, more...)
}

// Choices are what an operator decides about the served schema.
type Choices struct {
	Startup bool     // there is a startup datastore (RFC 6241 section 8.7)
	Modules *Modules // further modules, or nil
}

// OptionsWith is Options for an element with the given choices.
func OptionsWith(c Choices, more ...schema.Source) (schema.Options, error) {
	o := schema.Options{Sources: more, Features: map[string][]string{}}
	for _, m := range more {
		o.Implement = append(o.Implement, strings.TrimSuffix(m.Name, ".yang"))
	}
	sources, err := yang.Sources()
	if err != nil {
		return o, err
	}
	for _, s := range sources {
		o.Sources = append(o.Sources, schema.Source{Name: s.Name, Text: s.Text})
	}
	for _, m := range yang.Implemented() {
		o.Implement = append(o.Implement, m.Name)
		o.Features[m.Name] = m.Features
		if c.Startup && m.Name == "ietf-netconf" {
			o.Features[m.Name] = append(slices.Clone(m.Features), "startup")
		}
	}
	if c.Modules != nil {
		o.Sources = append(o.Sources, c.Modules.sources...)
		o.Implement = append(o.Implement, c.Modules.Names...)
		maps.Copy(o.Features, c.Modules.features)
	}
	return o, nil
}

// Schema compiles the served schema. An error names each module, file and line
// at fault.
func Schema(more ...schema.Source) (*schema.Schema, error) {
	return SchemaWith(Choices{}, more...)
}

// SchemaWith is Schema for an element with the given choices.
func SchemaWith(c Choices, more ...schema.Source) (*schema.Schema, error) {
	o, err := OptionsWith(c, more...)
	if err != nil {
		return nil, err
	}
	s, err := schema.Compile(o)
	if err != nil {
		return nil, fmt.Errorf("served YANG modules: %w", err)
	}
	return s, nil
}
