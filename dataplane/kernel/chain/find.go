package chain

import (
	"fmt"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// Admission tells which interface and VLAN an admission filter is for and
// which label space it leads to; 0: none, the section is down.
func Admission(f *mplsnl.Filter) (ifname string, vlan uint16, space uint32, ok bool) {
	if f.Block != Ingress || f.Chain != chainAdmit || f.Pref != prefVLAN && f.Pref != prefSection || f.Match.Interface == "" || !f.Match.HasDst {
		return "", 0, 0, false
	}
	if n := len(f.Actions); n > 0 {
		if at, goes := f.Actions[n-1].Verdict.Chain(); goes {
			space, _ = SpaceOf(at)
		}
	}
	return f.Match.Interface, f.Match.VLAN.ID, space, true
}

// Stale invents an object for a filter that belongs to no desired one. Filters
// of one label are one object.
func Stale(f *mplsnl.Filter) dataplane.Object {
	label := f.Handle >> 5
	lsp := dataplane.LSP{Op: dataplane.PopAndForward, InLabel: label}
	if OfGroup(f.Chain) {
		return dataplane.LSP{Name: fmt.Sprintf("?group-%d", label), Op: dataplane.ImposeAndForward}
	}
	if f.Block == Egress {
		lsp.Name, lsp.InLabel, lsp.Op = StaleClient(f.Handle), 0, dataplane.ImposeAndForward
		return lsp
	}
	if _, ok := IsRecord(f); ok {
		return dataplane.LSP{Name: fmt.Sprintf("?record-%d", f.Handle), Op: dataplane.ImposeAndForward}
	}
	if n, ok := numberOf(f); ok {
		return dataplane.LSP{Name: fmt.Sprintf("?record-%d", n), Op: dataplane.ImposeAndForward}
	}
	if ifname, vlan, _, ok := Admission(f); ok {
		return dataplane.Section{Name: fmt.Sprintf("?%s-%d", ifname, vlan), Interface: ifname, VLAN: vlan}
	}
	if space, ok := SpaceOf(f.Chain); ok && label >= dataplane.MinLabel {
		lsp.Name = fmt.Sprintf("?label-%d", label)
		if space != Platform {
			lsp.Name = fmt.Sprintf("?label-%d-%d", space, label)
		}
		return lsp
	}
	if f.Chain == chainBud && label >= dataplane.MinLabel {
		lsp.Name = fmt.Sprintf("?label-%d", label)
		return lsp
	}
	lsp.Name = fmt.Sprintf("?filter-%d-%d-%d", f.Chain, f.Pref, f.Handle)
	return lsp
}

// StaleClient is the invented name of what has a client label.
func StaleClient(label uint32) string { return fmt.Sprintf("?client-%d", label) }
