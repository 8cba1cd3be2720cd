package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tandem-ne/tandem/cmd/tandem/client"
	"github.com/tandem-ne/tandem/cmd/tandem/lab"
)

// rig is the diamond, up, with one session to each element that lasts.
type rig struct {
	*lab.Lab
	sessions map[string]*client.Session
}

// bring loads the diamond under a name of its own, ready and unconfigured, and
// takes it down at the end of the test; a failed test prints the ends of the
// logs first.
func bring(t *testing.T) *rig {
	t.Helper()
	return bringLab(t, "diamond", "t1")
}

// bringLab does so with any of the labs.
func bringLab(t *testing.T, dir, prefix string) *rig {
	t.Helper()
	topology := slowly(t, filepath.Join("..", "..", "testdata", "lab", dir), 100_000)
	// Two runs on one machine stay apart, and what a killed one left behind is in
	// nobody's way.
	topology.Name = fmt.Sprintf("%s-%d", prefix, os.Getpid())
	return bringUp(t, topology, "ebpf")
}

// slowly loads a copy of a lab whose CC packets go every so many microseconds:
// three of them that are late are a defect, and whatever else the machine does
// must not decide a test.
func slowly(t *testing.T, dir string, interval int) *lab.Topology {
	t.Helper()
	to := t.TempDir()
	files, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no lab in %s: %v", dir, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(f)), []byte(slower(string(text), interval)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	topology, err := lab.Load(to)
	if err != nil {
		t.Fatal(err)
	}
	return topology
}

var ccInterval = regexp.MustCompile(`(<(?:desired-min-tx|required-min-rx)-interval>)\d+`)

// slower sets every CC interval of a configuration, in microseconds.
func slower(config string, interval int) string {
	return ccInterval.ReplaceAllString(config, fmt.Sprintf("${1}%d", interval))
}

