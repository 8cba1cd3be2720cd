package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openconfig/gnmi/proto/gnmi"
	"golang.org/x/crypto/ssh"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// openFiles counts the file descriptors of a node's daemon.
func (r *rig) openFiles(t *testing.T, node string) int {
	t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.Processes[node].PID))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// unharmed runs f, which mistreats a node, and checks that nothing of it is
// left: the same process, datastores, NETCONF sessions and open files.
func (r *rig) unharmed(t *testing.T, node string, f func()) {
	t.Helper()
	sessions := func() string { return fmt.Sprint(r.get(t, node, monitor).NETCONF) }
	running, candidate := r.config(t, node, "running"), r.config(t, node, "candidate")
	before, files, process := sessions(), r.openFiles(t, node), r.Processes[node]
	f()
	if !r.Running(node) || r.Processes[node] != process {
		t.Fatalf("the daemon of %s has ended", node)
	}
	eventually(t, "only the sessions of before", func() bool { return sessions() == before })
	eventually(t, "no more open files than before", func() bool { return r.openFiles(t, node) <= files })
	if got := r.config(t, node, "running"); got != running {
		t.Errorf("running changed:\nbefore %s\nafter %s", running, got)
	}
	if got := r.config(t, node, "candidate"); got != candidate {
		t.Errorf("candidate changed:\nbefore %s\nafter %s", candidate, got)
	}
}

// rawChannel is a NETCONF subsystem channel without a NETCONF client.
type rawChannel struct {
	conn   net.Conn
	stdin  io.WriteCloser
	stdout *bufio.Reader
}

// rawNETCONF opens a channel and reads the element's hello.
func (r *rig) rawNETCONF(t *testing.T, node string) *rawChannel {
	t.Helper()
	c := &rawChannel{}
	var err error
	if c.conn, err = r.Dial(t.Context(), node, "tcp", netconfAddr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.conn.Close() })
	if err := c.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	conn, chans, reqs, err := ssh.NewClientConn(c.conn, netconfAddr, r.sshConfig(t, node))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewClient(conn, chans, reqs).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if c.stdin, err = s.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.stdout = bufio.NewReader(stdout)
	if err := s.RequestSubsystem("netconf"); err != nil {
		t.Fatal(err)
	}
	if hello := c.until(t, "]]>]]>"); !strings.Contains(hello, "urn:ietf:params:netconf:base:1.1") {
		t.Fatalf("hello: %s", hello)
	}
	return c
}

// until reads up to a text.
func (c *rawChannel) until(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	for !strings.HasSuffix(b.String(), text) {
		o, err := c.stdout.ReadByte()
		if err != nil {
			t.Fatalf("%v after %q, want %q", err, b.String(), text)
		}
		b.WriteByte(o)
	}
	return b.String()
}

// rest reads what comes until the element closes the channel, and hangs up.
func (c *rawChannel) rest(t *testing.T) string {
	t.Helper()
	defer c.conn.Close()
	text, err := io.ReadAll(c.stdout)
	if err != nil {
		t.Errorf("the element did not close the channel: %v", err)
	}
	return string(text)
}

func (c *rawChannel) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c.stdin, text); err != nil {
		t.Fatal(err)
	}
}

const clientHello = `<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities><capability>urn:ietf:params:netconf:base:1.1</capability></capabilities></hello>]]>]]>`

func chunk(text string) string { return fmt.Sprintf("\n#%d\n%s\n##\n", len(text), text) }

