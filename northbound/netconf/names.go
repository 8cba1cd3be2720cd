package netconf

// Namespaces of the operations besides those of RFC 6241.
const (
	nsNMDA        = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
	nsDatastores  = "urn:ietf:params:xml:ns:yang:ietf-datastores"
	nsOrigin      = "urn:ietf:params:xml:ns:yang:ietf-origin"
	nsPartialLock = "urn:ietf:params:xml:ns:netconf:partial-lock:1.0"
	nsCompare     = "urn:ietf:params:xml:ns:yang:ietf-nmda-compare"
	nsCommits     = "urn:tandem:yang:mtp-commits"
)
