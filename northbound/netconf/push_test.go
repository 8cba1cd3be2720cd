package netconf

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// nodeName is a configuration with that name of the node.
func nodeName(name string) string {
	return `<mpls-tp xmlns="urn:tandem:yang:mtp-node"><node><name>` + name + `</name></node></mpls-tp>`
}

const nameFilter = `<datastore-subtree-filter><mpls-tp xmlns="urn:tandem:yang:mtp-node"><node/></mpls-tp></datastore-subtree-filter>`

// pushTo is the operation that establishes a subscription to a datastore.
func pushTo(datastore, rest string) string {
	return `<sn:establish-subscription xmlns:sn="` + nsSubscribed + `" xmlns="` + nsPush + `" xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores">` +
		`<datastore>ds:` + datastore + `</datastore>` + rest + `</sn:establish-subscription>`
}

// forever lets a client wait for longer, in a bubble's time, than any test takes.
func (c *client) forever() *client {
	c.conn.SetDeadline(time.Time{})
	return c
}

// at returns the message that comes next and how long after start its event was.
func (c *client) at(start time.Time) (string, time.Duration) {
	c.t.Helper()
	msg := c.next()
	m := regexp.MustCompile(`<eventTime>([^<]*)</eventTime>`).FindStringSubmatch(msg)
	if m == nil {
		c.t.Fatalf("no notification came but %s", msg)
	}
	when, err := time.Parse(time.RFC3339Nano, m[1])
	if err != nil {
		c.t.Fatal(err)
	}
	return msg, when.Sub(start)
}

// TestPeriods: updates come at the multiples of the period, from the start or from
// the anchor, in exact time, until the stop-time.
func TestPeriods(t *testing.T) {
	for _, tc := range []struct {
		name    string
		trigger func(start time.Time) string
		want    []time.Duration // after the start
	}{
		{"from the start", func(time.Time) string { return "<periodic><period>200</period></periodic>" },
			[]time.Duration{0, 2 * time.Second, 4 * time.Second, 6 * time.Second}},
		{"shortest", func(time.Time) string { return "<periodic><period>10</period></periodic>" },
			[]time.Duration{0, 100 * time.Millisecond, 200 * time.Millisecond}},
		{"anchor in the past", func(start time.Time) string {
			return "<periodic><period>500</period><anchor-time>" + timestamp(start.Add(-2*time.Second)) + "</anchor-time></periodic>"
		}, []time.Duration{3 * time.Second, 8 * time.Second, 13 * time.Second}},
		{"anchor in the future", func(start time.Time) string {
			return "<periodic><period>500</period><anchor-time>" + timestamp(start.Add(time.Hour+time.Second)) + "</anchor-time></periodic>"
		}, []time.Duration{time.Second, 6 * time.Second, 11 * time.Second}},
		{"anchor now", func(start time.Time) string {
			return "<periodic><period>500</period><anchor-time>" + timestamp(start) + "</anchor-time></periodic>"
		}, []time.Duration{5 * time.Second, 10 * time.Second}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newElement(t, nil)
				e.commit(nodeName("n"))
				c := e.open(base11).forever()
				start := time.Now()
				c.want(pushTo("running", nameFilter+tc.trigger(start)), "<id ")
				for _, want := range tc.want {
					if msg, at := c.at(start); at != want || !strings.Contains(msg, "<push-update") || !strings.Contains(msg, "<name>n</name>") {
						t.Errorf("after %v, want %v: %s", at, want, msg)
					}
				}
			})
		})
	}
}

// TestPeriodicStops: the stop-time ends the subscription, without a word to a
// dynamic subscriber (RFC 8639 section 2.7).
func TestPeriodicStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newElement(t, nil)
		c := e.open(base11).forever()
		start := time.Now()
		stop := `<sn:stop-time>` + timestamp(start.Add(5*time.Second)) + `</sn:stop-time>`
		c.want(pushTo("candidate", stop+"<periodic><period>200</period></periodic>"), "<id ")
		for _, want := range []time.Duration{0, 2 * time.Second, 4 * time.Second} {
			if _, at := c.at(start); at != want {
				t.Errorf("after %v, want %v", at, want)
			}
		}
		time.Sleep(10 * time.Second)
		if n := len(e.subs.list()); n != 0 {
			t.Errorf("%d subscriptions are left", n)
		}
		c.want(`<get-config><source><running/></source></get-config>`, "<data>")
	})
}

