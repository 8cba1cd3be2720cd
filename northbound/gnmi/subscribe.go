package gnmi

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/tree"
)

// Subscribe is the RPC of gNMI specification section 3.5.
func (s *Server) Subscribe(stream gpb.GNMI_SubscribeServer) error {
	first, err := stream.Recv()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return status.Error(codes.InvalidArgument, "the stream was closed before its SubscriptionList")
		}
		return err
	}
	if err := checkExtensions(first.GetExtension()); err != nil {
		return err
	}
	list := first.GetSubscribe()
	if list == nil {
		return status.Error(codes.InvalidArgument, "the first message must be a SubscriptionList")
	}
	checker := s.checker(stream.Context())
	if err := checker.ExecName(netconf, "get"); err != nil {
		return statusOf(err)
	}
	sub, err := s.subscription(list)
	if err != nil {
		return err
	}
	// Everything below ends with the RPC, whichever side ends it.
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	sub.ctx, sub.out, sub.nacm = ctx, stream, checker
	requests := make(chan error)
	go receive(ctx, stream, list.GetMode(), requests)
	switch list.GetMode() {
	case gpb.SubscriptionList_ONCE:
		return sub.once()
	case gpb.SubscriptionList_POLL:
		return sub.poll(requests)
	}
	return sub.stream(requests)
}

