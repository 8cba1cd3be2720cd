package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	juniper "github.com/Juniper/go-netconf/netconf"
	"github.com/nemith/netconf"
	ncssh "github.com/nemith/netconf/transport/ssh"
	"github.com/openconfig/gnmi/proto/gnmi"
	"golang.org/x/crypto/ssh"

	"github.com/tandem-ne/tandem/cmd/tandem/lab"
)

const netconfAddr, gnmiAddr = "127.0.0.1:" + lab.NETCONFPort, "127.0.0.1:" + lab.GNMIPort

// transit is a swap LSP of p1 or p2 from a label to the next one.
func transit(name string, label int) string {
	return inLSPs(fmt.Sprintf(`<static-lsp><name>%s</name><operation>swap-and-forward</operation>`+
		`<in-segment><incoming-label>%d</incoming-label></in-segment><out-segment><nhlfe-single>`+
		`<outgoing-section>to-pe2</outgoing-section><mpls-label-stack><entry><id>1</id><label>%d</label></entry>`+
		`</mpls-label-stack></nhlfe-single></out-segment></static-lsp>`, name, label, label+1))
}

func removal(name string) string {
	return inLSPs(`<static-lsp xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="delete"><name>` + name + `</name></static-lsp>`)
}

func inLSPs(body string) string {
	return `<mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp">` + body + `</lsps></mpls-tp>`
}

// applied waits until the data plane holds an LSP.
func (r *rig) applied(t *testing.T, node, lsp string) {
	t.Helper()
	eventually(t, lsp+" applied at "+node, func() bool {
		return find(r.get(t, node, inLSPs(`<static-lsp><name>`+lsp+`</name></static-lsp>`)).LSPs, lsp).State == "applied"
	})
}

// python returns the interpreter that has ncclient.
func python(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{os.Getenv("TANDEM_VENV"), filepath.Join("..", "..", ".build", "venv")} {
		p := filepath.Join(dir, "bin", "python")
		if _, err := os.Stat(p); dir != "" && err == nil {
			return p
		}
	}
	t.Fatal("no Python with ncclient: run make deps, or name a virtual environment in TANDEM_VENV")
	return ""
}

func testNcclient(t *testing.T, r *rig) {
	r.run(t, "p2", python(t), filepath.Join("testdata", "configure.py"), lab.NETCONFPort, r.KeyFile())
}

