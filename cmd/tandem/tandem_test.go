package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestIndent(t *testing.T) {
	for _, tc := range []struct {
		name, in, want string
	}{
		{"empty element", `<a></a>`, "<a></a>\n"},
		{"self-closing", `<a/>`, "<a></a>\n"},
		{"text", `<a>x y</a>`, "<a>x y</a>\n"},
		{"nested", `<a><b>1</b><c><d/></c></a>`, "<a>\n  <b>1</b>\n  <c>\n    <d></d>\n  </c>\n</a>\n"},
		{"indented already", "<a>\n   <b>1</b>\n</a>", "<a>\n  <b>1</b>\n</a>\n"},
		{"namespaces and prefixes stay", `<n:a xmlns:n="urn:x" n:b="c"><d xmlns="urn:y">n:e</d></n:a>`, "<n:a xmlns:n=\"urn:x\" n:b=\"c\">\n  <d xmlns=\"urn:y\">n:e</d>\n</n:a>\n"},
		{"special characters", `<a b="&quot;&lt;">1 &lt; 2 &amp; 3</a>`, "<a b=\"&#34;&lt;\">1 &lt; 2 &amp; 3</a>\n"},
		{"two at the top", `<a/><b/>`, "<a></a>\n<b></b>\n"},
		{"nothing", ``, "\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := indent(&out, tc.in); err != nil {
				t.Fatal(err)
			}
			if out.String() != tc.want {
				t.Errorf("got\n%q, want\n%q", out.String(), tc.want)
			}
			// What was printed is printed the same again.
			var again bytes.Buffer
			if err := indent(&again, out.String()); err != nil || again.String() != out.String() {
				t.Errorf("again: %q, %v", again.String(), err)
			}
		})
	}
	for _, bad := range []string{`<a`, `<a b></a>`, `<a>&x;</a>`} {
		if err := indent(&bytes.Buffer{}, bad); err == nil || !strings.Contains(err.Error(), "not well-formed") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// run runs the command line and returns what it prints.
func run(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := root()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.Execute()
	return out.String(), err
}

func TestHelp(t *testing.T) {
	help, err := run("--help")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"get", "get-config", "edit", "rpc", "mep", "show", "lab"} {
		if !strings.Contains(help, "\n  "+want+" ") {
			t.Errorf("tandem --help does not list %s:\n%s", want, help)
		}
	}
	for _, parent := range []struct {
		name     string
		children []string
	}{
		{"show", []string{"sections", "lsps", "tunnels", "pseudowires", "services", "qos", "megs", "alarms", "sessions", "commits", "data-plane"}},
		{"mep", []string{"lock", "unlock", "loopback"}},
		{"lab", []string{"up", "status", "exec", "down", "demo"}},
	} {
		help, err := run(parent.name, "--help")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range parent.children {
			if !strings.Contains(help, "\n  "+want+" ") {
				t.Errorf("tandem %s --help does not list %s:\n%s", parent.name, want, help)
			}
		}
	}
	// Every command says in a line what it does.
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s has no description", c.CommandPath())
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk(root())
}

