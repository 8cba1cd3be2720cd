package netconf

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const oneInterface = `<config xmlns="` + nsBase + `"><interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"><interface><name>%s</name>` +
	`<type xmlns:ianaift="urn:ietf:params:xml:ns:yang:iana-if-type">ianaift:ethernetCsmacd</type></interface></interfaces></config>`

// httpsServer keeps documents by path; some paths misbehave.
type httpsServer struct {
	*httptest.Server
	mu   sync.Mutex
	docs map[string]string
}

func newHTTPS(t *testing.T) *httpsServer {
	s := &httpsServer{docs: map[string]string{"/a.xml": fmt.Sprintf(oneInterface, "eth1")}}
	hang := make(chan struct{})
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		doc, ok := s.docs[r.URL.Path]
		switch {
		case r.URL.Path == "/hang":
			s.mu.Unlock()
			select {
			case <-hang:
			case <-r.Context().Done():
			}
			s.mu.Lock()
		case r.URL.Path == "/large":
			io.WriteString(w, strings.Repeat(" ", 5000))
		case r.URL.Path == "/plain":
			http.Redirect(w, r, "http://127.0.0.1:1/a.xml", http.StatusFound)
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/a.xml", http.StatusFound)
		case r.URL.Path == "/read-only.xml" && r.Method != http.MethodGet:
			http.Error(w, "no", http.StatusForbidden)
		case r.Method == http.MethodPut:
			text, _ := io.ReadAll(r.Body)
			s.docs[r.URL.Path] = string(text)
			w.WriteHeader(http.StatusCreated)
		case !ok:
			http.NotFound(w, r)
		case r.Method == http.MethodDelete:
			delete(s.docs, r.URL.Path)
			w.WriteHeader(http.StatusNoContent)
		default:
			io.WriteString(w, doc)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(func() {
		close(hang)
		s.Close()
	})
	return s
}

func (s *httpsServer) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

// TestURLOverHTTPS: what is read, written and deleted over https, and what is not.
func TestURLOverHTTPS(t *testing.T) {
	web := newHTTPS(t)
	e := newElement(t, func(o *Options) {
		o.URLs = URLs{Roots: web.roots(), Timeout: 200 * time.Millisecond, MaxBytes: 4096}
	})
	if want := "url:1.0?scheme=https"; !strings.Contains(strings.Join(e.capabilities, " "), want+" ") {
		t.Errorf("hello does not announce %s", want)
	}
	c := e.open(base11)
	from := func(path string) string {
		return "<copy-config><target><candidate/></target><source><url>" + web.URL + path + "</url></source></copy-config>"
	}
	to := func(path string) string {
		return "<copy-config><target><url>" + web.URL + path + "</url></target><source><candidate/></source></copy-config>"
	}
	for _, tc := range []struct{ operation, want string }{
		{from("/a.xml"), "<ok/>"},
		{"<get-config><source><candidate/></source></get-config>", "<name>eth1</name>"},
		{to("/b.xml"), "<ok/>"},
		{from("/b.xml"), "<ok/>"},
		{from("/moved"), "<ok/>"},
		{"<delete-config><target><url>" + web.URL + "/b.xml</url></target></delete-config>", "<ok/>"},
		{from("/b.xml"), "404 Not Found"},
		{"<delete-config><target><url>" + web.URL + "/b.xml</url></target></delete-config>", "404 Not Found"},
		{to("/read-only.xml"), "403 Forbidden"},
		{from("/large"), "<error-tag>too-big</error-tag>"},
		{from("/hang"), "operation-failed"},
		{from("/plain"), "redirects to http://127.0.0.1:1/a.xml"},
		{"<copy-config><target><candidate/></target><source><url>file:///a.xml</url></source></copy-config>", "the schemes are https"},
		{"<get-config><source><candidate/></source></get-config>", "<name>eth1</name>"},
	} {
		c.want(tc.operation, tc.want)
	}
}

// TestURLVerifiesServers: a server whose certificate no authority has signed is not
// spoken to, and nothing of a password in a URL is told.
func TestURLVerifiesServers(t *testing.T) {
	web := newHTTPS(t)
	e := newElement(t, func(o *Options) { o.URLs = URLs{Roots: x509.NewCertPool()} })
	c := e.open(base11)
	at := strings.Replace(web.URL, "https://", "https://user:secret@", 1)
	got := c.want("<copy-config><target><candidate/></target><source><url>"+at+"/a.xml</url></source></copy-config>", "certificate")
	if strings.Contains(got, "secret") {
		t.Errorf("the reply has the password in it: %s", got)
	}
}

// TestURLFileIsWholeOrNotThere: a file is replaced in one step and nothing is left
// of an attempt that failed.
func TestURLFileIsWholeOrNotThere(t *testing.T) {
	dir := t.TempDir()
	e := newElement(t, func(o *Options) { o.URLs.Dir = dir })
	e.commit(strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf(oneInterface, "eth0"), `<config xmlns="`+nsBase+`">`), "</config>"))
	c := e.open(base11)
	c.want("<copy-config><target><url>file:///a.xml</url></target><source><running/></source></copy-config>", "<ok/>")
	info, err := os.Stat(filepath.Join(dir, "a.xml"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the file: %v, %v", info, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "b.xml"), 0o700); err != nil {
		t.Fatal(err)
	}
	c.want("<copy-config><target><url>file:///b.xml</url></target><source><running/></source></copy-config>", "operation-failed")
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(names) != 2 || len(hidden) != 0 {
		t.Errorf("left in the directory: %v %v %v", names, hidden, err)
	}
}

// FuzzFileURL: whatever a client writes, a file URL that is taken leads to a name
// in the directory.
func FuzzFileURL(f *testing.F) {
	for _, s := range []string{
		"file:///a.xml", "file:/a/b.xml", "file://localhost/a", "file:///../a", "file:///a/../../b", "file:///%2e%2e/a", "file:////etc/passwd",
		"file:///a%00b", "file:a", "file:///", "https://h/a", "https://u:p@h:1/a?b#c", "http://h/a", "", ":", "file:///a/", "file:///a/./b",
	} {
		f.Add(s)
	}
	root, err := os.OpenRoot(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	defer root.Close()
	u := &urls{root: root}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := u.parse(text)
		if err != nil {
			return
		}
		if l.Scheme == "file" && !filepath.IsLocal(fileName(l)) {
			t.Fatalf("%q leads to %q", text, fileName(l))
		}
		if l.Scheme != "file" && l.Scheme != "https" {
			t.Fatalf("%q is of scheme %s", text, l.Scheme)
		}
	})
}
