package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane/drivertest"
)

// wire is the other end of a port: a packet socket.
type wire struct {
	fd    int
	index int
}

// frameSize is the largest frame a test receives.
const frameSize = 4096

// openWire sets an interface up in the namespace of the calling thread and
// opens a packet socket on it.
func openWire(name string) (*wire, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	if err := prepare(name); err != nil {
		return nil, err
	}
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(all))
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	err = errors.Join(
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: ifi.Index}),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20),
	)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set up packet socket: %w", err)
	}
	return &wire{fd: fd, index: ifi.Index}, nil
}

// prepare sets an interface up and its generic receive offload on.
func prepare(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_PROMISC)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	const setGRO = 0x2c // ETHTOOL_SGRO
	value := struct{ cmd, data uint32 }{setGRO, 1}
	req := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(&value)}
	copy(req.name[:], name)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return fmt.Errorf("set receive offload of %s: %w", name, errno)
	}
	return nil
}

func (w *wire) close() { unix.Close(w.fd) }

// Send sends a frame from the other end of a port. A full queue is waited for.
func (l *Lab) Send(t testing.TB, p drivertest.PortID, frame []byte) {
	t.Helper()
	w := l.wires[p]
	to := &unix.SockaddrLinklayer{Ifindex: w.index}
	for {
		err := unix.Sendto(w.fd, frame, 0, to)
		if errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			w.poll(unix.POLLOUT, time.Second)
			continue
		}
		if err != nil {
			t.Fatalf("send a frame of %d octets to %s: %v", len(frame), l.Port(p).Name, err)
		}
		return
	}
}

// Receive returns the next frame that arrives at the other end of a port.
func (l *Lab) Receive(t testing.TB, p drivertest.PortID, patience time.Duration) []byte {
	t.Helper()
	w := l.wires[p]
	buf, oob := make([]byte, frameSize), make([]byte, 128)
	for end := time.Now().Add(patience); ; {
		n, on, _, _, err := unix.Recvmsg(w.fd, buf, oob, 0)
		switch {
		case err == nil:
			return untag(buf[:n], oob[:on])
		case errors.Is(err, unix.EAGAIN):
			left := time.Until(end)
			if left <= 0 {
				return nil
			}
			w.poll(unix.POLLIN, left)
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ENETDOWN):
			// The link went down and the socket tells so once.
		default:
			t.Fatalf("receive from %s: %v", l.Port(p).Name, err)
		}
	}
}

func (w *wire) poll(events int16, patience time.Duration) {
	fds := []unix.PollFd{{Fd: int32(w.fd), Events: events}}
	// Whatever the result, the caller tries again.
	_, _ = unix.Poll(fds, int(patience.Milliseconds())+1)
}

// untag puts the VLAN tag back that the kernel took out of a frame.
func untag(frame, oob []byte) []byte {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return frame
	}
	for _, m := range msgs {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < 20 {
			continue
		}
		// struct tpacket_auxdata: status at 0, tci at 16, tpid at 18.
		status, tpid := binary.NativeEndian.Uint32(m.Data), uint16(0x8100)
		if status&unix.TP_STATUS_VLAN_VALID == 0 {
			return frame
		}
		if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
			tpid = binary.NativeEndian.Uint16(m.Data[18:])
		}
		tag := binary.BigEndian.AppendUint16(nil, tpid)
		tag = binary.BigEndian.AppendUint16(tag, binary.NativeEndian.Uint16(m.Data[16:]))
		return append(append(append([]byte(nil), frame[:12]...), tag...), frame[12:]...)
	}
	return frame
}
