package ebpf

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// objects are the tables and programs of a driver.
type objects struct {
	tandemObjects
	arrays map[*ebpf.Map]*array // the tables that can be mapped
}

// newObjects prepares the tables for access by memory.
func newObjects(o *tandemObjects) *objects {
	out := &objects{*o, map[*ebpf.Map]*array{}}
	for _, m := range out.named() {
		if m.Flags()&unix.BPF_F_MMAPABLE != 0 {
			out.arrays[m] = newArray(m)
		}
	}
	return out
}

func (o *objects) Close() error {
	var err error
	for _, a := range o.arrays {
		err = errors.Join(err, a.close())
	}
	return errors.Join(err, o.tandemObjects.Close())
}

// array is a table of the kernel in the memory of the process, as far as it has
// been used: the kernel takes all that is mapped for resident, touched or not.
type array struct {
	table  *ebpf.Map
	stride int // The kernel rounds the size of an entry up to 8.
	window int // Entries that are mapped at once: whatever their size, a number of whole pages.

	mu      sync.Mutex
	windows [][]byte // nil: not mapped yet
}

func newArray(m *ebpf.Map) *array {
	window := os.Getpagesize()
	return &array{
		table: m, stride: (int(m.ValueSize()) + 7) &^ 7, window: window,
		windows: make([][]byte, (int(m.MaxEntries())+window-1)/window),
	}
}

// mapEntries maps n entries from first on, which begins a window.
func (a *array) mapEntries(first, n, protection int) ([]byte, error) {
	b, err := unix.Mmap(a.table.FD(), int64(first*a.stride), n*a.stride, protection, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map array: %w", err)
	}
	return b, nil
}

// entry calls f with the octets of an entry, which are f's until it returns.
func (a *array) entry(slot uint32, f func([]byte)) error {
	if slot >= a.table.MaxEntries() {
		return fmt.Errorf("entry %d of an array of %d: %w", slot, a.table.MaxEntries(), ebpf.ErrKeyNotExist)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.windows == nil {
		return errors.New("the array is closed")
	}
	w := &a.windows[int(slot)/a.window]
	first := int(slot) / a.window * a.window
	if *w == nil {
		var err error
		if *w, err = a.mapEntries(first, min(a.window, int(a.table.MaxEntries())-first), unix.PROT_READ|unix.PROT_WRITE); err != nil {
			return err
		}
	}
	at := (int(slot) - first) * a.stride
	f((*w)[at : at+a.stride : at+a.stride])
	return nil
}

// walk calls f with the octets of every entry, which are f's until it returns.
// Nothing of what is mapped for that stays.
func (a *array) walk(f func(slot uint32, b []byte)) error {
	// A megabyte at a time, so that small entries need few system calls.
	step := a.window * max(1, 1<<20/(a.window*a.stride))
	for first, all := 0, int(a.table.MaxEntries()); first < all; first += step {
		n := min(step, all-first)
		b, err := a.mapEntries(first, n, unix.PROT_READ)
		if err != nil {
			return err
		}
		for i := range n {
			f(uint32(first+i), b[i*a.stride:][:a.stride:a.stride])
		}
		if err := unix.Munmap(b); err != nil {
			return fmt.Errorf("unmap array: %w", err)
		}
	}
	return nil
}

func (a *array) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var err error
	for _, w := range a.windows {
		if w != nil {
			err = errors.Join(err, unix.Munmap(w))
		}
	}
	a.windows = nil
	return err
}

// write writes 4 or 8 octets at an offset into an entry, in one store of the
// processor: a program sees the value before or the one after.
func (o *objects) write(m *ebpf.Map, slot uint32, offset int, value any) error {
	var wrong error
	err := o.arrays[m].entry(slot, func(b []byte) {
		switch v := value.(type) {
		case uint32:
			atomic.StoreUint32((*uint32)(unsafe.Pointer(&b[offset:][:4][0])), v)
		case uint64:
			atomic.StoreUint64((*uint64)(unsafe.Pointer(&b[offset:][:8][0])), v)
		default:
			wrong = fmt.Errorf("%T is no word", value)
		}
	})
	return errors.Join(err, wrong)
}

// eachEntry calls f for every entry of an array that can be mapped. The value is
// f's until it returns.
func eachEntry[V any](a *array, f func(uint32, *V)) error {
	if int(unsafe.Sizeof(*new(V))) > a.stride {
		return fmt.Errorf("entries of %d octets are not %T", a.stride, *new(V))
	}
	var v V // One for all: each of its own would be a million objects on the heap.
	return a.walk(func(slot uint32, b []byte) {
		v = *(*V)(unsafe.Pointer(&b[0]))
		f(slot, &v)
	})
}
