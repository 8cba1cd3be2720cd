package chain

import "github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"

// Pool numbers actions that many filters have alike: the way out of a section,
// its addresses, a pop, a limit of length. Filters name them by their index and
// the kernel keeps one, with counters for each CPU, so that packets on several
// do not wait for each other.
//
// An action that exists stays as it is, whatever a filter says that names it. So
// an index means one content for as long as anybody may hold it: it is never
// given to another, and what an earlier process gave is noted before the first
// filter is compiled.
type Pool struct {
	index map[mplsnl.Action]uint32
	last  uint32
}

// The range of indices of pools.
const (
	firstShared = 0x60000000
	lastShared  = 0x6fffffff
)

// NewPool returns an empty one.
func NewPool() *Pool {
	return &Pool{index: map[mplsnl.Action]uint32{}, last: firstShared}
}

// Note takes in an action that is in the kernel.
func (p *Pool) Note(a mplsnl.Action) {
	index := a.Index
	if index <= firstShared || index > lastShared {
		return
	}
	p.last = max(p.last, index)
	if a = contentOf(a); shareable(&a) {
		p.index[a] = index
	}
}

// share gives the actions of filters their indices. One that a filter has twice
// keeps none: the kernel never ends making an action that it finds twice in one
// request, unless it is there already.
func (p *Pool) share(filters []mplsnl.Filter) {
	for i := range filters {
		actions := filters[i].Actions
		owned := false // The list may be shared by filters.
		for j := range actions {
			if !shareable(&actions[j]) || twice(actions, j) {
				continue
			}
			if !owned {
				actions = append([]mplsnl.Action(nil), actions...)
				filters[i].Actions, owned = actions, true
			}
			actions[j] = p.numbered(actions[j])
		}
	}
}

func (p *Pool) numbered(a mplsnl.Action) mplsnl.Action {
	a = contentOf(a)
	index, ok := p.index[a]
	if !ok && p.last < lastShared {
		p.last++
		index = p.last
		p.index[a] = index
	}
	a.Index = index
	return a
}

// contentOf is an action without what is its own.
func contentOf(a mplsnl.Action) mplsnl.Action {
	a.Index, a.NoPerCPU = 0, false
	return a
}

// twice tells whether one before or behind the j-th action is the same.
func twice(actions []mplsnl.Action, j int) bool {
	for i := range actions {
		if i != j && actions[i].Kind == actions[j].Kind && contentOf(actions[i]) == contentOf(actions[j]) {
			return true
		}
	}
	return false
}

// shareable tells whether there are many of an action: what has a label, the
// rate of a client or a counter is one of its kind.
func shareable(a *mplsnl.Action) bool {
	if a.Index != 0 {
		return false
	}
	switch a.Kind {
	case mplsnl.GAct:
		_, goes := a.Verdict.Chain()
		return goes
	case mplsnl.MPLS:
		return a.MPLS.Op == mplsnl.MPLSPop
	case mplsnl.Police:
		return a.Police.Rate == 0
	case mplsnl.VLAN, mplsnl.Mirred, mplsnl.Pedit, mplsnl.SKBEdit:
		return true
	}
	return false
}
