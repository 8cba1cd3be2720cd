package codec_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/openconfig/ygot/ygot"

	"github.com/tandem-ne/tandem/gen/mtp"
	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/served"
	"github.com/tandem-ne/tandem/server/tree"
)

func servedSchema(t testing.TB) *schema.Schema {
	t.Helper()
	s, err := served.Schema()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestAgainstYgot: ygot reads the JSON that we print of random instances of
// /mpls-tp, and we read back what ygot prints as the same tree.
func TestAgainstYgot(t *testing.T) {
	s := servedSchema(t)
	root, err := s.Find("/mtp-node:mpls-tp")
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(30) {
		g := generator{rand: rand.New(rand.NewPCG(seed, 1)), b: tree.NewBuilder(tree.Empty(s)), schema: s}
		g.b.Enter(root)
		g.fill(root, 0)
		n := g.b.Seal()
		ours := codec.AppendJSON(nil, n, codec.EncodeOptions{IETF: true})
		var dev mtp.Device
		if err := mtp.Unmarshal(ours, &dev); err != nil {
			t.Fatalf("seed %d: ygot refuses: %v\n%s", seed, err, ours)
		}
		theirs, err := ygot.EmitJSON(&dev, &ygot.EmitJSONConfig{
			Format: ygot.RFC7951, RFC7951Config: &ygot.RFC7951JSONConfig{AppendModuleName: true}, SkipValidation: true,
		})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		back, err := codec.DecodeJSONData(s, s.Root(), []byte(theirs), codec.JSONOptions{IETF: true})
		if err != nil {
			t.Fatalf("seed %d: we refuse what ygot prints: %v\n%s", seed, err, theirs)
		}
		if !tree.Equal(n, back) {
			t.Errorf("seed %d: ours\n%s\nygot's\n%s", seed, ours, theirs)
		}
	}
}

// generator makes random instances. Leafs whose type it cannot make a value
// for, and empty containers with presence, which ygot does not keep, are left
// out.
type generator struct {
	rand   *rand.Rand
	b      *tree.Builder
	schema *schema.Schema
}

func (g *generator) fill(at *schema.Node, depth int) (any bool) {
	cases := map[*schema.Choice]*schema.Case{}
	for _, c := range at.Children() {
		if c.IsKey() || depth > 6 || g.rand.IntN(4) == 0 || !allowed(cases, c) {
			continue
		}
		switch c.Kind {
		case schema.Container:
			if c.Presence {
				continue
			}
			g.b.Enter(c)
			any = g.fill(c, depth+1) || any
			g.b.Leave()
		case schema.List:
			for range g.rand.IntN(4) {
				keys := make([]schema.Value, len(c.Keys))
				ok := len(keys) > 0
				for i, k := range c.Keys {
					keys[i] = g.value(k.Type)
					ok = ok && !keys[i].IsZero()
				}
				if ok {
					if !g.b.Enter(c, keys...) {
						g.fill(c, depth+1)
					}
					g.b.Leave()
					any = true
				}
			}
		case schema.Leaf, schema.LeafList:
			if v := g.value(c.Type); !v.IsZero() {
				g.b.Leaf(c, v)
				any = true
			}
		}
	}
	return any
}

// allowed reports whether c is in the case of each choice that was met first.
func allowed(cases map[*schema.Choice]*schema.Case, c *schema.Node) bool {
	for cs := c.Case; cs != nil; cs = cs.Choice.Parent {
		if first := cases[cs.Choice]; first != nil && first != cs {
			return false
		}
	}
	for cs := c.Case; cs != nil; cs = cs.Choice.Parent {
		cases[cs.Choice] = cs
	}
	return true
}

func (g *generator) value(t *schema.Type) schema.Value {
	for t.Kind() == schema.Leafref {
		t = t.Leafref().Target.Type
	}
	var candidates []string
	switch t.Kind() {
	case schema.Boolean:
		candidates = []string{"true", "false"}
	case schema.Enumeration:
		for _, e := range t.Enums() {
			candidates = append(candidates, e.Name)
		}
	case schema.Identityref:
		for _, base := range t.Identities() {
			for _, d := range base.Derived {
				candidates = append(candidates, d.String())
			}
		}
	case schema.Bits:
		for _, b := range t.Bits() {
			candidates = append(candidates, b.Name)
		}
	case schema.Union:
		return g.value(t.Union()[g.rand.IntN(len(t.Union()))])
	case schema.String:
		candidates = []string{fmt.Sprintf("name %d <é>", g.rand.IntN(1000)), "192.0.2.1", "192.0.2.0/24", "00:00:5e:00:53:01", "2026-11-21T00:00:00Z", "ABCDEF", "NL"}
	case schema.InstanceIdentifier, schema.Binary, schema.Empty:
		return schema.Value{}
	default:
		candidates = []string{strconv.Itoa(g.rand.IntN(100)), strconv.FormatUint(g.rand.Uint64(), 10), strconv.FormatInt(-g.rand.Int64N(1000), 10),
			strconv.Itoa(g.rand.IntN(70000)), strconv.FormatFloat(float64(g.rand.IntN(1000))/8, 'f', 1, 64), "16"}
	}
	for _, i := range g.rand.Perm(len(candidates)) {
		if v, err := t.Parse(candidates[i], g.schema.NameResolver(nil)); err == nil {
			return v
		}
	}
	return schema.Value{}
}

// lsps is the <config> document of n LSPs with 16 leafs each.
func lsps(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`<config><mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp">`)
	for i := range n {
		fmt.Fprintf(&b, "\n  <static-lsp>\n    <name>lsp-%06d</name>\n    <description>customer %d, forward direction</description>\n    <admin-state>up</admin-state>\n"+
			"    <operation>swap-and-forward</operation>\n    <in-segment>\n      <incoming-label>%d</incoming-label>\n      <incoming-section>west</incoming-section>\n    </in-segment>\n"+
			"    <out-segment>\n      <nhlfe-single>\n        <outgoing-section>east</outgoing-section>\n        <mpls-label-stack>\n"+
			"          <entry>\n            <id>0</id>\n            <label>%d</label>\n            <ttl>64</ttl>\n            <traffic-class>5</traffic-class>\n          </entry>\n"+
			"          <entry>\n            <id>1</id>\n            <label>%d</label>\n            <ttl>255</ttl>\n            <traffic-class>0</traffic-class>\n          </entry>\n"+
			"        </mpls-label-stack>\n      </nhlfe-single>\n    </out-segment>\n    <bandwidth>1000000</bandwidth>\n  </static-lsp>", i, i, i+16, i+17, i%1000+16)
	}
	b.WriteString("</lsps></mpls-tp></config>")
	return b.Bytes()
}

