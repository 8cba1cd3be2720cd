// Package ach holds the wire formats every MPLS-TP OAM protocol shares: the
// label stack entry, the Generic Associated Channel Label, the Associated
// Channel Header with its channel types (RFC 5586), and the MEP-ID TLVs of
// RFC 6428. Everything that parses marshals back to the same octets.
package ach
