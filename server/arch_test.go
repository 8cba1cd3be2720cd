package server_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/tandem-ne/tandem/"

// goPackage is what go list -json tells of a package.
type goPackage struct {
	ImportPath, Dir, Doc      string
	GoFiles, CgoFiles         []string
	TestGoFiles, XTestGoFiles []string
	Imports                   []string
	TestImports, XTestImports []string
}

// rule bans imports. A package is under the rule when its path matches From;
// it may then import from the paths matching Ban only what also matches But.
type rule struct {
	from, ban, but *regexp.Regexp
	why            string
}

// ours anchors a pattern below the module path.
func ours(p string) *regexp.Regexp { return regexp.MustCompile(`^` + module + `(` + p + `)$`) }

func anyOf(p string) *regexp.Regexp { return regexp.MustCompile(`^(` + p + `)$`) }

// rules are those of CONTRIBUTING.md. Each names its reason, because the reason
// is what a reader needs when the test stops them.
var rules = []rule{
	{ours(`northbound/.*`), ours(`dataplane(/.*)?|oam(/.*)?|gen(/.*)?`), nil,
		"a management protocol sees trees, never engines: what it needs goes through server/oper or an action"},
	{ours(`northbound/netconf(/.*)?`), ours(`northbound/gnmi(/.*)?`), nil,
		"the protocols share the datastore, not each other's code"},
	{ours(`northbound/gnmi(/.*)?`), ours(`northbound/netconf(/.*)?`), nil,
		"the protocols share the datastore, not each other's code"},
	{ours(`northbound/conformance`), ours(`.*`), nil,
		"the suite judges any server by its octets; what it shared with ours it could not find wrong"},
	{ours(`cmd/tandem(/.*)?`), ours(`server|server/(datastore|oper|alarm|access|validate|intent|served)(/.*)?|dataplane(/.*)?|oam(/.*)?|northbound/.*|yang`), ours(`cmd/tandem/.*`),
		"the command line is a client: it knows an element by NETCONF and the modules that it serves"},
	{ours(`northbound/.*`), ours(`server|server/(intent|alarm|validate|served)(/.*)?`), nil,
		"northbound uses server/{datastore,oper,access,codec,schema,tree,xpath,yangerr} only, so that every edit takes the one pipeline"},
	{ours(`server/(schema|tree|xpath|codec|validate|datastore|yangerr)(/.*)?`), ours(`.*`),
		ours(`server/(schema|tree|xpath|codec|validate|datastore|access|yangerr)(/.*)?`),
		"the management core knows no engine, no protocol and no model of ours"},
	{ours(`server/(oper|alarm|access)(/.*)?`), ours(`.*`),
		ours(`server/(schema|tree|xpath|codec|validate|datastore|access|yangerr|oper)(/.*)?`),
		"operational state and access are generic: engines publish into it from server/, it knows none of them"},
	{ours(`server/intent(/.*)?`), ours(`dataplane/.*|northbound/.*|cmd/.*|oam/(shard|bfd|record)`), nil,
		"intent produces engine types (dataplane, oam, oam/ach); it never runs an engine"},
	{ours(`dataplane(/.*)?`), ours(`server(/.*)?|northbound/.*|cmd/.*|gen(/.*)?|yang`), nil,
		"the data plane is told what to do in its own words, without YANG names"},
	{ours(`oam(/.*)?`), ours(`.*`), ours(`oam(/.*)?`),
		"OAM machines are pure and portable: no kernel, no YANG, no other part of the element"},
	{ours(`oam(/.*)?`), anyOf(`net|syscall|golang\.org/x/sys/.*|github\.com/(vishvananda|mdlayher|cilium)/.*`), nil,
		"the outside of OAM is oam.Transport and oam.Clock, so that tests own time and packets"},
	{ours(`oam/(bfd|fault|ping|perf|lock|psc|pwstatus)`), ours(`oam/(bfd|fault|ping|perf|lock|psc|pwstatus)`), nil,
		"engines exchange typed events of package oam, so that each can be read alone"},
	{ours(`.*`), anyOf(`github\.com/vishvananda/netlink(/.*)?|github\.com/mdlayher/netlink(/.*)?`), nil,
		"only dataplane/kernel speaks netlink"},
	{ours(`.*`), anyOf(`github\.com/cilium/ebpf(/.*)?`), nil,
		"only dataplane/ebpf, the kernel driver's tap and what both share in dataplane/punt know BPF"},
	{ours(`gen(/.*)?|yang`), ours(`server(/.*)?|dataplane(/.*)?|oam(/.*)?|northbound/.*|cmd/.*`), nil,
		"models and generated structs are leaves: they are published as an SDK"},
}

