package drivertest

import (
	"os"
	"strings"
	"testing"
)

// Linux is a series of kernels that the drivers have been run on, and what of the
// parts that they try at open it lacks.
type Linux struct {
	Series string // "6.1"
	// Where the tests meet it.
	Where string
	// TC are the parts of traffic control, as kernel.Missing names them. NoMPLS
	// tells that the kernel driver is not run there, for want of mpls_router.
	TC     []string
	NoMPLS bool
	// BPF are those of BPF, as ebpf.Missing names them.
	BPF []string
}

// Kernels are the series, oldest first. A test on one of them expects exactly
// what stands here, and a driver opened there offers exactly what follows from
// it; nothing else in the tests asks for a version.
func Kernels() []Linux {
	return []Linux{
		{
			Series: "5.10", Where: "guest, Debian 11",
			TC:  []string{"flower of the number of tags"},
			BPF: []string{"bpf_xdp_load_bytes for XDP"},
		},
		{Series: "6.1", Where: "guest, Debian 12"},
		{Series: "6.12", Where: "guest, Debian 13"},
		{Series: "6.18", Where: "build machine, without mpls_router", NoMPLS: true},
	}
}

// Kernel returns the series that the test runs on. One that is not among Kernels
// may lack nothing: no newer kernel is let off.
func Kernel(t testing.TB) Linux {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	release := strings.TrimSpace(string(b))
	for _, k := range Kernels() {
		if strings.HasPrefix(release, k.Series+".") {
			return k
		}
	}
	return Linux{Series: release}
}
