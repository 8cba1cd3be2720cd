package chain

import "github.com/tandem-ne/tandem/dataplane"

func (s *State) pseudowire(*Compiled, dataplane.Pseudowire) *dataplane.OpError { return nil }

func (s *State) service(*Compiled, dataplane.Service) *dataplane.OpError { return nil }