// receive reads what the client sends after the SubscriptionList: a nil is a
// Poll, an error ends the RPC. A client that closes its side keeps the stream.
func receive(ctx context.Context, stream gpb.GNMI_SubscribeServer, mode gpb.SubscriptionList_Mode, requests chan<- error) {
	for {
		req, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			if mode != gpb.SubscriptionList_POLL {
				return
			}
		case err != nil:
			err = statusOf(err)
		default:
			switch {
			case req.GetSubscribe() != nil:
				err = status.Error(codes.InvalidArgument, "a second SubscriptionList on the same RPC")
			case req.GetPoll() == nil:
				err = status.Error(codes.InvalidArgument, "a message without request")
			case mode != gpb.SubscriptionList_POLL:
				err = status.Errorf(codes.InvalidArgument, "a Poll on a subscription of mode %s", mode)
			}
		}
		select {
		case requests <- err:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// subscription is one RPC's SubscriptionList, checked.
type subscription struct {
	srv         *Server
	ctx         context.Context
	mu          sync.Mutex // events and samples are sent by two goroutines
	out         gpb.GNMI_SubscribeServer
	nacm        *nacm.Checker
	prefix      *gpb.Path
	encoding    gpb.Encoding
	key         any // a sharedKey, for the view below
	view        nacm.View
	wake        atomic.Pointer[context.CancelFunc] // makes follow give up waiting
	updatesOnly bool
	items       []*item
	patterns    []tree.Path // of all items, none of which takes in another
}

// item is one Subscription.
type item struct {
	patterns  []tree.Path
	mode      gpb.SubscriptionMode
	interval  time.Duration // SAMPLE
	heartbeat time.Duration // 0 for none
	suppress  bool
}

// subscription checks a SubscriptionList.
func (s *Server) subscription(list *gpb.SubscriptionList) (*subscription, error) {
	if _, ok := gpb.SubscriptionList_Mode_name[int32(list.GetMode())]; !ok {
		return nil, status.Errorf(codes.InvalidArgument, "%d is no mode of a SubscriptionList", list.GetMode())
	}
	for _, err := range []error{checkEncoding(list.GetEncoding()), checkModels(list.GetUseModels())} {
		if err != nil {
			return nil, err
		}
	}
	if len(list.GetSubscription()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "the SubscriptionList has no subscription")
	}
	paths := make([]*gpb.Path, len(list.GetSubscription()))
	for i, sub := range list.GetSubscription() {
		paths[i] = sub.GetPath()
	}
	origin, err := originOf(list.GetPrefix(), paths)
	if err != nil {
		return nil, err
	}
	out := &subscription{
		srv: s, encoding: list.GetEncoding(), updatesOnly: list.GetUpdatesOnly(),
		prefix: responsePrefix(list.GetPrefix(), origin),
	}
	out.look(nacm.View{})
	for i, sub := range list.GetSubscription() {
		sel, err := s.resolve(list.GetPrefix(), paths[i], codes.Unimplemented)
		if err != nil {
			return nil, err
		}
		it := &item{patterns: sel.patterns, mode: sub.GetMode(), suppress: sub.GetSuppressRedundant()}
		if list.GetMode() == gpb.SubscriptionList_STREAM {
			if err := it.timing(s, sel, sub); err != nil {
				return nil, err
			}
		}
		out.items = append(out.items, it)
		out.patterns = append(out.patterns, sel.patterns...)
	}
	out.patterns = oper.Reduce(out.patterns)
	return out, nil
}

// timing checks and takes the intervals of one subscription of a stream
// (sections 3.5.1.5.2 and 3.5.2.3).
func (it *item) timing(s *Server, sel selection, sub *gpb.Subscription) error {
	bad := func(format string, args ...any) error {
		return status.Errorf(codes.InvalidArgument, "path "+sel.text+": "+format, args...)
	}
	const longest = uint64(1<<63 - 1)
	if sub.GetSampleInterval() > longest || sub.GetHeartbeatInterval() > longest {
		return bad("an interval is longer than can be counted")
	}
	it.heartbeat = time.Duration(sub.GetHeartbeatInterval())
	it.interval = time.Duration(sub.GetSampleInterval())
	if it.heartbeat > 0 && it.heartbeat < s.opt.MinSample {
		return bad("heartbeat_interval %s is shorter than the shortest, %s", it.heartbeat, s.opt.MinSample)
	}
	switch it.mode {
	case gpb.SubscriptionMode_ON_CHANGE:
	case gpb.SubscriptionMode_TARGET_DEFINED:
		if it.interval != 0 {
			return bad("sample_interval is given, but the mode TARGET_DEFINED leaves it to the target")
		}
	case gpb.SubscriptionMode_SAMPLE:
		switch {
		case it.interval == 0:
			it.interval = s.opt.MinSample
		case it.interval < s.opt.MinSample:
			return bad("sample_interval %s is shorter than the shortest, %s", it.interval, s.opt.MinSample)
		}
		if it.heartbeat > 0 && it.heartbeat < it.interval {
			return bad("heartbeat_interval %s is shorter than sample_interval %s", it.heartbeat, it.interval)
		}
	default:
		return bad("%d is no subscription mode", it.mode)
	}
	return nil
}

// once sends the data, then sync_response, and ends the RPC with OK.
func (sub *subscription) once() error {
	if err := sub.sendAll(); err != nil {
		return err
	}
	return sub.sync()
}

// poll does what once does, at the start and for every Poll.
func (sub *subscription) poll(requests <-chan error) error {
	if err := sub.once(); err != nil {
		return err
	}
	sub.updatesOnly = false // a Poll asks for the data
	for {
		select {
		case err := <-requests:
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := sub.once(); err != nil {
				return err
			}
		case <-sub.ctx.Done():
			return statusOf(sub.ctx.Err())
		case <-sub.srv.quit:
			return errStopping()
		}
	}
}

func errStopping() error { return status.Error(codes.Unavailable, "the server is stopping") }

// sendAll sends the present data of all items, unless only updates are wanted.
func (sub *subscription) sendAll() error {
	if sub.updatesOnly {
		return nil
	}
	snap := oper.Snapshot{Running: sub.srv.store.Running().Root, State: sub.srv.hub.State()}
	return sub.sendSnapshot(snap, sub.patterns, nil)
}

func (sub *subscription) sync() error {
	return sub.send(&gpb.SubscribeResponse{Response: &gpb.SubscribeResponse_SyncResponse{SyncResponse: true}})
}

// send sends m, which must not change any more. It waits for a client that
// does not read.
func (sub *subscription) send(m *gpb.SubscribeResponse) error {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return sub.out.Send(m)
}

// sendSnapshot sends all leafs of patterns as of snap. keep, if not nil, is
// asked for each and may leave it out.
func (sub *subscription) sendSnapshot(snap oper.Snapshot, patterns []tree.Path, keep func([]*gpb.PathElem, *tree.Node) bool) error {
	view := sub.nacm.View()
	w := sub.writer(time.Now(), sub.send)
	for _, pattern := range patterns {
		root, err := sub.srv.hub.ViewAt(sub.ctx, snap, filterOf(sub.srv.schema.Root(), pattern))
		if err != nil {
			return statusOf(err)
		}
		match(view.Read(sub.srv.defaults.InUse(root, snap.Running)), pattern, true, func(p tree.Path, n *tree.Node) {
			leafs(elemsOf(p), n, tree.ReportAll, func(elems []*gpb.PathElem, leaf *tree.Node) {
				if keep == nil || keep(elems, leaf) {
					w.update(elems, leaf)
				}
			})
		})
	}
	return w.flush()
}
