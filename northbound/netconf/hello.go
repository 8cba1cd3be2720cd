package netconf

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
)

// nsBase is the namespace of NETCONF itself.
const nsBase = codec.NamespaceNETCONF

// The capabilities that decide the framing.
const (
	base10 = "urn:ietf:params:netconf:base:1.0"
	base11 = "urn:ietf:params:netconf:base:1.1"
)

// privateCandidate is the capability of a client that wants a candidate of its own
// (draft-ietf-netconf-privcand section 4.5).
const privateCandidate = "urn:ietf:params:netconf:capability:private-candidate:1.0"

// greeting is what a client's hello says.
type greeting struct {
	v11     bool // it speaks base:1.1
	private bool // it wants a private candidate
}

// capabilities lists what the server's hello announces: the protocol's own
// capabilities and one URI for each module, as servers of YANG 1.0 modules do
// (RFC 6020 section 5.6.4), because there are clients that look nowhere else.
//
// schemes are those of URLs that can be used.
func capabilities(s *schema.Schema, schemes string) []string {
	const capability = "urn:ietf:params:netconf:capability:"
	list := []string{base10, base11}
	if m := s.Module("ietf-netconf"); m != nil {
		for _, f := range m.Features {
			switch f {
			case "confirmed-commit", "validate":
				list = append(list, capability+f+":1.1")
			case "url":
				list = append(list, capability+f+":1.0?scheme="+schemes)
			default:
				list = append(list, capability+f+":1.0")
			}
		}
	}
	list = append(list, capability+"notification:1.0", capability+"interleave:1.0")
	if m := s.Module("ietf-netconf-partial-lock"); m != nil && m.Implemented {
		list = append(list, capability+"partial-lock:1.0")
	}
	if m := s.Module("ietf-netconf-private-candidate"); m != nil && m.Implemented {
		list = append(list, privateCandidate+"?supported-resolution-modes=revert-on-conflict,prefer-candidate,prefer-running")
	}
	if m := s.Module("ietf-netconf-txid"); m != nil && m.Implemented {
		// The text of the draft demands the first; what it registers is the second.
		list = append(list, capability+"txid:etag:1.0", capability+"txid:1.0")
	}
	if s.Module("ietf-netconf-with-defaults") != nil {
		list = append(list, capability+"with-defaults:1.0?basic-mode=explicit&also-supported=report-all,report-all-tagged,trim")
	}
	if m := s.Module("ietf-netconf-nmda"); m != nil && m.Implemented {
		// RFC 8342 section 5.3: operational shows every value in use.
		list = append(list, capability+"with-operational-defaults:1.0?basic-mode=report-all&also-supported=explicit,report-all-tagged,trim")
	}
	if m := s.Module("ietf-yang-library"); m != nil {
		list = append(list, capability+"yang-library:1.1?revision="+m.Revision+"&content-id="+s.ContentID())
	}
	for _, m := range s.Modules() {
		list = append(list, moduleURI(m))
	}
	return list
}

// moduleURI is the capability of one module.
func moduleURI(m *schema.Module) string {
	uri := m.Namespace + "?module=" + m.Name
	if m.Revision != "" {
		uri += "&revision=" + m.Revision
	}
	if !m.Implemented {
		return uri
	}
	if len(m.Features) > 0 {
		uri += "&features=" + strings.Join(m.Features, ",")
	}
	if len(m.Deviations) > 0 {
		uri += "&deviations=" + strings.Join(m.Deviations, ",")
	}
	return uri
}

// appendHello appends the server's hello message (RFC 6241 section 8.1).
func appendHello(dst []byte, capabilities []string, id uint32) []byte {
	dst = append(dst, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<hello xmlns="`+nsBase+`"><capabilities>`...)
	for _, c := range capabilities {
		dst = append(dst, "<capability>"...)
		dst = xmltok.AppendText(dst, c)
		dst = append(dst, "</capability>"...)
	}
	dst = append(dst, "</capabilities><session-id>"...)
	dst = strconv.AppendUint(dst, uint64(id), 10)
	return append(dst, "</session-id></hello>"...)
}

// parseHello reads a client's hello and returns what it says.
func parseHello(msg []byte) (hello greeting, err error) {
	r := xmltok.NewReader(msg, xmltok.Limits{Depth: 16, Bytes: 1 << 20})
	if _, err := r.Next(); err != nil {
		return hello, err
	}
	if !r.Is(nsBase, "hello") {
		return hello, fmt.Errorf("the first message is <%s>, not <hello>", r.Local())
	}
	var list []string
	found := false
	for {
		kind, err := r.Next()
		switch {
		case err != nil:
			return hello, err
		case kind == xmltok.EOF:
			hello.v11 = slices.Contains(list, base11)
			hello.private = slices.ContainsFunc(list, func(c string) bool {
				return c == privateCandidate || strings.HasPrefix(c, privateCandidate+"?")
			})
			switch {
			case !found:
				return hello, errors.New("hello has no capabilities")
			case hello.v11 || slices.Contains(list, base10):
				return hello, nil
			}
			return hello, errors.New("hello offers neither base:1.0 nor base:1.1")
		case kind == xmltok.Start && r.Is(nsBase, "session-id"):
			return hello, errors.New("a client's hello must not have a session-id")
		case kind == xmltok.Start && r.Is(nsBase, "capabilities"):
			if found {
				return hello, errors.New("hello has capabilities twice")
			}
			found = true
			if list, err = readCapabilities(r); err != nil {
				return hello, err
			}
		case kind == xmltok.Start:
			return hello, fmt.Errorf("hello has the unknown element <%s>", r.Local())
		}
	}
}

func readCapabilities(r *xmltok.Reader) ([]string, error) {
	var list []string
	for {
		kind, err := r.Next()
		switch {
		case err != nil:
			return nil, err
		case kind == xmltok.End:
			return list, nil
		case kind == xmltok.Start && r.Is(nsBase, "capability"):
			text := ""
			for kind != xmltok.End {
				if kind, err = r.Next(); err != nil {
					return nil, err
				}
				switch kind {
				case xmltok.Text:
					text += string(xmltok.TrimSpace(r.Text()))
				case xmltok.Start:
					return nil, errors.New("a capability has an element in it")
				}
			}
			list = append(list, text)
		case kind == xmltok.Start:
			return nil, fmt.Errorf("capabilities has the unknown element <%s>", r.Local())
		}
	}
}
