package tree

import (
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
)

func TestParsePath(t *testing.T) {
	s := compile(t)
	for _, tc := range []struct{ in, want, xpath string }{
		{"/", "/", "/"},
		{"/net:banner", "/net:banner", "/p:banner"},
		{"/net:net/lsps", "/net:net/lsps", "/p:net/p:lsps"},
		{"/net:net/net:lsps", "/net:net/lsps", "/p:net/p:lsps"},
		{"/net:net/lsps/lsp", "/net:net/lsps/lsp", "/p:net/p:lsps/p:lsp"},
		{"/net:net/lsps/lsp[name='a']/num", "/net:net/lsps/lsp[name='a']/num", "/p:net/p:lsps/p:lsp[p:name='a']/p:num"},
		{`/net:net/lsps/lsp[ net:name = "a" ]`, "/net:net/lsps/lsp[name='a']", "/p:net/p:lsps/p:lsp[p:name='a']"},
		{`/net:net/lsps/lsp[name="it's"]`, `/net:net/lsps/lsp[name="it's"]`, `/p:net/p:lsps/p:lsp[p:name="it's"]`},
		{`/net:net/lsps/lsp[name='a"b']`, `/net:net/lsps/lsp[name='a"b']`, `/p:net/p:lsps/p:lsp[p:name='a"b']`},
		{`/net:net/lsps/lsp[name=concat('a"',"'b")]`, `/net:net/lsps/lsp[name=concat('a"',"'",'b')]`, `/p:net/p:lsps/p:lsp[p:name=concat('a"',"'",'b')]`},
		{"/net:net/lsps/lsp[name='']", "/net:net/lsps/lsp[name='']", "/p:net/p:lsps/p:lsp[p:name='']"},
		{"/net:net/lsps/lsp[name='a/b]c']", "/net:net/lsps/lsp[name='a/b]c']", "/p:net/p:lsps/p:lsp[p:name='a/b]c']"},
		{"/net:net/lsps/pair[a='01'][b='x']", "/net:net/lsps/pair[b='x'][a='1']", "/p:net/p:lsps/p:pair[p:b='x'][p:a='1']"},
		{"/net:net/lsps/shade[c='net:red']", "/net:net/lsps/shade[c='net:red']", "/p:net/p:lsps/p:shade[p:c='p:red']"},
		{"/net:net/lsps/shade[c='red']", "/net:net/lsps/shade[c='net:red']", "/p:net/p:lsps/p:shade[p:c='p:red']"},
		{"/net:net/dns[.='x']", "/net:net/dns[.='x']", "/p:net/p:dns[.='x']"},
		{"/net:net/state/event[12]/what", "/net:net/state/event[12]/what", "/p:net/p:state/p:event[12]/p:what"},
	} {
		p, err := ParsePath(s, tc.in)
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		if got := p.String(); got != tc.want {
			t.Errorf("String of %s is %s, want %s", tc.in, got, tc.want)
		}
		if got := p.Format(func(string) string { return "p" }); got != tc.xpath {
			t.Errorf("Format of %s is %s, want %s", tc.in, got, tc.xpath)
		}
		again, err := ParsePath(s, tc.want)
		if err != nil || !again.Equal(p) {
			t.Errorf("%s does not lead back: %v", tc.want, err)
		}
	}
}

