package netconf

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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
