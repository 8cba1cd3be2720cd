package conformance

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// runner runs one case after the other on one target.
type runner struct {
	target *Target
	admin  *Context // whose session clears up between the cases
	has    map[string]bool
	hello  []string
}

// newRunner opens the session that clears up, and learns what the server announces.
func newRunner(target *Target) (*runner, error) {
	r := &runner{target: target, has: map[string]bool{}}
	err := r.reconnect()
	if err != nil {
		return nil, fmt.Errorf("conformance: %s: %w", target.Name, err)
	}
	r.hello = r.admin.main.Capabilities
	for _, c := range r.hello {
		r.learn(c)
	}
	for _, p := range target.Can {
		r.has["can:"+p] = true
	}
	if !r.has["mtp-conformance-test"] {
		r.close()
		return nil, fmt.Errorf("conformance: %s does not serve the module mtp-conformance-test: load it from northbound/conformance/modules", target.Name)
	}
	return r, nil
}

// learn enters one capability of hello: ":name", ":name:version", "module" and
// "module:feature".
func (r *runner) learn(uri string) {
	id, query, _ := strings.Cut(uri, "?")
	for _, prefix := range []string{"urn:ietf:params:netconf:capability:", "urn:ietf:params:netconf:"} {
		if rest, ok := strings.CutPrefix(id, prefix); ok {
			name, _, _ := strings.Cut(rest, ":")
			r.has[":"+name], r.has[":"+rest] = true, true
			for p := range strings.SplitSeq(query, "&") {
				key, list, _ := strings.Cut(p, "=")
				for one := range strings.SplitSeq(list, ",") {
					r.has[":"+name+"?"+key+"="+one] = true
					if name == "with-defaults" { // basic-mode and also-supported
						r.has[":with-defaults?mode="+one] = true
					}
				}
			}
			return
		}
	}
	module, features := "", ""
	for p := range strings.SplitSeq(query, "&") {
		if m, ok := strings.CutPrefix(p, "module="); ok {
			module = m
		}
		if f, ok := strings.CutPrefix(p, "features="); ok {
			features = f
		}
	}
	if module == "" {
		return
	}
	r.has[module] = true
	for f := range strings.SplitSeq(features, ",") {
		r.has[module+":"+f] = true
	}
}

func (r *runner) reconnect() error {
	r.close()
	r.admin = &Context{target: r.target, has: r.has}
	return r.admin.try(func() { r.admin.main = r.admin.open("") })
}

func (r *runner) close() {
	if r.admin != nil {
		r.admin.end()
	}
}

// missing returns the need that the server does not meet, or "".
func (r *runner) missing(c Case) string {
	for _, need := range c.Needs {
		if inverse, ok := strings.CutPrefix(need, "!"); ok == r.has[strings.TrimPrefix(need, "!")] {
			if ok {
				return "the server has " + inverse
			}
			return "the server does not have " + need
		}
	}
	return ""
}

// run carries out one case.
func (r *runner) run(c Case) Result {
	began := time.Now()
	res := Result{Case: c.Name, RFC: c.RFC(), Section: c.Section(), Clause: c.Clause, Status: Pass}
	if need := r.missing(c); need != "" {
		res.Status, res.Reason = NotApplicable, need
		return res
	}
	target := *r.target
	if _, known := target.Known[c.Name]; known {
		target.Patience = min(target.patience(), 700*time.Millisecond) // It is going to fail.
	}
	ctx := &Context{target: &target, has: r.has}
	err := r.clear()
	if err != nil {
		err = fmt.Errorf("clearing up before the case: %w", err)
	} else {
		err = ctx.try(func() { c.Run(ctx) })
	}
	if last := ctx.finish(); err == nil {
		err = last
	}
	if err != nil {
		res.Status, res.Reason = Fail, err.Error()
	}
	res.Took = time.Since(began)
	return res
}

// clear empties the configuration of the test module, and waits for the locks of
// the last case to go.
func (r *runner) clear() error {
	deadline := time.Now().Add(r.target.patience())
	for {
		err := r.admin.try(r.admin.clear)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		if errors.Is(err, errConnection) {
			err = r.reconnect()
		}
		if err != nil {
			<-time.After(20 * time.Millisecond)
		}
	}
}
