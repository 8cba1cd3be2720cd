package link

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Classes is the number of traffic classes (RFC 5462).
const Classes = 8

// Queues is a scheduler on the egress of an interface: a queue for the G-ACh,
// which has a quarter of the rate before anybody else, and one for each traffic
// class, chosen by the priority of the packet (skb->priority), 0 to 7;
// everything else is of class 0.
type Queues struct {
	// Rate shapes the interface, in bits per second of frames without FCS; 0:
	// not at all.
	Rate uint64
	// Weights of the classes: 0 is strict priority, the higher class first,
	// before all weighted ones.
	Weights [Classes]uint16
	// ByLabel has MPLS frames go into the queue of the traffic class of their
	// outermost label, whatever their priority is; but see ByClass.
	ByLabel bool
}

// String describes queues for people: "htb, 1000000 bit/s, strict 7 6 5 4 3 2, weights 1:3 0:1".
func (q Queues) String() string {
	var strict, weighted []string
	for class, w := range slices.Backward(q.Weights[:]) {
		if w == 0 {
			strict = append(strict, strconv.Itoa(class))
		} else {
			weighted = append(weighted, fmt.Sprintf("%d:%d", class, w))
		}
	}
	s := "htb"
	if q.Rate != 0 {
		s += fmt.Sprintf(", %d bit/s", q.Rate)
	}
	if strict != nil {
		s += ", strict " + strings.Join(strict, " ")
	}
	if weighted != nil {
		s += ", weights " + strings.Join(weighted, " ")
	}
	return s
}

// QueueStats counts one queue. Octets are those of frames without FCS.
type QueueStats struct {
	Packets, Octets uint64 // Sent.
	Drops           uint64 // The queue was full.
	Backlog         uint64 // Packets waiting.
}

// ErrForeignQueues is returned where an interface has a scheduler that somebody
// else configured.
var ErrForeignQueues = errors.New("another scheduler is configured")

const (
	// queueMajor is the handle of our scheduler, by which it is known again.
	queueMajor = 0x7a4d
	rootMinor  = 0x10 // The class that shapes; the classes are 1 to 8.
	// channelMinor is the class of the G-ACh, whoever sent it.
	channelMinor = 9
	// leafRate is what a class has of its own, octets a second: as little as
	// can be, for what is beyond is borrowed in order of priority.
	leafRate = 1000
	// channelShare of the rate is the G-ACh's own, which htb serves before all
	// that is borrowed. What is beyond it competes with the highest class: who
	// can make frames that look like the G-ACh must not starve the others.
	channelShare = 4
	// unshaped is the rate, in octets a second, that stands for none.
	unshaped = 125_000_000_000
	// filterName begins the name of our filter, which tells what it was set up
	// for.
	filterName  = "tandem-queues"
	byLabelName = filterName + "-by-label"
	// minQuantum is the turn of the class with the least weight: it must be no
	// less than a frame, or the weights are not kept.
	minQuantum = 9216 + 18
)

// SetQueues puts a scheduler on the egress of an interface, or changes ours.
// What waits in the queues is kept by a change. The error wraps
// ErrForeignQueues where somebody else's is there, which is left alone.
//
// It is a hierarchical token bucket (htb) with handle 7a4d:, one class for each
// traffic class and one for the G-ACh, and a filter of eBPF that reads the labels
// and the priority: what nearly every kernel has.
func (h *Handle) SetQueues(index int, q Queues) error {
	if err := h.setQueues(index, q); err != nil {
		return fmt.Errorf("queues of interface %d: %w", index, err)
	}
	return nil
}

func (h *Handle) setQueues(index int, q Queues) error {
	root, err := h.rootQdisc(index)
	if err != nil {
		return err
	}
	switch ours := root != nil && root.Type() == "htb" && root.Attrs().Handle == netlink.MakeHandle(queueMajor, 0); {
	case ours:
	case root != nil && root.Attrs().Handle != 0:
		return fmt.Errorf("%s %s: %w", root.Type(), netlink.HandleStr(root.Attrs().Handle), ErrForeignQueues)
	default:
		htb := netlink.NewHtb(netlink.QdiscAttrs{
			LinkIndex: index, Parent: netlink.HANDLE_ROOT, Handle: netlink.MakeHandle(queueMajor, 0),
		})
		htb.Defcls = 1
		if err := h.nl.QdiscReplace(htb); err != nil {
			return fmt.Errorf("htb: %w", err)
		}
	}
	for _, c := range classesOf(index, q) {
		if err := h.nl.ClassReplace(c); err != nil {
			return fmt.Errorf("class %s: %w", netlink.HandleStr(c.Handle), err)
		}
	}
	fd, err := classifier(q)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := h.nl.FilterReplace(queueFilter(index, fd, q)); err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	return nil
}

