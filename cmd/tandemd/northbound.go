package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/tandem-ne/tandem/northbound/gnmi"
	"github.com/tandem-ne/tandem/northbound/netconf"
	"github.com/tandem-ne/tandem/server"
)

// northbound are the running protocol servers.
type northbound struct {
	netconf *netconf.Server
	gnmi    *gnmi.Server
	// failed gets the error of a server that ended by itself.
	failed chan error
	ended  chan struct{}
}

// listeners are where the protocols are served.
type listeners struct{ netconf, netconfTLS, gnmi net.Listener }

// listen opens all of them or none.
func (f *flags) listen() (l listeners, err error) {
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	for _, one := range []struct {
		flag, address string
		to            *net.Listener
	}{
		{"--netconf-listen", f.netconf, &l.netconf},
		{"--netconf-tls-listen", f.netconfTLS, &l.netconfTLS},
		{"--gnmi-listen", f.gnmi, &l.gnmi},
	} {
		if *one.to, err = net.Listen("tcp", one.address); err != nil {
			return l, fmt.Errorf("%s: %w", one.flag, err)
		}
	}
	return l, nil
}

func (l listeners) close() {
	for _, one := range []net.Listener{l.netconf, l.netconfTLS, l.gnmi} {
		if one != nil {
			one.Close()
		}
	}
}

// services is how many serve at the same time.
const services = 4

// startNorthbound serves the protocols on their listeners, which it takes over,
// and calls the management systems that are configured. urlDir is the directory of
// file URLs; it is made if it is not there.
func startNorthbound(s *server.Server, l listeners, urlDir string, log *slog.Logger) (*northbound, error) {
	n := &northbound{failed: make(chan error, services), ended: make(chan struct{}, services)}
	if err := os.MkdirAll(urlDir, 0o700); err != nil {
		return nil, fmt.Errorf("directory of file URLs: %w", err)
	}
	actions := map[string]netconf.ActionFunc{}
	for path, action := range s.Actions() {
		actions[path] = action
	}
	var err error
	n.netconf, err = netconf.New(netconf.Options{
		Schema: s.Schema, Store: s.Store, Hub: s.Hub, Access: s.Access, NACM: s.NACM, Actions: actions,
		URLs: netconf.URLs{Dir: urlDir}, Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("netconf: %w", err)
	}
	n.gnmi = gnmi.New(gnmi.Options{Schema: s.Schema, Store: s.Store, Hub: s.Hub, Access: s.Access, NACM: s.NACM, Log: log})
	n.serve("netconf", func() error { return n.netconf.Serve(l.netconf) }, netconf.ErrServerClosed)
	n.serve("netconf over TLS", func() error { return n.netconf.ServeTLS(l.netconfTLS) }, netconf.ErrServerClosed)
	n.serve("call home", n.netconf.CallHome, netconf.ErrServerClosed)
	n.serve("gnmi", func() error { return n.gnmi.Serve(l.gnmi) }, nil)
	return n, nil
}

func (n *northbound) serve(name string, serve func() error, closed error) {
	go func() {
		if err := serve(); err != nil && !errors.Is(err, closed) {
			n.failed <- fmt.Errorf("%s: %w", name, err)
		}
		n.ended <- struct{}{}
	}()
}

// stop lets requests under way finish for a moment, then closes everything.
func (n *northbound) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	n.gnmi.Stop(ctx)
	err := n.netconf.Shutdown(ctx)
	for range services {
		<-n.ended
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // Clients that hold on are cut off: that is what stop means.
	}
	return err
}
