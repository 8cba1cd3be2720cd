package tree

import (
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
)

func lines(s string) string {
	var out []string
	for l := range strings.Lines(s) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n")
}

// TestApply gives the semantics of RFC 6241 section 7.2 and RFC 7950 section 7
// case by case: what is there, the edits, and what is there then.
func TestApply(t *testing.T) {
	s := compile(t)
	for _, tc := range []struct{ name, before, edits, want string }{
		{"merge makes ancestors", "", "merge ~/lsp[name='a']/num = 7",
			"/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/num = 7"},
		{"merge keeps the rest", "merge ~/lsp[name='a']/num = 7", "merge ~/lsp[name='a']/ttl = 9",
			"/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/num = 7\n~/lsp[name='a']/ttl = 9"},
		{"merge a new value", "merge /net:banner = x", "merge /net:banner = y", "/net:banner = y"},
		{"create a leaf equal to its default", "merge ~/lsp[name='a']", "create ~/lsp[name='a']/ttl = 255",
			"/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/ttl = 255"},
		{"replace an entry drops its content", "merge ~/lsp[name='a']/num = 7\nmerge ~/lsp[name='b']", "replace ~/lsp[name='a']",
			"/net:net\n~\n~/lsp[name='a']\n~/lsp[name='b']"},
		{"replace then fill", "merge ~/lsp[name='a']/num = 7", "replace ~/lsp[name='a']\nmerge ~/lsp[name='a']/ttl = 1",
			"/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/ttl = 1"},
		{"deleting the last leaf empties containers without presence", "merge ~/lsp[name='a']/in-segment/label = 7",
			"delete ~/lsp[name='a']/in-segment/label", "/net:net\n~\n~/lsp[name='a']"},
		{"deleting the last entry empties its containers", "merge ~/lsp[name='a']", "delete ~/lsp[name='a']", ""},
		{"a presence container stays when empty", "merge ~/lsp[name='a']/guard/wait = 7", "delete ~/lsp[name='a']/guard/wait",
			"/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/guard"},
		{"remove what is not there", "merge /net:banner = x", "remove ~/lsp[name='a']/guard/wait\nremove ~/lsp[name='a']\nremove ~\nremove /net:net/dns[.='a']", "/net:banner = x"},
		{"none on the way", "merge ~/lsp[name='a']/num = 1", "none /net:net\nnone ~\nnone ~/lsp[name='a']\ndelete ~/lsp[name='a']/num", "/net:net\n~\n~/lsp[name='a']"},
		{"none through absent containers without presence", "", "none /net:net\nnone ~\ncreate ~/lsp[name='a']", "/net:net\n~\n~/lsp[name='a']"},
		{"merge of an empty container without presence leaves nothing", "", "merge ~", ""},
		{"merge implies its entry", "", "merge ~/lsp[name='a']/in-segment", "/net:net\n~\n~/lsp[name='a']"},
		{"key leaf again", "", "create ~/lsp[name='a']\nmerge ~/lsp[name='a']/name = a", "/net:net\n~\n~/lsp[name='a']"},
		{"the other case goes", "merge ~/lsp[name='a']/plain-a = p\nmerge ~/lsp[name='a']/plain-b = 1", "merge ~/lsp[name='a']/fancy/x = q",
			"/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/fancy\n~/lsp[name='a']/fancy/x = q"},
		{"an inner choice takes the outer case away", "merge ~/lsp[name='a']/plain-a = p", "create ~/lsp[name='a']/inner-b[.='i']",
			"/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/inner-b[.='i']"},
		{"inner cases exclude each other, siblings of the outer case stay",
			"merge ~/lsp[name='a']/fancy/x = q\nmerge ~/lsp[name='a']/inner-b[.='i']", "merge ~/lsp[name='a']/inner-a = p",
			"/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/fancy\n~/lsp[name='a']/fancy/x = q\n~/lsp[name='a']/inner-a = p"},
		{"removing a leaf of an absent case changes nothing", "merge ~/lsp[name='a']/plain-a = p", "remove ~/lsp[name='a']/inner-a",
			"/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/plain-a = p"},
		{"leaf-list values", "merge ~/lsp[name='a']/tag = y", "create ~/lsp[name='a']/tag = x\nmerge ~/lsp[name='a']/tag[.='y']\ncreate ~/lsp[name='a']/tag[.='z']\ndelete ~/lsp[name='a']/tag[.='z']",
			"/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/tag[.='x']\n~/lsp[name='a']/tag[.='y']"},
		{"whole leaf-list removed", "merge /net:net/dns = x\nmerge /net:net/dns = y", "delete /net:net/dns", ""},
		{"numbers sort as numbers", "", "merge ~/pair[a='10'][b='x']\nmerge ~/pair[a='9'][b='x']\nmerge ~/pair[a='11'][b='a']",
			"/net:net\n~\n~/pair[b='a'][a='11']\n~/pair[b='x'][a='9']\n~/pair[b='x'][a='10']"},
		{"user order: append, first, before, after",
			"", "create /net:net/dns = c\ncreate /net:net/dns = d\ncreate /net:net/dns = a first\ncreate /net:net/dns = b before c\ncreate /net:net/dns = e after d\ncreate /net:net/dns = f last",
			"/net:net\n/net:net/dns[.='a']\n/net:net/dns[.='b']\n/net:net/dns[.='c']\n/net:net/dns[.='d']\n/net:net/dns[.='e']\n/net:net/dns[.='f']"},
		{"user order: merge and replace move",
			"create /net:net/dns = a\ncreate /net:net/dns = b\ncreate /net:net/dns = c", "merge /net:net/dns = c first\nreplace /net:net/dns = a last\nmerge /net:net/dns = b\nmerge /net:net/dns = b after b",
			"/net:net\n/net:net/dns[.='c']\n/net:net/dns[.='b']\n/net:net/dns[.='a']"},
		{"user order: entries keep their content when moved",
			"merge ~/lsp[name='a']/stage[id='1']/text = one\nmerge ~/lsp[name='a']/stage[id='2']/text = two", "merge ~/lsp[name='a']/stage[id='2'] before 1",
			"/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/stage[id='2']\n~/lsp[name='a']/stage[id='2']/text = two\n~/lsp[name='a']/stage[id='1']\n~/lsp[name='a']/stage[id='1']/text = one"},
		{"user order: replace in place keeps the place",
			"merge ~/lsp[name='a']/stage[id='1']/text = one\nmerge ~/lsp[name='a']/stage[id='2']/text = two", "replace ~/lsp[name='a']/stage[id='1']",
			"/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/stage[id='1']\n~/lsp[name='a']/stage[id='2']\n~/lsp[name='a']/stage[id='2']/text = two"},
		{"entries without keys", "", "merge /net:net/state/event/what = x\nmerge /net:net/state/event/what = x\nmerge /net:net/state/event[2]/when = 5\nmerge /net:net/state/trail = z\nmerge /net:net/state/trail = y",
			"/net:net\n/net:net/state\n/net:net/state/event[1]\n/net:net/state/event[1]/what = x\n/net:net/state/event[2]\n/net:net/state/event[2]/what = x\n/net:net/state/event[2]/when = 5\n/net:net/state/trail[.='z']\n/net:net/state/trail[.='y']"},
		{"entry without keys deleted by position", "merge /net:net/state/event/what = x\nmerge /net:net/state/event/what = y", "delete /net:net/state/event[1]",
			"/net:net\n/net:net/state\n/net:net/state/event[1]\n/net:net/state/event[1]/what = y"},
		{"root emptied", "merge /net:banner = x", "delete /", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := apply(t, s, Empty(s), tc.before)
			was := dump(root)
			next := apply(t, s, root, tc.edits)
			check(t, next)
			if got, want := lines(dump(next)), lines(tc.want); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if dump(root) != was {
				t.Error("the tree that was edited changed")
			}
		})
	}
}

