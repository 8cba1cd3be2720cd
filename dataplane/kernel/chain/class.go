package chain

import (
	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// The queue of a section is that of the traffic class of the outermost label
// (link.Queues.ByLabel). An L-LSP has a class of its own (RFC 3270 section 1.2),
// and so has what leaves an LSP of the pipe model without its label: they name
// it in the priority of the packet, which stays over the chains of groups. The
// last L-LSP on the way counts.

// classify gives ways out a class, unless an LSP further on has one.
func classify(legs []leg, class *uint8) {
	for i := range legs {
		if legs[i].class == nil {
			legs[i].class = class
		}
	}
}

// schedules tells whether there may be queues on one of the ways.
func schedules(legs []leg) bool {
	for _, x := range legs {
		if x.queued {
			return true
		}
	}
	return false
}

// queue returns the action that names the class of a way out. set tells whether
// an earlier copy has named one.
func (x leg) queue(set *bool) []mplsnl.Action {
	switch {
	case !x.queued && x.into == 0:
		return nil
	case x.class != nil:
		*set = true
		return []mplsnl.Action{priority(link.ByClass(*x.class))}
	case *set:
		*set = false
		return []mplsnl.Action{priority(0)}
	}
	return nil
}

func priority(p uint32) mplsnl.Action {
	return pipe(mplsnl.Action{Kind: mplsnl.SKBEdit, SKB: mplsnl.SKBAction{HasPriority: true, Priority: p}})
}

// classes are the traffic classes of the packet that need a filter each,
// because the class of the label that pop takes off selects the queue; anyTC
// alone where one filter does for all.
func (b *builder) classes(legs []leg) []int {
	if b.l.Class != nil || b.l.TTLMode == dataplane.ShortPipe || !schedules(legs) {
		return []int{anyTC}
	}
	return []int{0, 1, 2, 3, 4, 5, 6, 7}
}

// withTC matches a traffic class as well.
func withTC(m mplsnl.LSE, tc int) mplsnl.LSE {
	if tc != anyTC {
		m.HasTC, m.TC = true, uint8(tc)
	}
	return m
}
