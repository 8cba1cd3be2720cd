// Command scrapligo uses an element with scrapligo's NETCONF driver, over both
// framings, and prints TAP; arguments: port, private key file, file with the
// element's configuration. The element offers :startup.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/scrapli/scrapligo/driver/netconf"
	"github.com/scrapli/scrapligo/driver/opoptions"
	"github.com/scrapli/scrapligo/driver/options"
	"github.com/scrapli/scrapligo/response"
	"github.com/scrapli/scrapligo/transport"
)

const (
	filter = `<mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp"/></mpls-tp>`
	remove = `<config><mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0"><static-lsp nc:operation="remove"><name>scrapli</name></static-lsp></lsps></mpls-tp></config>`
)

func lsp(label int, section string) string {
	return fmt.Sprintf(`<config><mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp"><static-lsp>`+
		`<name>scrapli</name><operation>swap-and-forward</operation><in-segment><incoming-label>%d</incoming-label></in-segment>`+
		`<out-segment><nhlfe-single><outgoing-section>%s</outgoing-section><mpls-label-stack><entry><id>1</id><label>801</label></entry>`+
		`</mpls-label-stack></nhlfe-single></out-segment></static-lsp></lsps></mpls-tp></config>`, label, section)
}

// tap counts and prints steps.
type tap struct{ steps, failed int }

// step wants an answer that contains a text; an error where wrong is set.
func (t *tap) step(name, want string, wrong bool, call func() (*response.NetconfResponse, error)) {
	t.steps++
	r, err := call()
	seen, refused := "", err != nil
	if r != nil {
		seen = r.Result
		refused = refused || r.Failed != nil
	}
	if refused != wrong || !strings.Contains(seen, want) {
		t.failed++
		fmt.Printf("not ok %d - %s\n# want %q, got %v:\n# %s\n", t.steps, name, want, err, strings.ReplaceAll(seen, "\n", "\n# "))
		return
	}
	fmt.Printf("ok %d - %s # %s\n", t.steps, name, want)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "scrapligo: "+err.Error())
		os.Exit(1)
	}
}

func run() error {
	port, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return err
	}
	config, err := os.ReadFile(os.Args[3])
	if err != nil {
		return err
	}
	t := &tap{}
	for _, version := range []string{netconf.V1Dot0, netconf.V1Dot1} {
		if err := t.use(port, os.Args[2], string(config), version); err != nil {
			return fmt.Errorf("framing of %s: %w", version, err)
		}
	}
	fmt.Printf("1..%d\n", t.steps)
	if t.failed > 0 {
		return fmt.Errorf("%d of %d steps failed", t.failed, t.steps)
	}
	return nil
}

func (t *tap) use(port int, key, config, version string) error {
	d, err := netconf.NewDriver("127.0.0.1",
		options.WithPort(port), options.WithAuthUsername("admin"), options.WithAuthPrivateKey(key, ""), options.WithAuthNoStrictKey(),
		options.WithTransportType(transport.StandardTransport), options.WithNetconfPreferredVersion(version),
		options.WithTimeoutOps(30*time.Second))
	if err != nil {
		return err
	}
	if err := d.Open(); err != nil {
		return err
	}
	step := func(name, want string, wrong bool, call func() (*response.NetconfResponse, error)) {
		t.step(version+" "+name, want, wrong, call)
	}
	const good, bad = false, true
	running := func(want string) {
		step("get-config", want, good, func() (*response.NetconfResponse, error) { return d.GetConfig("running", opoptions.WithFilter(filter)) })
	}

	step("lock", "<ok/>", good, func() (*response.NetconfResponse, error) { return d.Lock("candidate") })
	step("edit-config of an element", "<ok/>", good, func() (*response.NetconfResponse, error) { return d.EditConfig("candidate", config) })
	step("edit-config of an LSP", "<ok/>", good, func() (*response.NetconfResponse, error) { return d.EditConfig("candidate", lsp(800, "east")) })
	step("validate", "<ok/>", good, func() (*response.NetconfResponse, error) { return d.Validate("candidate") })
	step("commit", "<ok/>", good, func() (*response.NetconfResponse, error) { return d.Commit() })
	step("unlock", "<ok/>", good, func() (*response.NetconfResponse, error) { return d.Unlock("candidate") })
	running("<incoming-label>800<")

	step("edit-config of a label that is none", "1048576", bad, func() (*response.NetconfResponse, error) {
		return d.EditConfig("candidate", lsp(1048576, "east"))
	})
	step("edit-config over a section that there is not", "<ok/>", good, func() (*response.NetconfResponse, error) {
		return d.EditConfig("candidate", lsp(800, "nowhere"))
	})
	step("commit of that", "instance-required", bad, func() (*response.NetconfResponse, error) { return d.Commit() })
	step("discard-changes", "<ok/>", good, func() (*response.NetconfResponse, error) { return d.Discard() })

	step("edit-config", "<ok/>", good, func() (*response.NetconfResponse, error) { return d.EditConfig("candidate", lsp(810, "east")) })
	step("confirmed commit", "<ok/>", good, func() (*response.NetconfResponse, error) {
		return d.Commit(opoptions.WithCommitConfirmed(), opoptions.WithCommitConfirmTimeout(600), opoptions.WithCommitConfirmedPersist("scrapli"))
	})
	step("commit with another token", "invalid-value", bad, func() (*response.NetconfResponse, error) {
		return d.Commit(opoptions.WithCommitConfirmedPersistID("another"))
	})
	step("commit with the token", "<ok/>", good, func() (*response.NetconfResponse, error) {
		return d.Commit(opoptions.WithCommitConfirmedPersistID("scrapli"))
	})
	running("<incoming-label>810<")

	step("get of state", "<oper-state>", good, func() (*response.NetconfResponse, error) {
		return d.Get(`<mpls-tp xmlns="urn:tandem:yang:mtp-node"><sections/></mpls-tp>`)
	})
	step("get-config with defaults", "<admin-state>up<", good, func() (*response.NetconfResponse, error) {
		return d.GetConfig("running", opoptions.WithFilter(filter), opoptions.WithDefaultType("report-all"))
	})
	step("copy-config", "<ok/>", good, func() (*response.NetconfResponse, error) { return d.CopyConfig("running", "startup") })
	step("delete-config", "<ok/>", good, func() (*response.NetconfResponse, error) { return d.DeleteConfig("startup") })
	step("an RPC of a module", "module mtp-lsp {", good, func() (*response.NetconfResponse, error) {
		return d.RPC(opoptions.WithFilter(`<get-schema xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"><identifier>mtp-lsp</identifier></get-schema>`))
	})
	step("edit-config that removes", "<ok/>", good, func() (*response.NetconfResponse, error) { return d.EditConfig("candidate", remove) })
	step("commit", "<ok/>", good, func() (*response.NetconfResponse, error) { return d.Commit() })
	return d.Close()
}
