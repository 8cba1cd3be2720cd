package intent

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
)

// model is a small random configuration: few names and few labels, so that
// references and conflicts are frequent.
type model struct {
	settings string         // of the node
	blocks   string         // all label blocks
	objects  map[ref]string // XML of each entry
	random   *rand.Rand
}

func newModel(seed uint64) *model {
	return &model{objects: map[ref]string{}, random: rand.New(rand.NewPCG(seed, 1))}
}

func (m *model) pick(options ...string) string { return options[m.random.IntN(len(options))] }

func (m *model) name(prefix string, n int) string { return fmt.Sprint(prefix, m.random.IntN(n)) }

// existing returns the name of an object of a kind, "" when there is none.
func (m *model) existing(k kind) string {
	var names []string
	for r := range m.objects {
		if r.kind == k {
			names = append(names, r.name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return m.pick(names...)
}

func leaf(name, value string) string {
	if value == "" {
		return ""
	}
	return "<" + name + ">" + value + "</" + name + ">"
}

// mutate changes one object, or removes it.
func (m *model) mutate() {
	label := func() string { return fmt.Sprint(100 + m.random.IntN(30)) }
	admin := m.pick("", "", "", leaf("admin-state", "down"))
	switch m.random.IntN(22) {
	case 0:
		m.settings = leaf("node-id", m.pick("192.0.2.1", "192.0.2.2", "")) + leaf("global-id", m.pick("", "7")) + leaf("ttl-mode", m.pick("", "short-pipe"))
		m.blocks = m.pick("", "<mpls-label-block><index>a</index><start-label>100</start-label><end-label>"+label()+"</end-label></mpls-label-block>")
		return
	case 1, 2:
		name := m.name("s", 3)
		m.objects[ref{section, name}] = leaf("name", name) + leaf("interface", m.pick("eth0", "eth1", "eth2")) + leaf("if-num", name[1:]+"1") +
			m.pick("", "<peer>"+leaf("node-id", m.pick("192.0.2.9", "192.0.2.1"))+leaf("if-num", "11")+"</peer>") + leaf("vlan-id", m.pick("", "5")) + admin + m.pick("", "", strings.Replace(leaf("scheduler", m.existing(scheduler)), ">", " xmlns='urn:tandem:yang:mtp-qos'>", 1))
	case 3, 4, 5, 6:
		name := m.name("l", 8)
		hop := leaf("outgoing-section", m.existing(section))
		if t := m.existing(tunnel); t != "" && m.random.IntN(3) == 0 {
			hop = leaf("outgoing-tunnel", t)
		}
		in := "<in-segment>" + leaf("incoming-label", label()) + leaf("incoming-section", m.pick("", "", m.existing(section))) + "</in-segment>"
		out := "<out-segment><nhlfe-single>" + hop + "<mpls-label-stack><entry><id>0</id>" + leaf("label", label()) + "</entry></mpls-label-stack></nhlfe-single></out-segment>"
		m.objects[ref{staticLSP, name}] = leaf("name", name) + admin + m.pick(
			leaf("operation", "impose-and-forward")+m.pick("", "<in-segment>"+leaf("ip-prefix", m.pick("198.51.100.0/24", "203.0.113.0/24"))+"</in-segment>")+out,
			leaf("operation", "impose-and-forward")+out,
			leaf("operation", "pop-and-lookup")+in,
			leaf("operation", "pop-and-lookup")+in,
			leaf("operation", "swap-and-forward")+in+out,
			leaf("operation", "swap-and-forward")+out)
	case 7, 8:
		name := m.name("b", 3)
		m.objects[ref{bidirectionalLSP, name}] = leaf("name", name) + leaf("forward-lsp", m.existing(staticLSP)) + leaf("reverse-lsp", m.existing(staticLSP)) +
			"<lsp-id><source><node-id>192.0.2.1</node-id><tunnel-num>1</tunnel-num></source><destination><node-id>192.0.2.5</node-id><tunnel-num>1</tunnel-num></destination><lsp-num>1</lsp-num></lsp-id>"
	case 9:
		name := m.name("t", 3)
		m.objects[ref{tunnel, name}] = leaf("name", name) + leaf("tunnel-num", name[1:]) + admin + "<destination><node-id>192.0.2.5</node-id></destination>" +
			"<lsp><lsp-num>1</lsp-num>" + m.pick(leaf("static-lsp", m.existing(staticLSP)), leaf("bidirectional-lsp", m.existing(bidirectionalLSP))) + "</lsp>"
	case 10:
		name := m.name("m", 4)
		m.objects[ref{meg, name}] = leaf("name", name) + admin + m.pick(leaf("section", m.existing(section)), leaf("bidirectional-lsp", m.existing(bidirectionalLSP)), leaf("pseudowire", m.existing(pseudowire))) + "<mep/>"
	case 12, 13, 14:
		name := m.name("p", 6)
		m.objects[ref{pseudowire, name}] = leaf("name", name) + leaf("receive-label", label()) + leaf("transmit-label", label()) + leaf("tunnel", m.existing(tunnel)) + admin +
			"<local><ac-id>1</ac-id></local><peer><node-id>192.0.2.5</node-id><ac-id>2</ac-id></peer>" +
			m.pick("", "<pw-type xmlns:t='urn:tandem:yang:mtp-types'>t:ethernet-tagged-mode</pw-type>", leaf("sequencing", "true"))
	case 15:
		name := m.pick("q0", "q1", "p0") // Sometimes the name of a pseudowire.
		m.objects[ref{p2mpPseudowire, name}] = leaf("name", name) + leaf("role", m.pick("root", "leaf")) + leaf("tunnel", m.existing(tunnel)) + leaf("label", label()) + admin +
			leaf("return-pseudowire", m.pick("", m.existing(pseudowire)))
	case 16:
		name := m.name("x", 2)
		m.objects[ref{switchingPoint, name}] = leaf("name", name) + leaf("segment-1", m.existing(pseudowire)) + leaf("segment-2", m.existing(pseudowire))
	case 17, 18:
		name := m.name("v", 4)
		m.objects[ref{service, name}] = leaf("name", name) + admin + m.pick("<endpoint><name>1</name><ac>"+leaf("interface", m.pick("eth1", "eth2"))+
			m.pick("", leaf("outer-vlan-id", m.pick("5", "6")))+leaf("ingress-bandwidth-profile", m.pick("", m.existing(bandwidthProfile)))+
			leaf("tc-map", m.pick("", m.existing(tcMap)))+"</ac></endpoint>", "") +
			"<endpoint><name>2</name>" + m.pick(leaf("pw", m.existing(pseudowire)), leaf("pw", m.existing(pseudowire)), leaf("p2mp-pseudowire", m.existing(p2mpPseudowire))) + "</endpoint>"
	case 19:
		name := m.name("g", 2)
		rate := m.pick("1000", "2000")
		m.objects[ref{bandwidthProfile, name}] = leaf("name", name) + leaf("cir", rate) + leaf("cbs", "1500")
		m.objects[ref{tcMap, name}] = leaf("name", name) + "<entry>" + leaf("pcp", m.pick("1", "2")) + leaf("traffic-class", "3") + "</entry>"
		m.objects[ref{scheduler, name}] = leaf("name", name) + leaf("shaping-rate", m.pick("8000", "9000"))
	case 20:
		name := m.name("l", 8)
		hop := func(index string) string {
			next := leaf("outgoing-section", m.existing(section))
			if t := m.existing(tunnel); t != "" && m.random.IntN(3) == 0 {
				next = leaf("outgoing-tunnel", t)
			}
			return "<nhlfe>" + leaf("index", index) + next + "<mpls-label-stack><entry><id>0</id>" + leaf("label", label()) + "</entry></mpls-label-stack></nhlfe>"
		}
		m.objects[ref{staticLSP, name}] = leaf("name", name) + admin + leaf("type", "p2mp") + m.pick(
			leaf("operation", "impose-and-forward"),
			leaf("operation", "swap-and-forward")+"<in-segment>"+leaf("incoming-label", label())+"</in-segment>"+leaf("bud", m.pick("true", "false"))) +
			"<out-segment><nhlfe-multiple>" + hop("a") + m.pick("", hop("b")) + "</nhlfe-multiple></out-segment>"
	case 11, 21:
		kinds := []kind{section, staticLSP, bidirectionalLSP, tunnel, meg, pseudowire, p2mpPseudowire, switchingPoint, service, bandwidthProfile, tcMap, scheduler}
		k := kinds[m.random.IntN(len(kinds))]
		delete(m.objects, ref{k, m.existing(k)})
	}
}

func (m *model) xml() []byte {
	var b strings.Builder
	list := func(k kind, element string) {
		var names []string
		for r := range m.objects {
			if r.kind == k {
				names = append(names, r.name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			b.WriteString("<" + element + ">" + m.objects[ref{k, name}] + "</" + element + ">")
		}
	}
	b.WriteString(`<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces">`)
	for n := range 3 {
		fmt.Fprintf(&b, `<interface><name>eth%d</name><type xmlns:t="urn:ietf:params:xml:ns:yang:iana-if-type">t:ethernetCsmacd</type></interface>`, n)
	}
	b.WriteString(`</interfaces>`)
	b.WriteString(`<mpls-tp xmlns="urn:tandem:yang:mtp-node"><node>` + m.settings + `</node><mpls-label-blocks>` + m.blocks + `</mpls-label-blocks><sections>`)
	list(section, "section")
	b.WriteString(`</sections><lsps xmlns="urn:tandem:yang:mtp-lsp">`)
	list(staticLSP, "static-lsp")
	list(bidirectionalLSP, "bidirectional-lsp")
	b.WriteString(`</lsps><tunnels xmlns="urn:tandem:yang:mtp-lsp">`)
	list(tunnel, "tunnel")
	b.WriteString(`</tunnels><pseudowires xmlns="urn:tandem:yang:mtp-pw">`)
	list(pseudowire, "pseudowire")
	list(p2mpPseudowire, "p2mp-pseudowire")
	list(switchingPoint, "switching-point")
	b.WriteString(`</pseudowires><qos xmlns="urn:tandem:yang:mtp-qos">`)
	list(bandwidthProfile, "bandwidth-profile")
	list(tcMap, "tc-map")
	list(scheduler, "scheduler")
	b.WriteString(`</qos><services xmlns="urn:tandem:yang:mtp-service">`)
	list(service, "service")
	b.WriteString(`</services><oam xmlns="urn:tandem:yang:mtp-oam">`)
	list(meg, "meg")
	b.WriteString(`</oam></mpls-tp>`)
	return []byte(b.String())
}

// engines is what the engines hold after the deltas so far.
type engines struct {
	objects map[dataplane.Key]string
	megs    map[string]string
}

func (e *engines) apply(r *Result) {
	for _, o := range r.Dataplane.Put {
		e.objects[o.Key()] = o.String()
	}
	for _, k := range r.Dataplane.Delete {
		delete(e.objects, k)
	}
	for _, m := range r.OAM.Put {
		e.megs[m.Name] = megText(m)
	}
	for _, name := range r.OAM.Delete {
		delete(e.megs, name)
	}
}

func (e *engines) String() string {
	var lines []string
	for _, o := range e.objects {
		lines = append(lines, o)
	}
	for _, m := range e.megs {
		lines = append(lines, "meg "+m)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestDeltasAddUp walks through random configurations. At every step the deltas
// so far leave the engines with what the whole configuration gives from nothing,
// and a change that is valid by the modules is refused exactly when the whole
// configuration is.
func TestDeltasAddUp(t *testing.T) {
	i := newIntent(t, everything())
	validator := validate.New(i.schema)
	accepted, refused := 0, 0
	kinds := map[dataplane.Kind]int{}
	for seed := range uint64(8) {
		m := newModel(seed)
		state := build(t, i, nil, tree.Empty(i.schema)).State
		held := &engines{map[dataplane.Key]string{}, map[string]string{}}
		for step := range 200 {
			saved := model{m.settings, m.blocks, map[ref]string{}, nil}
			for r, x := range m.objects {
				saved.objects[r] = x
			}
			for range 1 + m.random.IntN(3) {
				m.mutate()
			}
			root := config(t, i.schema, m.xml())
			if _, broken := validator.Full(root); len(broken) > 0 {
				refused++
				m.settings, m.blocks, m.objects = saved.settings, saved.blocks, saved.objects
				continue
			}
			whole, wholeErrors := i.Build(nil, nil, root)
			result, errs := i.Build(state, state.Root(), root)
			if (len(errs) == 0) != (len(wholeErrors) == 0) {
				t.Fatalf("seed %d step %d: the change gives %v, the whole configuration %v\n%s", seed, step, errs, wholeErrors, m.xml())
			}
			if len(errs) > 0 {
				refused++
				m.settings, m.blocks, m.objects = saved.settings, saved.blocks, saved.objects
				continue
			}
			accepted++
			for _, o := range result.Dataplane.Put {
				if held.objects[o.Key()] == o.String() {
					t.Errorf("seed %d step %d: %s is put again without a change", seed, step, o)
				}
			}
			state = result.State
			held.apply(result)
			want := &engines{map[dataplane.Key]string{}, map[string]string{}}
			want.apply(whole)
			if held.String() != want.String() {
				t.Fatalf("seed %d step %d: the engines hold\n%s\nwant\n%s", seed, step, held, want)
			}
			if got, want := sizes(state), sizes(whole.State); got != want {
				t.Fatalf("seed %d step %d: the State has %v, from nothing it has %v", seed, step, got, want)
			}
			for _, o := range result.Dataplane.Put {
				kinds[o.Key().Kind]++
			}
		}
	}
	t.Logf("%d changes accepted, %d refused; put were %v", accepted, refused, kinds)
	for k := dataplane.KindSection; k <= dataplane.KindSwitchingPoint; k++ {
		if kinds[k] == 0 {
			t.Errorf("no %s was ever put: the walk is not worth much", k)
		}
	}
	if accepted < 100 || refused < 100 {
		t.Errorf("%d changes accepted, %d refused: the walk is not worth much", accepted, refused)
	}
}

// sizes counts what a State holds.
func sizes(s *State) [6]int {
	return [6]int{s.uses.Len(), s.labels.Len(), s.ports.Len(), s.circuits.Len(), s.clients.Len(), s.exits.Len()}
}
