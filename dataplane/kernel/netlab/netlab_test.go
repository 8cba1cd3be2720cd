package netlab

import (
	"bytes"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane/drivertest"
)

// TestForward shows that the lab carries frames both ways: the element
// forwards an IP packet from West to Client by itself.
func TestForward(t *testing.T) {
	l := New(t)
	west, client := l.Port(drivertest.West), l.Port(drivertest.Client)
	packet := append([]byte{
		0x45, 0, 0, 24, 0, 0, 0, 0, 64, 253, 0x8d, 0xaa, 198, 51, 100, 9, 192, 0, 2, 2,
	}, "data"...)
	l.Send(t, drivertest.West, append(append(append(append([]byte(nil), west.MAC[:]...), west.Peer[:]...), 8, 0), packet...))
	for end := time.Now().Add(10 * time.Second); ; {
		f := l.Receive(t, drivertest.Client, time.Until(end))
		if f == nil {
			t.Fatal("the packet did not come out at the client")
		}
		if bytes.HasSuffix(f, packet[12:]) {
			if !bytes.Equal(f[:6], client.Peer[:]) || f[14+8] != 63 {
				t.Errorf("frame % x", f)
			}
			return
		}
	}
}
