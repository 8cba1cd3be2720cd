package netconf

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// TestStopTime: a subscription of RFC 5277 ends at its stopTime with
// notificationComplete, and the session may subscribe again.
func TestStopTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newElement(t, nil)
		c := e.open(base11).forever()
		start := time.Now()
		c.want(fmt.Sprintf(`<create-subscription xmlns="%s"><filter><netconf-config-change xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"/></filter>`+
			`<startTime>%s</startTime><stopTime>%s</stopTime></create-subscription>`, nsNotification, timestamp(start), timestamp(start.Add(time.Minute))), "<ok/>")
		for _, want := range []struct {
			at   time.Duration
			part string
		}{{0, "<replayComplete"}, {30 * time.Second, "<netconf-config-change"}, {time.Minute, "<notificationComplete"}} {
			if want.at == 30*time.Second {
				time.Sleep(want.at)
				e.commit(nodeName("x"))
			}
			if msg, at := c.at(start); at != want.at || !strings.Contains(msg, want.part) {
				t.Errorf("after %v, want %s after %v: %s", at, want.part, want.at, msg)
			}
		}
		e.commit(nodeName("late"))
		c.want(`<create-subscription xmlns="`+nsNotification+`"/>`, "<ok/>")
	})
}

// TestSubscribedStopTime: one of RFC 8639 ends without a word.
func TestSubscribedStopTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newElement(t, nil)
		c := e.open(base11).forever()
		stop := timestamp(time.Now().Add(time.Minute))
		c.want(`<establish-subscription xmlns="`+nsSubscribed+`"><stream>NETCONF</stream><stop-time>`+stop+`</stop-time></establish-subscription>`, "<id ")
		time.Sleep(2 * time.Minute)
		e.commit(nodeName("late"))
		c.want(`<get><filter><subscriptions xmlns="`+nsSubscribed+`"/></filter></get>`, "<data></data>")
	})
}

// TestLargeCommits: an event names what changed, however much that was, in a
// bounded list.
func TestLargeCommits(t *testing.T) {
	e := newElement(t, nil)
	c := e.open(base11)
	c.want(`<create-subscription xmlns="`+nsNotification+`"/>`, "<ok/>")
	e.commit(lsps(1))
	if msg := c.next(); strings.Count(msg, "<edit>") == 0 {
		t.Errorf("a small commit is reported as %s", msg)
	}
	e.commit(lsps(maxReportedEdits + 100))
	msg := c.next()
	if n := strings.Count(msg, "<edit>"); n == 0 || n > 10 || !strings.Contains(msg, "<operation>merge</operation>") {
		t.Errorf("a large commit is reported with %d edits: %.500s", n, msg)
	}
}

// TestConfirmTimeoutEvent: nobody's session is named when the time is over (RFC
// 6470 section 2.2).
func TestConfirmTimeoutEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newElement(t, nil)
		c, b := e.open(base11).forever(), e.open(base11).forever()
		c.want(`<create-subscription xmlns="`+nsNotification+`"><filter><netconf-confirmed-commit xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"/></filter></create-subscription>`, "<ok/>")
		start := time.Now()
		b.want(`<edit-config><target><candidate/></target><config>`+nodeName("short")+`</config></edit-config>`, "<ok/>")
		b.want(`<commit><confirmed/><confirm-timeout>90</confirm-timeout></commit>`, "<ok/>")
		c.at(start)
		msg, at := c.at(start)
		if at != 90*time.Second || !strings.Contains(msg, "<confirm-event>timeout</confirm-event>") || strings.Contains(msg, "<username>") {
			t.Errorf("after %v: %s", at, msg)
		}
	})
}

