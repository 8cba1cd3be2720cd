package netconf

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const limitsPath = "/mtp-management:management/netconf/"

// TestLimitsAreConfigured: what an operator commits holds for the next session.
func TestLimitsAreConfigured(t *testing.T) {
	e := newElement(t, nil)
	e.set(limitsPath+"max-sessions = 1", limitsPath+"max-message-size = 65536")
	first := e.open(base11)
	first.want("<get-config><source><running/></source><filter/></get-config>", "<data")
	second := e.connect()
	if _, err := second.in.next(); err == nil {
		t.Error("a second session is there")
	}
	if err := <-second.over; !errors.Is(err, errFull) {
		t.Errorf("the second session ends with %v", err)
	}
	e.set(limitsPath + "max-sessions = 2")
	e.open(base11).want("<get-config><source><running/></source><filter/></get-config>", "<data")
	// A chunk of that size is refused before it is read.
	go io.WriteString(first.conn, "\n#65537\n") // A pipe takes it when it is read.
	if reply := first.next(); !strings.Contains(reply, "too-big") {
		t.Errorf("a message beyond the limit: %s", reply)
	}
	e.set("/mtp-management:management/netconf")
	if got := e.present.Load(); got.Sessions != 1200 || got.Message != 64<<20 || got.HelloTimeout != 20*time.Second || got.IdleTimeout != time.Hour {
		t.Errorf("without configuration the limits are %+v", *got)
	}
}

func TestConfiguredTimeouts(t *testing.T) {
	for name, test := range map[string]struct {
		lines []string
		hello bool          // whether the client sends one
		end   time.Duration // 0: not within a year
	}{
		"no hello, default":    {nil, false, 20 * time.Second},
		"no hello, configured": {[]string{limitsPath + "hello-timeout = 5"}, false, 5 * time.Second},
		"idle, default":        {nil, true, time.Hour},
		"idle, configured":     {[]string{limitsPath + "idle-timeout = 60"}, true, time.Minute},
		"idle, never":          {[]string{limitsPath + "idle-timeout = 0"}, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newElement(t, nil)
				if test.lines != nil {
					e.set(test.lines...)
				}
				began := time.Now()
				c := e.connect()
				c.conn.SetDeadline(time.Time{})
				c.next()
				if test.hello {
					c.send(strings.Replace(clientHello, "%s", base10, 1))
				}
				select {
				case <-c.over:
					if took := time.Since(began); test.end == 0 || took != test.end {
						t.Errorf("the session ends after %v, want %v", took, test.end)
					}
				case <-time.After(365 * 24 * time.Hour):
					if test.end != 0 {
						t.Error("the session does not end")
					}
				}
				c.conn.Close()
			})
		})
	}
}

// short is a listener of a host that is short of file descriptors for a while.
type short struct {
	fails  atomic.Int32
	closed chan struct{}
}

func (s *short) Accept() (net.Conn, error) {
	if s.fails.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	<-s.closed
	return nil, net.ErrClosed
}

func (s *short) Close() error   { close(s.closed); return nil }
func (s *short) Addr() net.Addr { return &net.TCPAddr{} }

// TestAcceptBacksOff: a host without file descriptors does not end the server,
// and accept is not tried all the time.
func TestAcceptBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newElement(t, nil)
		l := &short{closed: make(chan struct{})}
		l.fails.Store(10)
		over := make(chan error, 1)
		began := time.Now()
		go func() { over <- e.Serve(l) }()
		for l.fails.Load() >= 0 {
			synctest.Wait()
			time.Sleep(time.Millisecond)
		}
		// 5 + 10 + 20 + ... + 640 ms and then 1 s each.
		if took := time.Since(began); took < 2*time.Second || took > 4*time.Second {
			t.Errorf("10 failures take %v", took)
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-over; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		e := newElement(t, nil)
		l := &short{closed: make(chan struct{})}
		l.Close()
		if err := e.Serve(l); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a listener that is gone: %v", err)
		}
	})
}
