package gnmi

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/tandem-ne/tandem/server/schema"
)

// TestRule31Identity: TLS 1.2 or later with a client certificate, and no
// passwords that nobody checks.
func TestRule31Identity(t *testing.T) {
	e := start(t, boxSchema(t), nil)
	call := func(c *tls.Config, md ...string) error {
		conn := e.dial(c)
		defer conn.Close()
		_, err := gpb.NewGNMIClient(conn).Capabilities(metadata.AppendToOutgoingContext(e.context(), md...), &gpb.CapabilityRequest{})
		return err
	}
	if err := call(e.tls); err != nil {
		t.Fatal(err)
	}
	if err := call(e.tls, "username", "admin"); err != nil {
		t.Errorf("the certificate's own user name is refused: %v", err)
	}
	wantCode(t, call(e.tls, "username", "root"), codes.PermissionDenied, `"admin"`)
	wantCode(t, call(e.tls, "username", "admin", "password", "admin"), codes.Unauthenticated, "passwords")
	old := e.tls.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	wantCode(t, call(old), codes.Unavailable, "")
	none := e.tls.Clone()
	none.Certificates = nil
	wantCode(t, call(none), codes.Unavailable, "")
	foreign := e.tls.Clone()
	foreign.Certificates = []tls.Certificate{selfSigned(t)}
	wantCode(t, call(foreign), codes.Unavailable, "")
	conn, err := grpc.NewClient(e.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = gpb.NewGNMIClient(conn).Capabilities(e.context(), &gpb.CapabilityRequest{})
	wantCode(t, err, codes.Unavailable, "")
	// Streams are identified like unary RPCs.
	stream, err := e.client.Subscribe(metadata.AppendToOutgoingContext(e.context(), "password", "x"))
	if err == nil {
		_, err = stream.Recv()
	}
	wantCode(t, err, codes.Unauthenticated, "passwords")
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "admin"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestRequestTooLong(t *testing.T) {
	e := start(t, boxSchema(t), func(o *Options) { o.MaxRequest = 64 << 10 })
	_, err := e.client.Set(e.context(), &gpb.SetRequest{Update: []*gpb.Update{{
		Path: gpath("/system"), Val: &gpb.TypedValue{Value: &gpb.TypedValue_JsonIetfVal{JsonIetfVal: make([]byte, 128<<10)}},
	}}})
	wantCode(t, err, codes.ResourceExhausted, "")
}

// TestGarbage: bytes that are no gNMI end one connection, nothing else.
func TestGarbage(t *testing.T) {
	e := start(t, boxSchema(t), nil)
	for _, garbage := range []string{"\x16\x03\x01", "GET / HTTP/1.1\r\n\r\n", strings.Repeat("\xff", 4096)} {
		c, err := tls.Dial("tcp", e.addr, e.tls)
		if err != nil {
			t.Fatal(err)
		}
		// The server may have gone while this is being written.
		_, _ = c.Write([]byte(garbage))
		if err := c.SetReadDeadline(time.Now().Add(15 * time.Second)); err != nil {
			t.Fatal(err)
		}
		for err = error(nil); err == nil; {
			_, err = c.Read(make([]byte, 1024))
		}
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			t.Errorf("%q kept its connection", garbage[:3])
		}
		c.Close()
	}
	if _, err := e.client.Capabilities(e.context(), &gpb.CapabilityRequest{}); err != nil {
		t.Error(err)
	}
	// A frame that is no protobuf message.
	conn := e.dial(e.tls)
	defer conn.Close()
	err := conn.Invoke(e.context(), "/gnmi.gNMI/Get", &raw{"\xff\xff\xff"}, &raw{}, grpc.ForceCodec(rawCodec{}))
	wantCode(t, err, codes.Internal, "")
}

type raw struct{ text string }

type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error)      { return []byte(v.(*raw).text), nil }
func (rawCodec) Unmarshal(data []byte, v any) error { v.(*raw).text = string(data); return nil }
func (rawCodec) Name() string                       { return "proto" }

