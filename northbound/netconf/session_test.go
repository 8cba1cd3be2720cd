package netconf

import (
	"testing"
)

func TestSmoke(t *testing.T) {
	e := newElement(t, nil)
	c := e.open(base11)
	t.Log(c.hello[:3000])
	t.Log(c.rpc(`<get/>`)[:6000])
	t.Log(c.rpc(`<get><filter><netconf-state xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"><sessions/></netconf-state></filter></get>`))
	t.Log(c.rpc(`<edit-config><target><candidate/></target><config><mpls-tp xmlns="urn:tandem:yang:mtp-node"><node><name>x</name></node></mpls-tp></config></edit-config>`))
	t.Log(c.rpc(`<commit/>`))
	t.Log(c.rpc(`<get-config><source><running/></source></get-config>`))
	t.Log(c.rpc(`<close-session/>`))
}
