package ebpf

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// openImposeDevice makes the device of the IP clients and of relayed frames,
// and puts the programs on its far end. The near end has no offloads: what
// reaches the programs are packets with their checksums, one frame each, tags
// in the frame.
func (d *Driver) openImposeDevice() error {
	near, far, err := d.net.EnsureVeth(d.opt.ImposeDevice, d.opt.ImposeDevice+"x")
	if err != nil {
		return fmt.Errorf("impose device: %w", err)
	}
	d.imposeNear, d.impose = near, far
	err = d.net.Do(func() error {
		for _, l := range []string{near.Name, far.Name} {
			// Nothing but what the routes send may come this way: no
			// neighbour discovery, no router solicitations.
			err := os.WriteFile("/proc/sys/net/ipv6/conf/"+l+"/addr_gen_mode", []byte("1"), 0)
			if err != nil && !errors.Is(err, os.ErrNotExist) { // A kernel without IPv6.
				return err
			}
			if err := setMTU(l, imposeMTU); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = d.net.SetFeatures(near.Name, map[string]bool{
			link.FeatureTSO: false, link.FeatureTSO6: false, "tx-tcp-ecn-segmentation": false, "tx-tcp-mangleid-segmentation": false,
			link.FeatureGSO: false, "tx-udp-segmentation": false, "tx-sctp-segmentation": false, "tx-gso-list": false,
			link.FeatureChecksum: false, "tx-checksum-sctp": false,
			link.FeatureTxVLAN: false, link.FeatureTxSVLAN: false,
		})
	}
	if err != nil && !errors.Is(err, link.ErrFixed) {
		return fmt.Errorf("impose device: %w", err)
	}
	if err := d.setHost(); err != nil {
		return fmt.Errorf("impose device: %w", err)
	}
	if d.otherPinned {
		return nil // Its link, if there is one, is updated with the others.
	}
	return d.useInterface(far, roleImpose)
}

// imposeMTU is about the most that a veth with XDP at its far end takes: relayed
// frames have labels, tags and their Ethernet header, and clients' frames and
// sections may be longer than 1500 octets.
const imposeMTU = 3500

func setMTU(name string, mtu int32) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	req.SetUint32(uint32(mtu))
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFMTU, req); err != nil {
		return fmt.Errorf("set MTU of %s: %w", name, err)
	}
	return nil
}

// joinMulticast makes a card receive the MPLS-TP address. Like the program, and
// unlike the membership of a socket, it outlives the process. An interface that
// cannot filter refuses, and receives everything anyway.
func (d *Driver) joinMulticast(name string) {
	err := d.net.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		var req struct {
			name   [unix.IFNAMSIZ]byte
			family uint16 // AF_UNSPEC
			mac    dataplane.MAC
			_      [16]byte
		}
		copy(req.name[:unix.IFNAMSIZ-1], name)
		req.mac = dataplane.MulticastMAC()
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCADDMULTI, uintptr(unsafe.Pointer(&req)))
		if e != 0 && e != unix.EEXIST {
			return e
		}
		return nil
	})
	if err != nil {
		d.log.Info("MPLS-TP multicast address not joined", "interface", name, "error", err)
	}
}
