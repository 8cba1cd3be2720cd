package main

import (
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/server"
)

// links shows the host's interfaces to the element.
type links struct {
	handle  *link.Handle
	sub     *link.Subscription
	changes chan server.Interface
}

// openLinks follows the interfaces of the calling thread's namespace.
func openLinks() (*links, error) {
	h, err := link.Open()
	if err != nil {
		return nil, err
	}
	sub, err := h.Subscribe()
	if err != nil {
		h.Close()
		return nil, err
	}
	l := &links{handle: h, sub: sub, changes: make(chan server.Interface, 64)}
	go l.follow()
	return l, nil
}

func (l *links) follow() {
	defer close(l.changes)
	for ev := range l.sub.Events() {
		switch ev.Kind {
		case link.LinkNew:
			l.changes <- interfaceOf(ev.Link)
		case link.LinkGone:
			l.changes <- server.Interface{Name: ev.Link.Name}
		case link.Overflow:
			// An interface that went meanwhile is noticed by the data plane's
			// own audit; the ones that are there are told again.
			all, err := l.handle.List()
			if err != nil {
				continue
			}
			for _, i := range all {
				l.changes <- interfaceOf(i)
			}
		}
	}
}

func interfaceOf(i link.Link) server.Interface {
	return server.Interface{Name: i.Name, Index: i.Index, MAC: i.MAC, MTU: i.MTU, Up: i.Up, Carrier: i.Carrier}
}

// List implements server.Links.
func (l *links) List() ([]server.Interface, error) {
	all, err := l.handle.List()
	if err != nil {
		return nil, err
	}
	out := make([]server.Interface, len(all))
	for i, k := range all {
		out[i] = interfaceOf(k)
	}
	return out, nil
}

// Changes implements server.Links.
func (l *links) Changes() <-chan server.Interface { return l.changes }

// Close implements server.Links; Changes is drained by its reader.
func (l *links) Close() error {
	err := l.sub.Close()
	if e := l.handle.Close(); err == nil {
		err = e
	}
	return err
}
