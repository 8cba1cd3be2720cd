// Package xpath evaluates XPath 1.0 with the functions of YANG 1.1 (RFC 7950
// section 10) on trees of package tree.
//
// An expression is compiled once against the schema: names become schema nodes,
// types are checked, predicates that give the keys of a list become lookups, and
// what the expression reads is recorded (Deps), so that a validator knows which
// instances a change can affect. An Expr never changes and is safe for
// concurrent use.
//
// The tree that expressions see is the accessible tree of RFC 7950 section
// 6.4.1: defaults in use and containers without presence exist, entries of lists
// are elements, operations and notifications are children of the node that
// they belong to, and values are in canonical form. A leaf with a value that is
// not empty has one text node. There are no attributes, namespace nodes,
// comments and processing instructions; their axes and tests are empty.
package xpath