// exempt are the packages that a rule exists to point at.
var exempt = map[string]*regexp.Regexp{
	"only dataplane/kernel speaks netlink":                                                        ours(`dataplane/kernel(/.*)?`),
	"only dataplane/ebpf, the kernel driver's tap and what both share in dataplane/punt know BPF": ours(`dataplane/(ebpf(/.*)?|kernel/tap|punt)`),
	// The element that tests of the command line talk to.
	"the command line is a client: it knows an element by NETCONF and the modules that it serves": ours(`cmd/tandem/elementtest`),
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json", module+"...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p goPackage
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// violation returns the reason why pkg may not import imp, or "".
func violation(pkg, imp string) string {
	for _, r := range rules {
		if !r.from.MatchString(pkg) || !r.ban.MatchString(imp) || imp == pkg {
			continue
		}
		if r.but != nil && r.but.MatchString(imp) {
			continue
		}
		if e := exempt[r.why]; e != nil && e.MatchString(pkg) {
			continue
		}
		return r.why
	}
	return ""
}

func TestImportRules(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			if why := violation(p.ImportPath, imp); why != "" {
				t.Errorf("%s imports %s: %s", strings.TrimPrefix(p.ImportPath, module), strings.TrimPrefix(imp, module), why)
			}
		}
	}
}

// TestImportRulesBite shows that each rule refuses something and lets its
// neighbour pass.
func TestImportRulesBite(t *testing.T) {
	for _, c := range []struct {
		pkg, imp string
		refused  bool
	}{
		{"northbound/netconf", module + "dataplane", true},
		{"northbound/netconf", module + "northbound/gnmi", true},
		{"northbound/gnmi", module + "server/intent", true},
		{"northbound/gnmi", module + "server/oper", false},
		{"northbound/conformance", module + "server/tree", true},
		{"cmd/tandem/configure", module + "server/datastore", true},
		{"cmd/tandem/configure", module + "server/tree", false},
		{"server/access/nacm", module + "northbound/netconf", true},
		{"server/tree", module + "gen/mtp", true},
		{"server/tree", module + "server/schema", false},
		{"server/oper", module + "oam", true},
		{"server/intent", module + "dataplane/ebpf", true},
		{"server/intent", module + "dataplane", false},
		{"dataplane/plan", module + "server/tree", true},
		{"oam/bfd", "net", true},
		{"oam/bfd", module + "oam/fault", true},
		{"oam/shard", module + "dataplane", true},
		{"oam/bfd", module + "oam/ach", false},
		{"cmd/tandem", "github.com/vishvananda/netlink", true},
		{"dataplane/kernel/mplsnl", "github.com/vishvananda/netlink/nl", false},
		{"dataplane/packetio", "github.com/cilium/ebpf", true},
		{"dataplane/kernel", "github.com/cilium/ebpf", true},
		{"dataplane/kernel/tap", "github.com/cilium/ebpf", false},
		{"dataplane/punt", "github.com/cilium/ebpf", false},
		{"dataplane/ebpf", "github.com/cilium/ebpf/link", false},
		{"gen/mtp", module + "server/tree", true},
	} {
		if got := violation(module+c.pkg, c.imp) != ""; got != c.refused {
			t.Errorf("%s importing %s: refused %v, want %v", c.pkg, c.imp, got, c.refused)
		}
	}
}

func TestPackageNamesAndDocs(t *testing.T) {
	for _, p := range packages(t) {
		short := strings.TrimPrefix(p.ImportPath, module)
		if base := filepath.Base(short); base == "util" || base == "utils" || base == "common" || base == "helpers" {
			t.Errorf("%s: a package is named for what it does, never %s", short, base)
		}
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s: no package comment: one file says what the package is for", short)
		}
	}
}

func TestFileLengths(t *testing.T) {
	for _, p := range packages(t) {
		if ours(`gen(/.*)?`).MatchString(p.ImportPath) {
			continue
		}
		for _, f := range append(append(append([]string{}, p.GoFiles...), p.TestGoFiles...), p.XTestGoFiles...) {
			b, err := os.ReadFile(filepath.Join(p.Dir, f))
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(b, []byte{'\n'}); n >= 600 && !bytes.HasPrefix(b, []byte("// Code generated")) {
				t.Errorf("%s/%s has %d lines: two rooms (limit 600)", strings.TrimPrefix(p.ImportPath, module), f, n)
			}
		}
	}
}

// TestNoInit forbids registration by side effect outside gen.
func TestNoInit(t *testing.T) {
	for _, p := range packages(t) {
		if ours(`gen(/.*)?`).MatchString(p.ImportPath) {
			continue
		}
		for _, f := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, f), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if file.Comments != nil && strings.HasPrefix(file.Comments[0].Text(), "Code generated") {
				continue
			}
			for _, d := range file.Decls {
				if fn := funcName(d); fn == "init" {
					t.Errorf("%s/%s has an init function: wire things where they are made", strings.TrimPrefix(p.ImportPath, module), f)
				}
			}
		}
	}
}

// TestNoMachinePaths keeps the paths of one machine out of the repository.
func TestNoMachinePaths(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("git", "-C", root, "ls-files").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	bad := regexp.MustCompile("/(wo" + "rk|ro" + "ot|ho" + "me)/[a-z]")
	for _, f := range strings.Fields(string(out)) {
		b, err := os.ReadFile(filepath.Join(root, f))
		if err != nil || bytes.IndexByte(b, 0) >= 0 {
			continue // Deleted but not yet committed, or an object file.
		}
		if m := bad.Find(b); m != nil {
			t.Errorf("%s contains %q: a path of one machine", f, m)
		}
	}
}

// funcName returns the name of a function declaration without receiver.
func funcName(d ast.Decl) string {
	if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
		return fn.Name.Name
	}
	return ""
}
