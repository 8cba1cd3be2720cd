package ebpf

import (
	"errors"
	"fmt"
	"os"
)

// Remove takes away what an instance leaves behind when its process ends: the
// pinned programs and tables and the impose device. Nothing is forwarded any
// more, and the driver is of no use afterwards but for Close. Routes are objects:
// delete those first.
func (d *Driver) Remove() error {
	var errs []error
	if err := d.net.Delete(d.opt.ImposeDevice); err != nil {
		errs = append(errs, fmt.Errorf("remove %s: %w", d.opt.ImposeDevice, err))
	}
	if err := os.RemoveAll(d.pins.root); err != nil {
		errs = append(errs, fmt.Errorf("remove pins: %w", err))
	}
	return errors.Join(errs...)
}