// TestModifiedPeriod: the new period counts from the change.
func TestModifiedPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newElement(t, nil)
		c := e.open(base11).forever()
		start := time.Now()
		c.want(pushTo("running", "<periodic><period>1000</period></periodic>"), "<id ")
		c.at(start)
		time.Sleep(3 * time.Second)
		modify := strings.NewReplacer("establish-subscription", "modify-subscription", "<datastore>", "<sn:id>1</sn:id><datastore>").
			Replace(pushTo("running", "<periodic><period>100</period></periodic>"))
		c.want(modify, "<ok/>")
		for _, want := range []time.Duration{4 * time.Second, 5 * time.Second} {
			if _, at := c.at(start); at != want {
				t.Errorf("after %v, want %v", at, want)
			}
		}
	})
}

// TestDampening: the first change after a quiet dampening-period is sent at once;
// what changes within one is sent at its end, with the values of then.
func TestDampening(t *testing.T) {
	for _, filter := range []string{nameFilter, `<datastore-xpath-filter>/mtp-node:mpls-tp/node[name != 'hidden']</datastore-xpath-filter>`} {
		synctest.Test(t, func(t *testing.T) {
			e := newElement(t, nil)
			e.commit(nodeName("a"))
			c := e.open(base11).forever()
			start := time.Now()
			c.want(pushTo("operational", filter+"<on-change><dampening-period>500</dampening-period></on-change>"), "<id ")
			expect := func(at time.Duration, parts ...string) {
				t.Helper()
				msg, got := c.at(start)
				if got != at {
					t.Errorf("after %v, want %v: %s", got, at, msg)
				}
				for _, part := range parts {
					if !strings.Contains(msg, part) {
						t.Errorf("%s lacks %s", msg, part)
					}
				}
			}
			expect(0, "<push-update", "<name>a</name>")
			for _, name := range []string{"b", "c", "d"} {
				time.Sleep(time.Second)
				e.commit(nodeName(name))
			}
			expect(5*time.Second, "<push-change-update", "<patch-id>0<", "<operation>replace<", "/mtp-node:mpls-tp/node/name", ">d</name>", "edit1</edit-id>")
			time.Sleep(7 * time.Second) // 12 s
			e.commit(nodeName("e"))
			expect(12*time.Second, "<patch-id>1<", ">e</name>")
			e.commit(nodeName("f"))
			e.commit(nodeName("g"))
			expect(17*time.Second, "<patch-id>2<", ">g</name>")
		})
	}
}

// TestOnChangeOfState follows what engines push, and refuses what is only read.
func TestOnChangeOfState(t *testing.T) {
	e := newElement(t, nil)
	c := e.open(base11)
	alarms := `<datastore-xpath-filter>/ietf-alarms:alarms/summary</datastore-xpath-filter>`
	c.want(pushTo("operational", alarms+"<on-change><sync-on-start>false</sync-on-start></on-change>"), "<id ")
	path, err := tree.ParsePath(e.schema, "/ietf-alarms:alarms/summary/shelved-alarms")
	if err != nil {
		// The feature of shelving is off; another leaf of the summary will do.
		path, err = tree.ParsePath(e.schema, "/ietf-alarms:alarms/summary/alarm-summary[severity='major']/total")
	}
	if err != nil {
		t.Fatal(err)
	}
	leaf := path[len(path)-1].Node
	if err := e.hub.Publish(time.Now(), []tree.Edit{{Op: tree.Merge, Path: path, Value: schema.MustParse(leaf.Type, "3")}}); err != nil {
		t.Fatal(err)
	}
	if msg := c.next(); !strings.Contains(msg, "<operation>create</operation>") || !strings.Contains(msg, ">3</") {
		t.Errorf("the change came as %s", msg)
	}
	c.want(pushTo("operational", `<datastore-xpath-filter>/ietf-yang-library:yang-library</datastore-xpath-filter><on-change/>`), appOnChangeUnsupported)
}

