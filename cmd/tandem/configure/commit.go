package configure

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/tree"
)

// order is what a commit line says.
type order struct {
	check, confirmed bool
	seconds          int // of a confirmed commit; 0 for the element's 600
	persist, comment string
}

const defaultConfirm = 600 // seconds, RFC 6241 section 8.4.5

func parseCommit(tokens []string) (o order, err error) {
	for len(tokens) > 0 {
		word := tokens[0]
		tokens = tokens[1:]
		switch word {
		case "check":
			o.check = true
			continue
		case "confirmed":
			o.confirmed = true
			if len(tokens) > 0 {
				if n, err := strconv.ParseUint(tokens[0], 10, 31); err == nil {
					if n == 0 {
						return o, errors.New("a confirmed commit needs at least one second")
					}
					o.seconds, tokens = int(n), tokens[1:]
				}
			}
			continue
		case "persist", "comment":
		default:
			return o, fmt.Errorf("commit %s: check, confirmed, persist or comment", word)
		}
		if len(tokens) == 0 {
			return o, fmt.Errorf("%s needs a word behind it", word)
		}
		if word == "persist" {
			o.persist = tokens[0]
		} else {
			o.comment = tokens[0]
		}
		tokens = tokens[1:]
	}
	switch {
	case o.check && (o.confirmed || o.persist != "" || o.comment != ""):
		return o, errors.New("commit check stands alone: it commits nothing")
	case o.persist != "" && !o.confirmed:
		return o, errors.New("persist belongs to commit confirmed")
	}
	return o, nil
}

func completeCommit(_ *Mode, tokens []string) []Candidate {
	all := []Candidate{
		{"check", "have the element check the changes, and commit nothing"},
		{"confirmed", "roll back unless confirmed by another commit in time"},
		{"persist", "a token with which any session can confirm"},
		{"comment", "a sentence for the history"},
	}
	if len(tokens) == 0 {
		return all
	}
	switch tokens[len(tokens)-1] {
	case "confirmed":
		return append([]Candidate{{"", "seconds until it is rolled back; 600 if nothing is said"}}, all[2:]...)
	case "persist", "comment":
		return []Candidate{{"", "a word, or several in quotation marks"}}
	}
	return all[1:]
}

// commit makes the working copy running. Whatever is refused leaves the element
// and the working copy as they were.
func (m *Mode) commit(ctx context.Context, tokens []string, _ filters) (err error) {
	o, err := parseCommit(tokens)
	if err != nil {
		return err
	}
	changed := m.Changed()
	switch {
	case !changed && m.deadline.IsZero():
		return errors.New("there is nothing to commit")
	case m.target == "running" && o.confirmed:
		return errors.New("the element has no candidate, so it cannot confirm commits")
	case o.confirmed && !m.capable("confirmed-commit"):
		return errors.New("the element cannot confirm commits (:confirmed-commit)")
	case o.comment != "" && m.schema.Module("mtp-commits") == nil:
		return errors.New("the element keeps no comments (module mtp-commits)")
	}
	if m.shared {
		if err := m.lock(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, m.unlock(ctx)) }()
	}
	if changed {
		if err := m.send(ctx, o); err != nil {
			return err
		}
	}
	if o.check {
		fmt.Fprintln(m.out, "the element accepts the changes")
		return nil
	}
	return m.sendCommit(ctx, o, changed)
}

// send puts the changes into the target; for a check, tests them there.
func (m *Mode) send(ctx context.Context, o order) error {
	options := ""
	switch {
	case o.check && m.target == "running":
		options = "<test-option>test-only</test-option>"
	case m.capable("rollback-on-error"):
		options = "<error-option>rollback-on-error</error-option>"
	}
	_, err := m.element.RPC(ctx, "<edit-config><target><"+m.target+"/></target>"+options+
		"<config>"+string(config(tree.Edits(m.running, m.work)))+"</config></edit-config>")
	if err == nil && o.check && m.target == "candidate" {
		_, err = m.element.RPC(ctx, "<validate><source><candidate/></source></validate>")
		if err == nil {
			return m.clean(ctx)
		}
	}
	if err != nil {
		return errors.Join(err, m.clean(ctx))
	}
	return nil
}

// clean takes what was sent out of the candidate again.
func (m *Mode) clean(ctx context.Context) error {
	if m.target != "candidate" {
		return nil
	}
	if _, err := m.element.RPC(ctx, "<discard-changes/>"); err != nil {
		return fmt.Errorf("discard-changes: %w", err)
	}
	return nil
}

func (m *Mode) sendCommit(ctx context.Context, o order, changed bool) error {
	if m.target == "candidate" {
		body := "<commit>"
		if o.confirmed {
			body += "<confirmed/>"
			if o.seconds > 0 {
				body += "<confirm-timeout>" + strconv.Itoa(o.seconds) + "</confirm-timeout>"
			}
			if o.persist != "" {
				body += "<persist>" + escape(o.persist) + "</persist>"
			}
		}
		if m.token != "" {
			body += "<persist-id>" + escape(m.token) + "</persist-id>"
		}
		if o.comment != "" {
			body += `<comment xmlns="` + m.schema.Module("mtp-commits").Namespace + `">` + escape(o.comment) + "</comment>"
		}
		if _, err := m.element.RPC(ctx, body+"</commit>"); err != nil {
			if changed {
				err = errors.Join(err, m.clean(ctx))
			}
			return err
		}
	}
	switch {
	case o.confirmed:
		seconds := o.seconds
		if seconds == 0 {
			seconds = defaultConfirm
		}
		m.deadline, m.token = m.now().Add(time.Duration(seconds)*time.Second), o.persist
		fmt.Fprintf(m.out, "committed until %s: commit again to confirm\n", m.deadline.Format(time.TimeOnly))
	case !m.deadline.IsZero():
		m.deadline, m.token = time.Time{}, ""
		fmt.Fprintln(m.out, "committed and confirmed")
	default:
		fmt.Fprintln(m.out, "committed")
	}
	// What the element made of it may be more than what was sent: it deletes
	// what a when statement no longer admits.
	return m.refresh(ctx)
}

func (m *Mode) cancelCommit(ctx context.Context, tokens []string, _ filters) error {
	token := m.token
	if len(tokens) > 0 {
		token, tokens = tokens[0], tokens[1:]
	}
	if err := none(tokens); err != nil {
		return err
	}
	body := "<cancel-commit/>"
	if token != "" {
		body = "<cancel-commit><persist-id>" + escape(token) + "</persist-id></cancel-commit>"
	}
	if _, err := m.element.RPC(ctx, body); err != nil {
		return err
	}
	m.deadline, m.token = time.Time{}, ""
	was, work := m.running, m.work
	if err := m.refresh(ctx); err != nil {
		return err
	}
	fmt.Fprintln(m.out, "rolled back")
	return m.rebase(was, work)
}

func escape(s string) string { return string(xmltok.AppendText(nil, s)) }
