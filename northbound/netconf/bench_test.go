package netconf

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/tree"
)

// lsps returns the configuration of n LSPs between two sections.
func lsps(n int) string {
	var b strings.Builder
	b.WriteString(`<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces" xmlns:i="urn:ietf:params:xml:ns:yang:iana-if-type">` +
		`<interface><name>eth0</name><type>i:ethernetCsmacd</type></interface><interface><name>eth1</name><type>i:ethernetCsmacd</type></interface></interfaces>` +
		`<mpls-tp xmlns="urn:tandem:yang:mtp-node"><sections><section><name>west</name><interface>eth0</interface></section>` +
		`<section><name>east</name><interface>eth1</interface></section></sections><lsps xmlns="urn:tandem:yang:mtp-lsp">`)
	for i := range n {
		b.WriteString(lsp(i))
	}
	b.WriteString(`</lsps></mpls-tp>`)
	return b.String()
}

func lsp(i int) string {
	return fmt.Sprintf(`<static-lsp><name>lsp-%d</name><description>from west to east, number %d</description><operation>swap-and-forward</operation>`+
		`<in-segment><incoming-label>%d</incoming-label><incoming-section>west</incoming-section></in-segment>`+
		`<out-segment><nhlfe-single><outgoing-section>east</outgoing-section><mpls-label-stack><entry><id>0</id><label>%d</label></entry></mpls-label-stack></nhlfe-single></out-segment></static-lsp>`,
		i, i, 100+i, 200100+i)
}

// discard reads replies without looking at them.
func (c *client) discard(b *testing.B, operation string) {
	c.send(`<rpc xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" message-id="1">` + operation + `</rpc>`)
	msg, err := c.in.next()
	if err != nil || strings.Contains(string(msg[:min(len(msg), 200)]), "<rpc-error>") {
		b.Fatalf("%.300s, %v", msg, err)
	}
}

const oneEntry = `<get-config><source><running/></source><filter><mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp"><static-lsp><name>lsp-5000</name></static-lsp></lsps></mpls-tp></filter></get-config>`

func BenchmarkGetConfigOneEntry(b *testing.B) {
	e := newElement(b, nil)
	e.commit(lsps(10000))
	c := e.open(base11)
	c.conn.SetDeadline(time.Time{})
	for b.Loop() {
		c.discard(b, oneEntry)
	}
}

// oneLeafHidden hides a leaf of every LSP from the client.
const oneLeafHidden = `<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm" xmlns:m="urn:tandem:yang:mtp-node" xmlns:l="urn:tandem:yang:mtp-lsp"><groups><group><name>g</name><user-name>tester</user-name></group></groups>` +
	`<rule-list><name>l</name><group>g</group><rule><name>r</name><path>/m:mpls-tp/l:lsps/l:static-lsp/l:description</path><action>deny</action></rule></rule-list></nacm>`

// BenchmarkRestrictedOneEntry is BenchmarkGetConfigOneEntry where nothing is
// remembered of an earlier reply: rules change before each.
func BenchmarkRestrictedOneEntry(b *testing.B) {
	var control *nacm.Control
	e := newElement(b, func(o *Options) {
		control = nacm.New(nacm.Options{Schema: o.Schema, Log: o.Log})
		o.NACM = control
	})
	e.commit(oneLeafHidden + lsps(10000))
	root := e.store.Running().Root
	c := e.open(base11)
	c.conn.SetDeadline(time.Time{})
	for b.Loop() {
		control.Update(tree.Empty(e.schema))
		control.Update(root)
		c.discard(b, oneEntry)
	}
}

func BenchmarkGetConfig10000(b *testing.B) {
	e := newElement(b, nil)
	e.commit(lsps(10000))
	benchmarkAll(b, e)
}

// BenchmarkRestricted10000 is BenchmarkGetConfig10000 with a leaf hidden in every
// entry.
func BenchmarkRestricted10000(b *testing.B) {
	e := newElement(b, controlled)
	e.commit(oneLeafHidden + lsps(10000))
	benchmarkAll(b, e)
}

func benchmarkAll(b *testing.B, e *element) {
	c := e.open(base11)
	c.conn.SetDeadline(time.Time{})
	b.SetBytes(int64(len(lsps(10000))))
	for b.Loop() {
		c.discard(b, `<get-config><source><running/></source></get-config>`)
	}
}

