package mplsnl

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// pollable hands a socket to the runtime's poller, so that a blocked Read ends
// when the file is closed.
func pollable(fd int) (*os.File, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set up netlink socket: %w", err)
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}
