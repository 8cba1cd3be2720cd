// Package gnmi serves gNMI 0.10.0 (Capabilities, Get, Set, Subscribe) over TLS
// on the element's datastore and operational state, for every path of every
// served module.
//
// Reading order: server.go (transport, who is calling), path.go (request paths
// to patterns, instances to paths), read.go (patterns to leafs), then one file
// per RPC: capabilities.go, get.go, set.go, subscribe.go with stream.go and
// notification.go. errors.go maps the management plane's errors to gRPC codes.
package gnmi

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/tandem-ne/tandem/server/access"
	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/xpath"
)

// Version is the gNMI version that Capabilities reports.
const Version = "0.10.0"

// Options are what a Server needs. Schema, Store, Hub and Access are required.
type Options struct {
	Schema *schema.Schema
	Store  *datastore.Store
	Hub    *oper.Hub
	Access *access.Access
	NACM   *nacm.Control // who may do what; nil permits everything to everybody
	Log    *slog.Logger  // slog.Default() where nil

	// MaxRequest bounds a received message in octets; 16 MiB where 0.
	MaxRequest int
	// MaxBacklog bounds what waits for a slow subscriber, in estimated octets;
	// oper.DefaultMaxBytes where 0. Beyond it the RPC ends with
	// RESOURCE_EXHAUSTED.
	MaxBacklog int
	// MinSample is the shortest sample_interval, and what 0 stands for; 100 ms
	// where 0.
	MinSample time.Duration
	// CounterInterval is how often counters, which nobody pushes, are read
	// under ON_CHANGE and TARGET_DEFINED; 10 s where 0.
	CounterInterval time.Duration
}

// Server serves gNMI on any number of listeners.
type Server struct {
	gpb.UnimplementedGNMIServer

	schema   *schema.Schema
	defaults *xpath.Defaults
	store    *datastore.Store
	hub      *oper.Hub
	access   *access.Access
	log      *slog.Logger
	opt      Options
	grpc     *grpc.Server

	streams   atomic.Int64  // STREAM subscriptions
	strangers chan struct{} // one token for each connection in the TLS handshake

	capabilities *gpb.CapabilityResponse
	stopOnce     sync.Once
	quit         chan struct{} // closed by Stop: subscriptions end
}

// New returns a Server that does not listen yet.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.MaxRequest <= 0 {
		o.MaxRequest = 16 << 20
	}
	if o.MinSample <= 0 {
		o.MinSample = 100 * time.Millisecond
	}
	if o.CounterInterval <= 0 {
		o.CounterInterval = 10 * time.Second
	}
	s := &Server{
		schema: o.Schema, defaults: xpath.NewDefaults(o.Schema), store: o.Store, hub: o.Hub, access: o.Access, log: o.Log, opt: o,
		capabilities: capabilities(o.Schema), quit: make(chan struct{}), strangers: make(chan struct{}, maxStrangers),
	}
	s.grpc = grpc.NewServer(
		grpc.Creds(greeter{credentials.NewTLS(o.Access.TLSConfig())}),
		grpc.MaxRecvMsgSize(o.MaxRequest),
		grpc.MaxSendMsgSize(256<<20),
		grpc.MaxConcurrentStreams(256),
		grpc.MaxHeaderListSize(64<<10),
		grpc.ConnectionTimeout(10*time.Second),
		// Collectors ping idle subscriptions often; the default of five
		// minutes answers that with too_many_pings.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 20 * time.Second}),
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
	)
	gpb.RegisterGNMIServer(s.grpc, s)
	return s
}

// Serve accepts connections on l until Stop; it then returns nil.
func (s *Server) Serve(l net.Listener) error {
	err := s.grpc.Serve(&door{Listener: l, tokens: s.strangers, log: s.log})
	if errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}

// Stop ends the subscriptions with UNAVAILABLE, waits for the other RPCs until
// ctx is done, and closes all connections.
func (s *Server) Stop(ctx context.Context) {
	s.stopOnce.Do(func() { close(s.quit) })
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
	}
}

// caller is who makes an RPC.
type caller struct {
	user   string
	groups []string // that the certificate names
	peer   string
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// identify finds out who is calling: the user that the client certificate
// stands for. There are no passwords: a client that sends one expects it to be
// checked, so it is refused (gNMI specification section 3.1); a user name
// alone must be the certificate's.
func (s *Server) identify(ctx context.Context) (context.Context, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil, status.Error(codes.Unauthenticated, "the connection has no peer")
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 {
		return nil, status.Error(codes.Unauthenticated, "a client certificate is required")
	}
	user, err := s.access.PeerUser(info.State.VerifiedChains)
	if err != nil {
		return nil, status.Error(codes.Unauthenticated, err.Error())
	}
	md, _ := metadata.FromIncomingContext(ctx)
	if len(md.Get("password")) > 0 {
		return nil, status.Error(codes.Unauthenticated, "passwords are not supported: the client certificate authenticates")
	}
	for _, name := range md.Get("username") {
		if name != user {
			return nil, status.Errorf(codes.PermissionDenied, "the certificate is of user %q, not %q", user, name)
		}
	}
	return context.WithValue(ctx, callerKey{}, caller{user, s.access.PeerGroups(info.State.VerifiedChains), p.Addr.String()}), nil
}

func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	ctx, err := s.identify(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := next(ctx, req)
	if err != nil {
		s.log.Debug("gNMI request refused", "method", info.FullMethod, "user", callerOf(ctx).user, "error", err)
	}
	return resp, err
}

func (s *Server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx, err := s.identify(ss.Context())
	if err != nil {
		return err
	}
	return next(srv, &identified{ss, ctx})
}

// identified is a stream whose context knows the caller.
type identified struct {
	grpc.ServerStream
	ctx context.Context
}

func (i *identified) Context() context.Context { return i.ctx }
