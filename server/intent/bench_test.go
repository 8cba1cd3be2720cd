package intent

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// network is a node with n transit LSPs.
func network(n int) []byte {
	var b strings.Builder
	b.WriteString(`<mpls-tp xmlns="urn:tandem:yang:mtp-node"><node><node-id>192.0.2.1</node-id></node>
		<sections><section><name>east</name><interface>eth0</interface></section></sections><lsps xmlns="urn:tandem:yang:mtp-lsp">`)
	for k := range n {
		fmt.Fprintf(&b, `<static-lsp><name>lsp-%d</name><operation>swap-and-forward</operation><in-segment><incoming-label>%d</incoming-label></in-segment>
			<out-segment><nhlfe-single><outgoing-section>east</outgoing-section><mpls-label-stack><entry><id>0</id><label>%d</label></entry></mpls-label-stack></nhlfe-single></out-segment></static-lsp>`,
			k, 1000+k, 1000+k)
	}
	b.WriteString(`</lsps></mpls-tp>`)
	return []byte(b.String())
}

// BenchmarkBuildOneMore translates a change of one LSP among many.
func BenchmarkBuildOneMore(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			i := newIntent(b, everything())
			root := config(b, i.schema, network(n))
			state := build(b, i, nil, root).State
			label := i.sources[staticLSP].schema.Child("in-segment").Child("incoming-label")
			p := i.entryPath(ref{staticLSP, "lsp-7"}).Child(label.Parent).Child(label)
			next, errs := tree.Apply(root, []tree.Edit{{Op: tree.Merge, Path: p, Value: schema.StringValue(label.Type, "900000")}})
			if len(errs) > 0 {
				b.Fatal(errs)
			}
			b.ReportAllocs()
			for b.Loop() {
				if r, errs := i.Build(state, root, next); len(errs) > 0 || len(r.Dataplane.Put) != 1 {
					b.Fatal(r, errs)
				}
			}
		})
	}
}

// BenchmarkBuildAll translates a whole configuration, as at start.
func BenchmarkBuildAll(b *testing.B) {
	i := newIntent(b, everything())
	root := config(b, i.schema, network(10_000))
	b.ReportAllocs()
	for b.Loop() {
		if _, errs := i.Build(nil, nil, root); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}
