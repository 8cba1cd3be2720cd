package served_test

import (
	"slices"
	"testing"

	"github.com/tandem-ne/tandem/server/served"
)

// TestStartupIsAChoice: the feature startup, and with it the nodes of RFC 6241
// that need it, exist only where the operator wants a startup datastore; the two
// schemas are told apart by their content-id.
func TestStartupIsAChoice(t *testing.T) {
	ids := map[bool]string{}
	for _, startup := range []bool{false, true} {
		s, err := served.SchemaWith(served.Choices{Startup: startup})
		if err != nil {
			t.Fatal(err)
		}
		ids[startup] = s.ContentID()
		if got := slices.Contains(s.Module("ietf-netconf").Features, "startup"); got != startup {
			t.Errorf("Startup %v: the feature is on: %v", startup, got)
		}
		if _, err := s.Find("/ietf-netconf:lock/input/target/startup"); (err == nil) != startup {
			t.Errorf("Startup %v: lock of startup: %v", startup, err)
		}
	}
	if ids[false] == ids[true] {
		t.Error("both schemas have the same content-id")
	}
}
