package gnmi

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
)

// show prints updates as "path value" lines, deletes with a minus, sorted.
func show(ns ...*gpb.Notification) string {
	var lines []string
	for _, n := range ns {
		for _, d := range n.GetDelete() {
			lines = append(lines, "-"+pathText(n.GetPrefix(), d))
		}
		for _, u := range n.GetUpdate() {
			lines = append(lines, pathText(n.GetPrefix(), u.GetPath())+" "+showValue(u.GetVal()))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func showValue(tv *gpb.TypedValue) string {
	switch v := tv.GetValue().(type) {
	case *gpb.TypedValue_JsonIetfVal:
		return "ietf:" + string(v.JsonIetfVal)
	case *gpb.TypedValue_JsonVal:
		return "json:" + string(v.JsonVal)
	case *gpb.TypedValue_LeaflistVal:
		var parts []string
		for _, e := range v.LeaflistVal.Element {
			parts = append(parts, showValue(e))
		}
		return fmt.Sprint(parts)
	case *gpb.TypedValue_StringVal:
		return "s:" + v.StringVal
	case *gpb.TypedValue_UintVal:
		return fmt.Sprintf("u:%d", v.UintVal)
	case *gpb.TypedValue_IntVal:
		return fmt.Sprintf("i:%d", v.IntVal)
	case *gpb.TypedValue_BoolVal:
		return fmt.Sprintf("b:%t", v.BoolVal)
	case *gpb.TypedValue_DoubleVal:
		return fmt.Sprintf("d:%g", v.DoubleVal)
	}
	return tv.String()
}

const sampleConfig = `
update { path { elem { name: "system" } } val { json_ietf_val: "{\"hostname\":\"ne1\",\"big\":\"-5\",\"ratio\":\"1.5\",\"kind\":\"box:good-kind\",\"dns\":[\"b\",\"a\"]}" } }
update { path { elem { name: "interfaces" } } val { json_ietf_val: "{\"interface\":[{\"name\":\"e0\",\"description\":\"first\"},{\"name\":\"e1\",\"enabled\":false}]}" } }
update { path { elem { name: "pairs" } } val { json_ietf_val: "{\"pair\":[{\"a\":\"x\",\"b\":1,\"v\":\"one\"},{\"a\":\"x\",\"b\":2},{\"a\":\"y\",\"b\":1}]}" } }`

// sampled is an element with some configuration and state.
func sampled(t testing.TB) *element {
	e := start(t, boxSchema(t), nil)
	e.set(sampleConfig)
	e.octets.Store(7)
	e.publish("/box:system/uptime", "100", "/box:interfaces/interface[name='e0']/oper-state", "up")
	return e
}

func TestCapabilities(t *testing.T) {
	e := start(t, servedSchema(t), nil)
	resp, err := e.client.Capabilities(e.context(), &gpb.CapabilityRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if resp.GetGNMIVersion() != "0.10.0" {
		t.Errorf("version %q", resp.GetGNMIVersion())
	}
	want := []gpb.Encoding{gpb.Encoding_JSON, gpb.Encoding_JSON_IETF, gpb.Encoding_PROTO}
	if !slices.Equal(resp.GetSupportedEncodings(), want) {
		t.Errorf("encodings %v", resp.GetSupportedEncodings())
	}
	models := map[string]*gpb.ModelData{}
	for _, m := range resp.GetSupportedModels() {
		models[m.GetName()] = m
	}
	for _, m := range e.schema.Modules() {
		got := models[m.Name]
		if (got != nil) != m.Implemented || got != nil && (got.Version != m.Revision || got.Organization != m.Organization) {
			t.Errorf("module %s is listed as %v", m.Name, got)
		}
	}
}

func TestGet(t *testing.T) {
	e := sampled(t)
	for _, tc := range []struct {
		name string
		path string
		enc  gpb.Encoding
		typ  gpb.GetRequest_DataType
		want string
	}{
		{"rule 05: a leaf is a bare value", "/system/hostname", gpb.Encoding_JSON_IETF, 0, `/system/hostname ietf:"ne1"`},
		{"rule 05: JSON unless asked", "/system/big", gpb.Encoding_JSON, 0, `/system/big json:-5`},
		{"rule 05: 64-bit as string", "/system/big", gpb.Encoding_JSON_IETF, 0, `/system/big ietf:"-5"`},
		{"rule 05: names qualified at the top of a value", "/system/limits", gpb.Encoding_JSON_IETF, 0, `/system/limits ietf:{"box:low":10}`},
		{"rule 04: decimal64 is a double", "/system/ratio", gpb.Encoding_PROTO, 0, `/system/ratio d:1.5`},
		{"rule 04: identity is a string", "/system/kind", gpb.Encoding_PROTO, 0, `/system/kind s:box:good-kind`},
		{"rule 04: leaf-list", "/system/dns", gpb.Encoding_PROTO, 0, `/system/dns [s:b s:a]`},
		{"rule 04: one scalar for each leaf", "/interfaces/interface[name=e1]", gpb.Encoding_PROTO, gpb.GetRequest_CONFIG,
			"/interfaces/interface[name=e1]/enabled b:false\n/interfaces/interface[name=e1]/name s:e1"},
		{"rule 09: a default in use", "/system/mtu", gpb.Encoding_PROTO, 0, `/system/mtu u:1500`},
		{"rule 09: a default in an entry", "/interfaces/interface[name=e0]/enabled", gpb.Encoding_PROTO, 0, `/interfaces/interface[name=e0]/enabled b:true`},
		{"rule 09: a default in a container that is not there", "/system/limits/low", gpb.Encoding_PROTO, 0, `/system/limits/low u:10`},
		{"rule 09: defaults in an object", "/interfaces/interface[name=e0]", gpb.Encoding_JSON, gpb.GetRequest_CONFIG,
			`/interfaces/interface[name=e0] json:{"name":"e0","description":"first","enabled":true}`},
		{"type ALL", "/interfaces/interface[name=e0]", gpb.Encoding_JSON, 0,
			`/interfaces/interface[name=e0] json:{"name":"e0","description":"first","enabled":true,"oper-state":"up","counters":{"in-octets":7,"out-octets":7}}`},
		{"type STATE", "/interfaces/interface[name=e0]", gpb.Encoding_JSON, gpb.GetRequest_STATE,
			`/interfaces/interface[name=e0] json:{"name":"e0","oper-state":"up","counters":{"in-octets":7,"out-octets":7}}`},
		{"type OPERATIONAL", "/system", gpb.Encoding_JSON_IETF, gpb.GetRequest_OPERATIONAL, `/system ietf:{"box:uptime":100}`},
		{"rule 26: omitted keys", "/interfaces/interface/enabled", gpb.Encoding_PROTO, 0,
			"/interfaces/interface[name=e0]/enabled b:true\n/interfaces/interface[name=e1]/enabled b:false"},
		{"rule 26: one key of two", "/pairs/pair[b=1]", gpb.Encoding_JSON, 0,
			"/pairs/pair[a=x][b=1] json:{\"a\":\"x\",\"b\":1,\"v\":\"one\"}\n/pairs/pair[a=y][b=1] json:{\"a\":\"y\",\"b\":1}"},
		{"rule 26: *", "/interfaces/*/oper-state", gpb.Encoding_PROTO, 0, "/interfaces/interface[name=e0]/oper-state s:up"},
		{"rule 26: ...", "/.../in-octets", gpb.Encoding_PROTO, 0,
			"/interfaces/interface[name=e0]/counters/in-octets u:7\n/interfaces/interface[name=e1]/counters/in-octets u:7"},
		{"a wildcard without match", "/interfaces/interface[name=*]/description/...", gpb.Encoding_PROTO, gpb.GetRequest_STATE, ""},
		{"a leaf-list value", "/system/dns[.=a]", gpb.Encoding_JSON_IETF, 0, `/system/dns[.=a] ietf:"a"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, err := e.client.Get(e.context(), &gpb.GetRequest{Path: []*gpb.Path{gpath(tc.path)}, Encoding: tc.enc, Type: tc.typ})
			if err != nil {
				t.Fatal(err)
			}
			if got := show(resp.GetNotification()...); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

// TestRule08GetResults: one Notification for each path, and the table of
// section 3.3.4.
func TestRule08GetResults(t *testing.T) {
	e := sampled(t)
	resp, err := e.client.Get(e.context(), &gpb.GetRequest{Path: []*gpb.Path{gpath("/system/mtu"), gpath("/system/mtu"), gpath("/interfaces")}})
	if err != nil || len(resp.GetNotification()) != 3 || resp.GetNotification()[0].GetTimestamp() == 0 {
		t.Errorf("%d notifications, %v", len(resp.GetNotification()), err)
	}
	for _, tc := range []struct {
		name, path string
		code       codes.Code
	}{
		{"absent leaf", "/interfaces/interface[name=e1]/description", codes.NotFound},
		{"absent entry", "/interfaces/interface[name=e9]", codes.NotFound},
		{"default of an absent entry", "/interfaces/interface[name=e9]/enabled", codes.NotFound},
		{"not in the schema", "/system/colour", codes.Unimplemented},
		{"bad key", "/pairs/pair[a=x][b=y]", codes.InvalidArgument},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := e.client.Get(e.context(), &gpb.GetRequest{Path: []*gpb.Path{gpath("/system/mtu"), gpath(tc.path)}})
			wantCode(t, err, tc.code, tc.path)
		})
	}
}

func TestGetRefuses(t *testing.T) {
	e := sampled(t)
	for _, tc := range []struct {
		name, req string
		code      codes.Code
		msg       string
	}{
		{"rule 06: encoding", `path {} encoding: ASCII`, codes.Unimplemented, "ASCII"},
		{"rule 06: encoding of no name", `path {} encoding: 77`, codes.Unimplemented, "77"},
		{"rule 07: use_models", `path {} use_models { name: "box" }`, codes.Unimplemented, "use_models"},
		{"rule 30: depth", `path {} extension { depth { level: 1 } }`, codes.Unimplemented, "depth"},
		{"type of no name", `path {} type: 77`, codes.InvalidArgument, "77"},
		{"rule 02: origin twice", `prefix { origin: "box" } path { origin: "box" }`, codes.InvalidArgument, "origin"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req := &gpb.GetRequest{}
			parse(t, tc.req, req)
			_, err := e.client.Get(e.context(), req)
			wantCode(t, err, tc.code, tc.msg)
		})
	}
}

// TestRule01Target: the target is echoed if and only if it was set.
func TestRule01Target(t *testing.T) {
	e := sampled(t)
	for _, tc := range []struct {
		prefix *gpb.Path
		want   string
	}{
		{nil, ""},
		{&gpb.Path{Elem: gpath("/system").Elem}, ""},
		{&gpb.Path{Target: "ne1", Elem: gpath("/system").Elem}, "ne1"},
		{nil, ""}, // not remembered
	} {
		path := gpath("/hostname")
		if tc.prefix == nil {
			path = gpath("/system/hostname")
		}
		get, err := e.client.Get(e.context(), &gpb.GetRequest{Prefix: tc.prefix, Path: []*gpb.Path{path}})
		if err != nil {
			t.Fatal(err)
		}
		set, err := e.client.Set(e.context(), &gpb.SetRequest{Prefix: tc.prefix, Delete: []*gpb.Path{path}})
		if err != nil {
			t.Fatal(err)
		}
		e.set(sampleConfig)
		n := get.GetNotification()[0]
		if n.GetPrefix().GetTarget() != tc.want || n.GetUpdate()[0].GetPath().GetTarget() != "" || set.GetPrefix().GetTarget() != tc.want {
			t.Errorf("target %q of prefix %v: Get %v, Set %v", tc.want, tc.prefix, n, set)
		}
		if tc.want == "" && n.GetPrefix() != nil {
			t.Errorf("a prefix was invented: %v", n.GetPrefix())
		}
		if got := pathText(n.GetPrefix(), n.GetUpdate()[0].GetPath()); got != "/system/hostname" {
			t.Errorf("path %s", got)
		}
	}
}
