package gnmi

import (
	"sync"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"

	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/tree"
)

// sharedSlots is how many encoded messages are kept: enough for subscribers
// that are a little apart, while one far behind encodes for itself.
const sharedSlots = 1024

// sharedKey says when two subscriptions send the same bytes: the Hub hands the
// same *tree.Change to all whose patterns cut it to the same subtree.
type sharedKey struct {
	change         *tree.Change
	encoding       gpb.Encoding
	target, origin string
}

// sharedMessages holds the messages of the latest changes, encoded.
type sharedMessages struct {
	mu    sync.Mutex
	byKey map[sharedKey]*sharedMessage
	ring  []sharedKey
	next  int
}

// sharedMessage is one message, encoded by whoever comes first.
type sharedMessage struct {
	once  sync.Once
	ready bool
	msg   grpc.PreparedMsg
}

// get returns the message for key, new or known.
func (c *sharedMessages) get(key sharedKey) *sharedMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.byKey[key]; m != nil {
		return m
	}
	if c.byKey == nil {
		c.byKey = make(map[sharedKey]*sharedMessage, sharedSlots)
		c.ring = make([]sharedKey, sharedSlots)
	}
	m := &sharedMessage{}
	delete(c.byKey, c.ring[c.next])
	c.ring[c.next] = key
	c.byKey[key] = m
	c.next = (c.next + 1) % sharedSlots
	return m
}

// encode encodes the one message of b. If there are none or several, or the
// stream cannot share, the message stays unready and everyone sends their own.
func (m *sharedMessage) encode(sub *subscription, b oper.Batch) {
	var messages []*gpb.SubscribeResponse
	err := sub.batch(b, func(r *gpb.SubscribeResponse) error {
		messages = append(messages, r)
		return nil
	})
	if err != nil || len(messages) != 1 {
		return
	}
	m.ready = m.msg.Encode(sub.out, messages[0]) == nil
}