func TestApplyErrors(t *testing.T) {
	s := compile(t)
	const before = "merge ~/lsp[name='a']/num = 7\nmerge ~/lsp[name='a']/guard\nmerge /net:net/dns = a\nmerge ~/lsp[name='a']/tag = x\nmerge ~/lsp[name='a']/blob"
	for _, tc := range []struct{ name, edits, want string }{
		{"create a leaf", "create ~/lsp[name='a']/num = 7", "data-exists ~/lsp[name='a']/num"},
		{"create an entry", "create ~/lsp[name='a']", "data-exists ~/lsp[name='a']"},
		{"create a presence container", "create ~/lsp[name='a']/guard", "data-exists ~/lsp[name='a']/guard"},
		{"create a container", "create ~", "data-exists ~"},
		{"create a leaf-list entry", "create ~/lsp[name='a']/tag = x", "data-exists ~/lsp[name='a']/tag[.='x']"},
		{"create a list", "create ~/lsp", "data-exists ~/lsp"},
		{"create anydata", "create ~/lsp[name='a']/blob", "data-exists ~/lsp[name='a']/blob"},
		{"create the root", "create /", "data-exists /"},
		{"delete a leaf", "delete ~/lsp[name='a']/ttl", "data-missing ~/lsp[name='a']/ttl"},
		{"delete an entry", "delete ~/lsp[name='b']", "data-missing ~/lsp[name='b']"},
		{"delete below a missing entry", "delete ~/lsp[name='b']/guard/wait", "data-missing ~/lsp[name='b']/guard/wait"},
		{"delete a leaf-list entry", "delete ~/lsp[name='a']/tag[.='y']", "data-missing ~/lsp[name='a']/tag[.='y']"},
		{"delete a container", "delete ~/lsp[name='a']/in-segment", "data-missing ~/lsp[name='a']/in-segment"},
		{"delete a list", "delete ~/pair", "data-missing ~/pair"},
		{"delete a default in use", "delete ~/lsp[name='a']/ttl", "data-missing ~/lsp[name='a']/ttl"},
		{"none on a missing entry, once for all below it", "none ~/lsp[name='b']\ncreate ~/lsp[name='b']/num = 1\nnone ~/lsp[name='c']\nmerge ~/lsp[name='a']/ttl = 1",
			"data-missing ~/lsp[name='b']\ndata-missing ~/lsp[name='c']"},
		{"none on a missing leaf", "none ~/lsp[name='a']/ttl", "data-missing ~/lsp[name='a']/ttl"},
		{"none below a missing presence container", "merge ~/lsp[name='b']\nnone ~/lsp[name='b']/guard/wait", "data-missing ~/lsp[name='b']/guard"},
		{"delete a key", "delete ~/lsp[name='a']/name", "operation-not-supported ~/lsp[name='a']/name"},
		{"change a key", "merge ~/lsp[name='a']/name = b", "invalid-value ~/lsp[name='a']/name"},
		{"a missing anchor", "create /net:net/dns = b before z", "bad-attribute missing-instance /net:net/dns[.='b']"},
		{"an anchor in an empty list", "create ~/lsp[name='a']/stage[id='1'] after 2", "bad-attribute missing-instance ~/lsp[name='a']/stage[id='1']"},
		{"before itself while new", "create /net:net/dns = b before b", "bad-attribute missing-instance /net:net/dns[.='b']"},
		{"a place in a list without order", "merge ~/lsp[name='a'] first", "unknown-attribute ~/lsp[name='a']"},
		{"an entry without keys", "merge ~/lsp/num = 1", "missing-element ~/lsp"},
		{"a leaf without value", "merge /net:banner", "invalid-value /net:banner"},
		{"every error", "create ~/lsp[name='a']\ndelete /net:banner\ncreate ~/lsp[name='b']\ndelete ~/pair[a='1'][b='x']",
			"data-exists ~/lsp[name='a']\ndata-missing /net:banner\ndata-missing ~/pair[b='x'][a='1']"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := apply(t, s, Empty(s), before)
			was := dump(root)
			eds := edits(t, s, tc.edits)
			for i := range eds {
				// In a leaf-list the value belongs into the path, where errors show it.
				if p := eds[i].Path; len(p) > 0 && p[len(p)-1].Node.Kind == schema.LeafList && !eds[i].Value.IsZero() {
					p[len(p)-1].Keys = []schema.Value{eds[i].Value}
				}
			}
			next, errs := Apply(root, eds)
			wantErrors(t, errs, strings.Split(tc.want, "\n")...)
			if next != root || dump(root) != was {
				t.Error("a failed Apply changed something")
			}
		})
	}
}