// testBadMessages sends what is no NETCONF: the element answers where RFC 6241
// wants an answer, and ends that session and no other.
func testBadMessages(t *testing.T, r *rig) {
	const malformed = "<error-tag>malformed-message</error-tag>"
	rpc := func(body string) string {
		return `<rpc xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" message-id="1">` + body + `</rpc>`
	}
	for _, tc := range []struct {
		name, send string
		answer     string // before the end; empty for none
	}{
		{"hello that is none", "<nonsense/>]]>]]>", ""},
		{"hello with a session-id", strings.Replace(clientHello, "</capabilities>", "</capabilities><session-id>7</session-id>", 1), ""},
		{"chunk size that is no number", clientHello + "\n#abc\n", ""},
		{"chunk of size 0", clientHello + "\n#0\n", ""},
		{"chunk size over 4294967295", clientHello + "\n#4294967296\n", ""},
		{"chunk size of a kilobyte of digits", clientHello + "\n#" + strings.Repeat("1", 1024), ""},
		{"end-of-message framing after base:1.1", clientHello + rpc("<get/>") + "]]>]]>", ""},
		{"tags that do not match", clientHello + chunk(rpc("<commit>")), malformed},
		{"octets that are no UTF-8", clientHello + chunk(rpc("<get>\xff\xfe</get>")), malformed},
		{"document type", clientHello + chunk(`<!DOCTYPE rpc [<!ENTITY a "aa">]>`+rpc("&a;")), malformed},
		{"two documents in one message", clientHello + chunk(rpc("<get/>")+rpc("<get/>")), malformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r.unharmed(t, "p2", func() {
				c := r.rawNETCONF(t, "p2")
				c.send(t, tc.send)
				got := c.rest(t)
				if tc.answer == "" && got != "" || !strings.Contains(got, tc.answer) {
					t.Errorf("the answer is %q, want %q and the end", got, tc.answer)
				}
			})
		})
	}
	// What follows is XML and wrong: the session goes on.
	for _, tc := range []struct {
		name, send string
		answer     []string
	}{
		{"message-id is missing", `<rpc xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><get/></rpc>`, []string{
			"<error-tag>missing-attribute</error-tag>", "<bad-attribute>message-id</bad-attribute>", "<bad-element>rpc</bad-element>"}},
		{"no rpc", `<get xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"/>`, []string{
			"<error-tag>unknown-element</error-tag>", "<bad-element>get</bad-element>"}},
		{"elements in elements, 100,000 deep", rpc(`<get><filter>` + strings.Repeat("<a>", 100000) + strings.Repeat("</a>", 100000) + `</filter></get>`), []string{
			"<error-tag>too-big</error-tag>", "deeper than 128"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r.unharmed(t, "p2", func() {
				c := r.rawNETCONF(t, "p2")
				c.send(t, clientHello+chunk(tc.send))
				reply := c.until(t, "\n##\n")
				for _, want := range tc.answer {
					if !strings.Contains(reply, want) {
						t.Errorf("the reply lacks %s: %s", want, reply)
					}
				}
				c.send(t, chunk(rpc("<close-session/>")))
				if got := c.rest(t); !strings.Contains(got, "<ok/>") {
					t.Errorf("close-session: %s", got)
				}
			})
		})
	}
	t.Run("gone in the middle of a message", func(t *testing.T) {
		r.unharmed(t, "p2", func() {
			c := r.rawNETCONF(t, "p2")
			c.send(t, clientHello+"\n#4000\n<rpc")
			c.conn.Close()
		})
	})
	t.Run("no SSH", func(t *testing.T) {
		r.unharmed(t, "p2", func() {
			r.garbage(t, "p2", netconfAddr, nil, strings.Repeat("\xff", 65536))
			r.garbage(t, "p2", netconfAddr, nil, "SSH-2.0-x\r\n"+strings.Repeat("\xff", 65536))
		})
	})
	t.Run("a stranger's key", func(t *testing.T) {
		r.unharmed(t, "p2", func() {
			conn, err := r.Dial(t.Context(), "p2", "tcp", netconfAddr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			config := r.sshConfig(t, "p2")
			config.Auth = []ssh.AuthMethod{ssh.Password("admin"), ssh.PublicKeys(strangerKey(t))}
			if _, _, _, err := ssh.NewClientConn(conn, netconfAddr, config); err == nil || !strings.Contains(err.Error(), "unable to authenticate") {
				t.Errorf("a stranger's login: %v", err)
			}
		})
	})
}

