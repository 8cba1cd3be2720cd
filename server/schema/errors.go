package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/openconfig/goyang/pkg/yang"
)

// CompileError is one fault in a module text.
type CompileError struct {
	File   string // Source.Name
	Line   int    // from 1; 0 when the fault is not in a place
	Reason string
}

// Error returns "file:line: reason".
func (e CompileError) Error() string {
	switch {
	case e.File == "":
		return e.Reason
	case e.Line == 0:
		return e.File + ": " + e.Reason
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
}

// CompileErrors holds everything that is wrong, ordered by file and line.
type CompileErrors []CompileError

// Error returns one line per fault.
func (l CompileErrors) Error() string {
	lines := make([]string, len(l))
	for i, e := range l {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// errorf records a fault at statement s; s may be nil.
func (c *compiler) errorf(s *yang.Statement, format string, args ...any) {
	e := CompileError{Reason: fmt.Sprintf(format, args...)}
	if s != nil {
		e.File, e.Line = position(s)
	}
	c.errs = append(c.errs, e)
}

// failed returns the recorded faults as one error, each once, or nil.
func (c *compiler) failed() error {
	if len(c.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(c.errs, func(a, b CompileError) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Reason, b.Reason))
	})
	return CompileErrors(slices.Compact(c.errs))
}

// position splits "file:line:column", the form in which the parser tells where
// a statement stands.
func position(s *yang.Statement) (file string, line int) {
	return splitLocation(s.Location())
}

func splitLocation(loc string) (file string, line int) {
	rest, _, ok := cutLast(loc)
	if !ok {
		return loc, 0
	}
	file, num, ok := cutLast(rest)
	line, err := strconv.Atoi(num)
	if !ok || err != nil {
		return loc, 0
	}
	return file, line
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func source(s *yang.Statement) string {
	file, line := position(s)
	return file + ":" + strconv.Itoa(line)
}
