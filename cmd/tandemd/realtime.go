package main

import (
	"log/slog"
	"runtime"

	"golang.org/x/sys/unix"
)

const (
	// fifoPriority is above every normal thread and below the kernel's own
	// interrupt threads (50).
	fifoPriority = 20
	// processors is the least GOMAXPROCS: a real-time thread that returns from
	// a system call needs a free P, and those of a busy host are held by
	// threads that normal scheduling has preempted.
	processors = 8
)

// realTime gives the calling thread, which runs OAM, real-time scheduling where
// the process may have it; elsewhere OAM runs as it is and the log says so.
func realTime(log *slog.Logger) {
	if runtime.GOMAXPROCS(0) < processors {
		runtime.GOMAXPROCS(processors)
	}
	err := unix.SchedSetAttr(0, &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: fifoPriority, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
	}, 0)
	if err != nil {
		log.Warn("OAM runs without real-time scheduling: a busy host can delay CC packets", "err", err)
	}
}
