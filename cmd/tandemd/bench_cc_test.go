package main

import (
	"encoding/xml"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/cmd/tandem/lab"
)

func unmarshal(b *testing.B, text string, v any) {
	b.Helper()
	if err := xml.Unmarshal([]byte(text), v); err != nil {
		b.Fatal(err)
	}
}

// megs returns n bidirectional LSPs between a and b with a MEG of 10 ms each.
func megs(node string, n int) string {
	east, west, peer := "impose-and-forward", "pop-and-lookup", "192.0.2.2"
	if node == "b" {
		east, west, peer = west, east, "192.0.2.1"
	}
	var lsps, tunnels, oam strings.Builder
	for i := 1; i <= n; i++ {
		lsps.WriteString(lsp(fmt.Sprintf("east-%d", i), east, 1000+i))
		lsps.WriteString(lsp(fmt.Sprintf("west-%d", i), west, 2000+i))
		fmt.Fprintf(&lsps, `<bidirectional-lsp><name>lsp-%d</name><forward-lsp>east-%d</forward-lsp><reverse-lsp>west-%d</reverse-lsp></bidirectional-lsp>`, i, i, i)
		fmt.Fprintf(&tunnels, `<tunnel><name>t-%d</name><tunnel-num>%d</tunnel-num><destination><global-id>64496</global-id>`+
			`<node-id>%s</node-id><tunnel-num>%d</tunnel-num></destination><lsp><lsp-num>1</lsp-num><bidirectional-lsp>lsp-%d</bidirectional-lsp></lsp></tunnel>`, i, i, peer, i, i)
		fmt.Fprintf(&oam, `<meg><name>m-%d</name><bidirectional-lsp>lsp-%d</bidirectional-lsp><mep><cc><desired-min-tx-interval>10000</desired-min-tx-interval>`+
			`<required-min-rx-interval>10000</required-min-rx-interval></cc></mep></meg>`, i, i)
	}
	return `<mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp">` + lsps.String() +
		`</lsps><tunnels xmlns="urn:tandem:yang:mtp-lsp">` + tunnels.String() +
		`</tunnels><oam xmlns="urn:tandem:yang:mtp-oam">` + oam.String() + `</oam></mpls-tp>`
}

func lsp(name, operation string, label int) string {
	if operation == "pop-and-lookup" {
		return fmt.Sprintf(`<static-lsp><name>%s</name><operation>%s</operation><in-segment><incoming-label>%d</incoming-label></in-segment></static-lsp>`, name, operation, label)
	}
	return fmt.Sprintf(`<static-lsp><name>%s</name><operation>%s</operation><out-segment><nhlfe-single><outgoing-section>link</outgoing-section>`+
		`<mpls-label-stack><entry><id>1</id><label>%d</label></entry></mpls-label-stack></nhlfe-single></out-segment></static-lsp>`, name, operation, label)
}

// cpuTime is the processor time a daemon has used, user and system.
func cpuTime(b *testing.B, l *lab.Lab, node string) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", l.Processes[node].PID))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	// USER_HZ is 100 on every Linux architecture that Go supports.
	return time.Duration(ticks) * 10 * time.Millisecond
}
