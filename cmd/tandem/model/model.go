// Package model gives the tandem command the YANG schema of the element that
// it talks to: the element lists its modules (RFC 8525, or the hello and
// ietf-netconf-monitoring of older ones), hands over their texts (RFC 6022),
// and package schema compiles them.
package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
)

// Session is the part of a NETCONF session that is needed.
type Session interface {
	// RPC sends an operation and returns the content of its reply.
	RPC(ctx context.Context, body string) (string, error)
	Capabilities() []string
}

// Options for Load.
type Options struct {
	// Cache is a directory where the modules of each set are kept, so that they
	// are fetched once; empty for none.
	Cache string
	// Progress, if not nil, is told how many modules of how many are there.
	Progress func(done, total int)
}

// module is one module or submodule of the element.
type module struct {
	name, revision string
	features       []string
	implemented    bool
}

func (m module) file() string {
	if m.revision == "" {
		return m.name + ".yang"
	}
	return m.name + "@" + m.revision + ".yang"
}

// Load returns the schema of the element. The error names the module that could
// not be had, or each fault that the compiler found in the texts.
func Load(ctx context.Context, s Session, o Options) (*schema.Schema, error) {
	modules, id, err := list(ctx, s)
	if err != nil {
		return nil, err
	}
	dir := ""
	if o.Cache != "" {
		sum := sha256.Sum256([]byte(id))
		dir = filepath.Join(o.Cache, hex.EncodeToString(sum[:8]))
	}
	compile := schema.Options{Features: map[string][]string{}}
	for i, m := range modules {
		text, err := text(ctx, s, m, dir)
		if err != nil {
			return nil, err
		}
		compile.Sources = append(compile.Sources, schema.Source{Name: m.file(), Text: text})
		if m.implemented {
			compile.Implement = append(compile.Implement, m.name)
			compile.Features[m.name] = append([]string{}, m.features...)
		}
		if o.Progress != nil {
			o.Progress(i+1, len(modules))
		}
	}
	compiled, err := schema.Compile(compile)
	if err != nil {
		return nil, fmt.Errorf("the element's YANG modules: %w", err)
	}
	return compiled, nil
}

// text returns a module's text from the cache or the element.
func text(ctx context.Context, s Session, m module, dir string) ([]byte, error) {
	// The name comes from the element: it must not lead out of the cache.
	name := filepath.Join(dir, filepath.Base(m.file()))
	if dir != "" {
		if text, err := os.ReadFile(name); err == nil {
			return text, nil
		}
	}
	request := "<get-schema xmlns=\"" + nsMonitoring + "\"><identifier>" + escape(m.name) + "</identifier>"
	if m.revision != "" {
		request += "<version>" + escape(m.revision) + "</version>"
	}
	reply, err := s.RPC(ctx, request+"<format>yang</format></get-schema>")
	if err != nil {
		return nil, fmt.Errorf("get-schema of %s: %w", m.name, err)
	}
	var data struct {
		Text string `xml:",chardata"`
	}
	if err := xml.Unmarshal([]byte(reply), &data); err != nil {
		return nil, fmt.Errorf("get-schema of %s: %w", m.name, err)
	}
	if dir == "" {
		return []byte(data.Text), nil
	}
	return []byte(data.Text), store(name, data.Text)
}