func openConfig(t testing.TB, doc []byte) *xmltok.Reader {
	t.Helper()
	r := xmltok.NewReader(doc, xmltok.Limits{})
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestServedConfiguration decodes the document of the benchmarks and prints
// it again.
func TestServedConfiguration(t *testing.T) {
	s := servedSchema(t)
	n, err := codec.DecodeData(s, s.Root(), openConfig(t, lsps(50)), codec.DataOptions{ConfigOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	doc := append(append([]byte("<config>"), codec.AppendXML(nil, n, codec.EncodeOptions{})...), "</config>"...)
	again, err := codec.DecodeData(s, s.Root(), openConfig(t, doc), codec.DataOptions{ConfigOnly: true})
	if err != nil || !tree.Equal(n, again) {
		t.Errorf("%v: the printed configuration differs: %s", err, doc)
	}
}

func BenchmarkDecodeEdits10kLSPs(b *testing.B) {
	s := servedSchema(b)
	doc := lsps(10000)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.DecodeEdits(s, openConfig(b, doc), codec.EditOptions{Default: tree.Merge}); err != nil {
			b.Fatal(err)
		}
	}
}

func benchTree(b *testing.B) *tree.Node {
	b.Helper()
	s := servedSchema(b)
	n, err := codec.DecodeData(s, s.Root(), openConfig(b, lsps(10000)), codec.DataOptions{})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func BenchmarkAppendXML10kLSPs(b *testing.B) {
	n := benchTree(b)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = codec.AppendXML(buf[:0], n, codec.EncodeOptions{})
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkAppendJSON10kLSPs(b *testing.B) {
	n := benchTree(b)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = codec.AppendJSON(buf[:0], n, codec.EncodeOptions{IETF: true})
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecodeJSON10kLSPs(b *testing.B) {
	n := benchTree(b)
	s := n.Schema().Children()[0].Module.Schema()
	doc := codec.AppendJSON(nil, n, codec.EncodeOptions{IETF: true})
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.DecodeJSONData(s, s.Root(), doc, codec.JSONOptions{IETF: true}); err != nil {
			b.Fatal(err)
		}
	}
}