func strangerKey(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// testBadConfigurations sends configurations that must be refused, each with
// the error that RFC 6241 and RFC 7950 prescribe.
func testBadConfigurations(t *testing.T, r *rig) {
	const lsp = "/mtp:mpls-tp/lsp:lsps/lsp:static-lsp[lsp:name='bad']"
	section := func(body string) string {
		return `<mpls-tp xmlns="urn:tandem:yang:mtp-node"><sections>` + body + `</sections></mpls-tp>`
	}
	for _, tc := range []struct {
		name, config string
		tag          string
		path, rule   string
	}{
		{"unknown element", `<mpls-tp xmlns="urn:tandem:yang:mtp-node"><nodes/></mpls-tp>`, "unknown-element", "/mtp:mpls-tp", ""},
		{"unknown namespace", `<mpls-tp xmlns="urn:example:none"/>`, "unknown-namespace", "", ""},
		{"element of another module", inLSPs(`<section xmlns="urn:tandem:yang:mtp-node"/>`), "unknown-element", "/mtp:mpls-tp/lsp:lsps", ""},
		{"state is no configuration", section(`<section><name>to-pe1</name><oper-state>up</oper-state></section>`), "unknown-element",
			"/mtp:mpls-tp/mtp:sections/mtp:section[mtp:name='to-pe1']", ""},
		{"wrong type", strings.Replace(transit("bad", 560), ">560<", ">blue<", 1), "invalid-value", lsp + "/lsp:in-segment/lsp:incoming-label", ""},
		{"label over 20 bits", strings.Replace(transit("bad", 560), ">560<", ">1048576<", 1), "invalid-value", lsp + "/lsp:in-segment/lsp:incoming-label", ""},
		{"special-purpose label", strings.Replace(transit("bad", 560), ">560<", ">13<", 1), "invalid-value", lsp + "/lsp:in-segment/lsp:incoming-label", ""},
		{"no such enum", strings.Replace(transit("bad", 560), "swap-and-forward", "swap", 1), "invalid-value", lsp + "/lsp:operation", ""},
		{"entry without its key", inLSPs(`<static-lsp><operation>swap-and-forward</operation></static-lsp>`), "missing-element", "/mtp:mpls-tp/lsp:lsps/lsp:static-lsp", ""},
		{"dangling section", strings.Replace(transit("bad", 560), ">to-pe2<", ">nowhere<", 1), "data-missing",
			lsp + "/lsp:out-segment/lsp:nhlfe-single/lsp:outgoing-section", "instance-required"},
		{"incoming-label taken", transit("bad", 102), "operation-failed", lsp, ""},
		{"reference removed", section(`<section xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="delete"><name>to-pe2</name></section>`), "data-missing",
			"/mtp:mpls-tp/", "instance-required"},
		{"mandatory leaf removed", section(`<section><name>to-pe2</name><interface xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="delete"/></section>`),
			"data-missing", "/mtp:mpls-tp/mtp:sections/mtp:section[mtp:name='to-pe2']/mtp:interface", ""},
		{"delete of nothing", removal("bad"), "data-missing", lsp, ""},
		{"unknown edit operation", strings.Replace(removal("bad"), `"delete"`, `"erase"`, 1), "bad-attribute", "/mtp:mpls-tp/lsp:lsps", ""},
		{"second section on an interface", section(`<section><name>twin</name><interface>to-pe2</interface></section>`), "operation-failed",
			"/mtp:mpls-tp/mtp:sections/mtp:section[mtp:name='twin']/mtp:interface", "section-interface-in-use"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r.unharmed(t, "p2", func() {
				s := r.session(t, "p2")
				_, err := s.RPC(t.Context(), edit(tc.config))
				if err == nil {
					_, err = s.RPC(t.Context(), `<commit/>`)
				}
				r.rpc(t, "p2", `<discard-changes/>`)
				if err == nil {
					t.Fatal("it was accepted")
				}
				text := err.Error()
				if !strings.HasPrefix(text, tc.tag+": ") {
					t.Errorf("want tag %s in\n%s", tc.tag, text)
				}
				if tc.path != "" && !strings.Contains(text, "\n  at "+tc.path) {
					t.Errorf("want path %s in\n%s", tc.path, text)
				}
				if tc.rule != "" && !strings.Contains(text, "\n  rule "+tc.rule) {
					t.Errorf("want rule %s in\n%s", tc.rule, text)
				}
			})
		})
	}
}

