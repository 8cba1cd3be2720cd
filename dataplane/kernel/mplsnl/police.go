package mplsnl

// tickNanoseconds is the unit of a burst (PSCHED_SHIFT).
const tickNanoseconds = 64

// NoMTU is the MTU of a police action that lets every length pass.
const NoMTU = 0xffffffff

// PoliceBurst converts a burst in octets at a rate in octets per second to the
// unit of PoliceAction.Burst.
func PoliceBurst(octets, rate uint64) uint32 {
	if rate == 0 {
		return 0
	}
	ticks := float64(octets) * 1e9 / float64(rate) / tickNanoseconds
	return uint32(min(ticks, 0xffffffff))
}
