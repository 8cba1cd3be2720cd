package server

import (
	"context"
	"strings"

	"github.com/tandem-ne/tandem/server/oper"
)

// channelCounters lists the packets of the associated channel by channel type: the
// driver's counters channel-TYPE-WHAT.
type channelCounters struct{ *Server }

// Read implements oper.Provider.
func (p channelCounters) Read(_ context.Context, req oper.Request) error {
	counters, err := p.drops()
	if err != nil || len(req.Instances) == 0 {
		return err
	}
	at := req.Instances[0]
	at = at[:len(at)-1] // The list gives its holder.
	for name, n := range counters {
		rest, ok := strings.CutPrefix(name, channel)
		kind, what, split := strings.Cut(strings.ToLower(rest), "-")
		if !ok || !split || at[len(at)-1].Node.Child("channel").Child(what) == nil {
			continue
		}
		e := edits{at: entry(at, "channel", kind)}
		e.setUint(n, what)
		e.build(req.Build)
	}
	return nil
}
