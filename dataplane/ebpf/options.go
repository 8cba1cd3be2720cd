package ebpf

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/punt"
	"github.com/tandem-ne/tandem/oam/ach"
)

// Mode is how frames of an interface come to the programs.
type Mode uint8

const (
	// ModeAuto takes native XDP while every interface in use is a network card
	// whose driver has it, and generic XDP otherwise. A veth counts as
	// otherwise: native redirection to it drops every packet unless its far
	// end runs XDP or GRO, and nobody tells. An interface that takes no XDP
	// program of ours, because somebody else's is there, is in ModeTC.
	ModeAuto Mode = iota
	// ModeNative attaches XDP in the drivers and fails where one cannot.
	ModeNative
	// ModeGeneric attaches XDP in the network core: any interface, slower.
	ModeGeneric
	// ModeTC attaches at tc ingress, which relays frames to the impose device:
	// any interface, whatever XDP program it has, slowest.
	ModeTC
	// ModeRelay is ModeTC of an attachment circuit whose frames may lack
	// checksums or wait for segmentation: the relay completes them. It is
	// chosen by kind of interface, never by an option.
	ModeRelay
)

// String returns "auto", "native", "generic", "tc" or "relay".
func (m Mode) String() string {
	switch m {
	case ModeNative:
		return "native"
	case ModeGeneric:
		return "generic"
	case ModeTC:
		return "tc"
	case ModeRelay:
		return "relay"
	}
	return "auto"
}

// ParseMode is the inverse of String, for the modes that can be asked for.
func ParseMode(s string) (Mode, error) {
	for _, m := range []Mode{ModeAuto, ModeNative, ModeGeneric, ModeTC} {
		if s == m.String() {
			return m, nil
		}
	}
	return ModeAuto, fmt.Errorf("%q: auto, native, generic or tc", s)
}

// Rate is that of a token bucket for punts.
type Rate = punt.Rate

// Options of Open. The zero value is ready for use.
type Options struct {
	// Instance separates the elements on one host, whose bpffs they share:
	// letters, digits, "-", "_" and ".". Empty: "ns-" and the inode of the
	// network namespace.
	Instance string
	// BPFFS is a mounted BPF file system, or the directory to mount one on. It
	// must outlive the process and be in a mount namespace that does, or
	// nothing is left to adopt. Empty: /sys/fs/bpf, or /run/tandem/bpf where
	// there is no such directory.
	BPFFS string
	Mode  Mode
	// ImposeDevice is the interface that the routes of IP clients point to, a
	// veth whose far end is named with an "x" behind. Empty: "mtp0".
	ImposeDevice string
	// MaxLSPs is the size of the LSP table: 136 octets and 64 per CPU for
	// each. Empty: 65,536. At most 8,388,608. A pinned table keeps its size.
	MaxLSPs uint32
	// GALRate limits G-ACh frames of one section, per CPU, ExceptionRate each of TTL expiry, router
	// alert and reserved labels. Zero: 200,000/s in bursts of 8,192 and
	// 1,000/s in bursts of 128.
	GALRate, ExceptionRate Rate
	// MEGRate limits the punts of one MEG: a section, LSP or pseudowire. Zero:
	// 5,000/s in bursts of 512.
	MEGRate Rate
	// ChannelRates limit the punts of G-ACh channel types, per CPU, over all
	// MEGs. Types that are not named have the rates of punt.DefaultChannels, or
	// UnknownChannelRate. At most 62 types that are not in those defaults.
	ChannelRates map[ach.ChannelType]Rate
	// UnknownChannelRate limits all other channel types together. Zero: 1,000/s
	// in bursts of 128.
	UnknownChannelRate Rate
	// AuditInterval is the time between two looks for changes behind our
	// back. Zero: 10 s.
	AuditInterval time.Duration
	Log           *slog.Logger
	// hardware tells of tests what an interface is to be taken for. Nil: the
	// host is asked.
	hardware func(name string) (link.Hardware, error)
}

func (o Options) withDefaults() Options {
	if o.ImposeDevice == "" {
		o.ImposeDevice = "mtp0"
	}
	if o.MaxLSPs == 0 {
		o.MaxLSPs = 1 << 16
	}
	o.MaxLSPs = min(o.MaxLSPs, 1<<23)
	if o.AuditInterval == 0 {
		o.AuditInterval = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}
