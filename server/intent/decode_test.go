package intent

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openconfig/ygot/ytypes"

	"github.com/tandem-ne/tandem/gen/mtp"
	"github.com/tandem-ne/tandem/server/codec"
)

// TestDecodeAgreesWithYgot reads the same configurations with our decoder and,
// by way of RFC 7951 JSON, with ygot's.
func TestDecodeAgreesWithYgot(t *testing.T) {
	i := newIntent(t, everything())
	texts := [][]byte{baseXML(t)}
	m := newModel(99)
	for range 60 {
		m.mutate()
		texts = append(texts, m.xml())
	}
	compared := 0
	for _, text := range texts {
		root := config(t, i.schema, text)
		json := codec.AppendJSON(nil, root, codec.EncodeOptions{IETF: true})
		var device mtp.Device
		if err := mtp.Unmarshal(json, &device, &ytypes.IgnoreExtraFields{}); err != nil {
			t.Fatalf("ygot: %v\n%s", err, json)
		}
		s := i.emptyState()
		s.root = root
		v := i.view(s)
		check := func(what string, got, want interface{ PopulateDefaults() }) {
			t.Helper()
			compared++
			// Ours fills in the defaults that are in use; ygot knows more
			// containers, so both get all of theirs.
			want.PopulateDefaults()
			got.PopulateDefaults()
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (- ygot, + ours):\n%s", what, d)
			}
		}
		if device.MplsTp == nil {
			continue
		}
		for name, c := range device.MplsTp.GetOrCreateSections().Section {
			check("section "+name, v.section(name), c)
		}
		for name, c := range device.MplsTp.GetOrCreateLsps().StaticLsp {
			check("static-lsp "+name, v.lsp(name), c)
		}
		for name, c := range device.MplsTp.GetOrCreateLsps().BidirectionalLsp {
			check("bidirectional-lsp "+name, v.bidir(name), c)
		}
		for name, c := range device.MplsTp.GetOrCreateTunnels().Tunnel {
			check("tunnel "+name, v.tunnel(name), c)
		}
		for name, c := range device.MplsTp.GetOrCreateOam().Meg {
			check("meg "+name, v.meg(name), c)
		}
		if c := device.MplsTp.Node; c != nil {
			check("node", v.node(), c)
		}
		for n, b := range v.blocks() {
			check("label block", b, device.MplsTp.MplsLabelBlocks.MplsLabelBlock[*v.blocks()[n].Index])
		}
		if len(v.errors) > 0 {
			t.Errorf("decoding failed: %v", v.errors)
		}
	}
	if compared < 200 {
		t.Errorf("compared %d objects only", compared)
	}
}

func TestDecodeGivesDefaultsInUse(t *testing.T) {
	i := newIntent(t, everything())
	s := i.emptyState()
	s.root = config(t, i.schema, []byte(`<mpls-tp xmlns="urn:tandem:yang:mtp-node"><oam xmlns="urn:tandem:yang:mtp-oam">
		<meg><name>with</name><mep/></meg><meg><name>without</name></meg></oam></mpls-tp>`))
	v := i.view(s)
	with, without := v.meg("with"), v.meg("without")
	if with.AdminState != mtp.MtpTypes_AdminState_up || without.AdminState != mtp.MtpTypes_AdminState_up {
		t.Error("the default of admin-state is missing")
	}
	if with.Mep == nil || deref(with.Mep.Cc.DesiredMinTxInterval) != 1000000 || !deref(with.Mep.Cv.Enabled) {
		t.Errorf("the defaults of an empty MEP are missing: %+v", with.Mep)
	}
	if without.Mep != nil {
		t.Error("a presence container came out of nothing")
	}
	if v.node().TtlMode != mtp.MtpNode_MplsTp_Node_TtlMode_pipe || v.node().NodeId != nil {
		t.Errorf("a node without configuration is %+v", v.node())
	}
	if v.lsp("none") != nil {
		t.Error("an LSP came out of nothing")
	}
}

// TestPlanRefusesStructsThatDoNotFit gives newPlan structs that are not the
// generated ones of the schema node.
func TestPlanRefusesStructsThatDoNotFit(t *testing.T) {
	i := newIntent(t, everything())
	tests := []struct {
		name  string
		model any
		want  string
	}{
		{"no field", struct {
			Name *string `path:"name"`
		}{}, "has no field for"},
		{"leaf in a struct", struct {
			Name struct{} `path:"name"`
		}{}, "cannot hold /mtp-node:mpls-tp/node/name"},
		{"another node's type", mtp.MtpNode_MplsTp_Sections_Section{}, "has no field for"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := newPlan(tc.model, i.sources[settings].schema, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("newPlan(%s) = %v, want an error that contains %q", reflect.TypeOf(tc.model), err, tc.want)
			}
		})
	}
}
