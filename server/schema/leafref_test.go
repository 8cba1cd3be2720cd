package schema_test

import (
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
)

const leafrefModule = `
  typedef net-ref { type leafref { path "/m:nets/m:net/m:name"; require-instance false; } }
  grouping refs {
    leaf net { type net-ref; }
    leaf node { type leafref { path "/m:nets/m:net[m:name=current()/../net]/m:node/m:id"; } }
    container deep { leaf peer { type union { type leafref { path "../../node"; } type enumeration { enum none; } } } }
  }
  container nets { list net { key name; leaf name { type string; }
    list node { key id; leaf id { type uint16; } leaf up { type leafref { path "../../name"; } }
      action move { input { leaf to { type leafref { path "../../../node/id"; } } leaf same { type leafref { path "../to"; } } } output { leaf was { type leafref { path "../../id"; } } } }
      notification gone { leaf last { type leafref { path "../../id"; } } } } } }
  list user { key name; leaf name { type string; } uses refs; }
  rpc ping { input { leaf who { type leafref { path "../../user/name"; } } leaf-list hops { type leafref { path "/user/name"; } } } }
  notification seen { leaf who { type leafref { path "/user[name = current()/../../user/name]/name"; } } }`

func TestLeafrefTargets(t *testing.T) {
	s := mustCompile(t, module(leafrefModule))
	for path, want := range map[string]string{
		"/m:user/net":                      "/m:nets/net/name",
		"/m:user/node":                     "/m:nets/net/node/id",
		"/m:nets/net/node/up":              "/m:nets/net/name",
		"/m:nets/net/node/move/input/to":   "/m:nets/net/node/id",
		"/m:nets/net/node/move/input/same": "/m:nets/net/node/move/input/to",
		"/m:nets/net/node/move/output/was": "/m:nets/net/node/id",
		"/m:nets/net/node/gone/last":       "/m:nets/net/node/id",
		"/m:ping/input/who":                "/m:user/name",
		"/m:ping/input/hops":               "/m:user/name",
		"/m:seen/who":                      "/m:user/name",
	} {
		n := find(t, s, path)
		if ref := n.Type.Leafref(); ref == nil || ref.Target != find(t, s, want) {
			t.Errorf("%s refers to %+v, want %s", path, ref, want)
		}
	}
	if find(t, s, "/m:user/net").Type.RequireInstance() || !find(t, s, "/m:user/node").Type.RequireInstance() {
		t.Error("require-instance of the typedef is lost")
	}
	peer := find(t, s, "/m:user/deep/peer").Type
	if got := peer.Union()[0].Leafref().Target; got != find(t, s, "/m:user/node") {
		t.Errorf("the member of the union refers to %v", got)
	}
	if v, err := peer.Parse("007", nil); err != nil || v.String() != "7" || v.Type().Kind() != schema.Uint16 {
		t.Errorf("a reference to a reference reads as %v, %v", v, err)
	}
	if v := schema.StringValue(peer, "none"); v.Type().Kind() != schema.Enumeration {
		t.Errorf("the union takes none as %v", v.Type().Kind())
	}
}

func TestLeafrefPathErrors(t *testing.T) {
	for path, want := range map[string]string{
		"":                           "begins neither",
		"/":                          "a node name is expected",
		"..":                         "the path ends in ..",
		"../":                        "a node name is expected",
		"/m:a/":                      "a node name is expected",
		"/m:a b":                     "a slash is expected",
		"/m:a[":                      "a node name is expected",
		"/m:a[b":                     "an equals sign is expected",
		"/m:a[b='x']/c":              "current()",
		"/m:a[b=current()/..]/c":     "current()",
		"/m:a[b=current()/../../]/c": "a node name is expected",
		"/m:a[b=current()/../..]/c":  "ends in ..",
		"/m:a[b=current()/../c/c":    "closing bracket",
		"/m:a[b=current()/../c d]/c": "closing bracket",
		"deref(../x)/../y":           "begins neither",
	} {
		_, err := compileText(module("leaf x { type leafref { path \"" + path + "\"; } }"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("path %q: %v; want an error with %q", path, err, want)
		}
	}
}
