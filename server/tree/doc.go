// Package tree holds instances of a schema: an immutable, structurally shared,
// schema-typed tree, the edits that turn one tree into another, and what every
// consumer needs to read one (paths, differences, selections, defaults).
//
// A Node never changes once it is sealed, so a tree is its root pointer: a
// candidate, a rollback point and a reader's snapshot are pointers to roots,
// and readers take no lock. An edit copies the nodes between the root and what
// it changes and shares the rest, and Diff descends only where pointers differ.
package tree