func BenchmarkEditCommitOneLSPOn10000(b *testing.B) {
	e := newElement(b, nil)
	e.commit(lsps(10000))
	c := e.open(base11)
	c.conn.SetDeadline(time.Time{})
	i := 10000
	for b.Loop() {
		c.discard(b, `<edit-config><target><candidate/></target><config><mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp">`+lsp(i)+`</lsps></mpls-tp></config></edit-config>`)
		c.discard(b, `<commit/>`)
		i++
	}
}

func BenchmarkOneLeafTransaction(b *testing.B) {
	e := newElement(b, nil)
	c := e.open(base11)
	c.conn.SetDeadline(time.Time{})
	i := 0
	for b.Loop() {
		c.discard(b, strings.Replace(setName, "NAME", fmt.Sprint("n", i), 1))
		c.discard(b, `<commit/>`)
		i++
	}
}

func BenchmarkLoad10000(b *testing.B) {
	edit := `<edit-config><target><candidate/></target><config>` + lsps(10000) + `</config></edit-config>`
	for b.Loop() {
		b.StopTimer()
		e := newElement(b, nil)
		c := e.open(base11)
		c.conn.SetDeadline(time.Time{})
		b.StartTimer()
		c.discard(b, edit)
		c.discard(b, `<commit/>`)
		b.StopTimer()
		c.conn.Close()
		b.StartTimer()
	}
}

// BenchmarkConnect measures a TCP connection, the SSH handshake and the exchange
// of hello, as a client sees them.
func BenchmarkConnect(b *testing.B) {
	r := newSSH(b, Limits{})
	for b.Loop() {
		conn, err := ssh.Dial("tcp", r.addr, r.config())
		if err != nil {
			b.Fatal(err)
		}
		in, out := subsystem(b, conn)
		w := frameWriter{w: in}
		fmt.Fprintf(&w, clientHello, base11)
		if err := w.end(); err != nil {
			b.Fatal(err)
		}
		if _, err := newFrameReader(out, 1<<20).next(); err != nil {
			b.Fatal(err)
		}
		conn.Close()
	}
}

// BenchmarkSmallGetConfigSSH is the rate of small requests over SSH on loopback.
func BenchmarkSmallGetConfigSSH(b *testing.B) {
	r := newSSH(b, Limits{})
	r.commit(lsps(10000))
	in, out := subsystem(b, r.dial())
	w, reader := frameWriter{w: in}, newFrameReader(out, 1<<20)
	fmt.Fprintf(&w, clientHello, base11)
	if err := w.end(); err != nil {
		b.Fatal(err)
	}
	if _, err := reader.next(); err != nil {
		b.Fatal(err)
	}
	w.chunked, reader.chunked = true, true
	for b.Loop() {
		fmt.Fprintf(&w, `<rpc xmlns="%s" message-id="1"><get-config><source><running/></source><filter><mpls-tp xmlns="urn:tandem:yang:mtp-node"><sections/></mpls-tp></filter></get-config></rpc>`, nsBase)
		if err := w.end(); err != nil {
			b.Fatal(err)
		}
		if _, err := reader.next(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGetConfigOneEntryXPath is BenchmarkGetConfigOneEntry with an expression.
func BenchmarkGetConfigOneEntryXPath(b *testing.B) {
	e := newElement(b, nil)
	e.commit(lsps(10000))
	c := e.open(base11)
	c.conn.SetDeadline(time.Time{})
	for b.Loop() {
		c.discard(b, `<get-config><source><running/></source><filter type="xpath" xmlns:m="urn:tandem:yang:mtp-node" xmlns:l="urn:tandem:yang:mtp-lsp" select="/m:mpls-tp/l:lsps/l:static-lsp[l:name='lsp-5000']"/></get-config>`)
	}
}

// BenchmarkGetConfigOneEntryScan is the same entry by an expression that looks at
// all of them.
func BenchmarkGetConfigOneEntryScan(b *testing.B) {
	e := newElement(b, nil)
	e.commit(lsps(10000))
	c := e.open(base11)
	c.conn.SetDeadline(time.Time{})
	for b.Loop() {
		c.discard(b, `<get-config><source><running/></source><filter type="xpath" xmlns:l="urn:tandem:yang:mtp-lsp" select="//l:static-lsp[l:in-segment/l:incoming-label=5100]"/></get-config>`)
	}
}
