package netconf

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/tandem-ne/tandem/server/yangerr"
)

// URLs say what the :url capability (RFC 6241 section 8.8) may reach.
type URLs struct {
	// Dir is the directory that file URLs are confined to: "file:///a.xml" is a.xml
	// in it, and nothing leads out of it. Without one there are no file URLs.
	Dir string
	// Roots are the certificate authorities of https servers; the system's where nil.
	Roots *x509.CertPool
	// Timeout bounds one transfer, 30 s where 0.
	Timeout time.Duration
	// MaxBytes bounds one configuration, 64 MiB where 0.
	MaxBytes int64
}

// urls reads and writes configurations at URLs.
type urls struct {
	root   *os.Root // nil without file URLs
	client *http.Client
	max    int64
}

// openURLs opens the directory; the caller closes it with close.
func openURLs(o URLs) (*urls, error) {
	u := &urls{max: cmp.Or(o.MaxBytes, 64<<20)}
	u.client = &http.Client{
		Timeout: cmp.Or(o.Timeout, 30*time.Second),
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2: true,
			DisableKeepAlives: true,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if req.URL.Scheme != "https" || len(via) >= 5 {
				return fmt.Errorf("it redirects to %s", req.URL.Redacted())
			}
			return nil
		},
	}
	if o.Dir == "" {
		return u, nil
	}
	root, err := os.OpenRoot(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("netconf: directory of file URLs: %w", err)
	}
	u.root = root
	return u, nil
}

func (u *urls) close() {
	u.client.CloseIdleConnections()
	if u.root != nil {
		u.root.Close()
	}
}

// schemes is the parameter of the capability.
func (u *urls) schemes() string {
	if u.root == nil {
		return "https"
	}
	return "file,https"
}

// parse checks what can be checked without any access.
func (u *urls) parse(text string) (*url.URL, error) {
	bad := func(format string, args ...any) (*url.URL, error) {
		return nil, yangerr.New(yangerr.InvalidValue, nil, format, args...).WithType(yangerr.Protocol).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: "url"})
	}
	l, err := url.Parse(text)
	switch {
	case err != nil:
		return bad("%q is not a URL", text)
	case l.Scheme == "https" && l.Host != "" && l.Opaque == "":
		return l, nil
	case l.Scheme == "file" && u.root != nil:
		name := strings.TrimPrefix(path.Clean("/"+l.Path), "/")
		switch {
		case l.Opaque != "" || l.RawQuery != "" || l.Fragment != "" || l.Host != "" && l.Host != "localhost":
			return bad("a file URL is file:///name here")
		case name == "" || strings.HasSuffix(l.Path, "/") || path.Clean("/"+l.Path) != "/"+strings.TrimLeft(l.Path, "/"):
			return bad("%q names no file of this element", text)
		}
		return l, nil
	}
	return bad("%q is not a URL that can be used here: the schemes are %s", text, u.schemes())
}

// fileName is the name of a file URL in the directory.
func fileName(l *url.URL) string { return strings.TrimLeft(l.Path, "/") }

// failed is the error of a transfer. Of a file it says no more than what the
// client named.
func failed(l *url.URL, what string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return yangerr.New(yangerr.OperationFailed, nil, "%s cannot be %s: %v", l.Redacted(), what, err)
}

// read returns what is at the URL.
func (u *urls) read(ctx context.Context, l *url.URL) ([]byte, error) {
	var text []byte
	var err error
	if l.Scheme == "file" {
		text, err = u.readFile(fileName(l))
	} else {
		text, err = u.transfer(ctx, http.MethodGet, l, nil)
	}
	if errors.Is(err, errTooLarge) {
		return nil, yangerr.New(yangerr.TooBig, nil, "%s has more than %d octets", l.Redacted(), u.max)
	}
	if err != nil {
		return nil, failed(l, "read", err)
	}
	return text, nil
}

var errTooLarge = errors.New("too large")

func (u *urls) readAll(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, u.max+1))
	if err == nil && int64(len(text)) > u.max {
		err = errTooLarge
	}
	return text, err
}

func (u *urls) readFile(name string) ([]byte, error) {
	info, err := u.root.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	}
	f, err := u.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return u.readAll(f)
}

// write puts text at the URL, all of it or nothing.
func (u *urls) write(ctx context.Context, l *url.URL, text []byte) error {
	var err error
	if l.Scheme == "file" {
		err = u.writeFile(fileName(l), text)
	} else {
		_, err = u.transfer(ctx, http.MethodPut, l, text)
	}
	if err != nil {
		return failed(l, "written", err)
	}
	return nil
}

func (u *urls) writeFile(name string, text []byte) (err error) {
	if info, err := u.root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	tmp := path.Join(path.Dir(name), "."+rand.Text())
	f, err := u.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			u.root.Remove(tmp)
		}
	}()
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return u.root.Rename(tmp, name)
}

// remove takes away what is at the URL.
func (u *urls) remove(ctx context.Context, l *url.URL) error {
	var err error
	if l.Scheme == "file" {
		var info fs.FileInfo
		if info, err = u.root.Lstat(fileName(l)); err == nil && !info.Mode().IsRegular() {
			err = errors.New("it is not a regular file")
		}
		if err == nil {
			err = u.root.Remove(fileName(l))
		}
	} else {
		_, err = u.transfer(ctx, http.MethodDelete, l, nil)
	}
	if err != nil {
		return failed(l, "deleted", err)
	}
	return nil
}

// transfer carries out one HTTP request; any status but 2xx is an error.
func (u *urls) transfer(ctx context.Context, method string, l *url.URL, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, l.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/xml")
	}
	req.Header.Set("Accept", "application/xml")
	resp, err := u.client.Do(req)
	if err != nil {
		var e *url.Error
		if errors.As(err, &e) {
			err = e.Err
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, errors.New(resp.Status)
	}
	if method != http.MethodGet {
		return nil, nil
	}
	return u.readAll(resp.Body)
}
