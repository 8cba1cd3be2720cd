package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tandem-ne/tandem/cmd/tandem/lab"
)

// heldSessions is how many sessions BenchmarkSessions holds, each with an SSH
// connection of its own.
const heldSessions = 1000

// BenchmarkSessions measures what sessions cost a real tandemd: the time from TCP
// to the end of the server's hello, the memory that each of 1,000 idle ones
// holds, and how fast another one is served beside them.
func BenchmarkSessions(b *testing.B) {
	l := pair(b, "bsess")
	config := benchConfig(b, l, "a")
	connect := func() *ssh.Client {
		c, err := hello(b.Context(), l, config)
		if err != nil {
			b.Fatal(err)
		}
		return c
	}
	b.Run("connect", func(b *testing.B) {
		for b.Loop() {
			connect().Close()
		}
		b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms/connect")
	})
	b.Run("held", func(b *testing.B) {
		var perSession, worst float64
		for b.Loop() {
			before := residentKiB(b, l, "a")
			clients := make([]*ssh.Client, heldSessions)
			for i := range clients {
				clients[i] = connect()
			}
			perSession = float64(residentKiB(b, l, "a")-before) / heldSessions
			s := open(b, l, "a")
			for range 100 {
				began := time.Now()
				call(b, s, `<get-config><source><running/></source><filter><mpls-tp xmlns="urn:tandem:yang:mtp-node"><node/></mpls-tp></filter></get-config>`)
				worst = max(worst, time.Since(began).Seconds()*1000)
			}
			for _, c := range clients {
				c.Close()
			}
		}
		b.ReportMetric(heldSessions, "sessions")
		b.ReportMetric(perSession, "KiB/session")
		b.ReportMetric(worst, "ms-worst")
	})
}

// benchConfig authenticates as the lab's administrator.
func benchConfig(b *testing.B, l *lab.Lab, node string) *ssh.ClientConfig {
	b.Helper()
	pem, err := os.ReadFile(l.KeyFile())
	if err != nil {
		b.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		b.Fatal(err)
	}
	public, err := os.ReadFile(filepath.Join(l.StateDir(node), "ssh", "ssh_host_ed25519_key.pub"))
	if err != nil {
		b.Fatal(err)
	}
	host, _, _, _, err := ssh.ParseAuthorizedKey(public)
	if err != nil {
		b.Fatal(err)
	}
	return &ssh.ClientConfig{
		User: "admin", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: 20 * time.Second,
		HostKeyCallback: ssh.FixedHostKey(host), HostKeyAlgorithms: []string{host.Type()},
	}
}

// hello opens a session to node a and exchanges hello.
func hello(ctx context.Context, l *lab.Lab, config *ssh.ClientConfig) (*ssh.Client, error) {
	raw, err := l.Dial(ctx, "a", "tcp", net.JoinHostPort("127.0.0.1", lab.NETCONFPort))
	if err != nil {
		return nil, err
	}
	conn, channels, requests, err := ssh.NewClientConn(raw, "a", config)
	if err != nil {
		raw.Close()
		return nil, err
	}
	c := ssh.NewClient(conn, channels, requests)
	if err := exchange(c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func exchange(c *ssh.Client) error {
	s, err := c.NewSession()
	if err != nil {
		return err
	}
	in, err := s.StdinPipe()
	if err != nil {
		return err
	}
	out, err := s.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.RequestSubsystem("netconf"); err != nil {
		return err
	}
	if _, err := io.WriteString(in, `<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities>`+
		`<capability>urn:ietf:params:netconf:base:1.1</capability></capabilities></hello>]]>]]>`); err != nil {
		return err
	}
	text, err := bufio.NewReader(out).ReadString(']')
	if err != nil || !strings.HasSuffix(text, "</hello>]") {
		return fmt.Errorf("hello ends with %.40q, %w", text[max(0, len(text)-40):], err)
	}
	return nil
}
