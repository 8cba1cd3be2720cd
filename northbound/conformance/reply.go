package conformance

import (
	"regexp"
	"slices"
	"strings"
)

// Reply is an <rpc-reply>.
type Reply struct {
	*Element
	Sent, Text string
	c          *Context
}

// Errors returns the <rpc-error> elements.
func (r *Reply) Errors() []*Element { return r.All("nc:rpc-error") }

// Failed reports whether the reply has an error in it.
func (r *Reply) Failed() bool {
	return slices.ContainsFunc(r.Errors(), func(e *Element) bool {
		return e.Get("nc:error-severity").Value() != "warning"
	})
}

func (r *Reply) failf(format string, args ...any) {
	text := r.Text
	if len(text) > 2000 {
		text = text[:2000] + "…"
	}
	r.c.Fatalf("%s\nis answered\n%s\n"+format, append([]any{r.Sent, text}, args...)...)
}

// OK fails the case unless the reply is <ok/>.
func (r *Reply) OK() {
	if !r.Has("nc:ok") || r.Failed() {
		r.failf("instead of <ok/>")
	}
}

// Works fails the case if the reply has an error in it.
func (r *Reply) Works() *Reply {
	if r.Failed() {
		r.failf("instead of a result")
	}
	return r
}

// Data returns the <data> of a reply without errors.
func (r *Reply) Data() *Element {
	r.Works()
	for _, c := range r.Children {
		if c.Local == "data" {
			return c
		}
	}
	r.failf("without <data>")
	return nil
}

// want is one thing that an error has to have. It says what is missing.
type want func(e *Element) string

func child(local, value string) want {
	return func(e *Element) string {
		if got := e.Get("nc:" + local).Value(); got != value {
			return local + " is " + quote(got) + ", not " + quote(value)
		}
		return ""
	}
}

func quote(s string) string { return `"` + s + `"` }

// kind wants an error-type.
func kind(t string) want { return child("error-type", t) }

// appTag wants an error-app-tag.
func appTag(t string) want { return child("error-app-tag", t) }

// message wants an error-message, which a model gives.
func message(t string) want { return child("error-message", t) }

// path wants an error-path, written with the prefixes of the cases. Paths are
// compared by namespace: an error-path is an XPath expression whose prefixes are
// those in scope at the element (RFC 6241 section 4.3). That section lets a path
// start at the datastore, as its examples do, or at the request.
func path(p string) want {
	return func(e *Element) string {
		at := e.Get("nc:error-path")
		if at == nil {
			return "there is no error-path; " + p + " is expected"
		}
		got := expand(at.Value(), at.resolve)
		if inRequest := requestPath.FindString(got); inRequest != "" {
			got = got[len(inRequest):]
		}
		if got != expand(p, namespace) {
			return "error-path is " + quote(at.Value()) + ", not " + quote(p)
		}
		return ""
	}
}

// requestPath is the part of an expanded path from the request to its configuration.
var requestPath = regexp.MustCompile(`^/\{` + regexp.QuoteMeta(nsBase) + `\}rpc/\{[^}]*\}[a-z-]+(/\{[^}]*\}source)?/\{[^}]*\}config`)

// info wants an element of error-info, of the base namespace.
func info(local, value string) want {
	return func(e *Element) string {
		for _, i := range e.All("nc:error-info/nc:" + local) {
			got := i.Value()
			if _, after, ok := strings.Cut(got, ":"); ok && i.resolve(strings.TrimSuffix(got, ":"+after)) != "" {
				got = after // a qualified name
			}
			if got == value {
				return ""
			}
		}
		return "error-info has no " + local + " " + quote(value)
	}
}

// hasInfo wants an element of error-info, whatever its value.
func hasInfo(prefix, local string) want {
	return func(e *Element) string {
		if e.Has("nc:error-info/" + prefix + ":" + local) {
			return ""
		}
		return "error-info has no " + local
	}
}

// Error fails the case unless one error of the reply has the tag and all that is wanted.
func (r *Reply) Error(tag string, wants ...want) *Element {
	return r.OneOf([]string{tag}, wants...)
}

// OneOf is Error for the few clauses that leave the choice among tags.
func (r *Reply) OneOf(tags []string, wants ...want) *Element {
	if len(r.Errors()) == 0 {
		r.failf("instead of the error %s", strings.Join(tags, " or "))
	}
	if r.Has("nc:ok") {
		r.failf("with <ok/> beside <rpc-error> (RFC 6241 section 4.4)")
	}
	var problems []string
	for _, e := range r.Errors() {
		var wrong []string
		if got := e.Get("nc:error-tag").Value(); !slices.Contains(tags, got) {
			wrong = append(wrong, "error-tag is "+quote(got)+", not "+strings.Join(tags, " or "))
		}
		if got := e.Get("nc:error-severity").Value(); got != "error" {
			wrong = append(wrong, "error-severity is "+quote(got))
		}
		for _, w := range wants {
			if problem := w(e); problem != "" {
				wrong = append(wrong, problem)
			}
		}
		if len(wrong) == 0 {
			return e
		}
		problems = append(problems, strings.Join(wrong, ", "))
	}
	r.failf("where %s", strings.Join(problems, "; "))
	return nil
}
