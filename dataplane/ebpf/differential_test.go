package ebpf

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
)

// TestDifferential sends random frames that reach deep and damaged ones, and
// compares what the programs and the model make of each, and all counters.
func TestDifferential(t *testing.T) {
	for name, c := range map[string]struct {
		objects  []dataplane.Object
		generate func(*rand.Rand) (string, []byte)
	}{
		"basic":   {basicObjects(), generate},
		"groups":  {groupObjects(), generate},
		"clients": {clientObjects(), generateClient},
		"copies":  {copyObjects(), generateCopied},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, c.objects)
			r := rand.New(rand.NewPCG(1, 2))
			for range differentialFrames {
				port, f := c.generate(r)
				p.check(t, port, f)
			}
			p.checkCounters(t)
		})
	}
}

// FuzzForward: whatever the octets, programs and model agree.
func FuzzForward(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 64 {
		port, b := generate(r)
		f.Add(port == impose, b)
	}
	p := newPair(f, basicObjects())
	f.Fuzz(func(t *testing.T, atImpose bool, b []byte) {
		if len(b) < 14 || len(b) > 3000 {
			return // The kernel runs no program on less than an Ethernet header.
		}
		port := "in0"
		if atImpose {
			port = impose
		}
		p.check(t, port, b)
	})
}

// generate builds a frame of random choices that reach deep: known labels,
// special ones, every length.
func generate(r *rand.Rand) (string, []byte) {
	pick := func(n int) bool { return r.IntN(n) == 0 }
	payload := [][]byte{
		ip4("10.1.2.3"), ip4("10.2.0.1"), ip4("10.9.1.1"), ip4("10.8.1.1"), ip4("192.0.2.1"),
		ip6("2001:db8:1::1"), ip6("2001:db8:2::1"), ip6("2001:db9::1"), ip4("10.5.0.1"), ip4("10.6.0.1"),
		{0x10, 0, 0, 0x22, 1, 2, 3, 4}, make([]byte, r.IntN(2200)), {0x44, 1, 2, 3}, {},
	}[r.IntN(14)]
	if pick(5) {
		typ := uint16(typeIPv4)
		if len(payload) > 0 && payload[0]>>4 == 6 {
			typ = typeIPv6
		}
		return impose, cut(r, frame(own, outPeer, 0, typ, payload))
	}
	dst := own
	if pick(4) {
		dst = [6]byte{0x01, 0x00, 0x5e, 0x90, 0x00, 0x00}
	} else if pick(8) {
		dst = [6]byte{2, 0, 0, 0, 0, byte(r.IntN(256))}
	}
	var vlan, typ uint16 = 0, typeMPLS
	if pick(3) {
		vlan = []uint16{20, 30, 30, 40, 50}[r.IntN(5)]
	}
	if pick(10) {
		typ = []uint16{0x8848, typeIPv4, typeIPv6, typeCTag, 0x0806}[r.IntN(5)]
	}
	var stack []byte
	for depth := 1 + r.IntN(4); depth > 0; depth-- {
		l := lse{label: 16 + uint32(r.IntN(15)), tc: uint32(r.IntN(8)), ttl: uint32(r.IntN(256)), s: depth == 1}
		switch {
		case pick(3):
			l.label = 24 // Pop and lookup: on to the next.
		case pick(4):
			l.label = uint32(r.IntN(16))
		case pick(12):
			l.label = 1<<20 - 1
		case pick(20):
			l.label = r.Uint32N(1 << 20)
		}
		if pick(6) {
			l.ttl = uint32(r.IntN(3))
		}
		if pick(20) {
			l.s = !l.s
		}
		stack = l.append(stack)
	}
	if pick(40) {
		for range 10 {
			stack = append(lse{24, 0, 9, false}.append(nil), stack...)
		}
	}
	return "in0", cut(r, frame(dst, outPeer, vlan, typ, stack, payload))
}

