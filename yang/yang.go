// Package yang holds the YANG modules that Tandem serves: its own, the standard
// ones it imports or implements, and its deviations. All of them are embedded in
// the binary; package schema compiles them when the process starts.
package yang

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// The standard modules are not committed. If the compiler says here
// "pattern standard/*.yang: no matching files found", run yang/fetch.sh or
// any make target: they fetch the modules and verify their checksums.
//
//go:embed *.yang standard/*.yang standard/SHA256SUMS deviations/*.yang
var files embed.FS

// Source is the text of one YANG module.
type Source struct {
	Name string // file name: the module name and ".yang"
	Text []byte
}

// Module is a module that the element implements, with the features it supports.
type Module struct {
	Name     string
	Features []string
}

// Sources returns every embedded module sorted by name. The error names a
// standard module that yang/standard/SHA256SUMS lists and the binary lacks.
func Sources() ([]Source, error) {
	var sources []Source
	for _, dir := range []string{".", "standard", "deviations"} {
		entries, err := fs.ReadDir(files, dir)
		if err != nil {
			return nil, fmt.Errorf("yang: read embedded modules: %w", err)
		}
		for _, e := range entries {
			if path.Ext(e.Name()) != ".yang" {
				continue
			}
			text, err := fs.ReadFile(files, path.Join(dir, e.Name()))
			if err != nil {
				return nil, fmt.Errorf("yang: read embedded module %s: %w", e.Name(), err)
			}
			sources = append(sources, Source{Name: e.Name(), Text: text})
		}
	}
	slices.SortFunc(sources, func(a, b Source) int { return strings.Compare(a.Name, b.Name) })
	return sources, checkComplete(sources)
}

func checkComplete(sources []Source) error {
	sums, err := fs.ReadFile(files, "standard/SHA256SUMS")
	if err != nil {
		return fmt.Errorf("yang: read checksums: %w", err)
	}
	for line := range strings.Lines(string(sums)) {
		_, file, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			return fmt.Errorf("yang: standard/SHA256SUMS: malformed line %q", line)
		}
		_, found := slices.BinarySearchFunc(sources, file, func(s Source, n string) int {
			return strings.Compare(s.Name, n)
		})
		if !found {
			return fmt.Errorf("yang: %s was not embedded: run yang/fetch.sh and build again", file)
		}
	}
	return nil
}

// Implemented returns the modules that the element implements, each with the
// features it supports, none when the list is empty. Whatever else Sources
// returns is there to be imported (RFC 7950 section 5.6.5). The modules with
// the deviations come last.
func Implemented() []Module {
	return []Module{
		{Name: "iana-crypt-hash", Features: []string{"crypt-hash-md5", "crypt-hash-sha-256", "crypt-hash-sha-512"}},
		{Name: "iana-if-type"},
		{Name: "ietf-alarms", Features: []string{"alarm-history", "alarm-summary"}},
		{Name: "ietf-datastores"},
		{Name: "ietf-inet-types"},
		{Name: "ietf-interfaces", Features: []string{"pre-provisioning"}},
		{Name: "ietf-netconf", Features: []string{"candidate", "confirmed-commit", "rollback-on-error", "url", "validate", "xpath"}},
		{Name: "ietf-netconf-acm"},
		{Name: "ietf-netconf-monitoring"},
		{Name: "ietf-netconf-nmda", Features: []string{"origin", "with-defaults"}},
		{Name: "ietf-netconf-notifications"},
		{Name: "ietf-netconf-partial-lock"},
		{Name: "ietf-netconf-private-candidate", Features: []string{"private-candidate"}},
		{Name: "ietf-netconf-txid"},
		{Name: "ietf-netconf-txid-nmda-compare"},
		{Name: "ietf-netconf-with-defaults"},
		{Name: "ietf-nmda-compare"},
		{Name: "ietf-origin"},
		{Name: "ietf-subscribed-notifications", Features: []string{"encode-xml", "replay", "subtree", "xpath"}},
		{Name: "ietf-system", Features: []string{"authentication", "local-users"}},
		{Name: "ietf-x509-cert-to-name"},
		{Name: "ietf-yang-library"},
		{Name: "ietf-yang-push", Features: []string{"on-change"}},
		{Name: "ietf-yang-types"},
		{Name: "nc-notifications"},
		{Name: "notifications"},
		{Name: "mtp-types"},
		{Name: "mtp-node"},
		{Name: "mtp-lsp"},
		{Name: "mtp-pw"},
		{Name: "mtp-service"},
		{Name: "mtp-qos"},
		{Name: "mtp-oam"},
		{Name: "mtp-pm"},
		{Name: "mtp-protection"},
		{Name: "mtp-alarms"},
		{Name: "mtp-commits"},
		{Name: "mtp-management"},
		{Name: "mtp-deviations"},
		{Name: "mtp-ietf-deviations"},
	}
}