// TestAccessOfSubscribers: notifications, updates and changes hold what the user
// may read and nothing else, and kill-subscription is for those it is permitted.
func TestAccessOfSubscribers(t *testing.T) {
	var control *nacm.Control
	e := newElement(t, func(o *Options) {
		control = nacm.New(nacm.Options{Schema: o.Schema, Log: o.Log})
		o.NACM = control
		o.Store.OnCommit(func(c datastore.Commit) { control.Update(c.New) })
	})
	rules := `<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm" xmlns:m="urn:tandem:yang:mtp-node"><groups><group><name>g</name><user-name>tester</user-name></group></groups><rule-list><name>l</name><group>*</group>` +
		`<rule><name>blocks</name><path>/m:mpls-tp/m:mpls-label-blocks</path><access-operations>read</access-operations><action>deny</action></rule>` +
		`<rule><name>events</name><module-name>ietf-netconf-notifications</module-name><notification-name>netconf-config-change</notification-name>` +
		`<access-operations>read</access-operations><action>deny</action></rule></rule-list></nacm>`
	e.commit(rules + blocks(1))
	c := e.open(base11)
	c.want(`<establish-subscription xmlns="`+nsSubscribed+`"><stream>NETCONF</stream></establish-subscription>`, "<id ")
	c.want(pushTo("running", nodeFilter+"<on-change/>"), "<id ")
	if msg := c.next(); !strings.Contains(msg, "<push-update") || strings.Contains(msg, "label-block") {
		t.Errorf("the synchronization is %s", msg)
	}
	e.commit(rules + strings.Replace(blocks(2), "<mpls-label-blocks>", "<node><name>seen</name></node><mpls-label-blocks>", 1))
	if msg := c.next(); !strings.Contains(msg, ">seen<") || strings.Contains(msg, "label-block") {
		t.Errorf("the change is %s", msg)
	}
	c.want(`<kill-subscription xmlns="`+nsSubscribed+`"><id>1</id></kill-subscription>`, "access-denied")
	if reply := c.rpc(`<get><filter><subscriptions xmlns="` + nsSubscribed + `"/></filter></get>`); !strings.Contains(reply, "<sent-event-records>0<") {
		t.Errorf("netconf-config-change was sent: %s", reply)
	}
}

// nodeFilter selects all of the node's configuration.
const nodeFilter = `<datastore-subtree-filter><mpls-tp xmlns="urn:tandem:yang:mtp-node"/></datastore-subtree-filter>`

// TestXPathOfEvents: an XPath filter is evaluated on the notification, at its
// place in the data where it is defined in a node (RFC 8639 section 2.2, RFC 7950
// section 6.4.1).
func TestXPathOfEvents(t *testing.T) {
	e := newElement(t, nil, robotSource())
	e.commit(`<hall xmlns="urn:robots"><robot><name>r2</name></robot><robot><name>c3</name></robot></hall>`)
	path, err := tree.ParsePath(e.schema, "/robots:hall/robot[name='r2']")
	if err != nil {
		t.Fatal(err)
	}
	fell := path[len(path)-1].Node.Notifications()[0]
	b := tree.NewBuilder(tree.New(fell))
	b.Leaf(fell.Child("hard"), schema.MustParse(fell.Child("hard").Type, "true"))
	note := b.Seal()
	for filter, admitted := range map[string]bool{
		"/r:hall/r:robot/r:fell":                                 true,
		"/r:hall/r:robot[r:name='r2']/r:fell":                    true,
		"/r:hall/r:robot[r:name='c3']/r:fell":                    false,
		"/r:hall/r:robot/r:fell[r:hard='true']":                  true,
		"/r:hall/r:robot/r:fell/r:hard = 'false'":                false,
		"/n:netconf-config-change":                               false,
		"/n:netconf-config-change | /robots:hall/robot/fell":     true,
		"not(/n:netconf-session-start) and /r:hall/r:robot/fell": true,
	} {
		c := e.open(base11)
		c.want(`<establish-subscription xmlns="`+nsSubscribed+`"><stream>NETCONF</stream><stream-xpath-filter xmlns:r="urn:robots"`+
			` xmlns:n="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications">`+filter+`</stream-xpath-filter></establish-subscription>`, "<id ")
		e.hub.Notify(time.Now(), note, path)
		c.send(`<rpc xmlns="` + nsBase + `" message-id="9"><get-config><source><running/></source></get-config></rpc>`)
		got := false
		if admitted {
			for range 2 { // the reply and the notification come in any order
				got = strings.Contains(c.next(), "<fell ") || got
			}
		} else {
			got = strings.Contains(c.next(), "<fell ")
		}
		if got != admitted {
			t.Errorf("%s: sent is %t", filter, got)
		}
		c.send(`<rpc xmlns="` + nsBase + `" message-id="9"><close-session/></rpc>`)
		for !strings.Contains(c.next(), "<ok/>") {
		}
		c.ended()
	}
}
