package ebpf

import "github.com/cilium/ebpf"

func (d *Driver) relayProgram() *ebpf.Program            { return nil }
func (d *Driver) portRelay(uint32, bool) (uint32, error) { return 0, nil }
func (d *Driver) dropPortRelay(uint32)                   {}
func (d *Driver) setNative(bool)                         {}
func (d *Driver) attachmentInterfaces() []int            { return nil }