// TestEveryServedPath: each data node of each served module can be asked for
// and subscribed to, and answers with data or the code for "not there".
func TestEveryServedPath(t *testing.T) {
	e := start(t, servedSchema(t), nil)
	e.set(`update { path { elem { name: "interfaces" } } val { json_ietf_val: "{\"ietf-interfaces:interface\":[{\"name\":\"e0\",\"type\":\"iana-if-type:ethernetCsmacd\"}]}" } }
		update { path { elem { name: "mpls-tp" } } val { json_ietf_val: "{\"mtp-node:sections\":{\"section\":[{\"name\":\"west\",\"interface\":\"e0\"}]}}" } }`)
	paths := 0
	list := &gpb.SubscriptionList{Mode: gpb.SubscriptionList_ONCE, Encoding: gpb.Encoding_PROTO}
	var walk func(n *schema.Node, p *gpb.Path)
	walk = func(n *schema.Node, p *gpb.Path) {
		for _, c := range n.Children() {
			child := &gpb.Path{Elem: append(append([]*gpb.PathElem(nil), p.Elem...), &gpb.PathElem{Name: c.Name})}
			for _, enc := range []gpb.Encoding{gpb.Encoding_JSON_IETF, gpb.Encoding_PROTO} {
				_, err := e.client.Get(context.Background(), &gpb.GetRequest{Path: []*gpb.Path{child}, Encoding: enc})
				if err != nil && !strings.Contains(err.Error(), "NotFound") {
					t.Errorf("Get %s: %v", pathText(nil, child), err)
				}
			}
			list.Subscription = append(list.Subscription, &gpb.Subscription{Path: child})
			paths++
			walk(c, child)
		}
	}
	walk(e.schema.Root(), &gpb.Path{})
	if paths < 300 {
		t.Errorf("only %d paths are served", paths)
	}
	for i := 0; i < len(list.Subscription); i += 50 {
		part := &gpb.SubscriptionList{Mode: list.Mode, Encoding: list.Encoding, Subscription: list.Subscription[i:min(i+50, len(list.Subscription))]}
		s := e.subscribe(t, "")
		if err := s.stream.Send(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: part}}); err != nil {
			t.Fatal(err)
		}
		s.untilSync()
	}
	s := e.subscribe(t, `subscription { path {} mode: ON_CHANGE }`)
	if got := s.untilSync(); !strings.Contains(got, "/mpls-tp/sections/section[name=west]/name") {
		t.Errorf("the root's data lack the section: %s", got)
	}
}

// TestStockClient runs gnmi_cli of openconfig/gnmi, the reference client.
func TestStockClient(t *testing.T) {
	e := sampled(t)
	bin := t.TempDir()
	build := exec.Command("go", "install", "github.com/openconfig/gnmi/cmd/gnmi_cli@v0.14.1")
	build.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=-buildvcs=false")
	build.Dir = bin
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build gnmi_cli: %v\n%s", err, out)
	}
	run := func(t *testing.T, args ...string) string {
		t.Helper()
		streaming := slices.Contains(args, "streaming")
		args = append([]string{
			"-address", e.addr, "-server_name", "127.0.0.1", "-timeout", "20s", "-target", "ne1",
			"-ca_crt", filepath.Join(e.stateDir, "tls", "ca.crt"),
			"-client_crt", filepath.Join(e.stateDir, "tls", "client.crt"), "-client_key", filepath.Join(e.stateDir, "tls", "client.key"),
		}, args...)
		out, err := exec.CommandContext(e.context(), filepath.Join(bin, "gnmi_cli"), args...).CombinedOutput()
		// The end of -streaming_duration is an error to this client.
		if err != nil && !(streaming && strings.Contains(string(out), "DeadlineExceeded")) {
			t.Fatalf("gnmi_cli %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	for _, tc := range []struct {
		name string
		args []string
		want string
	}{
		{"capabilities", []string{"-capabilities"}, `gNMI_version:`},
		{"set", []string{"-set", "-proto", `update { path { elem { name: "system" } elem { name: "mtu" } } val { uint_val: 2000 } }`}, "UPDATE"},
		{"get", []string{"-get", "-proto", `path { elem { name: "system" } elem { name: "mtu" } }`}, "2000"},
		{"once", []string{"-query_type", "once", "-query", "system/hostname"}, "ne1"},
		{"poll", []string{"-query_type", "polling", "-polling_interval", "10ms", "-count", "2", "-query", "system/mtu"}, "2000"},
		{"stream", []string{"-query_type", "streaming", "-streaming_duration", "500ms", "-query", "interfaces"}, "first"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e.t = t
			if out := run(t, tc.args...); !strings.Contains(out, tc.want) {
				t.Errorf("gnmi_cli says\n%s\nwithout %q", out, tc.want)
			}
		})
	}
}
