package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Feature is a feature of an interface, as ethtool -k shows it.
type Feature struct {
	On bool
	// Fixed tells that it cannot be switched on this interface.
	Fixed bool
}

// Names of features that matter to label switching.
const (
	FeatureRxVLAN   = "rx-vlan-hw-parse"      // Takes the C-tag out of frames.
	FeatureRxSVLAN  = "rx-vlan-stag-hw-parse" // Takes the S-tag out of frames.
	FeatureTxVLAN   = "tx-vlan-hw-insert"     // Has tags beside the frame.
	FeatureTxSVLAN  = "tx-vlan-stag-hw-insert"
	FeatureGRO      = "rx-gro"    // Merges packets of a flow.
	FeatureGROHW    = "rx-gro-hw" // The same by the card.
	FeatureLRO      = "rx-lro"    // Merges packets without a way back.
	FeatureTSO      = "tx-tcp-segmentation"
	FeatureTSO6     = "tx-tcp6-segmentation"
	FeatureGSO      = "tx-generic-segmentation"
	FeatureChecksum = "tx-checksum-ip-generic"
)

// ErrFixed is returned where the interface does not let a feature be switched.
var ErrFixed = errors.New("feature is fixed")

// Commands and sizes of linux/ethtool.h.
const (
	getStrings    = 0x1b // ETHTOOL_GSTRINGS
	getStringSets = 0x37 // ETHTOOL_GSSET_INFO
	getFeatures   = 0x3a // ETHTOOL_GFEATURES
	setFeatures   = 0x3b // ETHTOOL_SFEATURES
	featureNames  = 4    // ETH_SS_FEATURES
	stringLen     = 32   // ETH_GSTRING_LEN
)

// Features returns the features of an interface by name.
func (h *Handle) Features(ifc string) (map[string]Feature, error) {
	var out map[string]Feature
	err := h.Do(func() (err error) {
		_, out, err = features(ifc)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("features of %s: %w", ifc, err)
	}
	return out, nil
}

// SetFeatures switches features of an interface, all in one request. Names
// that the kernel or the interface does not have are passed over where they are
// to be off. The error wraps ErrFixed where one stays as it was.
func (h *Handle) SetFeatures(ifc string, want map[string]bool) error {
	err := h.Do(func() error {
		names, now, err := features(ifc)
		if err != nil {
			return err
		}
		blocks := (len(names) + 31) / 32
		buf := make([]byte, 8+8*blocks)
		binary.NativeEndian.PutUint32(buf, setFeatures)
		binary.NativeEndian.PutUint32(buf[4:], uint32(blocks))
		var fixed []string
		change := false
		for i, name := range names {
			on, asked := want[name]
			switch f := now[name]; {
			case !asked || f.On == on:
			case f.Fixed:
				fixed = append(fixed, name)
			default:
				change = true
				setBit(buf[8+8*(i/32):], i%32)
				if on {
					setBit(buf[12+8*(i/32):], i%32)
				}
			}
		}
		for name, on := range want {
			if _, known := now[name]; on && !known {
				fixed = append(fixed, name)
			}
		}
		if change {
			if err := ethtool(ifc, buf); err != nil {
				return err
			}
			// What the driver made of it: some features come in pairs.
			if _, now, err = features(ifc); err != nil {
				return err
			}
		}
		for name, on := range want {
			if f, known := now[name]; known && f.On != on && !slices.Contains(fixed, name) {
				fixed = append(fixed, name)
			}
		}
		if fixed != nil {
			slices.Sort(fixed)
			return fmt.Errorf("%s: %w", strings.Join(fixed, ", "), ErrFixed)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("switch features of %s: %w", ifc, err)
	}
	return nil
}

func setBit(word []byte, bit int) {
	binary.NativeEndian.PutUint32(word, binary.NativeEndian.Uint32(word)|1<<bit)
}

// Hardware is what an interface is made of.
type Hardware struct {
	Driver string // Such as "veth", "e1000e" or "virtio_net".
	// Bus is the place of the device, a PCI address for example; empty for
	// interfaces of software.
	Bus string
}

// Hardware returns the driver of an interface and where its device is.
func (h *Handle) Hardware(ifc string) (Hardware, error) {
	var hw Hardware
	err := h.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		info, err := unix.IoctlGetEthtoolDrvinfo(fd, ifc)
		if err == nil {
			hw.Driver, hw.Bus = unix.ByteSliceToString(info.Driver[:]), unix.ByteSliceToString(info.Bus_info[:])
		}
		return err
	})
	if err != nil {
		return Hardware{}, fmt.Errorf("driver of %s: %w", ifc, err)
	}
	return hw, nil
}

// features reads the names, in the kernel's order, and states. It runs in the
// handle's namespace.
func features(ifc string) (names []string, out map[string]Feature, err error) {
	set := make([]byte, 20)
	binary.NativeEndian.PutUint32(set, getStringSets)
	binary.NativeEndian.PutUint64(set[8:], 1<<featureNames)
	if err := ethtool(ifc, set); err != nil {
		return nil, nil, err
	}
	if binary.NativeEndian.Uint64(set[8:]) != 1<<featureNames {
		return nil, nil, errors.New("kernel without names of features")
	}
	n := int(binary.NativeEndian.Uint32(set[16:]))
	text := make([]byte, 12+n*stringLen)
	binary.NativeEndian.PutUint32(text, getStrings)
	binary.NativeEndian.PutUint32(text[4:], featureNames)
	binary.NativeEndian.PutUint32(text[8:], uint32(n))
	if err := ethtool(ifc, text); err != nil {
		return nil, nil, err
	}
	blocks := (n + 31) / 32
	state := make([]byte, 8+16*blocks)
	binary.NativeEndian.PutUint32(state, getFeatures)
	binary.NativeEndian.PutUint32(state[4:], uint32(blocks))
	if err := ethtool(ifc, state); err != nil {
		return nil, nil, err
	}
	names, out = make([]string, n), make(map[string]Feature, n)
	for i := range n {
		names[i] = unix.ByteSliceToString(text[12+i*stringLen : 12+(i+1)*stringLen])
		block := state[8+16*(i/32):]
		bit := func(word int) bool { return binary.NativeEndian.Uint32(block[4*word:])&(1<<(i%32)) != 0 }
		// Words: available, requested, active, never changed.
		out[names[i]] = Feature{On: bit(2), Fixed: !bit(0) || bit(3)}
	}
	return names, out, nil
}

// ethtool does one request of SIOCETHTOOL on a buffer that begins with the
// command.
func ethtool(ifc string, buf []byte) error {
	if len(ifc) >= unix.IFNAMSIZ {
		return unix.ENODEV
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(&buf[0])}
	copy(req.name[:], ifc)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); e != 0 {
		return e
	}
	return nil
}
