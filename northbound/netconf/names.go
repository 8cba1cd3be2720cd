package netconf

import "github.com/tandem-ne/tandem/server/schema"

// Namespaces of the operations besides those of RFC 6241.
const (
	nsNMDA        = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
	nsDatastores  = "urn:ietf:params:xml:ns:yang:ietf-datastores"
	nsOrigin      = "urn:ietf:params:xml:ns:yang:ietf-origin"
	nsPartialLock = "urn:ietf:params:xml:ns:netconf:partial-lock:1.0"
	nsCompare     = "urn:ietf:params:xml:ns:yang:ietf-nmda-compare"
	nsPrivate     = "urn:ietf:params:xml:ns:yang:ietf-netconf-private-candidate"
	nsCommits     = "urn:tandem:yang:mtp-commits"
)

// moduleOperations are the operations of other modules than ietf-netconf that are
// about datastores, those that the schema has.
func moduleOperations(s *schema.Schema) map[name]parser {
	table := map[name]parser{
		{nsNMDA, "get-data"}:              parseGetData,
		{nsNMDA, "edit-data"}:             parseEditData,
		{nsPartialLock, "partial-lock"}:   parsePartialLock,
		{nsPartialLock, "partial-unlock"}: parsePartialUnlock,
		{nsCompare, "compare"}:            parseCompare,
		{nsPrivate, "update"}:             parseUpdate,
		{nsCommits, "rollback"}:           parseRollback,
		{nsCommits, "compare-commits"}:    parseCompareCommits,
		{nsCommits, "get-commit"}:         parseGetCommit,
	}
	for n := range table {
		if m := s.ModuleByNamespace(n.space); m == nil || s.RPC(m, n.local) == nil {
			delete(table, n)
		}
	}
	return table
}
