package gnmi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/tandem-ne/tandem/server/access"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/served"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(readersEnv); what != "" {
		fmt.Fprintln(os.Stderr, readers(what))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// element is a server on loopback with the parts behind it.
type element struct {
	t        testing.TB
	schema   *schema.Schema
	store    *datastore.Store
	hub      *oper.Hub
	server   *Server
	addr     string
	stateDir string
	tls      *tls.Config
	conn     *grpc.ClientConn
	client   gpb.GNMIClient
	octets   atomic.Uint64 // what the counters show
}

func boxSchema(t testing.TB) *schema.Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/box.yang")
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Compile(schema.Options{Sources: []schema.Source{{Name: "box.yang", Text: text}}, Implement: []string{"box"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func servedSchema(t testing.TB) *schema.Schema {
	t.Helper()
	s, err := served.Schema()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start runs a server with s and connects a client. with may change the options.
func start(t testing.TB, s *schema.Schema, with func(*Options)) *element {
	t.Helper()
	e := &element{t: t, schema: s, stateDir: t.TempDir()}
	log := slog.New(slog.DiscardHandler)
	acc, err := access.Open(access.Options{Dir: e.stateDir, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	e.store, err = datastore.Open(datastore.Options{Schema: s, Validator: validate.New(s), Dir: filepath.Join(e.stateDir, "datastore"), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	e.hub = oper.New(s, e.store.Running().Root, time.Now)
	e.store.OnCommit(func(c datastore.Commit) { e.hub.PublishCommit(c.Old, c.New, c.Time) })
	if s.Module("box") != nil {
		if err := e.hub.Provide("/box:interfaces/interface/counters", e); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Schema: s, Store: e.store, Hub: e.hub, Access: acc, Log: log, MinSample: 20 * time.Millisecond, CounterInterval: time.Hour}
	if with != nil {
		with(&o)
	}
	e.server = New(o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- e.server.Serve(l) }()
	e.tls = e.clientTLS()
	e.conn = e.dial(e.tls)
	e.client = gpb.NewGNMIClient(e.conn)
	t.Cleanup(func() {
		e.conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		e.server.Stop(ctx)
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := e.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func (e *element) clientTLS() *tls.Config {
	e.t.Helper()
	c, err := clientTLS(e.stateDir)
	if err != nil {
		e.t.Fatal(err)
	}
	return c
}

// clientTLS is for a client with the certificate that access.Open made in dir.
func clientTLS(dir string) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls", "client.crt"), filepath.Join(dir, "tls", "client.key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(filepath.Join(dir, "tls", "ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("no CA certificate in %s", dir)
	}
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}, ServerName: "127.0.0.1"}, nil
}

func (e *element) dial(c *tls.Config) *grpc.ClientConn {
	e.t.Helper()
	conn, err := grpc.NewClient(e.addr, grpc.WithTransportCredentials(credentials.NewTLS(c)), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		e.t.Fatal(err)
	}
	return conn
}

// Read provides the counters of every interface that is asked for.
func (e *element) Read(_ context.Context, req oper.Request) error {
	for _, p := range req.Instances {
		s := p[len(p)-1].Node
		for _, leaf := range s.Children() {
			v, err := leaf.Type.Parse(strconv.FormatUint(e.octets.Load(), 10), nil)
			if err != nil {
				return err
			}
			req.Build.Set(p.Child(leaf), v)
		}
	}
	return nil
}

// context ends with the test, or fails it after a while.
func (e *element) context() context.Context {
	limit := 30 * time.Second
	if _, ok := e.t.(*testing.B); ok {
		limit = time.Hour
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	e.t.Cleanup(cancel)
	return ctx
}

// publish pushes state: path value pairs; an empty value removes the path.
func (e *element) publish(pairs ...string) {
	e.t.Helper()
	var edits []tree.Edit
	for i := 0; i < len(pairs); i += 2 {
		p, err := tree.ParsePath(e.schema, pairs[i])
		if err != nil {
			e.t.Fatal(err)
		}
		ed := tree.Edit{Op: tree.Remove, Path: p}
		if pairs[i+1] != "" {
			s := p[len(p)-1].Node
			v, err := s.Type.Parse(pairs[i+1], e.schema.NameResolver(s.Module))
			if err != nil {
				e.t.Fatal(err)
			}
			ed.Op, ed.Value = tree.Replace, v
		}
		edits = append(edits, ed)
	}
	if err := e.hub.Publish(time.Now(), edits); err != nil {
		e.t.Fatal(err)
	}
}

// set performs a Set that must succeed.
func (e *element) set(text string) *gpb.SetResponse {
	e.t.Helper()
	req := &gpb.SetRequest{}
	parse(e.t, text, req)
	resp, err := e.client.Set(e.context(), req)
	if err != nil {
		e.t.Fatalf("Set %s: %v", text, err)
	}
	return resp
}

func parse(t testing.TB, text string, m proto.Message) {
	t.Helper()
	if err := prototext.Unmarshal([]byte(text), m); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// wantCode checks a refusal.
func wantCode(t testing.TB, err error, code codes.Code, msg string) {
	t.Helper()
	st := status.Convert(err)
	if st.Code() != code || !strings.Contains(st.Message(), msg) {
		t.Errorf("got %v: %q, want %v: ...%q...", st.Code(), st.Message(), code, msg)
	}
}
