package drivertest

import (
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
)

// PortID names one of the ports of the element under test.
type PortID int

// West and East carry sections. Client has IP: the element is 192.0.2.1/24 and
// 2001:db8:2::1/64 there, and knows 192.0.2.2 and 2001:db8:2::2 at the MAC of
// the other end. Customer and Customer2 have attachment circuits and nothing
// else.
const (
	West PortID = iota
	East
	Client
	Customer
	Customer2
	portCount
)

// Ports is the number of ports of a lab.
const Ports = int(portCount)

// Port is an interface of the element and what is at its other end.
type Port struct {
	Name string
	// MAC is the element's, Peer that of the other end.
	MAC, Peer dataplane.MAC
}

// Lab is an element with its ports and someone at the other end of each.
type Lab interface {
	// Do calls f where the element is (its network namespace).
	Do(t testing.TB, f func())
	// Port describes a port. The answer stays the same when the port is
	// removed and added again.
	Port(PortID) Port
	// Send sends a frame from the other end of a port.
	Send(t testing.TB, p PortID, frame []byte)
	// Receive returns the next frame that arrives at the other end of a port,
	// or nil if none comes in time.
	Receive(t testing.TB, p PortID, patience time.Duration) []byte
	// SetPort sets the administrative state of the element's end.
	SetPort(t testing.TB, p PortID, up bool)
	// RemovePort deletes the interface, AddPort makes it again.
	RemovePort(t testing.TB, p PortID)
	AddPort(t testing.TB, p PortID)
}

// Addresses of the IP clients in the frames.
const (
	elementIPv4 = "192.0.2.1"
	clientIPv4  = "192.0.2.2"
	remoteIPv4  = "198.51.100.9"
	elementIPv6 = "2001:db8:2::1"
	clientIPv6  = "2001:db8:2::2"
	remoteIPv6  = "2001:db8:100::9"
)

// patience is how long a frame that must come is waited for. Waiting ends as
// soon as it is there.
const patience = 10 * time.Second
