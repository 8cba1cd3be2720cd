package alarm

import (
	"time"

	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// List is the alarm list of the element.
type List struct{}

func New(hub *oper.Hub, s *schema.Schema, now func() time.Time) (*List, error) { return &List{}, nil }
func (l *List) Raise(a Alarm) error                                            { return nil }
func (l *List) Clear(id ID, t time.Time) error                                 { return nil }
func (l *List) Configure(running *tree.Node)                                   {}
