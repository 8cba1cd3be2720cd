package gnmi

import (
	"slices"
	"strings"
	"testing"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
)

// gpath reads "/a/b[k=v]" for tests; "]" and "/" in keys are not needed there.
func gpath(text string) *gpb.Path {
	p := &gpb.Path{}
	if origin, rest, ok := strings.Cut(text, "@"); ok {
		p.Origin, text = origin, rest
	}
	for _, part := range strings.Split(strings.Trim(text, "/"), "/") {
		if part == "" {
			continue
		}
		name, preds, _ := strings.Cut(part, "[")
		e := &gpb.PathElem{Name: name}
		for _, pred := range strings.Split(strings.TrimSuffix(preds, "]"), "][") {
			if k, v, ok := strings.Cut(pred, "="); ok {
				if e.Key == nil {
					e.Key = map[string]string{}
				}
				e.Key[k] = v
			}
		}
		p.Elem = append(p.Elem, e)
	}
	return p
}

// TestResolve has rule 26: omitted keys, * and ... .
func TestResolve(t *testing.T) {
	s := &Server{schema: boxSchema(t)}
	for _, tc := range []struct {
		in   string
		wild bool
		want []string
	}{
		{"/", false, []string{"/"}},
		{"/system/mtu", false, []string{"/box:system/mtu"}},
		{"/box:system/box:mtu", false, []string{"/box:system/mtu"}},
		{"rfc7951@/system", false, []string{"/box:system"}},
		{"box@/system", false, []string{"/box:system"}},
		{"/interfaces/interface[name=a]", false, []string{"/box:interfaces/interface[name='a']"}},
		{"/interfaces/interface", true, []string{"/box:interfaces/interface"}},
		{"/interfaces/interface[name=*]/description", true, []string{"/box:interfaces/interface/description"}},
		{"/pairs/pair[b=3]/v", true, []string{"/box:pairs/pair[a=''][b='3']/v"}},
		{"/pairs/pair[a=x][b=3]/v", false, []string{"/box:pairs/pair[a='x'][b='3']/v"}},
		{"/system/limits/*", true, []string{"/box:system/limits/low", "/box:system/limits/high"}},
		{"/*/*[name=a]/enabled", true, []string{"/box:interfaces/interface[name='a']/enabled"}},
		{"/interfaces/...", true, []string{"/box:interfaces"}},
		{"/.../in-octets", true, []string{"/box:interfaces/interface/counters/in-octets"}},
		{"/.../counters/...", true, []string{"/box:interfaces/interface/counters"}},
		{"/system/dns[.=x]", false, []string{"/box:system/dns[.='x']"}},
	} {
		t.Run(tc.in, func(t *testing.T) {
			sel, err := s.resolve(nil, gpath(tc.in), codes.NotFound)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range sel.patterns {
				got = append(got, p.String())
			}
			if !slices.Equal(got, tc.want) || sel.wild != tc.wild {
				t.Errorf("got %v, wild %v", got, sel.wild)
			}
		})
	}
}

func TestResolveErrors(t *testing.T) {
	s := &Server{schema: boxSchema(t)}
	for _, tc := range []struct {
		in   string
		code codes.Code
		msg  string
	}{
		{"/nothing", codes.NotFound, `no element "nothing"`},
		{"/system/nothing", codes.NotFound, `/box:system has no element "nothing"`},
		{"/other:system", codes.NotFound, `no element "other:system"`},
		{"/system/mtu/x", codes.NotFound, `no element "x"`},
		{"/.../nothing", codes.NotFound, "path /.../nothing"},
		{"/*[zz=1]", codes.NotFound, "nothing that matches"},
		{"/interfaces/interface[id=a]", codes.InvalidArgument, "no such key"},
		{"/system[name=a]", codes.InvalidArgument, "no such key"},
		{"/pairs/pair[a=x][b=300]", codes.InvalidArgument, `key "b"`},
		{"/...[a=b]", codes.InvalidArgument, "cannot have keys"},
		{"/" + strings.Repeat(".../", 64) + "nothing", codes.InvalidArgument, "match too much"},
		{"openconfig@/system", codes.Unimplemented, `origin "openconfig"`},
		{"cli@/", codes.Unimplemented, `origin "cli"`},
	} {
		t.Run(tc.in, func(t *testing.T) {
			_, err := s.resolve(nil, gpath(tc.in), codes.NotFound)
			wantCode(t, err, tc.code, tc.msg)
		})
	}
	_, err := s.resolve(nil, &gpb.Path{Elem: []*gpb.PathElem{{}}}, codes.NotFound)
	wantCode(t, err, codes.InvalidArgument, "has no name")
	_, err = s.resolve(nil, &gpb.Path{Element: []string{"system"}}, codes.NotFound)
	wantCode(t, err, codes.InvalidArgument, "use elem")
}

// TestRule02Origin: in the prefix or in the paths, never in both.
func TestRule02Origin(t *testing.T) {
	for _, tc := range []struct {
		name   string
		prefix *gpb.Path
		paths  []*gpb.Path
		want   string
		msg    string
	}{
		{"none", nil, []*gpb.Path{gpath("/system")}, "", ""},
		{"in the prefix", gpath("rfc7951@/"), []*gpb.Path{gpath("/a"), gpath("/b")}, "rfc7951", ""},
		{"in the paths", nil, []*gpb.Path{gpath("box@/a"), gpath("box@/b")}, "box", ""},
		{"several", nil, []*gpb.Path{gpath("box@/a"), gpath("/b")}, "", ""},
		{"both", gpath("rfc7951@/"), []*gpb.Path{gpath("rfc7951@/a")}, "", "in the prefix and in the path"},
		{"several under a prefix path", gpath("/system"), []*gpb.Path{gpath("box@/a"), gpath("/b")}, "", "several origins"},
		{"target in a path", nil, []*gpb.Path{{Target: "x"}}, "", "target belongs into the prefix"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := originOf(tc.prefix, tc.paths)
			if tc.msg != "" {
				wantCode(t, err, codes.InvalidArgument, tc.msg)
			} else if err != nil || got != tc.want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// FuzzResolve: no path panics, and what resolves leads to patterns of the schema.
func FuzzResolve(f *testing.F) {
	for _, p := range []string{"/", "/system/mtu", "/pairs/pair[a=x][b=*]", "/.../in-octets", "box@/*/..."} {
		f.Add(p)
	}
	s := &Server{schema: boxSchema(f)}
	f.Fuzz(func(t *testing.T, text string) {
		sel, err := s.resolve(nil, gpath(text), codes.NotFound)
		if err != nil {
			return
		}
		for _, p := range sel.patterns {
			at := s.schema.Root()
			for _, st := range p {
				if st.Node.Parent != at {
					t.Fatalf("%q gives %s", text, p)
				}
				at = st.Node
			}
			if again, err := s.resolve(nil, &gpb.Path{Elem: elemsOf(p)}, codes.NotFound); err != nil && !sel.wild {
				t.Errorf("%q gives %s, which does not resolve: %v, %v", text, p, again, err)
			}
		}
	})
}
