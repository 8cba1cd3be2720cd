package gnmi

import (
	"context"
	"sync"
	"testing"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// config prints the running configuration without defaults.
func (e *element) config() string {
	return string(codec.AppendJSON(nil, e.store.Running().Root, codec.EncodeOptions{}))
}

func TestSet(t *testing.T) {
	const system = `path { elem { name: "system" } }`
	const mtu = `path { elem { name: "system" } elem { name: "mtu" } }`
	const e0 = `path { elem { name: "interfaces" } elem { name: "interface" key { key: "name" value: "e0" } } }`
	base := `{"system":{"hostname":"ne1","mtu":9000,"dns":["b","a"]},"interfaces":{"interface":[{"name":"e0","description":"first"},{"name":"e1"}]}}`
	e := start(t, boxSchema(t), nil)
	for _, tc := range []struct{ name, req, want string }{
		{"rule 10: empty request", ``, base},
		{"update merges", `update { ` + system + ` val { json_ietf_val: "{\"big\":\"7\"}" } }`,
			`{"system":{"hostname":"ne1","mtu":9000,"big":7,"dns":["b","a"]},"interfaces":{"interface":[{"name":"e0","description":"first"},{"name":"e1"}]}}`},
		{"rule 12: replace resets what is left out", `replace { ` + system + ` val { json_ietf_val: "{\"hostname\":\"x\"}" } }`,
			`{"system":{"hostname":"x"},"interfaces":{"interface":[{"name":"e0","description":"first"},{"name":"e1"}]}}`},
		{"rule 12: replace of the container of a list removes other entries", `replace { path { elem { name: "interfaces" } } val { json_ietf_val: "{\"interface\":[{\"name\":\"e1\"}]}" } }`,
			`{"system":{"hostname":"ne1","mtu":9000,"dns":["b","a"]},"interfaces":{"interface":[{"name":"e1"}]}}`},
		{"replace of an entry", `replace { ` + e0 + ` val { json_ietf_val: "{\"enabled\":false}" } }`,
			`{"system":{"hostname":"ne1","mtu":9000,"dns":["b","a"]},"interfaces":{"interface":[{"name":"e0","enabled":false},{"name":"e1"}]}}`},
		{"replace of the root", `replace { path {} val { json_ietf_val: "{\"box:system\":{\"hostname\":\"only\"}}" } }`, `{"system":{"hostname":"only"}}`},
		{"rule 13: the same key in the value", `update { ` + e0 + ` val { json_ietf_val: "{\"name\":\"e0\",\"description\":\"x\"}" } }`,
			`{"system":{"hostname":"ne1","mtu":9000,"dns":["b","a"]},"interfaces":{"interface":[{"name":"e0","description":"x"},{"name":"e1"}]}}`},
		{"rule 10: delete, then replace, then update", `delete { elem { name: "system" } } update { ` + mtu + ` val { uint_val: 3 } } replace { ` + mtu + ` val { uint_val: 2 } }`,
			`{"system":{"mtu":3},"interfaces":{"interface":[{"name":"e0","description":"first"},{"name":"e1"}]}}`},
		{"rule 10: repeated paths in order", `update { ` + mtu + ` val { uint_val: 4 } } update { ` + mtu + ` val { uint_val: 5 } }`,
			`{"system":{"hostname":"ne1","mtu":5,"dns":["b","a"]},"interfaces":{"interface":[{"name":"e0","description":"first"},{"name":"e1"}]}}`},
		{"rule 14: delete of what is absent", `delete { elem { name: "interfaces" } elem { name: "interface" key { key: "name" value: "e9" } } }`, base},
		{"rule 14: delete with a wildcard", `delete { elem { name: "interfaces" } elem { name: "interface" key { key: "name" value: "*" } } elem { name: "description" } }`,
			`{"system":{"hostname":"ne1","mtu":9000,"dns":["b","a"]},"interfaces":{"interface":[{"name":"e0"},{"name":"e1"}]}}`},
		{"rule 14: delete with an omitted key", `delete { elem { name: "interfaces" } elem { name: "interface" } }`, `{"system":{"hostname":"ne1","mtu":9000,"dns":["b","a"]}}`},
		{"rule 14: delete of every leaf spares keys", `delete { elem { name: "interfaces" } elem { name: "interface" } elem { name: "*" } }`,
			`{"system":{"hostname":"ne1","mtu":9000,"dns":["b","a"]},"interfaces":{"interface":[{"name":"e0"},{"name":"e1"}]}}`},
		{"delete of the root", `delete {}`, `{}`},
		{"rule 16: a leaf-list is replaced whole", `update { path { elem { name: "system" } elem { name: "dns" } } val { leaflist_val { element { string_val: "c" } } } }`,
			`{"system":{"hostname":"ne1","mtu":9000,"dns":["c"]},"interfaces":{"interface":[{"name":"e0","description":"first"},{"name":"e1"}]}}`},
		{"rule 16: one value of a leaf-list", `update { path { elem { name: "system" } elem { name: "dns" key { key: "." value: "c" } } } val { string_val: "c" } }`,
			`{"system":{"hostname":"ne1","mtu":9000,"dns":["b","a","c"]},"interfaces":{"interface":[{"name":"e0","description":"first"},{"name":"e1"}]}}`},
		{"delete of one value of a leaf-list", `delete { elem { name: "system" } elem { name: "dns" key { key: "." value: "b" } } }`,
			`{"system":{"hostname":"ne1","mtu":9000,"dns":["a"]},"interfaces":{"interface":[{"name":"e0","description":"first"},{"name":"e1"}]}}`},
		{"rule 03: two origins, one transaction", `update { path { origin: "box" elem { name: "system" } elem { name: "mtu" } } val { uint_val: 4 } } delete { origin: "rfc7951" elem { name: "interfaces" } }`,
			`{"system":{"hostname":"ne1","mtu":4,"dns":["b","a"]}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e.t = t
			e.set(`replace { path {} val { json_val: ` + quote(base) + ` } }`)
			resp := e.set(tc.req)
			if got := e.config(); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
			if resp.GetTimestamp() == 0 {
				t.Error("no timestamp")
			}
		})
	}
}

func quote(s string) string {
	out := []byte{'"'}
	for _, c := range []byte(s) {
		if c == '"' || c == '\\' {
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return string(append(out, '"'))
}

func TestSetResults(t *testing.T) {
	e := start(t, boxSchema(t), nil)
	resp := e.set(`prefix { target: "ne1" elem { name: "system" } }
		update { path { elem { name: "mtu" } } val { uint_val: 1 } }
		replace { path { elem { name: "hostname" } } val { string_val: "x" } }
		delete { elem { name: "big" } }`)
	want := []gpb.UpdateResult_Operation{gpb.UpdateResult_DELETE, gpb.UpdateResult_REPLACE, gpb.UpdateResult_UPDATE}
	for i, r := range resp.GetResponse() {
		if r.GetOp() != want[i] {
			t.Errorf("result %d is %v", i, r)
		}
	}
	if len(resp.GetResponse()) != 3 || resp.GetPrefix().GetTarget() != "ne1" {
		t.Errorf("got %v", resp)
	}
	if h := e.store.History(1); len(h) != 1 || h[0].Session.User != "admin" || h[0].Session.Protocol != "gnmi" || h[0].Session.Peer == "" {
		t.Errorf("history %+v", h)
	}
	if n := len(e.store.Sessions()); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// TestRule15SetErrors: the precise code, the path in message and details, and
// (rule 11) no trace of a failed Set.
func TestRule15SetErrors(t *testing.T) {
	e := sampled(t)
	before := e.store.Running()
	good := `update { path { elem { name: "system" } elem { name: "mtu" } } val { uint_val: 1 } } `
	for _, tc := range []struct {
		name, req string
		code      codes.Code
		msg       string
		field     string // of the BadRequest, if there is one
	}{
		{"unknown path", `update { path { elem { name: "sistem" } } val { json_ietf_val: "{}" } }`, codes.NotFound, "/sistem", ""},
		{"unknown path of a delete", `delete { elem { name: "system" } elem { name: "x" } }`, codes.NotFound, "/system/x", ""},
		{"wrong type", `update { path { elem { name: "system" } elem { name: "mtu" } } val { string_val: "x" } }`, codes.InvalidArgument, "/box:system/mtu", "/box:system/mtu"},
		{"out of range", `update { path { elem { name: "system" } elem { name: "mtu" } } val { uint_val: 70000 } }`, codes.InvalidArgument, "/box:system/mtu", "/box:system/mtu"},
		{"deep in a JSON value", `update { path {} val { json_ietf_val: "{\"box:pairs\":{\"pair\":[{\"a\":\"x\",\"b\":999}]}}" } }`, codes.InvalidArgument, "/box:pairs/pair/b", "/box:pairs/pair/b"},
		{"unknown member", `update { path { elem { name: "system" } } val { json_ietf_val: "{\"x\":1}" } }`, codes.InvalidArgument, "/box:system", "/box:system"},
		{"malformed JSON", `update { path { elem { name: "system" } } val { json_ietf_val: "{" } }`, codes.InvalidArgument, "/box:system", "/box:system"},
		{"dangling reference", `update { path { elem { name: "system" } elem { name: "uplink" } } val { string_val: "e9" } }`, codes.InvalidArgument, "/box:system/uplink", "/box:system/uplink"},
		{"no value", `update { path { elem { name: "system" } elem { name: "mtu" } } }`, codes.InvalidArgument, "/box:system/mtu", "/box:system/mtu"},
		{"rule 06: encoding of a value", `update { path { elem { name: "system" } elem { name: "mtu" } } val { ascii_val: "1" } }`, codes.Unimplemented, "ascii_val", "/box:system/mtu"},
		{"state", `update { path { elem { name: "system" } elem { name: "uptime" } } val { uint_val: 1 } }`, codes.InvalidArgument, "state data", "/box:system/uptime"},
		{"delete of state", `delete { elem { name: "system" } elem { name: "uptime" } }`, codes.InvalidArgument, "state data", ""},
		{"delete of a key", `delete { elem { name: "interfaces" } elem { name: "interface" key { key: "name" value: "e0" } } elem { name: "name" } }`, codes.Unimplemented, "key", "/box:interfaces/interface[name='e0']/name"},
		{"rule 13: wildcard in an update", `update { path { elem { name: "interfaces" } elem { name: "interface" key { key: "name" value: "*" } } elem { name: "enabled" } } val { bool_val: true } }`, codes.InvalidArgument, "/interfaces/interface[name=*]/enabled", ""},
		{"rule 13: omitted key in a replace", `replace { path { elem { name: "pairs" } elem { name: "pair" key { key: "a" value: "x" } } } val { json_ietf_val: "{}" } }`, codes.InvalidArgument, "all keys", ""},
		{"rule 13: key contradicts the path", `update { path { elem { name: "interfaces" } elem { name: "interface" key { key: "name" value: "e0" } } } val { json_ietf_val: "{\"name\":\"e1\"}" } }`, codes.InvalidArgument, `the path says "e0"`, "/box:interfaces/interface[name='e0']/name"},
		{"rule 12: entry replaced by nothing", `replace { path { elem { name: "interfaces" } elem { name: "interface" key { key: "name" value: "e0" } } } val { json_ietf_val: " { } " } }`, codes.InvalidArgument, "empty object", ""},
		{"rule 12: leaf replaced by null", `replace { path { elem { name: "system" } elem { name: "mtu" } } val { json_ietf_val: "null" } }`, codes.InvalidArgument, "/box:system/mtu", "/box:system/mtu"},
		{"rule 27: union_replace", `union_replace { path {} val { json_ietf_val: "{}" } }`, codes.Unimplemented, "union_replace", ""},
		{"rule 28: commit-confirmed", `extension { commit { id: "1" commit {} } }`, codes.Unimplemented, "commit", ""},
		{"rule 29: master arbitration", `extension { master_arbitration {} }`, codes.Unimplemented, "master_arbitration", ""},
		{"rule 02: unknown origin", `update { path { origin: "openconfig" elem { name: "system" } } val { json_ietf_val: "{}" } }`, codes.Unimplemented, "openconfig", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req := &gpb.SetRequest{}
			parse(t, good+tc.req, req)
			_, err := e.client.Set(e.context(), req)
			wantCode(t, err, tc.code, tc.msg)
			field := ""
			for _, d := range status.Convert(err).Details() {
				if bad, ok := d.(*errdetails.BadRequest); ok && len(bad.GetFieldViolations()) == 1 {
					field = bad.GetFieldViolations()[0].GetField()
				}
			}
			if field != tc.field {
				t.Errorf("the violation is of %q, want %q", field, tc.field)
			}
			if now := e.store.Running(); now.ID != before.ID || now.Root != before.Root {
				t.Error("a refused Set changed the configuration")
			}
		})
	}
}

// TestSetWhileLocked: another session's lock is ABORTED, as the client may
// try again.
func TestSetWhileLocked(t *testing.T) {
	e := sampled(t)
	other := e.store.NewSession(datastore.SessionInfo{User: "ops", Protocol: "netconf"}, nil)
	if err := other.Lock(context.Background(), datastore.Running); err != nil {
		t.Fatal(err)
	}
	req := &gpb.SetRequest{Delete: []*gpb.Path{gpath("/system")}}
	_, err := e.client.Set(e.context(), req)
	wantCode(t, err, codes.Aborted, "locked")
	other.Close()
	if _, err := e.client.Set(e.context(), req); err != nil {
		t.Error(err)
	}
}

func TestCodeOf(t *testing.T) {
	p := gnmiPath("x")
	for _, tc := range []struct {
		err  *yangerr.Error
		want codes.Code
	}{
		{yangerr.New(yangerr.AccessDenied, p, ""), codes.PermissionDenied},
		{yangerr.New(yangerr.LockDenied, p, ""), codes.Aborted},
		{yangerr.New(yangerr.ResourceDenied, p, ""), codes.ResourceExhausted},
		{yangerr.New(yangerr.DataMissing, p, ""), codes.InvalidArgument},
		{yangerr.New(yangerr.DataMissing, p, "").WithAppTag(yangerr.AppInstanceRequired), codes.InvalidArgument},
		{yangerr.New(yangerr.OperationFailed, p, "").WithAppTag(yangerr.AppMustViolation), codes.InvalidArgument},
		{yangerr.New(yangerr.OperationFailed, p, ""), codes.FailedPrecondition},
		{yangerr.New(yangerr.OperationFailed, nil, ""), codes.Internal},
		{yangerr.New(yangerr.TooBig, nil, ""), codes.InvalidArgument},
		{yangerr.New(yangerr.OperationNotSupported, nil, ""), codes.Unimplemented},
	} {
		if got := codeOf(tc.err); got != tc.want {
			t.Errorf("%v is %v, want %v", tc.err, got, tc.want)
		}
	}
	wantCode(t, statusOf(context.Canceled), codes.Canceled, "")
	wantCode(t, statusOf(context.DeadlineExceeded), codes.DeadlineExceeded, "")
	long := yangerr.List{}
	for range 100 {
		long = append(long, yangerr.New(yangerr.InvalidValue, p, "a rather long sentence about a value that is wrong"))
	}
	if st := status.Convert(statusOf(long)); len(st.Message()) > maxMessage+8 || len(st.Details()) != 1 {
		t.Errorf("a message of %d octets with %d details", len(st.Message()), len(st.Details()))
	}
}

type gnmiPath string

func (p gnmiPath) String() string                           { return string(p) }
func (p gnmiPath) Format(func(module string) string) string { return string(p) }

// TestConcurrentSets: every Set is a transaction of its own.
func TestConcurrentSets(t *testing.T) {
	e := start(t, boxSchema(t), nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				e.set(`update { path { elem { name: "pairs" } elem { name: "pair" key { key: "a" value: "` + string(rune('a'+i)) + `" } key { key: "b" value: "` + string(rune('0'+j)) + `" } } } val { json_ietf_val: "{\"v\":\"w\"}" } }`)
			}
		})
	}
	wg.Wait()
	if n := e.store.Running().Root.ChildNamed("pairs").ChildNamed("pair").Len(); n != 80 {
		t.Errorf("%d entries, want 80", n)
	}
}
