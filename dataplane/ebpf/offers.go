package ebpf

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
)

// part is something of the kernel's BPF that the programs need, and that not
// every kernel since 5.8 has.
type part struct {
	name string
	try  func() error
}

// parts are tried one by one: what a version number says is not asked for.
func parts() []part {
	all := []part{
		{"XDP programs", func() error { return features.HaveProgramType(ebpf.XDP) }},
		{"ring buffers", func() error { return features.HaveMapType(ebpf.RingBuf) }},
	}
	for _, h := range helpers() {
		all = append(all, part{h.name + " for XDP", func() error { return features.HaveProgramHelper(ebpf.XDP, h.number) }})
	}
	return all
}

// helper is a function of the kernel that programs call.
type helper struct {
	name   string
	number asm.BuiltinFunc
}

// helpers are those that came after the ring buffers.
func helpers() []helper {
	return []helper{{"bpf_xdp_load_bytes", asm.FnXdpLoadBytes}}
}

// ErrUnavailable is returned where the kernel lacks what the programs need.
var ErrUnavailable = errors.New("the ebpf data plane cannot run here")

// Missing tells which parts of BPF this kernel does not have. The error is that
// of a part that could not be tried.
func Missing() (missing []string, err error) {
	for _, p := range parts() {
		switch e := p.try(); {
		case errors.Is(e, ebpf.ErrNotSupported):
			missing = append(missing, p.name)
		case e != nil:
			err = errors.Join(err, fmt.Errorf("try %s: %w", p.name, e))
		}
	}
	return missing, err
}

// Probe tells why this host cannot run the driver, nil if it can.
func Probe() error {
	missing, err := Missing()
	if len(missing) > 0 {
		return fmt.Errorf("%w: this kernel has no %s", ErrUnavailable, strings.Join(missing, ", no "))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}
