// Package server is the element without its protocols and drivers: the schema,
// the datastores, the operational state, and between them and the engines the
// wiring.
//
// Read New first: it makes every room and connects them in the order in which a
// commit passes through. engines.go is the way down (configuration to data
// plane and OAM), health.go, forwarding.go and oamstate.go the way up (states,
// counters, defects, alarms).
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/reconcile"
	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/bfd"
	"github.com/tandem-ne/tandem/oam/shard"
	"github.com/tandem-ne/tandem/server/access"
	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/alarm"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/intent"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/served"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
)

// Options is what the daemon knows and the element needs.
type Options struct {
	// StateDir holds journal, keys and certificates; made at the first start.
	StateDir string
	// AdminKeys are authorized_keys lines of the first administrator.
	AdminKeys []string
	// Hosts are further names and addresses in the TLS certificate.
	Hosts []string
	// YANGDir, where set, holds modules and deviations of the operator
	// (served.ReadDir): served like the element's own, their configuration kept
	// and shown, and acted upon by nobody here.
	YANGDir string

	// Startup makes <startup> a datastore: another boot of the host begins with it
	// (RFC 6241 section 8.7). Without it running survives everything.
	Startup bool
	// BootID is the host's present boot; where empty, a restart is never a boot.
	BootID string

	// RecoveryUser is the user whose sessions no access control rule restricts
	// (RFC 8341 section 2.4); none where empty.
	RecoveryUser string

	// Driver is the data plane; New takes it over and Close closes it.
	// DriverReason says for people why it was taken.
	Driver       dataplane.Driver
	DriverReason string
	// Transport and Clock are the outside of OAM; Close closes Transport.
	Transport oam.Transport
	Clock     oam.Clock
	// Sections is told which sections there are, so that the transport knows
	// their interfaces.
	Sections SectionTable
	// Links tells of the host's interfaces.
	Links Links

	// OAMThread, where set, is called on the thread that runs OAM before
	// it starts, to give that thread its priority.
	OAMThread func()

	Log *slog.Logger // slog.Default() where nil.
}

// SectionTable is the transport's side of the sections.
type SectionTable interface {
	SetSection(dataplane.Section)
	RemoveSection(name string)
}

// Interface is what the element shows of a host interface.
type Interface struct {
	Name        string
	Index       int
	MAC         dataplane.MAC
	MTU         int
	Up, Carrier bool
}

// Links gives the interfaces of the host. Changes sends an Interface for each
// that appeared or changed (Index 0: it is gone) until Close.
type Links interface {
	List() ([]Interface, error)
	Changes() <-chan Interface
	Close() error
}

// Server is a running element.
type Server struct {
	Schema *schema.Schema
	Store  *datastore.Store
	Hub    *oper.Hub
	Access *access.Access
	NACM   *nacm.Control
	Alarms *alarm.List

	log        *slog.Logger
	clock      oam.Clock
	driver     dataplane.Driver
	reconciler *reconcile.Reconciler
	shard      *shard.Shard
	bfd        *bfd.Engine
	intent     *intent.Intent
	sections   SectionTable
	links      Links
	health     *health
	guard      *guard
	megs       megStates
	shardDone  chan error
	linksDone  chan struct{}
	started    time.Time
}