func bringUp(t *testing.T, topology *lab.Topology, dataplane string) *rig {
	t.Helper()
	r := &rig{lab.New(topology, t.TempDir(), tandemd, dataplane), map[string]*client.Session{}}
	t.Cleanup(func() {
		if t.Failed() {
			for _, node := range topology.Elements() {
				log, err := os.ReadFile(r.LogFile(node))
				lines := strings.Split(string(log), "\n")
				t.Logf("log of %s (%v):\n%s", node, err, strings.Join(lines[max(0, len(lines)-40):], "\n"))
			}
		}
		for node := range r.sessions {
			r.hangUp(t, node)
		}
		if err := r.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := r.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// session returns the rig's session to a node.
func (r *rig) session(t *testing.T, node string) *client.Session {
	t.Helper()
	if s, ok := r.sessions[node]; ok {
		return s
	}
	// It outlives the subtest that needs it first.
	s, err := r.NETCONF(context.Background(), node, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.sessions[node] = s
	return s
}

// hangUp closes the rig's session to a node.
func (r *rig) hangUp(t *testing.T, node string) {
	t.Helper()
	s, ok := r.sessions[node]
	if !ok {
		return
	}
	delete(r.sessions, node)
	if err := s.Close(); err != nil {
		t.Errorf("close the session to %s: %v", node, err)
	}
}

// kill ends a node's daemon with SIGKILL.
func (r *rig) kill(t *testing.T, node string) {
	t.Helper()
	// Before it, so that its error is not that of a dead peer.
	r.hangUp(t, node)
	if err := r.Kill(t.Context(), node); err != nil {
		t.Fatal(err)
	}
}

// restart starts a node's daemon again and waits until it answers.
func (r *rig) restart(t *testing.T, node string) {
	t.Helper()
	if err := r.Start(node); err != nil {
		t.Fatal(err)
	}
	if err := r.WaitReady(t.Context(), node); err != nil {
		t.Fatal(err)
	}
}

// rpc sends an operation that must be accepted.
func (r *rig) rpc(t *testing.T, node, body string) string {
	t.Helper()
	reply, err := r.session(t, node).RPC(t.Context(), body)
	if err != nil {
		t.Fatalf("%s: %s: %v", node, body, err)
	}
	return reply
}

// commit edits the candidate and commits.
func (r *rig) commit(t *testing.T, node, config string) {
	t.Helper()
	r.rpc(t, node, edit(config))
	r.rpc(t, node, `<commit/>`)
}

// config returns a datastore as XML.
func (r *rig) config(t *testing.T, node, store string) string {
	t.Helper()
	return r.rpc(t, node, `<get-config><source><`+store+`/></source></get-config>`)
}

// run runs a command inside a node's namespace and returns what it prints.
func (r *rig) run(t *testing.T, node string, command ...string) string {
	t.Helper()
	args := append([]string{"netns", "exec", r.Topology.Namespace(node)}, command...)
	out, err := exec.CommandContext(t.Context(), "ip", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %s: %v\n%s", node, strings.Join(command, " "), err, out)
	}
	return string(out)
}

// sshConfig authenticates as the lab's administrator.
func (r *rig) sshConfig(t *testing.T, node string) *ssh.ClientConfig {
	t.Helper()
	pem, err := os.ReadFile(r.KeyFile())
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(filepath.Join(r.StateDir(node), "ssh", "ssh_host_ed25519_key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	host, _, _, _, err := ssh.ParseAuthorizedKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return &ssh.ClientConfig{
		User: "admin", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: 20 * time.Second,
		HostKeyCallback: ssh.FixedHostKey(host), HostKeyAlgorithms: []string{host.Type()},
	}
}

// patience is how long a condition may take on a machine that is busy with other
// things; one that holds takes none of it.
const patience = 2 * time.Minute

// eventually polls until f is true; what says what was waited for.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// mpls is the part of a get reply that the tests look at.
type mpls struct {
	Sections []object  `xml:"mpls-tp>sections>section"`
	LSPs     []object  `xml:"mpls-tp>lsps>static-lsp"`
	Tunnels  []object  `xml:"mpls-tp>tunnels>tunnel"`
	PWs      []object  `xml:"mpls-tp>pseudowires>pseudowire"`
	P2MPPWs  []object  `xml:"mpls-tp>pseudowires>p2mp-pseudowire"`
	Switches []object  `xml:"mpls-tp>pseudowires>switching-point"`
	Services []object  `xml:"mpls-tp>services>service"`
	MEGs     []meg     `xml:"mpls-tp>oam>meg"`
	Discards []discard `xml:"mpls-tp>oam>counters>discard"`
	Punts    []discard `xml:"mpls-tp>oam>counters>punt"`
	Overruns uint64    `xml:"mpls-tp>oam>counters>punt-overruns"`
	Dropped  []discard `xml:"mpls-tp>node>data-plane>discard"`
	Alarms   []struct {
		Type     string `xml:"alarm-type-id"`
		Resource string `xml:"resource"`
		Cleared  bool   `xml:"is-cleared"`
	} `xml:"alarms>alarm-list>alarm"`
	NETCONF []struct {
		ID uint64 `xml:"session-id"`
	} `xml:"netconf-state>sessions>session"`
}

type object struct {
	Name   string `xml:"name"`
	Oper   string `xml:"oper-state"`
	State  string `xml:"data-plane-state>state"`
	Reason string `xml:"data-plane-state>reason"`
	In     uint64 `xml:"statistics>in-packets"`
	Out    uint64 `xml:"statistics>out-packets"`
	Octets uint64 `xml:"statistics>in-octets"`
	// Colours is what a service's bandwidth profile made of the frames.
	Colours []struct {
		Name    string `xml:"name"`
		Packets uint64 `xml:"packets"`
	} `xml:"policing>colour"`
}

type meg struct {
	Name     string    `xml:"name"`
	State    string    `xml:"mep>state>session>local-state"`
	Detect   int       `xml:"mep>state>session>detection-time"` // microseconds
	Received uint64    `xml:"mep>state>session>receive-packet-count"`
	Lock     string    `xml:"mep>state>lock-state"`
	Looped   bool      `xml:"mep>state>loopback-state"`
	Blocked  bool      `xml:"mep>state>traffic-blocked"`
	Defects  []string  `xml:"mep>state>defect"`
	Discards []discard `xml:"mep>state>session>discard"`
}

type discard struct {
	Reason  string `xml:"reason"`
	Packets uint64 `xml:"packets"`
}

const (
	mplsTP  = `<mpls-tp xmlns="urn:tandem:yang:mtp-node"/>`
	alarms  = `<alarms xmlns="urn:ietf:params:xml:ns:yang:ietf-alarms"/>`
	oamOnly = `<mpls-tp xmlns="urn:tandem:yang:mtp-node"><oam xmlns="urn:tandem:yang:mtp-oam"/></mpls-tp>`
	monitor = `<netconf-state xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"><sessions/></netconf-state>`
)

// get reads what a filter selects.
func (r *rig) get(t *testing.T, node, filter string) mpls {
	t.Helper()
	text, err := r.session(t, node).Get(t.Context(), filter)
	if err != nil {
		t.Fatalf("%s: %v", node, err)
	}
	var reply mpls
	if err := xml.Unmarshal([]byte(text), &reply); err != nil {
		t.Fatalf("%s: %v\n%s", node, err, text)
	}
	return reply
}

// find returns the section or LSP of a name; the zero object when there is none.
func find(objects []object, name string) object {
	for _, o := range objects {
		if o.Name == name {
			return o
		}
	}
	return object{}
}

// allUp reports whether every configured session of every element is up.
func (r *rig) allUp(t *testing.T) bool {
	t.Helper()
	for _, node := range r.Topology.Elements() {
		if len(r.notUp(t, node)) > 0 {
			return false
		}
	}
	return true
}

// notUp returns the MEGs of a node whose session is not up or that have defects.
func (r *rig) notUp(t *testing.T, node string) []meg {
	t.Helper()
	megs := r.get(t, node, oamOnly).MEGs
	if len(megs) == 0 {
		return []meg{{Name: "no MEG at all"}}
	}
	var bad []meg
	for _, m := range megs {
		if m.State != "up" || len(m.Defects) > 0 {
			bad = append(bad, m)
		}
	}
	return bad
}
