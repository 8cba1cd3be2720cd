package schema

// Identity is an identity statement (RFC 7950 section 7.18).
type Identity struct {
	Name        string
	Module      *Module
	Bases       []*Identity
	Derived     []*Identity // all, transitively, sorted by module and name
	Status      Status
	Description string

	ancestors map[*Identity]bool
}

// DerivedFrom reports whether i is derived from base, directly or not. An
// identity is not derived from itself.
func (i *Identity) DerivedFrom(base *Identity) bool { return i.ancestors[base] }

// String returns "module:name", the canonical form of an identityref.
func (i *Identity) String() string { return i.Module.Name + ":" + i.Name }