// blocks is a configuration with the label blocks b0 to bN.
func blocks(n int) string {
	var b strings.Builder
	b.WriteString(`<mpls-tp xmlns="urn:tandem:yang:mtp-node"><mpls-label-blocks>`)
	for i := range n + 1 {
		fmt.Fprintf(&b, "<mpls-label-block><index>b%d</index><start-label>%d</start-label><end-label>%d</end-label></mpls-label-block>", i, 100+i, 100+i)
	}
	b.WriteString("</mpls-label-blocks></mpls-tp>")
	return b.String()
}

// TestStuckClient: a client that reads nothing delays no commit and no other
// client; its backlog is bounded. When it reads again it is told what it missed.
func TestStuckClient(t *testing.T) {
	const stream = `<establish-subscription xmlns="` + nsSubscribed + `"><stream>NETCONF</stream></establish-subscription>`
	one := func(i int) string { return nodeName(fmt.Sprintf("n%d", i)) } // changes one place
	for _, tc := range []struct {
		name, operation, want string
		config                func(int) string
	}{
		{"stream", stream, "unsupportable-volume</reason>", one},
		{"on-change", pushTo("running", "<on-change/>"), "<push-update", blocks},
		{"on-change of one place", pushTo("running", "<on-change><sync-on-start>false</sync-on-start></on-change>"), ">n49</name>", one},
		{"on-change without synchronization", pushTo("running", "<on-change><sync-on-start>false</sync-on-start></on-change>"), "<incomplete-update/>", blocks},
		{"on-change of a condition", pushTo("running", `<datastore-xpath-filter>/mtp-node:mpls-tp/mpls-label-blocks/mpls-label-block[start-label != 16]</datastore-xpath-filter>`+
			"<on-change><sync-on-start>false</sync-on-start></on-change>"), "<index>b49</index>", blocks},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newElement(t, nil)
			e.subs.backlog = 2000
			stuck := e.open(base11)
			stuck.want(tc.operation, "<id ")
			if strings.Contains(tc.want, "push-update") {
				stuck.next() // the synchronization at the start
			}
			other := e.open(base11)
			for i := range 50 {
				e.commit(tc.config(i))
			}
			other.want(`<get-config><source><running/></source></get-config>`, "49<")
			d := e.subs.list()[0]
			if d.push != nil {
				if _, bytes := d.push.sub.Backlog(); bytes > 2000 {
					t.Errorf("the backlog has %d octets", bytes)
				}
			}
			for range 60 {
				if strings.Contains(stuck.next(), tc.want) {
					return
				}
			}
			t.Errorf("the client does not hear of %s", tc.want)
		})
	}
}

// TestSubscriptionsEndWithTheSession and leave nothing behind.
func TestSubscriptionsEndWithTheSession(t *testing.T) {
	e := newElement(t, nil)
	c := e.open(base11)
	for range maxSubscriptions {
		c.want(pushTo("running", nameFilter+"<on-change><sync-on-start>false</sync-on-start></on-change>"), "<id ")
	}
	c.want(pushTo("running", nameFilter+"<on-change/>"), appInsufficient)
	if n := len(e.subs.list()); n != maxSubscriptions {
		t.Errorf("there are %d subscriptions", n)
	}
	c.send(`<rpc xmlns="` + nsBase + `" message-id="1"><close-session/></rpc>`)
	c.next()
	if err := c.ended(); err != nil {
		t.Error(err)
	}
	if n := len(e.subs.list()); n != 0 {
		t.Errorf("%d subscriptions outlive their session", n)
	}
	d := e.open(base11)
	if reply := d.rpc(pushTo("running", nameFilter+"<on-change><sync-on-start>false</sync-on-start></on-change>")); !strings.Contains(reply, fmt.Sprintf(">%d</id>", maxSubscriptions+1)) {
		t.Errorf("an id was used again: %s", reply)
	}
}
