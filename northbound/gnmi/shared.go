package gnmi

import (
	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"

	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/oper"
)

// sharedKey says, of subscriptions with the same changes, which send the same
// octets.
type sharedKey struct {
	encoding       gpb.Encoding
	target, origin string
	view           nacm.View // the zero View of all who may read everything
}

// look makes view what the subscriber sees of the events that follow.
func (sub *subscription) look(view nacm.View) {
	if sub.key == nil || view != sub.view {
		sub.view = view
		sub.key = sharedKey{sub.encoding, sub.prefix.GetTarget(), sub.prefix.GetOrigin(), view}
	}
}

// encoded are the messages of one event, kept in the event's Memo. If the
// stream cannot share there are none and ready is false.
type encoded struct {
	ready    bool
	messages []*grpc.PreparedMsg
}

// sendBatches sends the changes of events. What equal subscriptions send is
// encoded once for all of them.
func (sub *subscription) sendBatches(batches []oper.Batch) error {
	alone := sub.srv.streams.Load() < 2
	for i := range batches {
		b := &batches[i]
		// A backlog that newer values have shortened is nobody else's.
		if alone || b.Coalesced > 0 {
			if err := sub.batch(*b, sub.send); err != nil {
				return err
			}
			continue
		}
		e := b.Memo.Get(sub.key, func() any { return sub.encode(*b) }).(*encoded)
		if err := sub.sendEncoded(e, b); err != nil {
			return err
		}
	}
	return nil
}

func (sub *subscription) sendEncoded(e *encoded, b *oper.Batch) error {
	if !e.ready {
		return sub.batch(*b, sub.send)
	}
	sub.mu.Lock()
	defer sub.mu.Unlock()
	for _, m := range e.messages {
		if err := sub.out.SendMsg(m); err != nil {
			return err
		}
	}
	return nil
}

// encode encodes what sub sends for b.
func (sub *subscription) encode(b oper.Batch) *encoded {
	e := &encoded{}
	err := sub.batch(b, func(r *gpb.SubscribeResponse) error {
		m := &grpc.PreparedMsg{}
		e.messages = append(e.messages, m)
		return m.Encode(sub.out, r)
	})
	e.ready = err == nil
	return e
}
