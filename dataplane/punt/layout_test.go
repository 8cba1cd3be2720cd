//go:build !vm

// The guest of tier T2 has no objects beside the tests' own.

package punt

import (
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/tandem-ne/tandem/oam"
)

// TestLayout: what Go writes into the tables and reads out of the ring is what
// both drivers' programs have, field by field.
func TestLayout(t *testing.T) {
	types := map[string]any{
		"limit": Limit{}, "bucket": Bucket{}, "channel": channel{}, "slot_table": SlotTable{}, "punt": Head{},
		"steady_key": steadyKey{}, "expected": expected{}, "sighting": struct{ Last, Count uint64 }{},
	}
	missing := maps.Clone(types)
	for _, object := range []string{"../ebpf/tandem_bpfel.o", "../kernel/tap/tap_bpfel.o"} {
		spec, err := ebpf.LoadCollectionSpec(object)
		if err != nil {
			t.Fatal(err)
		}
		for name, of := range types {
			var s *btf.Struct
			err := spec.Types.TypeByName(name, &s)
			if errors.Is(err, btf.ErrNotFound) {
				continue // Known to the compiler alone.
			}
			if err != nil {
				t.Fatalf("%s: struct %s: %v", object, name, err)
			}
			sameLayout(t, object+": struct "+name, s, reflect.TypeOf(of))
			delete(missing, name)
		}
		for name, size := range map[string][2]uintptr{
			"limits": {4, reflect.TypeFor[Limit]().Size()}, "channel_slots": {4, reflect.TypeFor[SlotTable]().Size()},
			"channels": {4, reflect.TypeFor[channel]().Size()}, "seen": {4, reflect.TypeFor[oam.Seen]().Size()},
			"steady": {reflect.TypeFor[steadyKey]().Size(), reflect.TypeFor[expected]().Size()},
		} {
			if m := spec.Maps[name]; m == nil || uintptr(m.KeySize) != size[0] || uintptr(m.ValueSize) != size[1] {
				t.Errorf("%s: table %s is %+v, want sizes %d", object, name, m, size)
			}
		}
		if n := spec.Maps["limits"].MaxEntries; n != Limits {
			t.Errorf("%s: %d limits, want %d", object, n, Limits)
		}
		if n := spec.Maps["channels"].MaxEntries; n != Channels {
			t.Errorf("%s: %d channel types, want %d", object, n, Channels)
		}
	}
	for name := range missing {
		t.Errorf("no object has struct %s", name)
	}
}

func sameLayout(t *testing.T, what string, s *btf.Struct, r reflect.Type) {
	t.Helper()
	fields := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(r) {
		if !f.Anonymous {
			fields[strings.ToLower(f.Name)] = f
		}
	}
	if uintptr(s.Size) != r.Size() || len(s.Members) != len(fields) {
		t.Errorf("%s: %d octets and %d fields, in Go %d and %d", what, s.Size, len(s.Members), r.Size(), len(fields))
	}
	for _, m := range s.Members {
		name := strings.ReplaceAll(m.Name, "_", "")
		f, ok := fields[name]
		size, err := btf.Sizeof(m.Type)
		offset := f.Offset
		if ok && len(f.Index) > 1 { // Of an embedded struct.
			offset += r.Field(f.Index[0]).Offset
		}
		if err != nil || !ok || offset != uintptr(m.Offset.Bytes()) || f.Type.Size() != uintptr(size) {
			t.Errorf("%s: %s at %d of %d octets, in Go at %d of %d (%v)", what, m.Name, m.Offset.Bytes(), size, offset, f.Type.Size(), err)
		}
	}
}
