package plan_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

func section(name, port string) dataplane.Section {
	return dataplane.Section{Name: name, Interface: port, PeerMAC: dataplane.MAC{2, 0, 0, 0, 0, 1}}
}

func swap(name string, in uint32, section string, out ...uint32) dataplane.LSP {
	l := dataplane.LSP{Name: name, Op: dataplane.SwapAndForward, InLabel: in, Out: dataplane.NextHop{Section: section}}
	for _, label := range out {
		l.Out.Stack = append(l.Out.Stack, dataplane.LabelEntry{Label: label})
	}
	return l
}

func impose(name, section string, out uint32, prefixes ...string) dataplane.LSP {
	l := swap(name, 0, section, out)
	l.Op = dataplane.ImposeAndForward
	for _, p := range prefixes {
		l.Prefixes = append(l.Prefixes, netip.MustParsePrefix(p))
	}
	return l
}

func list(objects ...dataplane.Object) []dataplane.Object { return objects }

func TestFull(t *testing.T) {
	west, east := section("west", "eth0"), section("east", "eth1")
	down := west
	down.Down = true
	multicast, zero := west, west
	multicast.PeerMAC, zero.PeerMAC = dataplane.MulticastMAC(), dataplane.MAC{}
	off := swap("b", 100, "west", 200)
	off.Down = true
	for _, c := range []struct {
		name            string
		actual, desired []dataplane.Object
		want            string
	}{
		{name: "nothing to nothing"},
		{name: "what is there stays", actual: list(west, swap("a", 100, "west", 200)), desired: list(swap("a", 100, "west", 200), west)},
		{
			name: "sections first, then labels, then IP clients",
			desired: list(impose("a", "west", 300, "198.51.100.0/24", "2001:db8::/32"), swap("z", 101, "east", 201, 301),
				swap("b", 100, "west", 200), west, east),
			want: `+ section/east dev eth1 peer 02:00:00:00:00:01
+ section/west dev eth0 peer 02:00:00:00:00:01
+ lsp/b swap-and-forward in 100 out 200 via west
+ lsp/z swap-and-forward in 101 out 201/301 via east
+ lsp/a impose-and-forward for 198.51.100.0/24,2001:db8::/32 out 300 via west
`,
		},
		{
			name:   "deletes last, LSPs before their sections",
			actual: list(west, east, swap("a", 100, "west", 200), swap("b", 101, "west", 201)), desired: list(east, swap("c", 100, "east", 300)),
			want: `+ lsp/c swap-and-forward in 100 out 300 via east
- lsp/a
- lsp/b
- section/west
`,
		},
		{
			name:   "stale objects have no name but a question mark",
			actual: list(west, swap("?label-300", 300, "?interface-7", 301)), desired: list(west),
			want: "- lsp/?label-300\n",
		},
		{name: "a section that goes down", actual: list(west), desired: list(down), want: "+ section/west dev eth0 peer 02:00:00:00:00:01 down\n"},
		{name: "the zero address is the multicast address", actual: list(multicast), desired: list(zero)},
		{name: "an LSP that goes down", actual: list(swap("b", 100, "west", 200)), desired: list(off), want: "+ lsp/b swap-and-forward in 100 out 200 via west down\n"},
		{
			name:   "the order of prefixes does not matter",
			actual: list(impose("a", "west", 300, "198.51.100.0/24", "203.0.113.0/24")), desired: list(impose("a", "west", 300, "203.0.113.0/24", "198.51.100.0/24")),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, plan.Print(plan.Full(c.actual, c.desired))); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDelta(t *testing.T) {
	west := section("west", "eth0")
	current := map[dataplane.Key]dataplane.Object{}
	for _, o := range list(west, swap("a", 100, "west", 200), swap("b", 101, "west", 201)) {
		current[o.Key()] = o
	}
	got := plan.Print(plan.Delta(current, dataplane.Delta{
		Put:    list(swap("a", 100, "west", 200), swap("b", 101, "west", 202), swap("c", 102, "west", 203)),
		Delete: []dataplane.Key{{Kind: dataplane.KindLSP, Name: "never"}},
	}))
	want := `+ lsp/b swap-and-forward in 101 out 202 via west
+ lsp/c swap-and-forward in 102 out 203 via west
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// model applies ops to a state as a data plane does.
func model(actual []dataplane.Object, ops []dataplane.Op) []dataplane.Object {
	m := map[dataplane.Key]dataplane.Object{}
	for _, o := range actual {
		m[o.Key()] = o
	}
	for _, op := range ops {
		if op.Verb == dataplane.Delete {
			delete(m, op.Key)
		} else {
			m[op.Key] = op.Object
		}
	}
	var out []dataplane.Object
	for _, o := range m {
		out = append(out, o)
	}
	return out
}

// TestPlanOfPlanIsEmpty checks on random states that a plan leads to the
// desired state, that nothing is left to do then, and that the order keeps
// every reference good at every step.
func TestPlanOfPlanIsEmpty(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		actual, desired := randomState(r), randomState(r)
		ops := plan.Full(actual, desired)
		after := model(actual, ops)
		if again := plan.Full(after, desired); len(again) != 0 {
			t.Fatalf("after the plan is left to do:\n%s", plan.Print(again))
		}
		if back := plan.Full(model(after, plan.Full(after, actual)), actual); len(back) != 0 {
			t.Fatalf("after the way back is left to do:\n%s", plan.Print(back))
		}
		for i := range ops {
			checkState(t, model(actual, ops[:i]), plan.Print(ops))
		}
		for range 3 {
			shuffled := slices.Clone(ops)
			r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			plan.Arrange(shuffled, find(desired), find(actual))
			if diff := cmp.Diff(plan.Print(ops), plan.Print(shuffled)); diff != "" {
				t.Fatalf("order depends on the input:\n%s", diff)
			}
		}
	}
}

// TestDeltaIsFull checks that a set that gets deltas makes the same plans as
// comparisons of whole states.
func TestDeltaIsFull(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var set plan.Set
	var current []dataplane.Object
	for range 300 {
		next := randomState(r)
		d := dataplane.Delta{Put: next}
		keep := map[dataplane.Key]bool{}
		for _, o := range next {
			keep[o.Key()] = true
		}
		for _, o := range current {
			if !keep[o.Key()] {
				d.Delete = append(d.Delete, o.Key())
			}
		}
		if err := set.Check(d); err != nil {
			t.Fatalf("Check: %v", err)
		}
		want := plan.Print(plan.Full(current, next))
		if diff := cmp.Diff(want, plan.Print(set.Apply(d))); diff != "" {
			t.Fatalf("plan (-full +delta):\n%s", diff)
		}
		if set.Len() != len(next) {
			t.Fatalf("set has %d objects, want %d", set.Len(), len(next))
		}
		current = next
	}
}

func BenchmarkFull10000(b *testing.B) {
	desired := list(section("west", "eth0"))
	for i := range uint32(10000) {
		desired = append(desired, swap(fmt.Sprintf("l%d", i), 1000+i, "west", 2000+i))
	}
	b.ReportAllocs()
	for b.Loop() {
		if n := len(plan.Full(nil, desired)); n != 10001 {
			b.Fatal(n)
		}
	}
}

func BenchmarkDeltaOneOn10000(b *testing.B) {
	var set plan.Set
	d := dataplane.Delta{Put: list(section("west", "eth0"))}
	for i := range uint32(10000) {
		d.Put = append(d.Put, swap(fmt.Sprintf("l%d", i), 1000+i, "west", 2000+i))
	}
	set.Apply(d)
	out := uint32(0)
	for b.Loop() {
		out++
		one := dataplane.Delta{Put: list(swap("l77", 1077, "west", 100+out%2))}
		if err := set.Check(one); err != nil {
			b.Fatal(err)
		}
		if n := len(set.Apply(one)); n != 1 {
			b.Fatal(n)
		}
	}
}

// BenchmarkCheckGroupOf10000 changes a leg of a group with 10,000 members: the
// members are not looked at unless it becomes deeper.
func BenchmarkCheckGroupOf10000(b *testing.B) {
	set := plan.Set{Limits: plan.Limits{Groups: 3, Labels: 8, Driver: "test"}}
	legVia := func(labels ...uint32) dataplane.LSP {
		l := swap("w", 0, "west", labels...)
		l.Op = dataplane.ImposeAndForward
		return l
	}
	d := dataplane.Delta{Put: list(section("west", "eth0"), legVia(300), group("t", "w"))}
	for i := range uint32(10000) {
		d.Put = append(d.Put, dataplane.Pseudowire{Name: fmt.Sprintf("p%d", i), InLabel: 1000 + i, Out: into("t", 20000+i)})
	}
	if err := set.Check(d); err != nil {
		b.Fatal(err)
	}
	set.Apply(d)
	for _, c := range []struct {
		name string
		legs []dataplane.LSP
	}{
		{"same depth", []dataplane.LSP{legVia(301), legVia(300)}},
		{"deeper and back", []dataplane.LSP{legVia(301, 300), legVia(300)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				one := dataplane.Delta{Put: list(c.legs[i%2])}
				if err := set.Check(one); err != nil {
					b.Fatal(err)
				}
				set.Apply(one)
			}
		})
	}
}
