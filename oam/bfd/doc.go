// Package bfd is proactive continuity check, connectivity verification and
// remote defect indication for MPLS-TP (RFC 6428 on top of RFC 5880) in
// coordinated mode.
//
// Read packet.go, cc.go and cv.go for the wire, table.go for the states,
// machine.go for everything that depends on time, and session.go for what a
// received frame is held against before the machine sees it. README.md says
// which rule comes from which RFC.
package bfd
