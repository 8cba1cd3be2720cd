package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
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

// startNorthbound serves both protocols on their listeners, which it takes over.
func startNorthbound(s *server.Server, netconfListener, gnmiListener net.Listener, log *slog.Logger) (*northbound, error) {
	n := &northbound{failed: make(chan error, 2), ended: make(chan struct{}, 2)}
	var err error
	n.netconf, err = netconf.New(netconf.Options{Schema: s.Schema, Store: s.Store, Hub: s.Hub, Access: s.Access, NACM: s.NACM, Log: log})
	if err != nil {
		return nil, fmt.Errorf("netconf: %w", err)
	}
	n.gnmi = gnmi.New(gnmi.Options{Schema: s.Schema, Store: s.Store, Hub: s.Hub, Access: s.Access, NACM: s.NACM, Log: log})
	n.serve("netconf", func() error { return n.netconf.Serve(netconfListener) }, netconf.ErrServerClosed)
	n.serve("gnmi", func() error { return n.gnmi.Serve(gnmiListener) }, nil)
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
	<-n.ended
	<-n.ended
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // Clients that hold on are cut off: that is what stop means.
	}
	return err
}
