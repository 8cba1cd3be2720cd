// Package schema compiles YANG modules (RFC 7950, RFC 6020) into one immutable
// tree of typed nodes, which every other package of the server works on.
package schema