// TestApplyMalformed feeds edits that no codec makes: they fail, they never panic.
func TestApplyMalformed(t *testing.T) {
	s := compile(t)
	root := apply(t, s, Empty(s), "merge ~/lsp[name='a']/num = 7\nmerge /net:net/dns = a")
	lsp := path(t, s, "~/lsp[name='a']")
	str := schema.MustParse(s.Root().Child("banner").Type, "x")
	holder := root.Get(path(t, s, "~/lsp"))
	for _, tc := range []struct {
		name string
		edit Edit
		want string
	}{
		{"child of another node", Edit{Op: Merge, Path: Path{{Node: s.Root().Child("net")}, {Node: s.Root().Child("banner")}}, Value: str}, "unknown-element"},
		{"below a leaf", Edit{Op: Merge, Path: path(t, s, "/net:banner").Child(s.Root().Child("banner")), Value: str}, "unknown-element"},
		{"below a leaf-list", Edit{Op: Merge, Path: path(t, s, "/net:net/dns[.='a']").Child(s.Root().Child("banner")), Value: str}, "unknown-element"},
		{"too many keys", Edit{Op: Merge, Path: lsp[:2].Child(lsp[2].Node, str, str)}, "missing-element"},
		{"position in a list with keys", Edit{Op: Delete, Path: Path{lsp[0], lsp[1], {Node: lsp[2].Node, Pos: 1}}}, "missing-element"},
		{"content of another node", Edit{Op: Merge, Path: lsp[:2], Tree: root}, "invalid-value"},
		{"holder as an entry", Edit{Op: Replace, Path: lsp, Tree: holder}, "invalid-value"},
		{"entry as a holder", Edit{Op: Replace, Path: path(t, s, "~/lsp"), Tree: root.Get(lsp)}, "missing-element"},
		{"content with other keys", Edit{Op: Replace, Path: path(t, s, "~/lsp[name='b']"), Tree: root.Get(lsp)}, "invalid-value"},
		{"root of another node", Edit{Op: Replace, Tree: root.Get(lsp)}, "invalid-value"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			next, errs := Apply(root, []Edit{tc.edit})
			if len(errs) != 1 || string(errs[0].Tag) != tc.want || next != root {
				t.Errorf("errors %v, want one %s", errs, tc.want)
			}
		})
	}
}

