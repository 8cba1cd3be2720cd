package chain

import (
	"github.com/tandem-ne/tandem/dataplane"
)

// loop compiles an LSP in loopback (RFC 6435 section 4): what arrives with its
// label goes on as what had arrived with that of the opposite direction, which
// need not be open to users.
func (b *builder) loop() *dataplane.OpError {
	k := key(dataplane.KindLSP, b.l.Loop)
	b.c.need(k)
	back, ok := b.Objects[k].(dataplane.LSP)
	switch {
	case !ok || back.Op == dataplane.PopAndLookup || len(back.Branches) != 0:
		b.drop(Blocked) // Whoever is looped into nothing is locked all the same.
		return nil
	case back.Down:
		b.drop(LSPDown)
		return nil
	}
	off := 0
	if back.Op == dataplane.ImposeAndForward {
		off = -4
	}
	b.c.count(b.passed, k, In, off)
	b.c.count(b.passed, k, Taken, 0)
	label := b.l.InLabel
	b.l = back
	b.l.InLabel = label
	return b.operation(prefLabel)
}
