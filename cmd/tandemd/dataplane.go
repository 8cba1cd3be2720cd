package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/ebpf"
	"github.com/tandem-ne/tandem/dataplane/kernel"
)

// choose picks the driver and says why: kernel where the kernel's MPLS and the
// tc parts that complete it are there or can be loaded, else ebpf.
func choose(want string) (driver, reason string, err error) {
	switch want {
	case "kernel", "ebpf":
		return want, "asked for by --dataplane " + want, nil
	case "auto":
	default:
		return "", "", fmt.Errorf("--dataplane %q: auto, kernel or ebpf", want)
	}
	lacks := kernel.Probe()
	if lacks == nil {
		return "kernel", "auto: this kernel has mpls_router, act_mpls and cls_flower", nil
	}
	if err := ebpf.Probe(); err != nil {
		return "", "", fmt.Errorf("no data plane can run here: kernel: %w; ebpf: %w", lacks, err)
	}
	return "ebpf", "auto: the kernel driver cannot run here: " + lacks.Error(), nil
}
