package gen_test

import (
	"strings"
	"testing"

	"github.com/openconfig/ygot/ygot"

	"github.com/tandem-ne/tandem/gen/mtp"
)

// TestStructsAsSDK shows how a Go user writes a configuration: typed, checked,
// printed as RFC 7951 JSON.
func TestStructsAsSDK(t *testing.T) {
	config := func() *mtp.Device {
		d := &mtp.Device{}
		d.GetOrCreateInterfaces().GetOrCreateInterface("eth0")
		section := d.GetOrCreateMplsTp().GetOrCreateSections().GetOrCreateSection("west")
		section.Interface = ygot.String("eth0")
		lsp := d.MplsTp.GetOrCreateLsps().GetOrCreateStaticLsp("a-b")
		lsp.Operation = mtp.MtpNode_MplsTp_Lsps_StaticLsp_Operation_swap_and_forward
		lsp.GetOrCreateInSegment().IncomingLabel = ygot.Uint32(100)
		next := lsp.GetOrCreateOutSegment().GetOrCreateNhlfeSingle()
		next.OutgoingSection = ygot.String("west")
		next.GetOrCreateMplsLabelStack().GetOrCreateEntry(0).Label = ygot.Uint32(200)
		return d
	}
	d := config()
	if err := d.Validate(); err != nil {
		t.Fatalf("a valid configuration is refused: %v", err)
	}
	text, err := ygot.EmitJSON(d, &ygot.EmitJSONConfig{
		Format:        ygot.RFC7951,
		RFC7951Config: &ygot.RFC7951JSONConfig{AppendModuleName: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"mtp-node:mpls-tp"`, `"mtp-lsp:lsps"`, `"operation": "swap-and-forward"`, `"incoming-label": 100`} {
		if !strings.Contains(text, want) {
			t.Errorf("JSON lacks %s:\n%s", want, text)
		}
	}

	refused := []struct {
		name   string
		change func(*mtp.Device)
		want   string
	}{
		{"label of a special purpose", func(d *mtp.Device) {
			*d.MplsTp.Lsps.StaticLsp["a-b"].InSegment.IncomingLabel = 13
		}, "13"},
		{"dangling section", func(d *mtp.Device) {
			d.MplsTp.Lsps.StaticLsp["a-b"].OutSegment.NhlfeSingle.OutgoingSection = ygot.String("east")
		}, "east"},
		{"country code in lower case", func(d *mtp.Device) {
			d.MplsTp.GetOrCreateNode().CountryCode = ygot.String("de")
		}, "de"},
	}
	for _, tc := range refused {
		t.Run(tc.name, func(t *testing.T) {
			d := config()
			tc.change(d)
			err := d.Validate()
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Validate() = %v, want an error that names %q", err, tc.want)
			}
		})
	}
}