// ClearQueues takes our scheduler off an interface; the host's default comes
// back. One that is not ours, or not there, is no error.
func (h *Handle) ClearQueues(index int) error {
	root, err := h.rootQdisc(index)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err == nil && root != nil && root.Attrs().Handle == netlink.MakeHandle(queueMajor, 0) {
		err = h.nl.QdiscDel(root)
	}
	if err != nil {
		return fmt.Errorf("clear queues of interface %d: %w", index, err)
	}
	return nil
}

// Queues returns the scheduler that we put on an interface; ok is false where
// there is none, or somebody changed it.
func (h *Handle) Queues(index int) (q Queues, ok bool, err error) {
	root, err := h.rootQdisc(index)
	if errors.Is(err, ErrNotFound) {
		return q, false, nil
	}
	if err != nil {
		return q, false, fmt.Errorf("queues of interface %d: %w", index, err)
	}
	if root == nil || root.Type() != "htb" || root.Attrs().Handle != netlink.MakeHandle(queueMajor, 0) {
		return q, false, nil
	}
	l := device(index)
	filters, err := h.nl.FilterList(l, netlink.MakeHandle(queueMajor, 0))
	if err != nil {
		return q, false, fmt.Errorf("filters of interface %d: %w", index, err)
	}
	for _, f := range filters {
		if b, is := f.(*netlink.BpfFilter); is && !ok {
			q, ok = parseFilterName(b.Name)
		}
	}
	if !ok || len(filters) != 1 {
		return Queues{}, false, nil
	}
	is, err := h.classes(index)
	if err != nil {
		return Queues{}, false, err
	}
	for _, want := range classesOf(index, q) {
		got, parent := is[want.Handle], want.Parent
		if parent == root.Attrs().Handle {
			parent = netlink.HANDLE_ROOT // So the kernel shows it.
		}
		if got == nil || got.Parent != parent || got.Rate != want.Rate || got.Ceil != want.Ceil ||
			got.Prio != want.Prio || want.Quantum != 0 && got.Quantum != want.Quantum {
			return Queues{}, false, nil
		}
	}
	if len(is) != Classes+2 { // Theirs, that of the G-ACh and the root's.
		return Queues{}, false, nil
	}
	return q, true, nil
}

// ChannelQueue is the place of the G-ACh in what QueueStats returns, behind the
// traffic classes.
const ChannelQueue = Classes

// QueueStats returns the counters of our queues by traffic class, and those of
// the G-ACh; zero where there are none.
func (h *Handle) QueueStats(index int) (s [Classes + 1]QueueStats, err error) {
	is, err := h.classes(index)
	if err != nil {
		return s, err
	}
	for c := range s {
		k := is[netlink.MakeHandle(queueMajor, uint16(c)+1)]
		if k == nil || k.Statistics == nil || k.Statistics.Basic == nil || k.Statistics.Queue == nil {
			continue
		}
		s[c] = QueueStats{
			Packets: uint64(k.Statistics.Basic.Packets), Octets: k.Statistics.Basic.Bytes,
			Drops: uint64(k.Statistics.Queue.Drops), Backlog: uint64(k.Statistics.Queue.Qlen),
		}
	}
	return s, nil
}

// ProbeQueues tells why there can be no queues on this host, nil if there can.
// It tries on an interface that is given for it and has no scheduler.
func (h *Handle) ProbeQueues(index int) error {
	if err := h.SetQueues(index, Queues{}); err != nil {
		return errors.Join(err, h.ClearQueues(index))
	}
	_, ok, err := h.Queues(index)
	if err == nil && !ok {
		err = errors.New("the kernel does not show the queues that were set up")
	}
	return errors.Join(err, h.ClearQueues(index))
}

