package netconf

import (
	"fmt"
	"io"
	"strings"

	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// nsMonitoring is the namespace of ietf-netconf-monitoring (RFC 6022).
const nsMonitoring = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"

// parseGetSchema reads <get-schema> (RFC 6022 section 3.1).
func parseGetSchema(q *request) (func() error, error) {
	identifier, version, format := "", "", "yang"
	hasVersion := false
	formatSpace := nsMonitoring
	err := q.params(map[string]func() error{
		"identifier": func() (err error) { identifier, err = q.text(); return err },
		"version":    func() (err error) { hasVersion = true; version, err = q.text(); return err },
		"format": func() (err error) {
			bindings := q.bindings()
			text, err := q.text()
			prefix, local, ok := strings.Cut(text, ":")
			if !ok {
				prefix, local = "", text
			}
			format, formatSpace = local, bindings[prefix]
			return err
		},
	})
	switch {
	case err != nil:
	case identifier == "":
		err = missingElement("<get-schema> needs an <%s>", "identifier")
	case format != "yang" || formatSpace != nsMonitoring:
		err = q.noSchema("modules can be had in the format yang only")
	}
	if err != nil {
		return nil, err
	}
	return func() error {
		text, ok := q.srv.source(identifier, version, hasVersion)
		if !ok {
			if hasVersion {
				return q.noSchema("there is no module or submodule %q of version %q", identifier, version)
			}
			return q.noSchema("there is no module or submodule %q", identifier)
		}
		return q.reply(func(w io.Writer) {
			fmt.Fprintf(w, `<data xmlns="%s">`, nsMonitoring)
			w.Write(xmltok.AppendText(nil, string(text)))
			io.WriteString(w, "</data>")
		})
	}, nil
}

func (q *request) noSchema(format string, args ...any) error {
	return yangerr.New(yangerr.InvalidValue, nil, format, args...).WithType(yangerr.Application)
}

// source returns the text of a module or submodule; without a version that of
// the only revision there is.
func (s *Server) source(identifier, version string, hasVersion bool) ([]byte, bool) {
	for _, m := range s.schema.Modules() {
		if m.Name == identifier && (!hasVersion || m.Revision == version) {
			return m.Source, true
		}
		for _, sub := range m.Submodules {
			if sub.Name == identifier && (!hasVersion || sub.Revision == version) {
				return sub.Source, true
			}
		}
	}
	return nil, false
}