// juniper opens a session of Juniper's client, until the test ends.
func (r *rig) juniper(t *testing.T, node string) *juniper.Session {
	t.Helper()
	conn, err := r.Dial(t.Context(), node, "tcp", netconfAddr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // Closed by the session already.
	s, err := juniper.NewSSHSession(conn, r.sshConfig(t, node))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func testJuniper(t *testing.T, r *rig) {
	s := r.juniper(t, "p2")
	for _, op := range []string{
		`<lock><target><candidate/></target></lock>`, edit(transit("juniper", 520)), `<commit/>`, `<unlock><target><candidate/></target></unlock>`,
	} {
		if reply, err := s.Exec(juniper.RawMethod(op)); err != nil || !strings.Contains(reply.RawReply, "<ok/>") {
			t.Fatalf("%s: %+v, %v", op, reply, err)
		}
	}
	defer r.commit(t, "p2", removal("juniper"))
	r.applied(t, "p2", "juniper")
	reply, err := s.Exec(juniper.MethodGetConfig("running"))
	if err != nil || !strings.Contains(reply.Data, "<name>juniper</name>") {
		t.Errorf("get-config: %+v, %v", reply, err)
	}
	// Two LSPs cannot have one incoming label.
	if reply, err = s.Exec(juniper.RawMethod(edit(transit("second", 520)))); err != nil {
		t.Fatal(err)
	}
	_, err = s.Exec(juniper.RawMethod(`<commit/>`))
	if err == nil || !strings.Contains(err.Error(), "label 520 is already used") {
		t.Errorf("a second LSP on label 520: %v", err)
	}
	if _, err := s.Exec(juniper.RawMethod(`<discard-changes/>`)); err != nil {
		t.Error(err)
	}
}

func testNemith(t *testing.T, r *rig) {
	raw, err := r.Dial(t.Context(), "p2", "tcp", netconfAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	conn, chans, reqs, err := ssh.NewClientConn(raw, netconfAddr, r.sshConfig(t, "p2"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tr, err := ncssh.NewTransport(ssh.NewClient(conn, chans, reqs))
	if err != nil {
		t.Fatal(err)
	}
	s, err := netconf.Open(tr)
	if err != nil {
		t.Fatal(err)
	}
	do := func(op string) netconf.RPCErrors {
		t.Helper()
		reply, err := s.Do(t.Context(), &netconf.RPCMsg{Operation: op})
		if err != nil {
			t.Fatalf("%s: %v", op, err)
		}
		return reply.Errors
	}
	for _, op := range []string{edit(transit("nemith", 530)), `<validate><source><candidate/></source></validate>`, `<commit/>`} {
		if errs := do(op); len(errs) > 0 {
			t.Fatalf("%s: %v", op, errs)
		}
	}
	r.applied(t, "p2", "nemith")
	errs := do(edit(strings.Replace(transit("nemith", 530), "to-pe2", "nowhere", 1)))
	if len(errs) == 0 {
		errs = do(`<commit/>`)
	}
	const path = "/mtp:mpls-tp/lsp:lsps/lsp:static-lsp[lsp:name='nemith']/lsp:out-segment/lsp:nhlfe-single/lsp:outgoing-section"
	if len(errs) != 1 || errs[0].Tag != "data-missing" || errs[0].AppTag != "instance-required" || strings.TrimSpace(errs[0].Path) != path {
		t.Errorf("a dangling section: %+v", errs)
	}
	for _, op := range []string{`<discard-changes/>`, edit(removal("nemith")), `<commit/>`} {
		if errs := do(op); len(errs) > 0 {
			t.Fatalf("%s: %v", op, errs)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// gnmiCLI builds gnmi_cli of openconfig/gnmi, the reference client, and returns
// a function that prepares a command in p2's namespace.
func gnmiCLI(t *testing.T, r *rig) func(ctx context.Context, args ...string) *exec.Cmd {
	t.Helper()
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "install", "github.com/openconfig/gnmi/cmd/gnmi_cli@v0.14.1")
	build.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=-buildvcs=false")
	build.Dir = bin
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build gnmi_cli: %v\n%s", err, out)
	}
	tls := filepath.Join(r.StateDir("p2"), "tls")
	return func(ctx context.Context, args ...string) *exec.Cmd {
		return exec.CommandContext(ctx, "ip", append([]string{
			"netns", "exec", r.Topology.Namespace("p2"), filepath.Join(bin, "gnmi_cli"),
			"-address", gnmiAddr, "-server_name", "localhost", "-timeout", "30s", "-target", "p2",
			"-ca_crt", filepath.Join(tls, "ca.crt"), "-client_crt", filepath.Join(tls, "client.crt"), "-client_key", filepath.Join(tls, "client.key"),
		}, args...)...)
	}
}

func testGNMICLI(t *testing.T, r *rig) {
	cli := gnmiCLI(t, r)
	const lsp = `elem { name: "mpls-tp" } elem { name: "lsps" } elem { name: "static-lsp" key { key: "name" value: "gnmi" } }`
	const value = `{"operation":"swap-and-forward","in-segment":{"incoming-label":540},"out-segment":{"nhlfe-single":` +
		`{"outgoing-section":"to-pe2","mpls-label-stack":{"entry":[{"id":1,"label":541}]}}}}`
	for _, tc := range []struct {
		name string
		args []string
		want string
	}{
		{"capabilities", []string{"-capabilities"}, `name:"mtp-lsp"`},
		{"set", []string{"-set", "-proto", `update { path { ` + lsp + ` } val { json_ietf_val: "` + strings.ReplaceAll(value, `"`, `\"`) + `" } }`}, "UPDATE"},
		{"get", []string{"-get", "-proto", `path { ` + lsp + ` elem { name: "in-segment" } } encoding: JSON_IETF`}, `540`},
		{"once", []string{"-query_type", "once", "-query", "mpls-tp/lsps/static-lsp[name=gnmi]/in-segment/incoming-label"}, "540"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, err := cli(t.Context(), tc.args...).CombinedOutput()
			if text := strings.ReplaceAll(string(out), ": ", ":"); err != nil || !strings.Contains(text, tc.want) {
				t.Errorf("gnmi_cli %v: %v\n%s\nwithout %q", tc.args, err, out, tc.want)
			}
		})
	}
	r.applied(t, "p2", "gnmi")
	t.Run("stream sees a commit over NETCONF", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		cmd := cli(ctx, "-query_type", "streaming", "-query", "mpls-tp/lsps/static-lsp[name=gnmi]")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		seen := await(out)
		if !seen(`540`) {
			t.Fatal("gnmi_cli did not print the LSP")
		}
		r.commit(t, "p2", removal("gnmi"))
		r.commit(t, "p2", transit("gnmi", 548))
		if !seen(`548`) {
			t.Error("gnmi_cli did not print the new label")
		}
		cancel()
		// It ends as it was told to: killed.
		_ = cmd.Wait()
	})
	r.commit(t, "p2", removal("gnmi"))
}

// await returns a function that reads on until a line contains a text.
func await(out io.Reader) func(string) bool {
	lines := bufio.NewScanner(out)
	return func(want string) bool {
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return true
			}
		}
		return false
	}
}

// lspPath is a gNMI path to an LSP and below it.
func lspPath(name string, below ...string) *gnmi.Path {
	p := &gnmi.Path{Elem: []*gnmi.PathElem{{Name: "mpls-tp"}, {Name: "lsps"}, {Name: "static-lsp", Key: map[string]string{"name": name}}}}
	for _, b := range below {
		p.Elem = append(p.Elem, &gnmi.PathElem{Name: b})
	}
	return p
}

// testBothProtocols: what is configured through one protocol is seen through
// the other, as it happens.
func testBothProtocols(t *testing.T, r *rig) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, client, err := r.GNMI("p2")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	changes := make(chan string, 64)
	s, err := r.NETCONF(ctx, "p2", func(_ time.Time, n string) {
		if strings.Contains(n, "netconf-config-change") {
			changes <- n
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.RPC(ctx, `<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>`); err != nil {
		t.Fatal(err)
	}
	stream, err := client.Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&gnmi.SubscribeRequest{Request: &gnmi.SubscribeRequest_Subscribe{Subscribe: &gnmi.SubscriptionList{
		Mode: gnmi.SubscriptionList_STREAM, Encoding: gnmi.Encoding_PROTO,
		Subscription: []*gnmi.Subscription{{Path: lspPath("both"), Mode: gnmi.SubscriptionMode_ON_CHANGE}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	// Changes that are close together may come in one message, in any order.
	until := func(what string, wanted ...func(*gnmi.SubscribeResponse) bool) {
		t.Helper()
		for len(wanted) > 0 {
			m, err := stream.Recv()
			if err != nil {
				t.Fatalf("%s: %d more: %v", what, len(wanted), err)
			}
			wanted = slices.DeleteFunc(wanted, func(f func(*gnmi.SubscribeResponse) bool) bool { return f(m) })
		}
	}
	leaf := func(name, value string) func(*gnmi.SubscribeResponse) bool {
		return func(m *gnmi.SubscribeResponse) bool {
			for _, u := range m.GetUpdate().GetUpdate() {
				e := u.GetPath().GetElem()
				if e[len(e)-1].Name == name && (u.Val.GetStringVal() == value || fmt.Sprint(u.Val.GetUintVal()) == value) {
					return true
				}
			}
			return false
		}
	}
	until("sync", (*gnmi.SubscribeResponse).GetSyncResponse)

	r.commit(t, "p2", transit("both", 550))
	until("the label that NETCONF committed, and the LSP in the data plane", leaf("incoming-label", "550"), leaf("state", "applied"))
	change(t, ctx, changes)

	if _, err := client.Set(ctx, &gnmi.SetRequest{Update: []*gnmi.Update{{
		Path: lspPath("both", "description"), Val: &gnmi.TypedValue{Value: &gnmi.TypedValue_StringVal{StringVal: "by gNMI"}},
	}}}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.config(t, "p2", "running"), "<description>by gNMI</description>") {
		t.Error("NETCONF does not see what gNMI set")
	}
	until("the description that gNMI set", leaf("description", "by gNMI"))
	if n := change(t, ctx, changes); !strings.Contains(n, "description") {
		t.Errorf("the notification of the Set does not name the leaf: %s", n)
	}

	if _, err := client.Set(ctx, &gnmi.SetRequest{Delete: []*gnmi.Path{lspPath("both")}}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(r.config(t, "p2", "running"), "<name>both</name>") {
		t.Error("NETCONF still sees what gNMI deleted")
	}
	until("the deletion", func(m *gnmi.SubscribeResponse) bool { return len(m.GetUpdate().GetDelete()) > 0 })
	change(t, ctx, changes)
}

// change waits for the next netconf-config-change.
func change(t *testing.T, ctx context.Context, changes <-chan string) string {
	t.Helper()
	select {
	case n := <-changes:
		return n
	case <-ctx.Done():
		t.Fatal("no netconf-config-change")
		return ""
	}
}