// TestApplyTrees gives content as trees.
func TestApplyTrees(t *testing.T) {
	s := compile(t)
	payload := apply(t, s, Empty(s), "merge ~/lsp[name='a']/num = 7\nmerge ~/lsp[name='a']/fancy/x = q\nmerge ~/lsp[name='b']/num = 8\nmerge /net:net/dns = x\nmerge /net:net/dns = y")
	base := apply(t, s, Empty(s), "merge ~/lsp[name='a']/ttl = 1\nmerge ~/lsp[name='a']/plain-a = p\nmerge ~/lsp[name='c']\nmerge /net:net/dns = y\nmerge /net:banner = hi")
	const merged = "/net:banner = hi\n/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/num = 7\n~/lsp[name='a']/ttl = 1\n~/lsp[name='a']/fancy\n~/lsp[name='a']/fancy/x = q\n~/lsp[name='b']\n~/lsp[name='b']/num = 8\n~/lsp[name='c']\n/net:net/dns[.='y']\n/net:net/dns[.='x']"
	sortLines := func(s string) string { return lines(s) }
	for _, tc := range []struct {
		name  string
		edits []Edit
		want  string
	}{
		{"merge at the root", []Edit{{Op: Merge, Tree: payload}}, merged},
		{"merge of a container", []Edit{{Op: Merge, Path: path(t, s, "/net:net"), Tree: payload.ChildNamed("net")}}, merged},
		{"merge of lists", []Edit{
			{Op: Merge, Path: path(t, s, "~/lsp"), Tree: payload.Get(path(t, s, "~/lsp"))},
			{Op: Merge, Path: path(t, s, "/net:net/dns"), Tree: payload.Get(path(t, s, "/net:net/dns"))}}, merged},
		{"replace of a list", []Edit{{Op: Replace, Path: path(t, s, "~/lsp"), Tree: payload.Get(path(t, s, "~/lsp"))}, {Op: Remove, Path: path(t, s, "/net:net/dns")}},
			"/net:banner = hi\n/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/num = 7\n~/lsp[name='a']/fancy\n~/lsp[name='a']/fancy/x = q\n~/lsp[name='b']\n~/lsp[name='b']/num = 8"},
		{"create of an entry", []Edit{{Op: Delete, Path: path(t, s, "/net:net")}, {Op: Create, Path: path(t, s, "~/lsp[name='b']"), Tree: payload.Get(path(t, s, "~/lsp[name='b']"))}},
			"/net:banner = hi\n/net:net\n~\n~/lsp[name='b']\n~/lsp[name='b']/num = 8"},
		{"replace of the root", []Edit{{Op: Replace, Tree: apply(t, s, Empty(s), "merge /net:banner = new")}}, "/net:banner = new"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			was, whole := dump(payload), dump(base)
			next, errs := Apply(base, tc.edits)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			check(t, next)
			got := map[string]bool{}
			for _, l := range strings.Split(lines(dump(next)), "\n") {
				got[l] = true
			}
			want := strings.Split(sortLines(tc.want), "\n")
			for _, l := range want {
				if !got[l] {
					t.Errorf("%q is missing in\n%s", l, dump(next))
				}
			}
			if len(got) != len(want) {
				t.Errorf("got:\n%s", dump(next))
			}
			// Editing the result must not reach into what it shares.
			apply(t, s, next, "merge ~/lsp[name='b']/num = 99\nmerge /net:net/dns = zz")
			if dump(payload) != was || dump(base) != whole {
				t.Error("shared nodes changed")
			}
		})
	}
}