// generateClient builds a frame of a client, or one that belongs to a
// pseudowire.
func generateClient(r *rand.Rand) (string, []byte) {
	pick := func(n int) bool { return r.IntN(n) == 0 }
	client := func(dst [6]byte) []byte {
		b := append(append([]byte(nil), dst[:]...), acPeer[:]...)
		tag := func(tpid, vid uint16) {
			b = binary.BigEndian.AppendUint16(b, tpid)
			b = binary.BigEndian.AppendUint16(b, uint16(r.IntN(8))<<13|vid)
		}
		vids := []uint16{0, 50, 101, 102, 103, 104, 106, 107, 108, 200, 202, 300, 555, 777, 201, uint16(r.IntN(4096))}
		tpids := []uint16{typeCTag, typeCTag, typeSTag}
		for n := r.IntN(4); n > 0; n-- {
			tag(tpids[r.IntN(3)], vids[r.IntN(len(vids))])
		}
		if pick(4) {
			tag(typeSTag, 200)
			tag(typeCTag, 10)
		}
		payload := [][]byte{ip4("10.1.2.3"), ip6("2001:db8::1"), lse{77, 3, 9, true}.append(nil), make([]byte, r.IntN(120)), make([]byte, r.IntN(1700))}[r.IntN(5)]
		typ := []uint16{typeIPv4, typeIPv6, typeMPLS, 0x0806, 0x88cc}[r.IntN(5)]
		if v := ipVersion(payload); v != 0 && !pick(8) {
			typ = map[byte]uint16{4: typeIPv4, 6: typeIPv6}[v]
		}
		return append(binary.BigEndian.AppendUint16(b, typ), payload...)
	}
	if pick(2) {
		port := []string{"ac0", "ac0", "ac1"}[r.IntN(3)]
		return port, cut(r, client([][6]byte{acOwn, outPeer, {255, 255, 255, 255, 255, 255}}[r.IntN(3)]))
	}
	var b []byte
	if pick(2) {
		b = lse{24, 0, 64, false}.append(b)
	}
	l := lse{16 + uint32(r.IntN(18)), uint32(r.IntN(8)), uint32(r.IntN(256)), !pick(12)}
	if pick(8) {
		l.ttl = uint32(r.IntN(3))
	}
	b = l.append(b)
	if pick(12) {
		b = lse{[]uint32{0, 2, 13, 77}[r.IntN(4)], 0, 9, true}.append(b)
	}
	if !pick(3) {
		word := uint32(r.IntN(4)) // Of a control word: sequence numbers come near each other.
		if pick(3) {
			word = r.Uint32N(1<<17) >> r.IntN(17)
		}
		if pick(12) {
			word |= r.Uint32() & 0xff0f0000
		}
		b = binary.BigEndian.AppendUint32(b, word)
	}
	if pick(3) {
		b = append(b, ip4("10.1.2.3")...)
	} else {
		b = append(b, client(outPeer)...)
	}
	return "in0", cut(r, frame(own, outPeer, 0, typeMPLS, b))
}

// generateCopied builds a frame for copyObjects: labels from the whole range of
// theirs, clients' tags, sections that are blocked.
func generateCopied(r *rand.Rand) (string, []byte) {
	pick := func(n int) bool { return r.IntN(n) == 0 }
	client := func() []byte {
		b := append(append([]byte(nil), outPeer[:]...), acPeer[:]...)
		b = binary.BigEndian.AppendUint16(b, typeCTag)
		b = binary.BigEndian.AppendUint16(b, uint16(r.IntN(8))<<13|uint16(100+r.IntN(8)))
		return append(binary.BigEndian.AppendUint16(b, 0x88b5), make([]byte, r.IntN(60))...)
	}
	packet := ip4([]string{"10.1.2.3", "10.2.0.1", "10.5.0.1", "10.6.0.1", "192.0.2.1"}[r.IntN(5)])
	packet[1] = byte(r.IntN(256))
	switch r.IntN(5) {
	case 0:
		return impose, cut(r, frame(own, outPeer, 0, typeIPv4, packet))
	case 1:
		return "ac0", cut(r, client())
	}
	var b []byte
	for depth := r.IntN(3); depth > 0; depth-- {
		b = lse{[]uint32{24, 17, 16 + uint32(r.IntN(33))}[r.IntN(3)], uint32(r.IntN(8)), uint32(1 + r.IntN(255)), false}.append(b)
	}
	ttl := uint32(64)
	if pick(8) {
		ttl = uint32(r.IntN(3))
	}
	label := 16 + uint32(r.IntN(33))
	gal := pick(6)
	b = lse{label, uint32(r.IntN(8)), ttl, !gal}.append(b)
	switch {
	case gal:
		b = append(lse{13, 0, 1, true}.append(b), 0x10, 0, 0, 7, 1, 2, 3, 4)
	case label > 40:
		b = binary.BigEndian.AppendUint32(b, []uint32{0, 0, 0, 0x10000007, 0x50000000, uint32(r.IntN(99))}[r.IntN(6)])
		b = append(b, client()...)
	default:
		b = append(b, packet...)
	}
	vlan := []uint16{0, 0, 0, 0, 20, 50}[r.IntN(6)]
	if vlan == 50 && pick(2) {
		b = append(lse{13, 0, 1, true}.append(nil), 0x10, 0, 0, 7, 1, 2, 3, 4)
	}
	return "in0", cut(r, frame(own, outPeer, vlan, typeMPLS, b))
}

// cut shortens one frame in eight and damages another.
func cut(r *rand.Rand, f []byte) []byte {
	switch r.IntN(8) {
	case 0:
		return f[:14+r.IntN(len(f)-13)]
	case 1:
		f[12+r.IntN(len(f)-12)] ^= 1 << r.IntN(8)
	}
	return f
}
