package ebpf

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	bpflink "github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// schemaVersion is the version of bpf/maps.h. A process finds only pins of its
// own version; those of another are replaced (see openTables).
const schemaVersion = 7

const (
	sysBPFFS = "/sys/fs/bpf"
	runBPFFS = "/run/tandem/bpf"
)

var instanceName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// pins are the directories of one instance:
//
//	BPFFS/tandem/INSTANCE/vN     the maps
//	BPFFS/tandem/INSTANCE/links  the links, INDEX-MODE of the interface
//	BPFFS/tandem/INSTANCE/found  what was found on interfaces and changed
//	BPFFS/tandem/INSTANCE/programs-SUM  the programs of one build
//
// The links are beside the version, because a link outlives a schema: its
// program is replaced, with its maps, in one step.
type pins struct{ root string }

func (p pins) maps() string  { return filepath.Join(p.root, "v"+strconv.Itoa(schemaVersion)) }
func (p pins) links() string { return filepath.Join(p.root, "links") }
func (p pins) link(ifindex int, what string) string {
	return filepath.Join(p.links(), strconv.Itoa(ifindex)+"-"+what)
}

// openPins finds or mounts the BPF file system and makes the directories. It
// runs in the network namespace of the driver.
func openPins(o Options) (pins, error) {
	instance, err := o.instance()
	if err != nil {
		return pins{}, err
	}
	base, err := ensureBPFFS(o.BPFFS)
	if err != nil {
		return pins{}, err
	}
	p := pins{root: filepath.Join(base, "tandem", instance)}
	return p, p.make()
}

// instance is the name that keeps this element's pins apart.
func (o Options) instance() (string, error) {
	instance := o.Instance
	if instance == "" {
		var st unix.Stat_t
		if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
			return "", fmt.Errorf("identify network namespace: %w", err)
		}
		instance = fmt.Sprintf("ns-%d", st.Ino)
	}
	if !instanceName.MatchString(instance) || strings.Trim(instance, ".") == "" {
		return "", fmt.Errorf("instance name %q: only letters, digits, \"-\", \"_\" and \".\", up to 64", instance)
	}
	return instance, nil
}

// Left reports whether an element of this name has left something that Remove
// would take away. It changes nothing and mounts nothing.
func Left(o Options) (bool, error) {
	instance, err := o.instance()
	if err != nil {
		return false, err
	}
	bases := []string{o.BPFFS}
	if o.BPFFS == "" {
		bases = []string{sysBPFFS, runBPFFS}
	}
	for _, base := range bases {
		_, err := os.Lstat(filepath.Join(base, "tandem", instance))
		switch {
		case err == nil:
			return true, nil
		case !errors.Is(err, os.ErrNotExist):
			return false, fmt.Errorf("look for pins: %w", err)
		}
	}
	return false, nil
}

// make makes the directories, and mounts the file system below them, where they
// are not there.
func (p pins) make() error {
	if _, err := ensureBPFFS(filepath.Dir(filepath.Dir(p.root))); err != nil {
		return err
	}
	for _, dir := range []string{p.maps(), p.links(), p.programs()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make pin directory: %w", err)
		}
	}
	return nil
}

// restorePins pins again what somebody unpinned, and returns how much that was.
// What is not pinned would go with the process, and the packets with it.
func (d *Driver) restorePins() (restored int, err error) {
	type pinned interface {
		Pin(path string) error
		Unpin() error
	}
	missing := map[string]pinned{}
	absent := func(path string) bool {
		_, err := os.Lstat(path)
		return err != nil
	}
	for name, m := range d.objs.named() {
		if path := filepath.Join(d.pins.maps(), name); absent(path) {
			missing[path] = m
		}
	}
	for ifindex, h := range d.hooks {
		// One that is not attached is attached again under a new pin.
		if path := d.pins.link(ifindex, h.mode.String()); h.link != nil && absent(path) && h.attached() {
			missing[path] = h.link
		}
		if path := d.pins.link(ifindex, tcxPin); h.relay.link != nil && absent(path) && h.relay.attached(ifindex) {
			missing[path] = h.relay.link
		}
	}
	for name, prog := range d.programs() {
		if path := filepath.Join(d.pins.programs(), name); absent(path) {
			missing[path] = prog
		}
	}
	if path := filepath.Join(d.pins.root, foundPin); absent(path) {
		missing[path] = d.found.table
	}
	if len(missing) == 0 {
		return 0, nil
	}
	if err := d.pins.make(); err != nil {
		return 0, err
	}
	for _, path := range slices.Sorted(maps.Keys(missing)) {
		// An object that believes to be pinned there would do nothing.
		err := missing[path].Unpin()
		if err == nil {
			err = missing[path].Pin(path)
		}
		if err != nil {
			return restored, fmt.Errorf("pin %s: %w", filepath.Base(path), err)
		}
		restored++
	}
	return restored, nil
}

func ensureBPFFS(dir string) (string, error) {
	if dir == "" {
		if err := mountBPFFS(sysBPFFS); err == nil {
			return sysBPFFS, nil
		}
		dir = runBPFFS
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make mount point of the BPF file system: %w", err)
	}
	return dir, mountBPFFS(dir)
}

