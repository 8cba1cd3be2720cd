package netconf

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// maxComment is the length of a comment on a commit, in characters (mtp-commits).
const maxComment = 1024

// parseCommit reads <commit> (RFC 6241 sections 8.3.4.1 and 8.4.5.1), with the
// comment that mtp-commits adds.
func parseCommit(q *request) (func() error, error) {
	var o datastore.CommitOptions
	var confirm datastore.Confirm
	confirmed, detail, tagged := false, "", false
	err := q.params(map[string]func() error{
		"confirmed": func() error { confirmed = true; return q.empty() },
		"confirm-timeout": func() (err error) {
			detail = "confirm-timeout"
			confirm.Timeout, err = q.seconds()
			return err
		},
		"persist": func() (err error) {
			detail = "persist"
			confirm.Persist, err = q.token()
			return err
		},
		"persist-id":                  func() (err error) { o.PersistID, err = q.token(); return err },
		withEtag:                      q.flag(&tagged),
		foreign(nsCommits, "comment"): func() (err error) { o.Comment, err = q.comment(); return err },
	})
	if err == nil && detail != "" && !confirmed {
		err = yangerr.New(yangerr.MissingElement, nil, "<%s> is about a confirmed commit: the parameter <confirmed> is missing", detail).
			WithType(yangerr.Protocol).WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: "confirmed"})
	}
	if err != nil {
		return nil, err
	}
	if confirmed {
		o.Confirm = &confirm
	}
	return func() error {
		q.rememberCreation()
		c, err := q.ds.Commit(q.ctx, o)
		if err != nil {
			return err
		}
		if tagged {
			return q.okEtag(etagOf(q.srv.store.Instance(), c.LastChange))
		}
		return q.ok()
	}, nil
}

// seconds reads a time of 1 to 2^32-1 seconds.
func (q *request) seconds() (time.Duration, error) {
	element := string(q.r.Local())
	text, err := q.text()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		return 0, wrongValue(element, "%q is not a number of seconds from 1 to 4294967295", text)
	}
	return time.Duration(n) * time.Second, nil
}

// token reads a text that names a confirmed commit; it must not be empty.
func (q *request) token() (string, error) {
	element := string(q.r.Local())
	text, err := q.text()
	if err == nil && text == "" {
		err = wrongValue(element, "<%s> is empty", element)
	}
	return text, err
}

func (q *request) comment() (string, error) {
	text, err := q.text()
	if n := utf8.RuneCountInString(text); err == nil && (n == 0 || n > maxComment) {
		err = wrongValue("comment", "a comment has 1 to %d characters, not %d", maxComment, n)
	}
	return text, err
}

// wrongValue is the error for a parameter with a wrong value.
func wrongValue(element, format string, args ...any) error {
	return yangerr.New(yangerr.InvalidValue, nil, format, args...).WithType(yangerr.Protocol).
		WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: element})
}
