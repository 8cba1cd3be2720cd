package netconf

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const ncclientSubscriptions = `
import sys, time
from ncclient import manager
from ncclient.operations import RPCError
from ncclient.xml_ import to_ele
host, port, key = sys.argv[1:4]
SN = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"
YP = "urn:ietf:params:xml:ns:yang:ietf-yang-push"
def connect():
    return manager.connect(host=host, port=int(port), username="admin", key_filename=key,
                           hostkey_verify=False, allow_agent=False, look_for_keys=False, timeout=20)
def rename(m, name):
    m.edit_config(target="candidate", config='<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">'
                  '<mpls-tp xmlns="urn:tandem:yang:mtp-node"><node><name>%s</name></node></mpls-tp></config>' % name)
    m.commit()
def take(m, part):
    while True:
        n = m.take_notification(timeout=10)
        assert n is not None, part
        if part in n.notification_xml:
            return n.notification_xml
with connect() as m, connect() as other:
    rename(other, "one")
    m.create_subscription(filter=("subtree", '<netconf-config-change xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"/>'),
                          start_time="2025-01-01T00:00:00Z")
    take(m, "netconf-config-change")
    take(m, "replayComplete")
    rename(other, "two")
    take(m, "netconf-config-change")
    with connect() as p:
        assert any("module=ietf-yang-push" in c for c in p.server_capabilities)
        reply = p.dispatch(to_ele('<establish-subscription xmlns="%s" xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores" xmlns:yp="%s">'
            '<yp:datastore>ds:operational</yp:datastore>'
            '<yp:datastore-xpath-filter xmlns:n="urn:tandem:yang:mtp-node">/n:mpls-tp/n:node/n:name</yp:datastore-xpath-filter>'
            '<yp:on-change/></establish-subscription>' % (SN, YP)))
        assert "<id" in reply.xml, reply.xml
        assert ">two<" in take(p, "push-update")
        rename(p, "three")
        update = take(p, "push-change-update")
        assert ">three<" in update and "<target>/mtp-node:mpls-tp/node/name</target>" in update, update
        try:
            p.dispatch(to_ele('<delete-subscription xmlns="%s"><id>999</id></delete-subscription>' % SN))
            raise SystemExit("a subscription of nobody was deleted")
        except RPCError as e:
            assert e.app_tag == "ietf-subscribed-notifications:no-such-subscription", e.app_tag
        p.dispatch(to_ele('<delete-subscription xmlns="%s"><id>1</id></delete-subscription>' % SN))
print("fine")
`

// TestClientNcclientSubscriptions uses replay and, as ncclient has no operation
// for them, dispatched subscriptions.
func TestClientNcclientSubscriptions(t *testing.T) {
	r := newSSH(t, Limits{})
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, r.key, 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(r.addr)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, python(t), "-c", ncclientSubscriptions, host, port, key).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "fine" {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestYanglintAcceptsSubscriptions gives the state of streams, subscriptions and
// filters to another implementation.
func TestYanglintAcceptsSubscriptions(t *testing.T) {
	e := newElement(t, nil)
	e.commit(`<filters xmlns="` + nsSubscribed + `"><stream-filter><name>f</name><stream-xpath-filter xmlns:n="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications">` +
		`/n:netconf-session-end</stream-xpath-filter></stream-filter></filters>`)
	c := e.open(base11)
	for _, operation := range []string{
		`<establish-subscription xmlns="` + nsSubscribed + `"><stream>NETCONF</stream><stream-filter-name>f</stream-filter-name></establish-subscription>`,
		`<establish-subscription xmlns="` + nsSubscribed + `"><stream>NETCONF</stream><stop-time>2999-01-01T00:00:00Z</stop-time><stream-subtree-filter><a xmlns="urn:a"/></stream-subtree-filter></establish-subscription>`,
		pushTo("operational", `<datastore-xpath-filter xmlns:m="urn:tandem:yang:mtp-node">/m:mpls-tp</datastore-xpath-filter><on-change><sync-on-start>false</sync-on-start><excluded-change>move</excluded-change></on-change>`),
		pushTo("running", `<periodic><period>4000000000</period><anchor-time>2999-01-01T00:00:00Z</anchor-time></periodic>`),
	} {
		c.want(operation, "<id ")
	}
	reply := c.rpc(`<get><filter><subscriptions xmlns="` + nsSubscribed + `"/><streams xmlns="` + nsSubscribed + `"/><filters xmlns="` + nsSubscribed + `"/>` +
		`<netconf xmlns="urn:ietf:params:xml:ns:netmod:notification"/></filter></get>`)
	_, data, _ := strings.Cut(reply, "<data>")
	data, _, _ = strings.Cut(data, "</data>")
	if strings.Count(data, "<subscription>") != 4 {
		t.Fatalf("the state is %s", reply)
	}
	command, dir := yanglint(t, "get")
	file := filepath.Join(dir, "state.xml")
	if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(command[0], append(command[1:], file)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s%s", err, out, data)
	}
}

// TestYanglintAcceptsNotifications gives every notification of the step-by-step
// cases to another implementation, with the schema that is served.
func TestYanglintAcceptsNotifications(t *testing.T) {
	command, dir := yanglint(t, "nc-notif")
	// What the notifications refer to.
	there := `<mpls-tp xmlns="urn:tandem:yang:mtp-node"><node><name>n</name></node></mpls-tp>` +
		`<filters xmlns="` + nsSubscribed + `"><selection-filter xmlns="` + nsPush + `"><filter-id>names</filter-id>` +
		`<datastore-xpath-filter xmlns:m="urn:tandem:yang:mtp-node">/m:mpls-tp</datastore-xpath-filter></selection-filter></filters>`
	operational := filepath.Join(dir, "operational.xml")
	if err := os.WriteFile(operational, []byte(there), 0o600); err != nil {
		t.Fatal(err)
	}
	command = slices.Insert(command, 1, "--operational", operational)
	files, err := filepath.Glob("../../testdata/netconf/*/*-expect*.xml")
	if err != nil {
		t.Fatal(err)
	}
	file, checked := filepath.Join(dir, "notification.xml"), 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "<notification ") {
			continue
		}
		checked++
		message := strings.NewReplacer("\n", "", "…", "2026-11-22T00:00:00Z").Replace(string(text))
		if err := os.WriteFile(file, []byte(message), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(command[0], append(slices.Clip(command[1:]), file)...).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s%s", name, err, out, message)
		}
	}
	if checked < 20 {
		t.Errorf("only %d notifications were checked", checked)
	}
}