func TestParsePathErrors(t *testing.T) {
	s := compile(t)
	for _, tc := range []struct{ in, want string }{
		{"", "begins with a slash"},
		{"net:net", "slash is expected"},
		{"/net", "module's name"},
		{"//net:net", "a name is expected"},
		{"/net:net/", "a name is expected"},
		{"/x:net", `no module "x"`},
		{"/net:nets", `no child "nets"`},
		{"/net:banner/x", `no child "x"`},
		{"/net:net/lsps/lsp[num='1']", `no key "num"`},
		{"/net:net/lsps/lsp[x:name='1']", `no key "name"`},
		{"/net:net/lsps/lsp[name='a'][name='a']", "given twice"},
		{"/net:net/lsps/lsp[name='a'", "] is expected"},
		{"/net:net/lsps/lsp[name='a]", "does not end"},
		{"/net:net/lsps/lsp[name=a]", "quoted string is expected"},
		{"/net:net/lsps/lsp[name]", "= is expected"},
		{"/net:net/lsps/lsp[1]", "without keys"},
		{"/net:net/lsps/lsp[.='a']", "leaf-list"},
		{"/net:net/lsps/lsp[name=concat('a')]", "two strings"},
		{"/net:net/lsps/lsp[name=concat 'a']", "( is expected"},
		{"/net:net/lsps/lsp[name=concat('a';'b')]", ", or )"},
		{"/net:net/lsps/pair[a='1']", "2 keys, 1 are given"},
		{"/net:net/lsps/pair[a='x'][b='y']", `"x" of "a"`},
		{"/net:net/lsps/pair[a='-1'][b='y']", `"-1" of "a"`},
		{"/net:net/dns[.='a'][.='b']", "second value"},
		{"/net:net/dns[1]", "without keys"},
		{"/net:net/state/event[0]", "no position"},
		{"/net:net/state/event[1][2]", "one position"},
		{"/net:net/state/event[99999999999]", "no position"},
		{"/net:net/state[1]", "without keys"},
		{"/net:net/lsps/shade[c='green']", `"green" of "c"`},
	} {
		p, err := ParsePath(s, tc.in)
		if err == nil {
			t.Errorf("%s is %s", tc.in, p)
		} else if !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", tc.in, err, tc.want)
		}
	}
}

func TestParseRelative(t *testing.T) {
	s := compile(t)
	in := s.RPC(s.Module("net"), "go").Input
	p, err := ParseRelative(s, in, "/how")
	if err != nil || len(p) != 1 || p[0].Node != in.Child("how") {
		t.Errorf("path %v, error %v", p, err)
	}
}

func TestPathRelations(t *testing.T) {
	s := compile(t)
	a, b := path(t, s, "~/lsp[name='a']"), path(t, s, "~/lsp[name='b']")
	if a.Equal(b) || !a.Equal(path(t, s, "~/lsp[name='a']")) || a.Equal(a[:2]) {
		t.Error("Equal is wrong")
	}
	if !a.HasPrefix(a[:1]) || !a.HasPrefix(Path{}) || a[:1].HasPrefix(a) || a.HasPrefix(b) {
		t.Error("HasPrefix is wrong")
	}
	// Child must not write into the array of a path that shares its beginning.
	num, ttl := a[2].Node.Child("num"), a[2].Node.Child("ttl")
	p := append(make(Path, 0, 8), a...)
	x := p.Child(num)
	y := p.Child(ttl)
	if x[3].Node != num || y[3].Node != ttl {
		t.Error("Child wrote into a shared array")
	}
}

// FuzzParsePath: what parses prints to a text that parses to the same path and
// prints the same; nothing panics.
func FuzzParsePath(f *testing.F) {
	s := compile(f)
	for _, seed := range []string{
		"/", "/net:net/lsps/lsp[name='a']/num", `/net:net/lsps/lsp[name=concat('a"',"'",'b')]`,
		"/net:net/lsps/pair[a='1'][b=\"it's\"]/d", "/net:net/state/event[3]/what", "/net:net/dns[.='x']",
		"/net:net/lsps/shade[c='net:blue']", "/net:net[", "/net:net/lsps/lsp[name='",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePath(s, text)
		if err != nil {
			return
		}
		out := p.String()
		q, err := ParsePath(s, out)
		if err != nil {
			t.Fatalf("%q prints as %q: %v", text, out, err)
		}
		if !q.Equal(p) || q.String() != out {
			t.Fatalf("%q prints as %q, which is %q", text, out, q)
		}
		for i := range p {
			if st := &p[i]; st.Node.Kind == schema.List && st.Keys != nil && len(st.Keys) != len(st.Node.Keys) {
				t.Fatalf("%q has a step with %d keys", text, len(st.Keys))
			}
		}
		Empty(s).Get(p)
	})
}
