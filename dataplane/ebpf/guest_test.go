//go:build vm

package ebpf

// inGuest: the guest of tier T2 is emulated and 10 to 20 times slower; native
// XDP is run there by TestRestartLosesNothing.
const inGuest = true

// differentialFrames is how many frames of a generator TestDifferential sends.
const differentialFrames = 2_000
