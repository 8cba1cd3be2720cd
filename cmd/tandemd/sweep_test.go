package main

import (
	"log/slog"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSweepOfNothing: where no other data plane was, none is swept, on hosts
// without MPLS too.
func TestSweepOfNothing(t *testing.T) {
	for _, name := range []string{"ebpf", "kernel", "kernel-routes"} {
		t.Run(name, func(t *testing.T) {
			swept, err := true, error(nil)
			done := make(chan struct{})
			go func() { // The thread ends with it, and the namespace with the thread.
				defer close(done)
				runtime.LockOSThread()
				if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
					f := flags{instance: "never", xdp: "auto"}
					swept, err = f.sweep(name, slog.New(slog.DiscardHandler))
				}
			}()
			<-done
			if swept || err != nil {
				t.Errorf("swept %v, %v", swept, err)
			}
		})
	}
}