// garbage sends octets to a port and waits until the element hangs up. A nil
// config is plain TCP.
func (r *rig) garbage(t *testing.T, node, address string, config *tls.Config, octets string) {
	t.Helper()
	conn, err := r.Dial(t.Context(), node, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if config != nil {
		conn = tls.Client(conn, config)
	}
	// The element may hang up before it has read everything.
	_, _ = io.WriteString(conn, octets)
	_, err = io.Copy(io.Discard, conn)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Errorf("%q...: the element kept the connection", octets[:min(len(octets), 20)])
	}
}

// tlsConfig trusts the element and shows the administrator's certificate.
func (r *rig) tlsConfig(t *testing.T, node string) *tls.Config {
	t.Helper()
	dir := filepath.Join(r.StateDir(node), "tls")
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "client.crt"), filepath.Join(dir, "client.key"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("no certificate in ca.crt")
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots, ServerName: "localhost"}
}

func testBadGNMI(t *testing.T, r *rig) {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	config := r.tlsConfig(t, "p2")
	config.NextProtos = []string{"h2"}
	for _, tc := range []struct {
		name, octets string
		config       *tls.Config
	}{
		{"no TLS", "GET / HTTP/1.1\r\n\r\n", nil},
		{"TLS record that is none", "\x16\x03\x01\xff\xff" + strings.Repeat("\xff", 70000), nil},
		{"HTTP/1", "GET / HTTP/1.1\r\nHost: p2\r\n\r\n", config},
		{"HTTP/2 frame before SETTINGS", preface + "\x00\x00\x04\x08\x00\x00\x00\x00\x00\xff\xff\xff\xff", config},
		{"HTTP/2 frame over the limit", preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\xff\xff\xff\x00\x00\x00\x00\x00\x01" + strings.Repeat("x", 65536), config},
		{"HTTP/2 header block that is no HPACK", preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\x00\x00\x04\x01\x05\x00\x00\x00\x01\xff\xff\xff\xff", config},
		{"octets", strings.Repeat("\xff\x00", 4096), config},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r.unharmed(t, "p2", func() { r.garbage(t, "p2", gnmiAddr, tc.config, tc.octets) })
		})
	}
	t.Run("TLS without a client certificate", func(t *testing.T) {
		r.unharmed(t, "p2", func() {
			none := config.Clone()
			none.Certificates = nil
			conn, err := r.Dial(t.Context(), "p2", "tcp", gnmiAddr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			c := tls.Client(conn, none)
			// With TLS 1.3 the client learns it when it reads.
			if err = c.HandshakeContext(t.Context()); err == nil {
				_, err = c.Read(make([]byte, 1))
			}
			if err == nil || !strings.Contains(err.Error(), "certificate required") {
				t.Errorf("the handshake ends with %v", err)
			}
		})
	})
	t.Run("protobuf that is none", func(t *testing.T) {
		r.unharmed(t, "p2", func() {
			conn, _, err := r.GNMI("p2")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for _, method := range []string{"Get", "Set", "Capabilities"} {
				err := conn.Invoke(t.Context(), "/gnmi.gNMI/"+method, &rawMessage{"\xff\xff\xff"}, &rawMessage{}, grpc.ForceCodec(rawCodec{}))
				if status.Code(err) != codes.Internal {
					t.Errorf("%s: %v", method, err)
				}
			}
			stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/gnmi.gNMI/Subscribe", grpc.ForceCodec(rawCodec{}))
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.SendMsg(&rawMessage{"\xff\xff\xff"}); err != nil {
				t.Fatal(err)
			}
			if err := stream.RecvMsg(&rawMessage{}); status.Code(err) != codes.Internal {
				t.Errorf("Subscribe: %v", err)
			}
		})
	})
	t.Run("requests", func(t *testing.T) { testBadSets(t, r) })
}

// testBadSets: each Set has one good update and one bad one.
func testBadSets(t *testing.T, r *rig) {
	str := func(s string) *gnmi.TypedValue {
		return &gnmi.TypedValue{Value: &gnmi.TypedValue_StringVal{StringVal: s}}
	}
	js := func(s string) *gnmi.TypedValue {
		return &gnmi.TypedValue{Value: &gnmi.TypedValue_JsonIetfVal{JsonIetfVal: []byte(s)}}
	}
	path := func(elem ...string) *gnmi.Path {
		p := &gnmi.Path{}
		for _, e := range elem {
			p.Elem = append(p.Elem, &gnmi.PathElem{Name: e})
		}
		return p
	}
	good := &gnmi.Update{Path: path("mpls-tp", "node", "name"), Val: str("changed")}
	for _, tc := range []struct {
		name string
		bad  *gnmi.Update
		code codes.Code
		want string
	}{
		{"unknown element", &gnmi.Update{Path: path("mpls-tp", "nodes"), Val: js(`{}`)}, codes.NotFound, `has no element "nodes"`},
		{"wrong type", &gnmi.Update{Path: path("mpls-tp", "node", "global-id"), Val: str("blue")}, codes.InvalidArgument, "global-id"},
		{"JSON that is none", &gnmi.Update{Path: path("mpls-tp", "node"), Val: js(`{"name":`)}, codes.InvalidArgument, "node"},
		{"label out of range", &gnmi.Update{Path: lspPath("east-2", "in-segment"), Val: js(`{"incoming-label":1048576}`)}, codes.InvalidArgument, "incoming-label"},
		{"state", &gnmi.Update{Path: lspPath("east-2", "oper-state"), Val: str("up")}, codes.InvalidArgument, "oper-state"},
		{"no value", &gnmi.Update{Path: path("mpls-tp", "node", "name")}, codes.InvalidArgument, "name"},
		{"dangling reference", &gnmi.Update{Path: lspPath("east-2", "out-segment", "nhlfe-single", "outgoing-section"), Val: str("nowhere")}, codes.InvalidArgument, "/out-segment/nhlfe-single/outgoing-section: There is no"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r.unharmed(t, "p2", func() {
				conn, client, err := r.GNMI("p2")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_, err = client.Set(t.Context(), &gnmi.SetRequest{Update: []*gnmi.Update{good, tc.bad}})
				if status.Code(err) != tc.code || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("Set: %v, want %v with %q", err, tc.code, tc.want)
				}
			})
		})
	}
}