// store writes a file so that it is there whole or not at all.
func store(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

const (
	nsLibrary    = "urn:ietf:params:xml:ns:yang:ietf-yang-library"
	nsMonitoring = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
)

// list returns the element's modules, and what identifies this set of them.
func list(ctx context.Context, s Session) ([]module, string, error) {
	for _, c := range s.Capabilities() {
		if strings.HasPrefix(c, "urn:ietf:params:netconf:capability:yang-library:1.1") {
			return library(ctx, s)
		}
	}
	return hello(ctx, s)
}

// libraryModule is a module as ietf-yang-library shows it.
type libraryModule struct {
	Name       string   `xml:"name"`
	Revision   string   `xml:"revision"`
	Features   []string `xml:"feature"`
	Submodules []struct {
		Name     string `xml:"name"`
		Revision string `xml:"revision"`
	} `xml:"submodule"`
}

// library reads ietf-yang-library of RFC 8525.
func library(ctx context.Context, s Session) ([]module, string, error) {
	reply, err := s.RPC(ctx, `<get><filter type="subtree"><yang-library xmlns="`+nsLibrary+`"><module-set/><content-id/></yang-library></filter></get>`)
	if err != nil {
		return nil, "", fmt.Errorf("yang-library: %w", err)
	}
	var data struct {
		Library struct {
			Sets []struct {
				Modules []libraryModule `xml:"module"`
				Imports []libraryModule `xml:"import-only-module"`
			} `xml:"module-set"`
			ContentID string `xml:"content-id"`
		} `xml:"yang-library"`
	}
	if err := xml.Unmarshal([]byte(reply), &data); err != nil {
		return nil, "", fmt.Errorf("yang-library: %w", err)
	}
	var all []module
	for _, set := range data.Library.Sets {
		for _, m := range set.Modules {
			all = appendModule(all, m, true)
		}
		for _, m := range set.Imports {
			all = appendModule(all, m, false)
		}
	}
	if len(all) == 0 {
		return nil, "", errors.New("yang-library: the element lists no module")
	}
	all = unique(all)
	return all, identity(data.Library.ContentID, all), nil
}

// identity names a set of modules: the element's own content-id with what it
// stands for, because there are elements that always say "0".
func identity(contentID string, all []module) string {
	var id strings.Builder
	fmt.Fprintln(&id, contentID)
	for _, m := range all {
		fmt.Fprintln(&id, m.file(), m.implemented, m.features)
	}
	return id.String()
}

func appendModule(all []module, m libraryModule, implemented bool) []module {
	all = append(all, module{m.Name, m.Revision, m.Features, implemented})
	for _, sub := range m.Submodules {
		all = append(all, module{name: sub.Name, revision: sub.Revision})
	}
	return all
}

// hello reads the module capabilities of RFC 6020 section 5.6.4 and adds the
// schemas of RFC 6022 that are not among them: imported modules and submodules.
func hello(ctx context.Context, s Session) ([]module, string, error) {
	var all []module
	deviations := map[string]bool{} // modules that the hello names only as such
	for _, c := range s.Capabilities() {
		_, query, _ := strings.Cut(c, "?")
		q, err := url.ParseQuery(query)
		if err != nil || q.Get("module") == "" {
			continue
		}
		for _, d := range strings.FieldsFunc(q.Get("deviations"), func(r rune) bool { return r == ',' }) {
			deviations[d] = true
		}
		m := module{name: q.Get("module"), revision: q.Get("revision"), implemented: true}
		if f := q.Get("features"); f != "" {
			m.features = strings.Split(f, ",")
		}
		all = append(all, m)
	}
	reply, err := s.RPC(ctx, `<get><filter type="subtree"><netconf-state xmlns="`+nsMonitoring+`"><schemas/></netconf-state></filter></get>`)
	if err != nil {
		return nil, "", fmt.Errorf("netconf-state: %w", err)
	}
	var data struct {
		Schemas []struct {
			Identifier string `xml:"identifier"`
			Version    string `xml:"version"`
			Format     string `xml:"format"`
		} `xml:"netconf-state>schemas>schema"`
	}
	if err := xml.Unmarshal([]byte(reply), &data); err != nil {
		return nil, "", fmt.Errorf("netconf-state: %w", err)
	}
	for _, m := range data.Schemas {
		if m.Format == "yang" || strings.HasSuffix(m.Format, ":yang") {
			all = append(all, module{name: m.Identifier, revision: m.Version, implemented: deviations[m.Identifier]})
		}
	}
	if len(all) == 0 {
		return nil, "", errors.New("the element lists no YANG module, neither in its hello nor in netconf-state")
	}
	all = unique(all)
	return all, identity("", all), nil
}

// unique leaves one module of each name: the implemented one, else the latest.
func unique(all []module) []module {
	slices.SortStableFunc(all, func(a, b module) int {
		switch c := strings.Compare(a.name, b.name); {
		case c != 0:
			return c
		case a.implemented != b.implemented:
			if a.implemented {
				return -1
			}
			return 1
		}
		return strings.Compare(b.revision, a.revision)
	})
	return slices.CompactFunc(all, func(a, b module) bool { return a.name == b.name })
}

func escape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return ""
	}
	return b.String()
}
