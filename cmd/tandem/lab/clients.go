package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/tandem-ne/tandem/cmd/tandem/client"
)

// NETCONF opens a session to an element from inside its namespace.
func (l *Lab) NETCONF(ctx context.Context, node string, onNotification func(time.Time, string)) (*client.Session, error) {
	return client.Dial(ctx, client.Target{
		Address:        net.JoinHostPort("127.0.0.1", NETCONFPort),
		User:           "admin",
		KeyFile:        l.KeyFile(),
		HostKeyFile:    filepath.Join(l.StateDir(node), "ssh", "ssh_host_ed25519_key.pub"),
		Dial:           dialIn(l.Topology.Namespace(node)),
		Timeout:        30 * time.Second,
		OnNotification: onNotification,
	})
}

// GNMI opens a gNMI channel to an element from inside its namespace, with the
// administrator's certificate that the element made at its first start.
func (l *Lab) GNMI(node string) (*grpc.ClientConn, gnmi.GNMIClient, error) {
	dir := filepath.Join(l.StateDir(node), "tls")
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "client.crt"), filepath.Join(dir, "client.key"))
	if err != nil {
		return nil, nil, fmt.Errorf("gNMI client certificate: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return nil, nil, fmt.Errorf("gNMI CA: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, nil, errors.New("gNMI CA: no certificate in " + filepath.Join(dir, "ca.crt"))
	}
	dial := dialIn(l.Topology.Namespace(node))
	conn, err := grpc.NewClient("passthrough:///"+net.JoinHostPort("127.0.0.1", GNMIPort),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, RootCAs: roots, ServerName: "localhost",
		})),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return dial(ctx, "tcp", address)
		}))
	if err != nil {
		return nil, nil, err
	}
	return conn, gnmi.NewGNMIClient(conn), nil
}
