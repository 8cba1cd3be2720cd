//go:build !linux

package netconf

import (
	"net"
	"time"
)

// setUserTimeout does nothing: WriteTimeout ends the session as well.
func setUserTimeout(*net.TCPConn, time.Duration) {}
