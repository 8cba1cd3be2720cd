//go:build !vm

package ebpf

const inGuest = false

// differentialFrames is how many frames of a generator TestDifferential sends.
const differentialFrames = 20_000