// mountBPFFS mounts a BPF file system on dir unless dir is in one.
func mountBPFFS(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	if st.Type == unix.BPF_FS_MAGIC {
		return nil
	}
	if err := unix.Mount("bpf", dir, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return fmt.Errorf("mount BPF file system on %s: %w", dir, err)
	}
	return nil
}

// openTables opens the pinned maps, or makes and pins them, and loads the
// programs on top. adopted tells that the maps were there.
func (d *Driver) openTables() (adopted bool, err error) {
	spec, err := loadTandem()
	if err != nil {
		return false, err
	}
	if err := sizeTables(spec, d.opt); err != nil {
		return false, err
	}
	found := map[string]*ebpf.Map{}
	for name := range spec.Maps {
		if strings.HasPrefix(name, ".") {
			continue // Read-only data goes with its program.
		}
		m, err := ebpf.LoadPinnedMap(filepath.Join(d.pins.maps(), name), nil)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			closeAll(found)
			return false, fmt.Errorf("open pinned map %s: %w", name, err)
		}
		found[name] = m
		spec.Maps[name].MaxEntries = m.MaxEntries()
	}
	if err := tellCounters(spec); err != nil {
		closeAll(found)
		return false, err
	}
	adopted = len(found) > 0
	if d.objs, d.attachmentProgram, err = load(d.pins, spec, found); err != nil {
		return false, fmt.Errorf("load BPF programs: %w", err)
	}
	for name, m := range d.objs.named() {
		// A map that is pinned there is not pinned again.
		if err := m.Pin(filepath.Join(d.pins.maps(), name)); err != nil {
			return false, fmt.Errorf("pin map %s: %w", name, err)
		}
	}
	return adopted, nil
}

func closeAll(tables map[string]*ebpf.Map) {
	for _, m := range tables {
		m.Close()
	}
}

// sizeTables gives the tables of a specification the sizes that go with the
// number of LSPs.
func sizeTables(spec *ebpf.CollectionSpec, o Options) error {
	spec.Maps["lsps"].MaxEntries = o.MaxLSPs
	// Each label leads to an LSP or pseudowire of its own; while one is replaced
	// by another name for the same label, to one of them.
	spec.Maps["section_labels"].MaxEntries = o.MaxLSPs + spec.Maps["pws"].MaxEntries
	counters := o.MaxLSPs
	for _, name := range []string{"groups", "pws", "sections"} {
		counters += spec.Maps[name].MaxEntries
	}
	spec.Maps["plain_lsps"].MaxEntries = counters
	return sizeCounters(spec, counters)
}

// dropOtherVersions unpins the maps of other schema versions, once no program
// of theirs runs any more.
func (p pins) dropOtherVersions() error {
	dirs, err := filepath.Glob(filepath.Join(p.root, "v*"))
	if err != nil {
		return err
	}
	for _, d := range dirs {
		if d != p.maps() {
			err = errors.Join(err, os.RemoveAll(d))
		}
	}
	return err
}

// named returns the maps by their pin names, which are those of the programs.
func (m *tandemMaps) named() map[string]*ebpf.Map { return fieldsOf[*ebpf.Map](m) }

// fieldsOf returns the fields of a struct that bpf2go made, by their names in
// the object.
func fieldsOf[T any](of any) map[string]T {
	out := map[string]T{}
	v := reflect.ValueOf(of).Elem()
	for i := range v.NumField() {
		if one, is := v.Field(i).Interface().(T); is {
			out[v.Type().Field(i).Tag.Get("ebpf")] = one
		}
	}
	return out
}

// Remove takes an element off for good: programs leave the interfaces, tables
// and the impose device are removed. No driver may be open for it. It runs in
// the element's network namespace; what never was is no error.
func Remove(o Options) error {
	o = o.withDefaults()
	p, err := openPins(o)
	if err != nil {
		return err
	}
	net, err := link.Open()
	if err != nil {
		return err
	}
	defer net.Close()
	routes, err := net.ListRoutes(link.Protocol)
	if err != nil {
		return err
	}
	near, err := net.ByName(o.ImposeDevice)
	if err != nil && !errors.Is(err, link.ErrNotFound) {
		return err
	}
	for _, r := range routes {
		if near.Index != 0 && r.Index == near.Index {
			if err := net.DeleteRoute(r.Prefix); err != nil {
				return err
			}
		}
	}
	if err := net.Delete(o.ImposeDevice); err != nil {
		return err
	}
	if err := removeHost(p, net); err != nil {
		return err
	}
	// Unpinning alone detaches later, when the kernel gets round to it.
	links, err := filepath.Glob(filepath.Join(p.links(), "*"))
	if err != nil {
		return err
	}
	for _, path := range links {
		l, err := bpflink.LoadPinnedLink(path, nil)
		if err != nil {
			return fmt.Errorf("open pinned link: %w", err)
		}
		// One whose interface is gone has nothing to detach from.
		_ = l.Detach()
		l.Close()
	}
	if err := os.RemoveAll(p.root); err != nil {
		return fmt.Errorf("remove pins: %w", err)
	}
	return nil
}
