package served

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/yang"
)

// featuresFile, in the directory of an operator's modules, names the features
// that they are served with. A line is "MODULE: FEATURE ..."; a module without a
// line has all its features, one with nothing behind the colon has none. "#"
// starts a comment.
const featuresFile = "features"

// maxFile is the largest file that is read, in octets.
const maxFile = 4 << 20

// Modules are the modules and deviations of an operator.
type Modules struct {
	Names    []string // of all modules, submodules left out, sorted
	sources  []schema.Source
	features map[string][]string // of the modules that featuresFile names
}

// ReadDir reads every file of dir whose name ends in ".yang": modules and
// deviations, each called after what is in it, NAME.yang or NAME@REVISION.yang
// (RFC 7950 section 5.2), and submodules. All of them are implemented.
// Subdirectories and other files, but for the one called "features", are passed
// over. A file that repeats, octet for octet, a text that the element has of its
// own is no fault.
//
// The error names every file at fault; where the fault is in a place it is
// "file:line: reason" (schema.CompileErrors). Whether the modules compile is seen
// only together with all others, by SchemaWith.
func ReadDir(dir string) (*Modules, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	own, err := ownTexts()
	if err != nil {
		return nil, err
	}
	r := reader{dir: dir, own: own, files: map[string]file{}}
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".yang" {
			r.read(e.Name())
		}
	}
	r.checkSubmodules()
	m := &Modules{features: map[string][]string{}}
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		f := r.files[name]
		if !f.repeated {
			m.sources = append(m.sources, f.source)
		}
		if f.BelongsTo == "" {
			m.Names = append(m.Names, name)
		}
	}
	r.readFeatures(m)
	if len(r.errs) > 0 {
		slices.SortStableFunc(r.errs, func(a, b schema.CompileError) int {
			return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
		})
		return nil, r.errs
	}
	return m, nil
}

// ownTexts returns the embedded sources by the name of their module.
func ownTexts() (map[string][]byte, error) {
	sources, err := yang.Sources()
	if err != nil {
		return nil, err
	}
	own := map[string][]byte{}
	for _, s := range sources {
		own[strings.TrimSuffix(s.Name, ".yang")] = s.Text
	}
	return own, nil
}

// file is one text of the directory.
type file struct {
	schema.Header
	source   schema.Source
	repeated bool // the element has the same text
}

type reader struct {
	dir   string
	own   map[string][]byte
	files map[string]file // by the name of the module or submodule
	errs  schema.CompileErrors
}

func (r *reader) fail(name string, line int, format string, args ...any) {
	r.errs = append(r.errs, schema.CompileError{File: filepath.Join(r.dir, name), Line: line, Reason: fmt.Sprintf(format, args...)})
}

func (r *reader) read(name string) {
	path := filepath.Join(r.dir, name)
	info, err := os.Stat(path) // A link stands for what it leads to.
	switch {
	case err != nil:
		r.fail(name, 0, "%v", cause(err))
		return
	case !info.Mode().IsRegular():
		r.fail(name, 0, "this is no regular file")
		return
	case info.Size() > maxFile:
		r.fail(name, 0, "the module text is larger than 4 MiB")
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		r.fail(name, 0, "%v", cause(err))
		return
	}
	f := file{source: schema.Source{Name: path, Text: text}}
	if f.Header, err = schema.ReadHeader(f.source); err != nil {
		var faults schema.CompileErrors
		if !errors.As(err, &faults) {
			faults = schema.CompileErrors{{File: path, Reason: err.Error()}}
		}
		r.errs = append(r.errs, faults...)
		return
	}
	kind := "module"
	if f.BelongsTo != "" {
		kind = "submodule"
	}
	stem, revision, dated := strings.Cut(strings.TrimSuffix(name, ".yang"), "@")
	if stem != f.Name || dated && revision != f.Revision {
		r.fail(name, 1, "this is %s %s of revision %q: the file must be called %s.yang or %s", kind, f.Name, f.Revision, f.Name, f.FileName())
		return
	}
	if have, ok := r.files[f.Name]; ok {
		r.fail(name, 1, "%s %s is in %s too: one revision of it can be served", kind, f.Name, filepath.Base(have.source.Name))
		return
	}
	if own, ok := r.own[f.Name]; ok {
		if f.repeated = bytes.Equal(own, text); !f.repeated {
			r.fail(name, 1, "%s %s is part of the element itself, in another text: leave it out, and deviate from it where it does not fit", kind, f.Name)
			return
		}
	}
	r.files[f.Name] = f
}

// cause takes the path out of an error of package os: the message has it already.
func cause(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// checkSubmodules refuses a submodule that would be passed over in silence.
func (r *reader) checkSubmodules() {
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		f := r.files[name]
		if f.BelongsTo == "" {
			continue
		}
		if owner, ok := r.files[f.BelongsTo]; !ok || owner.BelongsTo != "" {
			r.fail(filepath.Base(f.source.Name), 1, "submodule %s belongs to module %s, which is not here", name, f.BelongsTo)
			continue
		}
		included := false
		for _, other := range r.files {
			included = included || (other.Name == f.BelongsTo || other.BelongsTo == f.BelongsTo) && slices.Contains(other.Includes, name)
		}
		if !included {
			r.fail(filepath.Base(f.source.Name), 1, "submodule %s is included by nothing of module %s", name, f.BelongsTo)
		}
	}
}

// readFeatures reads featuresFile, if there is one.
func (r *reader) readFeatures(m *Modules) {
	text, err := os.ReadFile(filepath.Join(r.dir, featuresFile))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		r.fail(featuresFile, 0, "%v", cause(err))
		return
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, list, ok := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		f, known := r.files[name]
		_, twice := m.features[name]
		switch {
		case !ok:
			r.fail(featuresFile, n, "a line is MODULE: FEATURE ...")
			continue
		case !known || f.BelongsTo != "":
			r.fail(featuresFile, n, "there is no module %s here", name)
			continue
		case twice:
			r.fail(featuresFile, n, "module %s has a line already", name)
			continue
		}
		features := strings.Fields(list)
		for _, feature := range features {
			if !r.defines(name, feature) {
				r.fail(featuresFile, n, "module %s has no feature %s", name, feature)
			}
		}
		m.features[name] = features
	}
}

// defines reports whether a module or one of its submodules has a feature.
func (r *reader) defines(module, feature string) bool {
	for _, f := range r.files {
		if (f.Name == module || f.BelongsTo == module) && slices.Contains(f.Features, feature) {
			return true
		}
	}
	return false
}