type rawMessage struct{ octets string }

// rawCodec sends octets as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) { return []byte(v.(*rawMessage).octets), nil }
func (rawCodec) Unmarshal(data []byte, v any) error {
	v.(*rawMessage).octets = string(data)
	return nil
}
func (rawCodec) Name() string { return "proto" }

// testFlood opens many connections to each port and says nothing on them: who
// is in stays served, the element keeps a bounded number, and when they are
// gone everybody gets in again.
func testFlood(t *testing.T, r *rig) {
	const connections, kept = 400, 80
	r.unharmed(t, "p2", func() {
		files := r.openFiles(t, "p2")
		conn, client, err := r.GNMI("p2")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := client.Capabilities(t.Context(), &gnmi.CapabilityRequest{}); err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{netconfAddr, gnmiAddr} {
			var conns []net.Conn
			for range connections {
				conn, err := r.Dial(t.Context(), "p2", "tcp", address)
				if err != nil {
					t.Errorf("%s: %v", address, err)
					break
				}
				conns = append(conns, conn)
			}
			r.rpc(t, "p2", `<get-config><source><running/></source></get-config>`)
			if _, err := client.Capabilities(t.Context(), &gnmi.CapabilityRequest{}); err != nil {
				t.Error(err)
			}
			eventually(t, "a bounded number of connections", func() bool { return r.openFiles(t, "p2") <= files+kept })
			for _, c := range conns {
				c.Close()
			}
			eventually(t, "a new session after the flood", func() bool {
				s, err := r.NETCONF(t.Context(), "p2", nil)
				if err != nil {
					return false
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				return true
			})
			fresh, client, err := r.GNMI("p2")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if _, err := client.Capabilities(ctx, &gnmi.CapabilityRequest{}, grpc.WaitForReady(true)); err != nil {
				t.Errorf("a new gNMI channel after the flood of %s: %v", address, err)
			}
			cancel()
			fresh.Close()
		}
	})
}