// classes returns the classes of our scheduler by handle.
func (h *Handle) classes(index int) (map[uint32]*netlink.HtbClass, error) {
	all, err := h.nl.ClassList(device(index), 0)
	if err != nil {
		return nil, fmt.Errorf("classes of interface %d: %w", index, err)
	}
	out := map[uint32]*netlink.HtbClass{}
	for _, c := range all {
		if k, is := c.(*netlink.HtbClass); is && k.Handle>>16 == queueMajor {
			out[k.Handle] = k
		}
	}
	return out, nil
}

// classesOf returns the classes that do what q says, the shaping one first.
func classesOf(index int, q Queues) []*netlink.HtbClass {
	rate := q.Rate / 8
	if rate == 0 {
		rate = unshaped
	}
	class := func(minor, parent uint16, own uint64) *netlink.HtbClass {
		c := netlink.NewHtbClass(netlink.ClassAttrs{
			LinkIndex: index, Handle: netlink.MakeHandle(queueMajor, minor), Parent: netlink.MakeHandle(queueMajor, parent),
		}, netlink.HtbClassAttrs{
			Rate: 8 * own, Ceil: 8 * rate, Buffer: burst(own), Cbuffer: burst(rate),
		})
		return c
	}
	channel := class(channelMinor, rootMinor, max(rate/channelShare, min(leafRate, rate)))
	channel.Quantum = minQuantum
	out := []*netlink.HtbClass{class(rootMinor, 0, rate), channel}
	strict, least := uint32(0), uint16(math.MaxUint16)
	for _, w := range q.Weights {
		if w == 0 {
			strict++
		} else {
			least = min(least, w)
		}
	}
	before := strict // Strict classes at or below the one at hand.
	for c, w := range q.Weights {
		k := class(uint16(c)+1, rootMinor, min(leafRate, rate))
		k.Prio, k.Quantum = strict, minQuantum
		if w == 0 {
			before--
			k.Prio = before
		} else {
			k.Quantum = uint32(uint64(minQuantum) * uint64(w) / uint64(least))
		}
		out = append(out, k)
	}
	return out
}

// burst is what may go at once, in octets: a millisecond's worth and no less
// than a large frame, or timers of the kernel would hold the rate down.
func burst(rate uint64) uint32 {
	return uint32(min(max(rate/1000, minQuantum), 64<<20))
}

// queueFilter names what the scheduler was set up for.
func queueFilter(index, fd int, q Queues) *netlink.BpfFilter {
	var b strings.Builder
	name := filterName
	if q.ByLabel {
		name = byLabelName
	}
	fmt.Fprintf(&b, "%s %d", name, q.Rate)
	for _, w := range q.Weights {
		fmt.Fprintf(&b, " %d", w)
	}
	return &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: index, Parent: netlink.MakeHandle(queueMajor, 0), Handle: 1, Priority: 1, Protocol: unix.ETH_P_ALL,
		},
		Fd: fd, Name: b.String(),
	}
}

// parseFilterName is the inverse.
func parseFilterName(name string) (q Queues, ok bool) {
	fields := strings.Fields(name)
	if len(fields) != 2+Classes || fields[0] != filterName && fields[0] != byLabelName {
		return q, false
	}
	q.ByLabel = fields[0] == byLabelName
	rate, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return q, false
	}
	q.Rate = rate
	for i := range q.Weights {
		w, err := strconv.ParseUint(fields[2+i], 10, 16)
		if err != nil {
			return Queues{}, false
		}
		q.Weights[i] = uint16(w)
	}
	return q, true
}

// rootQdisc returns the scheduler at the root of an interface, nil for none.
func (h *Handle) rootQdisc(index int) (netlink.Qdisc, error) {
	if _, err := h.ByIndex(index); err != nil {
		return nil, err
	}
	all, err := h.nl.QdiscList(device(index))
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(q netlink.Qdisc) bool { return q.Attrs().Parent == netlink.HANDLE_ROOT })
	if i < 0 {
		return nil, nil
	}
	return all[i], nil
}

func device(index int) netlink.Link {
	return &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}
}
