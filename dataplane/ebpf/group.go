package ebpf

import (
	"context"

	"github.com/tandem-ne/tandem/dataplane"
)

// Switch implements dataplane.Driver.
func (d *Driver) Switch(_ context.Context, group string, _ uint8) error {
	return &dataplane.OpError{Key: dataplane.Key{Kind: dataplane.KindGroup, Name: group}, Reason: "there is no such group"}
}

// ActiveLeg implements dataplane.Driver.
func (d *Driver) ActiveLeg(group string) (uint8, error) {
	return 0, &dataplane.OpError{Key: dataplane.Key{Kind: dataplane.KindGroup, Name: group}, Reason: "there is no such group"}
}
