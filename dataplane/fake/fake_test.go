package fake_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/fake"
)

// lab is the suite's lab around a fake: frames go in and come out of Forward.
type lab struct {
	driver *fake.Driver
	queue  map[string][][]byte
}

func port(p drivertest.PortID) drivertest.Port {
	return drivertest.Port{
		Name: [...]string{"west0", "east0", "client0", "customer0", "customer1"}[p],
		MAC:  dataplane.MAC{2, 0, 0, 0, 0, 0x50 + byte(p)},
		Peer: dataplane.MAC{2, 0, 0, 0, 0, 0xa0 + byte(p)},
	}
}

func fakePort(p drivertest.PortID, up bool) fake.Port {
	return fake.Port{Name: port(p).Name, MAC: port(p).MAC, Up: up, MTU: 1500}
}

func (l *lab) Do(_ testing.TB, f func())                { f() }
func (l *lab) Port(p drivertest.PortID) drivertest.Port { return port(p) }

func (l *lab) Send(_ testing.TB, p drivertest.PortID, frame []byte) {
	for _, out := range l.driver.Forward(port(p).Name, frame) {
		l.queue[out.Port] = append(l.queue[out.Port], out.Frame)
	}
}

func (l *lab) Receive(_ testing.TB, p drivertest.PortID, _ time.Duration) []byte {
	q := l.queue[port(p).Name]
	if len(q) == 0 {
		return nil
	}
	l.queue[port(p).Name] = q[1:]
	return q[0]
}

func (l *lab) SetPort(_ testing.TB, p drivertest.PortID, up bool) { l.driver.SetPort(fakePort(p, up)) }
func (l *lab) RemovePort(_ testing.TB, p drivertest.PortID)       { l.driver.RemovePort(port(p).Name) }
func (l *lab) AddPort(_ testing.TB, p drivertest.PortID)          { l.driver.SetPort(fakePort(p, true)) }

func TestConformance(t *testing.T) {
	l := &lab{queue: map[string][][]byte{}}
	l.driver = fake.New()
	for p := range drivertest.PortID(drivertest.Ports) {
		l.driver.SetPort(fakePort(p, true))
	}
	for _, p := range []string{"192.0.2.0/24", "2001:db8:2::/64"} {
		l.driver.AddRoute(fake.Route{Prefix: netip.MustParsePrefix(p), Port: port(drivertest.Client).Name, MAC: port(drivertest.Client).Peer})
	}
	drivertest.Run(t, func(*testing.T) dataplane.Driver { return l.driver.Reopen() }, l)
}
