package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/cmd/tandem/lab"
)

// testTransports uses an element as its users do: ncclient over TLS with the
// certificate that the element made, and ncclient that waits for its call.
func testTransports(t *testing.T, r *rig) {
	dir := filepath.Join(r.StateDir("p2"), "tls")
	out := r.run(t, "p2", python(t), filepath.Join("testdata", "tls.py"), lab.NETCONFTLSPort,
		filepath.Join(dir, "client.key"), filepath.Join(dir, "client.crt"), filepath.Join(dir, "ca.crt"))
	if strings.TrimSpace(out) != "fine" {
		t.Errorf("TLS: %s", out)
	}

	const port = "4334"
	const callHome = `<management xmlns="urn:tandem:yang:mtp-management"><call-home>`
	r.commit(t, "p2", callHome+`<client><name>nms</name><endpoint><name>only</name><address>127.0.0.1</address><port>`+port+
		`</port></endpoint><reconnect><max-delay>1</max-delay></reconnect></client></call-home></management>`)
	defer r.commit(t, "p2", `<management xmlns="urn:tandem:yang:mtp-management"><call-home xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="remove"/></management>`)
	// There is nobody yet.
	eventually(t, "a failed attempt is shown", func() bool {
		text, err := r.session(t, "p2").Get(t.Context(), callHome+`<client><name>nms</name></client></call-home></management>`)
		return err == nil && strings.Contains(text, "connection refused")
	})
	out = r.run(t, "p2", python(t), filepath.Join("testdata", "callhome.py"), port, r.KeyFile())
	if strings.TrimSpace(out) != "fine" {
		t.Errorf("call home: %s", out)
	}
}