func TestApplyEach(t *testing.T) {
	s := compile(t)
	root := apply(t, s, Empty(s), "merge ~/lsp[name='a']/num = 7")
	next, errs := ApplyEach(root, edits(t, s, "create ~/lsp[name='a']\nmerge ~/lsp[name='a']/num = 8\nmerge /net:banner = x\ndelete ~/lsp[name='z']\nmerge ~/lsp[name='b']"))
	wantErrors(t, errs, "data-exists ~/lsp[name='a']", "data-missing ~/lsp[name='z']")
	want := "/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/num = 7\n~/lsp[name='b']\n/net:banner = x"
	if got := lines(dump(next)); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestAnydata(t *testing.T) {
	s := compile(t)
	p := path(t, s, "~/lsp[name='a']/blob")
	set := func(root *Node, op Op, text string) *Node {
		t.Helper()
		next, errs := Apply(root, []Edit{{Op: op, Path: p, Tree: NewAny(p[len(p)-1].Node, &Any{XML: []byte(text)})}})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		return next
	}
	one := set(Empty(s), Create, "<x/>")
	two := set(one, Merge, "<y/>")
	same := set(one, Replace, "<x/>")
	if got := string(one.Get(p).Anydata().XML); got != "<x/>" {
		t.Errorf("content %q", got)
	}
	if Equal(one, two) || !Equal(one, same) {
		t.Error("Equal is wrong about anydata")
	}
	gone := apply(t, s, two, "delete ~/lsp[name='a']/blob")
	if gone.Get(p) != nil {
		t.Error("anydata was not deleted")
	}
}
