package gnmi

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
)

// TestStrangers: connections that never say who they are take a bounded number
// of places, nothing from those who are in, and their places are free when they
// go.
func TestStrangers(t *testing.T) {
	e := start(t, boxSchema(t), nil)
	if _, err := e.client.Capabilities(e.context(), &gpb.CapabilityRequest{}); err != nil {
		t.Fatal(err)
	}
	const more = 40
	var conns []net.Conn
	for range maxStrangers + more {
		c, err := net.Dial("tcp", e.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	// The element closes the ones over the limit, and closes them in order.
	for i, c := range conns {
		limit := 10 * time.Second
		if i < maxStrangers {
			limit = time.Millisecond
		}
		if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
			t.Fatal(err)
		}
		_, err := c.Read(make([]byte, 1))
		if kept := errors.Is(err, os.ErrDeadlineExceeded); kept != (i < maxStrangers) {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	if _, err := e.client.Capabilities(e.context(), &gpb.CapabilityRequest{}); err != nil {
		t.Errorf("a client that was in: %v", err)
	}
	for _, c := range conns {
		c.Close()
	}
	// Twice as many clients as there are places come in, one after the other.
	for range 2 * maxStrangers {
		fresh := e.dial(e.tls)
		_, err := gpb.NewGNMIClient(fresh).Capabilities(e.context(), &gpb.CapabilityRequest{}, grpc.WaitForReady(true))
		if err != nil {
			t.Fatalf("a new client: %v", err)
		}
		defer fresh.Close()
	}
}
