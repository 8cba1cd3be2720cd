package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/tandem-ne/tandem/cmd/tandem/lab"
)

// wire is a NETCONF client that looks at nothing but the end of a message, so
// that a benchmark measures the server and SSH, not a client's XML decoder.
type wire struct {
	in  io.Writer
	out *bufio.Reader
}

const endOfMessage = "]]>]]>"

// openWire opens a session with the framing of base:1.0.
func openWire(b *testing.B, l *lab.Lab, node string) *wire {
	b.Helper()
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	key, err := os.ReadFile(l.KeyFile())
	must(err)
	signer, err := ssh.ParsePrivateKey(key)
	must(err)
	conn, err := l.Dial(b.Context(), node, "tcp", net.JoinHostPort("127.0.0.1", lab.NETCONFPort))
	must(err)
	c, channels, requests, err := ssh.NewClientConn(conn, "lab", &ssh.ClientConfig{
		User: "admin", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	must(err)
	client := ssh.NewClient(c, channels, requests)
	b.Cleanup(func() { client.Close() })
	session, err := client.NewSession()
	must(err)
	in, err := session.StdinPipe()
	must(err)
	out, err := session.StdoutPipe()
	must(err)
	must(session.RequestSubsystem("netconf"))
	return greet(b, in, out)
}

// greet exchanges hellos with a server on a stream.
func greet(b *testing.B, in io.Writer, out io.Reader) *wire {
	b.Helper()
	w := &wire{in, bufio.NewReaderSize(out, 1<<16)}
	_, err := w.message()
	if err == nil {
		_, err = io.WriteString(in, `<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities>`+
			`<capability>urn:ietf:params:netconf:base:1.0</capability></capabilities></hello>`+endOfMessage)
	}
	if err != nil {
		b.Fatal(err)
	}
	return w
}

// message reads up to the end of a message and returns its length; a reply with
// an rpc-error is an error.
func (w *wire) message() (int, error) {
	n, failed := 0, false
	var why []byte
	for {
		piece, err := w.out.ReadSlice('>')
		n += len(piece)
		if failed {
			why = append(why, piece...)
		}
		if err != nil && err != bufio.ErrBufferFull {
			return n, err
		}
		failed = failed || bytes.HasSuffix(piece, []byte("<rpc-error>"))
		if bytes.HasSuffix(piece, []byte("]]>")) {
			rest, err := w.out.Peek(3)
			if err == nil && string(rest) == "]]>" {
				_, err = w.out.Discard(3)
				if failed {
					err = fmt.Errorf("the server answered rpc-error: %s", why)
				}
				return n, err
			}
		}
	}
}

// call sends one operation and returns the length of the reply.
func (w *wire) call(b *testing.B, operation string) int {
	b.Helper()
	_, err := io.WriteString(w.in, `<rpc xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" message-id="1">`+operation+`</rpc>`+endOfMessage)
	if err != nil {
		b.Fatal(err)
	}
	n, err := w.message()
	if err != nil {
		b.Fatal(err)
	}
	return n
}
