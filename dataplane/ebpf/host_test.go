//go:build !vm

package ebpf

const inGuest = false
