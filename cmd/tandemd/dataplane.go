package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/ebpf"
	"github.com/tandem-ne/tandem/dataplane/kernel"
	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/dataplane/plan"
	"github.com/tandem-ne/tandem/server"
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
		lacks = kernel.Complete()
	}
	if lacks == nil {
		return "kernel", "auto: this kernel has mpls_router, act_mpls and cls_flower", nil
	}
	if err := ebpf.Probe(); err != nil {
		return "", "", fmt.Errorf("no data plane can run here: kernel: %w; ebpf: %w", lacks, err)
	}
	return "ebpf", "auto: the kernel data plane is not complete here: " + lacks.Error(), nil
}

// plane is an open data plane with its side of OAM.
type plane struct {
	driver    dataplane.Driver
	transport *packetio.Transport
	reason    string
}

// openPlane opens the driver that --dataplane names and the source of the
// frames it punts.
func (f *flags) openPlane(log *slog.Logger) (*plane, error) {
	name, reason, err := choose(f.dataplane)
	if err != nil {
		return nil, err
	}
	log.Info("data plane", "driver", name, "reason", reason)
	p := &plane{reason: reason}
	var source packetio.Source
	if name == "kernel" {
		driver, e := kernel.Open(kernel.Options{Log: log})
		if e != nil {
			return nil, fmt.Errorf("kernel data plane: %w", e)
		}
		p.driver = driver
		source, err = driver.Source()
	} else {
		var driver *ebpf.Driver
		var opt ebpf.Options
		if opt, err = f.ebpfOptions(log); err == nil {
			driver, err = ebpf.Open(opt)
		}
		if err != nil {
			return nil, fmt.Errorf("ebpf data plane: %w", err)
		}
		p.driver = driver
		source, err = driver.Punts()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("punts of the %s data plane: %w", name, err), p.driver.Close())
	}
	if p.transport, err = packetio.New(packetio.Options{Source: source}); err != nil {
		return nil, errors.Join(fmt.Errorf("OAM transport: %w", err), source.Close(), p.driver.Close())
	}
	return p, nil
}

// maxLSPs sizes the tables of the ebpf data plane.
const maxLSPs = 131072

// flush removes everything that is ours from the data plane.
func flush(ctx context.Context, f flags) error {
	log, err := f.logger()
	if err != nil {
		return err
	}
	name, _, err := choose(f.dataplane)
	if err != nil {
		return err
	}
	if name == "ebpf" {
		opt, err := f.ebpfOptions(log)
		if err != nil {
			return err
		}
		return ebpf.Remove(opt)
	}
	driver, err := kernel.Open(kernel.Options{Log: log})
	if err != nil {
		return err
	}
	found, err := driver.Dump(ctx, nil)
	if err != nil {
		return errors.Join(err, driver.Close())
	}
	for _, e := range driver.Apply(ctx, plan.Full(found, nil)) {
		err = errors.Join(err, e)
	}
	return errors.Join(err, driver.Close())
}

func (f *flags) ebpfOptions(log *slog.Logger) (ebpf.Options, error) {
	mode, err := ebpf.ParseMode(f.xdp)
	if err != nil {
		return ebpf.Options{}, fmt.Errorf("--xdp %w", err)
	}
	return ebpf.Options{Instance: f.instance, MaxLSPs: maxLSPs, Mode: mode, Log: log}, nil
}

func (p *plane) close() error { return errors.Join(p.transport.Close(), p.driver.Close()) }

// open starts the element on the data plane.
func (f *flags) open(ctx context.Context, log *slog.Logger, keys []string) (*server.Server, error) {
	p, err := f.openPlane(log)
	if err != nil {
		return nil, err
	}
	clock, err := newMonotonic()
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	h, err := openHost(p.transport)
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return server.New(ctx, server.Options{
		StateDir: f.stateDir, AdminKeys: keys, Hosts: f.hosts, YANGDir: f.yangDir, RecoveryUser: f.recoveryUser,
		Startup: f.startup, BootID: bootID(),
		Driver: p.driver, DriverReason: p.reason,
		Transport: p.transport, Clock: clock, Sections: h, Links: h,
		OAMThread: func() { realTime(log) }, Log: log,
	})
}

// startSweep takes away, beside everything else, what the other driver has left
// of an earlier start with another --dataplane. The present one takes over
// before that, so that one of them forwards at any time; what it finds in its way
// it tries again afterwards. The function it returns ends it.
func (f *flags) startSweep(s *server.Server, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if s.Settled(ctx) != nil {
			return
		}
		swept, err := f.sweep(s.Driver(), log)
		if err != nil {
			// The element works; what is left shows in what it cannot apply.
			log.Warn("what another data plane left is not swept", "err", err)
		}
		if swept {
			log.Info("swept what another data plane left", "driver", s.Driver())
			s.Reapply()
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// sweep does so for a driver that is in use and reports whether there was
// anything.
func (f *flags) sweep(name string, log *slog.Logger) (bool, error) {
	if name == "ebpf" {
		n, err := kernel.Sweep(log)
		return n > 0, err
	}
	opt, err := f.ebpfOptions(log)
	if err != nil {
		return false, err
	}
	left, err := ebpf.Left(opt)
	if err != nil || !left {
		return false, err
	}
	return true, ebpf.Remove(opt)
}
