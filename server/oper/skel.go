package oper

import (
	"context"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// Hub is the meeting point of state and subscribers.
type Hub struct{}

// Sub is one subscription to changes.
type Sub struct{}

// NotifSub is one subscription to a notification stream.
type NotifSub struct{}

func New(s *schema.Schema, running *tree.Node, now func() time.Time) *Hub { return &Hub{} }
func (h *Hub) Provide(path string, p Provider) error                      { return nil }
func (h *Hub) View(ctx context.Context, running *tree.Node, f *tree.Filter) (*tree.Node, error) {
	return running, nil
}
func (h *Hub) ViewAt(ctx context.Context, s Snapshot, f *tree.Filter) (*tree.Node, error) {
	return s.Running, nil
}
func (h *Hub) State() *tree.Node                                            { return nil }
func (h *Hub) Snapshot() Snapshot                                           { return Snapshot{} }
func (h *Hub) Publish(t time.Time, edits []tree.Edit) error                 { return nil }
func (h *Hub) PublishCommit(old, new *tree.Node, t time.Time)               {}
func (h *Hub) Subscribe(o SubOptions) (*Sub, Snapshot)                      { return &Sub{}, Snapshot{} }
func (s *Sub) Next(ctx context.Context) (Batch, error)                      { return Batch{}, nil }
func (s *Sub) Resync() Snapshot                                             { return Snapshot{} }
func (s *Sub) Close()                                                       {}
func (h *Hub) Notify(t time.Time, n *tree.Node, path tree.Path)             {}
func (h *Hub) Notifications(stream string, maxBytes int) (*NotifSub, error) { return &NotifSub{}, nil }
func (s *NotifSub) Next(ctx context.Context) (Notification, error)          { return Notification{}, nil }
func (s *NotifSub) Close()                                                  {}
