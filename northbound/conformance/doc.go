// Package conformance is a suite of NETCONF and YANG cases, one for each clause
// of an RFC, that judges any server: it speaks to it in octets and knows nothing
// of how it is made. Run runs it in a Go test, RunAll without one.
package conformance