func TestBadCommandLines(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"reboot"}, `unknown command "reboot"`},
		{[]string{"get", "x"}, `unknown command "x"`},
		{[]string{"get", "--colour"}, "unknown flag: --colour"},
		{[]string{"get-config", "--source", "operational"}, "running, candidate or startup"},
		{[]string{"get", "--filter", "/nowhere/filter.xml"}, "no such file"},
		{[]string{"edit"}, "accepts 1 arg"},
		{[]string{"edit", "/nowhere/config.xml"}, "no such file"},
		{[]string{"rpc", "a", "b"}, "accepts 1 arg"},
		{[]string{"get", "--key", "/nowhere/key"}, "private key: open /nowhere/key"},
		{[]string{"get", "--timeout", "soon"}, "invalid argument"},
		{[]string{"mep", "lock"}, "accepts 1 arg"},
		{[]string{"mep", "loopback", "west"}, "accepts 2 arg"},
		{[]string{"mep", "loopback", "west", "maybe"}, `"maybe" is neither on nor off`},
		{[]string{"lab", "up"}, "accepts 1 arg"},
		{[]string{"lab", "exec", "diamond", "ping"}, "want LAB/NODE"},
		{[]string{"lab", "exec", "diamond/a", "ping", "--run-dir", "/nowhere"}, "is not up"},
		{[]string{"lab", "down", "nothing", "--run-dir", "/nowhere"}, "lab nothing is not up"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			_, err := run(tc.args...)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

func TestLabStatusOfNone(t *testing.T) {
	out, err := run("lab", "status", "--run-dir", t.TempDir())
	if err != nil || out != "no lab is up\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestViews prints a reply with one entry of each kind.
func TestViews(t *testing.T) {
	const reply = `<data><mpls-tp><node><data-plane><driver>ebpf</driver><reason>asked for</reason><maximum-label-stack-depth>8</maximum-label-stack-depth>
<feature><name>gal-punt</name><supported>true</supported></feature>
<interface><name>eth1</name><mode>generic</mode><reason>veth</reason><offload-switched>tx-checksum-ip-generic</offload-switched><queueing>fair</queueing></interface>
<discard><reason>unknown-label</reason><packets>41</packets></discard><discard><reason>runt</reason><packets>0</packets></discard><sequence-resynchronizations>3</sequence-resynchronizations></data-plane></node>
<sections><section><name>s1</name><interface>eth1</interface><oper-state>up</oper-state><data-plane-state><state>failed</state><reason>no interface eth1</reason></data-plane-state>
<statistics><in-packets>3</in-packets><in-drops>4</in-drops><out-drops>5</out-drops></statistics></section></sections>
<lsps><static-lsp><name>l1</name><operation>impose-and-forward</operation><in-segment><ip-prefix>192.0.2.0/25</ip-prefix><ip-prefix>2001:db8::/64</ip-prefix></in-segment>
<out-segment><nhlfe-single><outgoing-section>s1</outgoing-section><mpls-label-stack><entry><label>16</label></entry><entry><label>17</label></entry></mpls-label-stack></nhlfe-single></out-segment></static-lsp>
<static-lsp><name>l2</name><operation>swap-and-forward</operation><bud>true</bud><l-lsp-class>5</l-lsp-class><entropy-label>true</entropy-label><in-segment><incoming-label>99</incoming-label><incoming-section>s1</incoming-section></in-segment></static-lsp></lsps>
<tunnels><tunnel><name>t1</name><tunnel-num>9</tunnel-num><destination><node-id>192.0.2.9</node-id></destination><active-lsp>2</active-lsp>
<lsp><lsp-num>1</lsp-num><bidirectional-lsp>b1</bidirectional-lsp></lsp><lsp><lsp-num>2</lsp-num><role>protecting</role><static-lsp>l2</static-lsp></lsp></tunnel></tunnels>
<pseudowires><pseudowire><name>p1</name><pw-type xmlns:t="urn:tandem:yang:mtp-types">t:ethernet-tagged-mode</pw-type><receive-label>500</receive-label><transmit-label>501</transmit-label><tunnel>t1</tunnel><oper-state>down</oper-state></pseudowire>
<pseudowire><name>p2</name><control-word>false</control-word></pseudowire><pseudowire><name>p3</name></pseudowire>
<p2mp-pseudowire><name>cast</name><role>root</role><label>550</label><return-pseudowire>p3</return-pseudowire></p2mp-pseudowire>
<switching-point><name>x</name><segment-1>p2</segment-1><segment-2>p4</segment-2></switching-point></pseudowires>
<qos><bandwidth-profile><name>gold</name><cir>1000000</cir><cbs>8000</cbs></bandwidth-profile>
<tc-map><name>cos</name><entry><pcp>5</pcp><traffic-class>5</traffic-class><yellow-traffic-class>4</yellow-traffic-class></entry><entry><pcp>1</pcp><traffic-class>2</traffic-class></entry></tc-map>
<scheduler><name>fair</name><shaping-rate>9000000</shaping-rate><queue><traffic-class>0</traffic-class><weight>3</weight></queue></scheduler></qos>
<services><service><name>v2</name><endpoint><name>1</name><ac><interface>eth6</interface><role>nni</role><outer-vlan-id>30</outer-vlan-id></ac></endpoint></service><service><name>v1</name><endpoint><name>1</name><ac><interface>eth5</interface><outer-vlan-id>10</outer-vlan-id><inner-vlan-id>7</inner-vlan-id><vlan-operation>translate</vlan-operation><vlan-id>110</vlan-id>
<ingress-bandwidth-profile>gold</ingress-bandwidth-profile><tc-map>cos</tc-map><oper-state>up</oper-state></ac></endpoint><endpoint><name>2</name><pw>p1</pw></endpoint>
<policing><colour><name>red</name><packets>77</packets></colour></policing></service></services>
<oam><meg><name>m1</name><bidirectional-lsp>b1</bidirectional-lsp><mep><state><defect>loc</defect><defect>rdi</defect><lock-state>locked-local</lock-state><loopback-state>true</loopback-state><traffic-blocked>true</traffic-blocked><session><local-state>down</local-state></session></state></mep></meg></oam></mpls-tp>
<alarms><alarm-list><alarm><resource>/r</resource><alarm-type-id>loss</alarm-type-id><is-cleared>true</is-cleared></alarm></alarm-list></alarms>
<netconf-state><sessions><session><session-id>7</session-id><username>noc</username><transport>netconf-tls</transport></session></sessions>
<datastores><datastore><name>candidate</name><locks><global-lock><locked-by-session>7</locked-by-session></global-lock></locks></datastore>
<datastore><name>running</name><locks><global-lock><locked-by-session>7</locked-by-session></global-lock></locks></datastore></datastores></netconf-state>
<commit-log><commit><id>12</id><user>noc</user><confirmed>pending</confirmed><comment>ticket</comment></commit>
<pending-confirmed-commit><deadline>soon</deadline></pending-confirmed-commit></commit-log></data>`
	want := map[string][]string{
		"sections":    {"s1", "eth1", "failed (no interface eth1)", "up", "3", "0", "9"},
		"lsps":        {"l1", "192.0.2.0/25,2001:db8::/64", "16,17", "s1", "swap-and-forward, bud, class 5, entropy label", "99 of s1"},
		"tunnels":     {"t1", "192.0.2.9", "1 b1", "working", "2 l2", "protecting  active"},
		"pseudowires": {"ethernet-tagged-mode", "500  501", "service v1", "switching-point x", "return of cast", "ethernet p2mp root", "550"},
		"services":    {"eth5 vlan 10.7 translate 110", "up", "p1", "77", "eth6 s-vlan 30"},
		"qos":         {"gold", "1000000", "v1", "cos", "5         5      4", "1         2      2", "strict 7 6 5 4 3 2 1, 0 weight 3", "9000000"},
		"megs":        {"m1", "lsp b1", "down", "loc,rdi", "locked-local,loopback"},
		"alarms":      {"loss", "cleared", "/r"},
		"sessions":    {"7", "noc", "netconf-tls", "candidate running"},
		"commits":     {"unless confirmed by soon", "12", "noc", "pending", "ticket"},
		"data-plane":  {"driver ebpf: asked for", "at most: 8", "gal-punt", "true", "eth1", "generic", "veth", "tx-checksum-ip-generic", "fair", "unknown-label", "41", "taken anew: 3"},
	}
	for _, v := range views {
		t.Run(v.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := v.print(&out, []byte(reply)); err != nil {
				t.Fatal(err)
			}
			for _, cell := range want[v.name] {
				if !strings.Contains(out.String(), cell) {
					t.Errorf("no %q in\n%s", cell, out.String())
				}
			}
			if err := v.print(&bytes.Buffer{}, []byte("<data>")); err == nil {
				t.Error("a torn reply was printed")
			}
		})
		if _, ok := want[v.name]; !ok {
			t.Errorf("view %s is not tested", v.name)
		}
	}
	if len(views) != len(want) {
		t.Errorf("%d views, %d tested", len(views), len(want))
	}
}
