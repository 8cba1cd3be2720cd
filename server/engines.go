package server

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/intent"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// engines takes part in every commit: it turns the change into deltas of the
// data plane and of OAM, lets both refuse, and hands them over once the change
// is durable.
type engines struct {
	*Server

	// state belongs to the running configuration.
	state atomic.Pointer[intent.State]
}

// start brings the engines to the configuration that the process begins with.
func (e *engines) start(ctx context.Context, running *tree.Node, r *intent.Result) error {
	e.state.Store(r.State)
	e.health.configure(r.State, tree.Empty(e.Schema), running, r)
	e.setSections(r.Dataplane)
	if err := e.reconciler.Start(ctx, r.Dataplane.Put); err != nil {
		return err
	}
	if err := e.shard.Prepare(r.OAM); err != nil {
		return err
	}
	e.applyOAM(r.OAM)
	return nil
}

// Prepare implements datastore.Participant.
func (e *engines) Prepare(ctx context.Context, c *datastore.Change) (func(), error) {
	r, err := e.build(c)
	if err != nil {
		return nil, err
	}
	if err := e.reconciler.Prepare(ctx, r.Dataplane); err != nil {
		return nil, e.refusal(r.State, err)
	}
	if err := e.shard.Prepare(r.OAM); err != nil {
		return nil, e.refusal(r.State, err)
	}
	return func() {
		e.state.Store(r.State)
		e.health.configure(r.State, c.Old, c.New, r)
		e.setSections(r.Dataplane)
		e.reconciler.Update(r.Dataplane)
		e.applyOAM(r.OAM)
	}, nil
}

// build computes the deltas from the state of the running configuration. A
// validate that overlaps a commit may be based on an older root: then nothing
// can be reused.
func (e *engines) build(c *datastore.Change) (*intent.Result, error) {
	state := e.state.Load()
	if state.Root() != c.Old {
		base, errs := e.intent.Build(nil, tree.Empty(e.Schema), c.Old)
		if len(errs) > 0 {
			return nil, errs
		}
		state = base.State
	}
	r, errs := e.intent.Build(state, c.Old, c.New)
	if len(errs) > 0 {
		return nil, errs
	}
	return r, nil
}

// refusal gives an engine's error the path of the configuration it is about.
func (e *engines) refusal(state *intent.State, err error) error {
	var op *dataplane.OpError
	if errors.As(err, &op) {
		return yangerr.New(yangerr.OperationNotSupported, state.Path(op.Key), "%s", op.Reason).WithAppTag("data-plane-refused")
	}
	var config *oam.ConfigError
	if errors.As(err, &config) {
		return yangerr.New(yangerr.InvalidValue, e.intent.MEGPath(config.MEG), "%s: %s", config.Field, config.Rule).WithAppTag("oam-refused")
	}
	return err
}

// setSections tells the OAM transport before the data plane and the sessions:
// a path that a session opens must find its section.
func (e *engines) setSections(d dataplane.Delta) {
	for _, o := range d.Put {
		if s, ok := o.(dataplane.Section); ok {
			e.sections.SetSection(s)
		}
	}
	for _, k := range d.Delete {
		if k.Kind == dataplane.KindSection {
			e.sections.RemoveSection(k.Name)
		}
	}
}

func (e *engines) applyOAM(d oam.Delta) {
	e.shard.Apply(d)
	for _, name := range d.Delete {
		e.forgetMEG(name)
	}
	for _, m := range d.Put {
		e.publishMEG(m.Name, nil)
	}
}
