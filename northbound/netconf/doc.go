// Package netconf is the NETCONF server (RFC 6241) over SSH (RFC 6242): framing,
// sessions, one file per operation, and event notifications (RFC 5277).
//
// Read server.go first, then session.go, which follows one message from the
// frame to the reply, then any operation.
package netconf
