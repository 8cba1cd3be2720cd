// Package served compiles the modules that the element serves: the embedded
// sources of package yang, with the features they are served with.
package served

import (
	"fmt"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/yang"
)

// Schema compiles the served schema. An error names each module, file and line
// at fault.
func Schema() (*schema.Schema, error) {
	sources, err := yang.Sources()
	if err != nil {
		return nil, err
	}
	o := schema.Options{Features: map[string][]string{}}
	for _, s := range sources {
		o.Sources = append(o.Sources, schema.Source{Name: s.Name, Text: s.Text})
	}
	for _, m := range yang.Implemented() {
		o.Implement = append(o.Implement, m.Name)
		o.Features[m.Name] = m.Features
	}
	s, err := schema.Compile(o)
	if err != nil {
		return nil, fmt.Errorf("served YANG modules: %w", err)
	}
	return s, nil
}
