package netconf

import (
	"net"
	"net/netip"

	"github.com/tandem-ne/tandem/server/schema"
)

// moduleSet is the name of the one module-set and schema of the library.
const moduleSet = "tandem"

// yangLibrary writes the YANG library (RFC 8525 section 3).
func (s *Server) yangLibrary(w *writer) {
	w.in("module-set", []string{moduleSet}, func() {
		for _, m := range s.schema.Modules() {
			if m.Implemented {
				w.in("module", []string{m.Name}, func() { s.libraryModule(w, m) })
			} else {
				w.in("import-only-module", []string{m.Name, m.Revision}, func() { libraryCommon(w, m) })
			}
		}
	})
	w.in("schema", []string{moduleSet}, func() { w.leaf("module-set", moduleSet) })
	datastores := []string{"running", "candidate", "operational"}
	if s.startup {
		datastores = append(datastores, "startup")
	}
	if m := s.schema.Module("ietf-netconf-nmda"); m != nil && m.Implemented {
		datastores = append(datastores, "intended")
	}
	for _, datastore := range datastores {
		w.in("datastore", []string{"ietf-datastores:" + datastore}, func() { w.leaf("schema", moduleSet) })
	}
	w.leaf("content-id", s.schema.ContentID())
}

func (s *Server) libraryModule(w *writer, m *schema.Module) {
	if m.Revision != "" {
		w.leaf("revision", m.Revision)
	}
	libraryCommon(w, m)
	for _, f := range m.Features {
		w.leaf("feature", f)
	}
	for _, d := range m.Deviations {
		w.leaf("deviation", d)
	}
}

func libraryCommon(w *writer, m *schema.Module) {
	w.leaf("namespace", m.Namespace)
	for _, sub := range m.Submodules {
		w.in("submodule", []string{sub.Name}, func() {
			if sub.Revision != "" {
				w.leaf("revision", sub.Revision)
			}
		})
	}
}

// modulesState writes the library as servers before NMDA have it (RFC 7895).
func (s *Server) modulesState(w *writer) {
	w.leaf("module-set-id", s.schema.ContentID())
	for _, m := range s.schema.Modules() {
		w.in("module", []string{m.Name, m.Revision}, func() {
			w.leaf("namespace", m.Namespace)
			for _, f := range m.Features {
				if m.Implemented {
					w.leaf("feature", f)
				}
			}
			for _, d := range m.Deviations {
				revision := ""
				if dm := s.schema.Module(d); dm != nil {
					revision = dm.Revision
				}
				w.in("deviation", []string{d, revision}, func() {})
			}
			conformance := "import"
			if m.Implemented {
				conformance = "implement"
			}
			w.leaf("conformance-type", conformance)
			for _, sub := range m.Submodules {
				w.in("submodule", []string{sub.Name, sub.Revision}, func() {})
			}
		})
	}
}

// hostOf returns the address of "address:port", or "" where there is none.
func hostOf(peer string) string {
	host, _, err := net.SplitHostPort(peer)
	if err != nil {
		host = peer
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().String()
	}
	return ""
}
