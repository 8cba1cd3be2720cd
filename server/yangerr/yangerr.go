// Package yangerr holds the one error value of the management plane: an
// error tag of RFC 6241 appendix A, the instance it is about, and a sentence.
//
// Every layer below the protocols (codec, tree, validate, datastore, intent)
// returns *Error or List; NETCONF prints them as <rpc-error> and gNMI maps
// them to a status code, each in one place.
package yangerr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Tag is an error-tag of RFC 6241 appendix A.
type Tag string

// The error tags of RFC 6241 appendix A. The deprecated partial-operation is
// not among them.
const (
	InUse                 Tag = "in-use"
	InvalidValue          Tag = "invalid-value"
	TooBig                Tag = "too-big"
	MissingAttribute      Tag = "missing-attribute"
	BadAttribute          Tag = "bad-attribute"
	UnknownAttribute      Tag = "unknown-attribute"
	MissingElement        Tag = "missing-element"
	BadElement            Tag = "bad-element"
	UnknownElement        Tag = "unknown-element"
	UnknownNamespace      Tag = "unknown-namespace"
	AccessDenied          Tag = "access-denied"
	LockDenied            Tag = "lock-denied"
	ResourceDenied        Tag = "resource-denied"
	RollbackFailed        Tag = "rollback-failed"
	DataExists            Tag = "data-exists"
	DataMissing           Tag = "data-missing"
	OperationNotSupported Tag = "operation-not-supported"
	OperationFailed       Tag = "operation-failed"
	MalformedMessage      Tag = "malformed-message"
)

// Type is the error-type of RFC 6241 section 4.3: the layer that failed.
type Type string

// The error types of RFC 6241 section 4.3.
const (
	Transport   Type = "transport"
	RPC         Type = "rpc"
	Protocol    Type = "protocol"
	Application Type = "application"
)

// The error-app-tags of RFC 7950 section 15.
const (
	AppNotUnique        = "data-not-unique"
	AppTooManyElements  = "too-many-elements"
	AppTooFewElements   = "too-few-elements"
	AppMustViolation    = "must-violation"
	AppInstanceRequired = "instance-required"
	AppMissingChoice    = "missing-choice"
	AppMissingInstance  = "missing-instance"
)

// NamespaceYANG is the XML namespace of the error-info elements that
// RFC 7950 section 15 adds, non-unique and missing-choice.
const NamespaceYANG = "urn:ietf:params:xml:ns:yang:1"

// The names of error-info elements: RFC 6241 appendix A, RFC 7950 section 15.
const (
	InfoBadAttribute  = "bad-attribute"
	InfoBadElement    = "bad-element"
	InfoBadNamespace  = "bad-namespace"
	InfoSessionID     = "session-id"
	InfoNonUnique     = "non-unique"     // namespace NamespaceYANG
	InfoMissingChoice = "missing-choice" // namespace NamespaceYANG
)

// Path names an instance of data. tree.Path is the implementation.
type Path interface {
	// String is the RFC 7951 instance-identifier: a module name wherever
	// the module changes.
	String() string
	// Format is the XPath form for an error-path: every node carries the
	// prefix that prefix returns for its module. The caller declares those
	// prefixes in the element that holds the path.
	Format(prefix func(module string) string) string
}

// Info is one child of error-info.
type Info struct {
	Name      string // InfoBadElement, InfoSessionID, ...
	Namespace string // empty for the NETCONF base namespace
	Value     string // text, unless Path or Children is set
	Path      Path   // for InfoNonUnique
	Children  []Info // elements inside, in the same namespace
}

// Error is one reported fault. Its severity is always "error".
type Error struct {
	Type    Type   // Application unless set otherwise
	Tag     Tag    // always set
	AppTag  string // empty if none
	Path    Path   // nil if the fault is not about an instance
	Message string // one sentence that names the rule
	Info    []Info
}

// New returns an application-layer error about path, which may be nil.
func New(tag Tag, path Path, format string, args ...any) *Error {
	return &Error{Type: Application, Tag: tag, Path: path, Message: fmt.Sprintf(format, args...)}
}

// WithType sets the layer and returns e.
func (e *Error) WithType(t Type) *Error { e.Type = t; return e }

// WithAppTag sets the error-app-tag and returns e.
func (e *Error) WithAppTag(tag string) *Error { e.AppTag = tag; return e }

// WithInfo appends to error-info and returns e.
func (e *Error) WithInfo(info ...Info) *Error {
	e.Info = append(e.Info, info...)
	return e
}

// Error is "tag: path: message".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Tag))
	if e.Path != nil {
		if p := e.Path.String(); p != "" {
			b.WriteString(": ")
			b.WriteString(p)
		}
	}
	if e.Message != "" {
		b.WriteString(": ")
		b.WriteString(e.Message)
	}
	return b.String()
}

// List is one or more errors reported together.
type List []*Error

// Error joins the errors with "; ".
func (l List) Error() string {
	parts := make([]string, len(l))
	for i, e := range l {
		parts[i] = e.Error()
	}
	return strings.Join(parts, "; ")
}

// Unwrap makes errors.As and errors.Is reach every entry.
func (l List) Unwrap() []error {
	out := make([]error, len(l))
	for i, e := range l {
		out[i] = e
	}
	return out
}

// Err is l as an error: nil if l is empty, so that an empty List never
// becomes a non-nil error.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}

// Has reports whether some entry carries tag.
func (l List) Has(tag Tag) bool {
	return slices.ContainsFunc(l, func(e *Error) bool { return e.Tag == tag })
}

// From turns any error into a List: a List or *Error inside err's chain is
// kept as it is, anything else becomes operation-failed with err's text. A
// nil error gives a nil List.
func From(err error) List {
	if err == nil {
		return nil
	}
	var l List
	if errors.As(err, &l) && len(l) > 0 {
		return l
	}
	var e *Error
	if errors.As(err, &e) && e != nil {
		return List{e}
	}
	return List{New(OperationFailed, nil, "%s", err.Error())}
}
