package model_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/cmd/tandem/elementtest"
	"github.com/tandem-ne/tandem/cmd/tandem/model"
	"github.com/tandem-ne/tandem/server/served"
)

// counted counts the schemas that are fetched through a session.
type counted struct {
	model.Session
	schemas int
	// old hides yang-library, as an element from before RFC 8525 does.
	old bool
}

func (c *counted) RPC(ctx context.Context, body string) (string, error) {
	if strings.HasPrefix(body, "<get-schema") {
		c.schemas++
	}
	return c.Session.RPC(ctx, body)
}

func (c *counted) Capabilities() []string {
	all := slices.Clone(c.Session.Capabilities())
	if c.old {
		all = slices.DeleteFunc(all, func(s string) bool { return strings.Contains(s, "yang-library") })
	}
	return all
}

// TestLoad holds that the client ends up with the schema that the element has,
// whichever way it learns of the modules, and fetches each text once.
func TestLoad(t *testing.T) {
	e := elementtest.New(t)
	want, err := served.Schema()
	if err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	for _, c := range []struct {
		name    string
		old     bool
		fetched bool
	}{{"yang-library", false, true}, {"from the cache", false, false}, {"hello and netconf-state", true, true}} {
		s := &counted{Session: e.Dial(t), old: c.old}
		done := 0
		got, err := model.Load(t.Context(), s, model.Options{Cache: cache, Progress: func(n, _ int) { done = n }})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		// A hello does not tell imported modules from implemented ones.
		if n := got.NumNodes(); n != want.NumNodes() && !(c.old && n > want.NumNodes()) {
			t.Errorf("%s: %d schema nodes, the element has %d", c.name, got.NumNodes(), want.NumNodes())
		}
		if done != len(want.Modules()) {
			t.Errorf("%s: progress ended at %d of %d modules", c.name, done, len(want.Modules()))
		}
		if (s.schemas > 0) != c.fetched {
			t.Errorf("%s: %d schemas fetched", c.name, s.schemas)
		}
	}
}

// answers is an element that gives fixed answers.
type answers map[string]string

func (a answers) Capabilities() []string { return strings.Fields(a["hello"]) }

func (a answers) RPC(_ context.Context, body string) (string, error) {
	for part, reply := range a {
		if part != "hello" && strings.Contains(body, part) {
			if reply == "" {
				return "", errors.New("operation-failed: no")
			}
			return reply, nil
		}
	}
	return "<data/>", nil
}

func TestLoadErrors(t *testing.T) {
	const hello = "urn:a?module=a&revision=2026-01-01"
	module := func(text string) string {
		return "<data>module a { namespace urn:a; prefix a; revision 2026-01-01; " + text + " }</data>"
	}
	for _, c := range []struct {
		name    string
		element answers
		want    string
	}{
		{"no module at all", answers{}, "lists no YANG module"},
		{"empty yang-library", answers{"hello": "urn:ietf:params:netconf:capability:yang-library:1.1?x"}, "lists no module"},
		{"get refused", answers{"hello": hello, "<get>": ""}, "netconf-state: operation-failed"},
		{"no XML", answers{"hello": hello, "<get>": "<data"}, "netconf-state"},
		{"get-schema refused", answers{"hello": hello, "get-schema": ""}, "get-schema of a: operation-failed"},
		{"a text that is wrong", answers{"hello": hello, "get-schema": module("leaf x;")}, "a@2026-01-01.yang:1"},
		{"an import that is not there", answers{"hello": hello, "get-schema": module("import b { prefix b; }")}, "b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := model.Load(t.Context(), c.element, model.Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestCacheStaysInside holds that no name of an element leads out of the cache.
func TestCacheStaysInside(t *testing.T) {
	dir := t.TempDir()
	e := answers{"hello": "urn:a?module=../../a&revision=2026-01-01", "get-schema": "<data>x</data>"}
	if _, err := model.Load(t.Context(), e, model.Options{Cache: filepath.Join(dir, "cache", "here")}); err == nil {
		t.Error("a text that is no module was accepted")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "cache" {
		t.Errorf("%v, %v", entries, err)
	}
}