// New starts an element: it opens the state directory, adopts what the data
// plane still holds of an earlier process, and brings OAM up. When it returns,
// running is the configuration of the last acknowledged commit and the data
// plane is on its way to it. On error everything that was opened is closed.
func New(ctx context.Context, o Options) (_ *Server, err error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Server{
		log: o.Log, clock: o.Clock, driver: o.Driver, sections: o.Sections, links: o.Links,
		shardDone: make(chan error, 1), linksDone: make(chan struct{}), started: time.Now(),
		megs: megStates{counts: map[string]*[oam.NumDefects]uint32{}},
	}
	var opened closers
	opened.add(o.Driver.Close)
	opened.add(o.Transport.Close)
	following := false
	opened.add(func() error {
		err := o.Links.Close()
		if following {
			<-s.linksDone
		}
		return err
	})
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.close())
		}
	}()
	choices := served.Choices{Startup: o.Startup}
	var stored []string
	if o.YANGDir != "" {
		if choices.Modules, err = served.ReadDir(o.YANGDir); err != nil {
			return nil, fmt.Errorf("the operator's YANG modules: %w", err)
		}
		stored = choices.Modules.Names
		s.log.Info("modules of the operator", "modules", stored)
	}
	if s.Schema, err = served.SchemaWith(choices); err != nil {
		return nil, err
	}
	if s.intent, err = intent.New(intent.Options{Schema: s.Schema, Capabilities: o.Driver.Capabilities(), Stored: stored}); err != nil {
		return nil, err
	}
	if s.Access, err = access.Open(access.Options{Dir: o.StateDir, AdminKeys: o.AdminKeys, Hosts: o.Hosts, Log: o.Log}); err != nil {
		return nil, err
	}
	s.NACM = nacm.New(nacm.Options{Schema: s.Schema, RecoveryUser: o.RecoveryUser, Log: o.Log})
	initial, err := initialRules(s.Schema)
	if err != nil {
		return nil, err
	}
	s.Store, err = datastore.Open(datastore.Options{
		Schema: s.Schema, Validator: validate.New(s.Schema), Dir: filepath.Join(o.StateDir, "datastore"), Log: o.Log,
		Rewrite: hashPasswords, Authorize: s.authorize, Initial: initial,
		Startup: o.Startup, BootID: o.BootID,
	})
	if err != nil {
		return nil, err
	}
	opened.add(s.Store.Close)
	running := s.Store.Running().Root
	s.NACM.Update(running)
	s.Hub = oper.New(s.Schema, running, time.Now)
	if err := s.provideAccessCounters(); err != nil {
		return nil, err
	}
	if err := s.provideAuthentication(); err != nil {
		return nil, err
	}
	if s.Alarms, err = alarm.New(s.Hub, s.Schema, time.Now); err != nil {
		return nil, err
	}
	s.health = newHealth(s)
	opened.add(s.health.close)
	go s.followLinks()
	following = true
	if err := s.startEngines(ctx, o, running, &opened); err != nil {
		return nil, err
	}
	if err := s.provideState(o); err != nil {
		return nil, err
	}
	if err := s.provideClients(); err != nil {
		return nil, err
	}
	s.startGuard()
	s.Store.Serve()
	return s, nil
}

// startEngines brings data plane and OAM to the running configuration and
// registers them with the datastore.
func (s *Server) startEngines(ctx context.Context, o Options, running *tree.Node, opened *closers) error {
	s.reconciler = reconcile.New(reconcile.Options{Driver: o.Driver, Log: o.Log, OnStatus: s.health.onStatus})
	opened.add(func() error { s.reconciler.Close(); return nil })
	s.bfd = bfd.NewEngine(nil)
	var err error
	s.shard, err = shard.New(shard.Options{
		Transport: o.Transport, Clock: o.Clock, Engines: []oam.Engine{s.bfd}, Observer: observer{s},
	})
	if err != nil {
		return err
	}
	opened.add(s.shard.Close)
	e := &engines{Server: s}
	result, errs := s.intent.Build(nil, tree.Empty(s.Schema), running)
	if len(errs) > 0 {
		// The journal holds what another driver or an older version accepted.
		return fmt.Errorf("the running configuration cannot be carried out here: %w", errs)
	}
	if err := e.start(ctx, running, result); err != nil {
		return err
	}
	go func() {
		runtime.LockOSThread()
		if o.OAMThread != nil {
			o.OAMThread()
		}
		s.shardDone <- s.shard.Run()
	}()
	s.Store.Register(e)
	s.Store.Register(accessRules{})
	s.setAccess(tree.Empty(s.Schema), running)
	s.Store.OnCommit(func(c datastore.Commit) {
		s.NACM.Update(c.New)
		s.setAccess(c.Old, c.New)
		s.Hub.PublishCommit(c.Old, c.New, c.Time)
	})
	return nil
}

// Close stops the engines and closes the datastore. The data plane goes on
// forwarding; the sessions of the northbound protocols must be closed before.
func (s *Server) Close() error {
	s.guard.close()
	errs := []error{s.shard.Close(), <-s.shardDone, s.links.Close()}
	<-s.linksDone
	s.reconciler.Close()
	errs = append(errs, s.health.close(), s.driver.Close(), s.Store.Close())
	return errors.Join(errs...)
}

// Settled waits until the data plane has tried every change so far.
func (s *Server) Settled(ctx context.Context) error { return s.reconciler.Flush(ctx) }

// Driver names the data plane in use.
func (s *Server) Driver() string { return s.driver.Capabilities().Driver }

// Reapply puts every section once more and compares the rest of the data plane
// with the configuration: somebody has left the interfaces.
func (s *Server) Reapply() {
	s.reconciler.Again(dataplane.KindSection)
	s.reconciler.Audit()
}

// closers undo what New has opened, last first.
type closers []func() error

func (c *closers) add(f func() error) { *c = append(*c, f) }

func (c *closers) close() error {
	var errs []error
	for i := len(*c) - 1; i >= 0; i-- {
		errs = append(errs, (*c)[i]())
	}
	return errors.Join(errs...)
}
