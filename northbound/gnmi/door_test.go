package gnmi

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
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

// flood is a listener at which n connections arrive, a tenth of a second apart.
type flood struct {
	net.Listener
	n     int
	clock time.Time
}

func (f *flood) Accept() (net.Conn, error) {
	if f.n == 0 {
		return nil, net.ErrClosed
	}
	f.n--
	f.clock = f.clock.Add(100 * time.Millisecond)
	here, there := net.Pipe()
	there.Close()
	return here, nil
}

// TestRefusalsAreToldSeldom: a flood of strangers does not flood the log.
func TestRefusalsAreToldSeldom(t *testing.T) {
	var out bytes.Buffer
	f := &flood{n: 300, clock: time.Unix(1000, 0)}
	d := &door{Listener: f, tokens: make(chan struct{}), log: slog.New(slog.NewTextHandler(&out, nil)), now: func() time.Time { return f.clock }}
	if _, err := d.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
	var want, got strings.Builder
	for _, n := range []int{1, 100, 100} {
		fmt.Fprintf(&want, `level=WARN msg="gNMI connections refused" reason="too many unauthenticated connections" count=%d last-peer=pipe`+"\n", n)
	}
	for line := range strings.Lines(out.String()) {
		_, line, _ = strings.Cut(line, " ") // The time.
		got.WriteString(line)
	}
	if got.String() != want.String() {
		t.Errorf("the log is\n%swant\n%s", &got, &want)
	}
}
