package netconf

import (
	"net/url"
	"slices"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// editConfig holds the parameters of <edit-config> (RFC 6241 section 7.2) or
// <edit-data> (RFC 8526 section 3.1.2).
type editConfig struct {
	target      configRef
	operation   tree.Op
	testOption  string // empty where the client gave none
	errorOption string
	edits       []tree.Edit
	url         *url.URL // of the edits, if not nil
	hasContent  bool
	expected    []datastore.Condition // the etags in the content
	withEtag    bool
}

// parseEditConfig reads <edit-config>. Only the candidate can be edited.
func parseEditConfig(q *request) (func() error, error) {
	e := editConfig{operation: tree.Merge, errorOption: "stop-on-error"}
	err := q.params(map[string]func() error{
		"target":            q.ref(&e.target, refKinds{stores: []datastore.Name{datastore.Candidate}}),
		"default-operation": q.defaultOperation(&e),
		"test-option": func() (err error) {
			e.testOption, err = q.word("test-then-set", "set", "test-only")
			return err
		},
		"error-option": func() (err error) {
			e.errorOption, err = q.word("stop-on-error", "continue-on-error", "rollback-on-error")
			return err
		},
		"config": q.editContent(&e),
		"url":    q.editContent(&e),
		withEtag: q.flag(&e.withEtag),
	})
	if err != nil {
		return nil, err
	}
	return q.editing(&e, "edit-config", "target")
}

// editing returns what carries out an edit whose parameters have been read.
// Operation is its name, target the name of the parameter with the datastore.
func (q *request) editing(e *editConfig, operation, target string) (func() error, error) {
	switch {
	case e.target.isZero():
		return nil, missingElement("<"+operation+"> needs a <%s>", target)
	case !e.hasContent:
		return nil, missingElement("<"+operation+"> needs a <%s>", "config")
	}
	return func() error {
		if err := q.edit(e); err != nil {
			return err
		}
		if !e.withEtag {
			return q.ok()
		}
		ids, _ := q.txidsOf(datastore.Candidate)
		return q.okEtag(ids.etag(ids.snap.Version().Commit))
	}, nil
}

// defaultOperation reads the operation of elements that name none. RFC 7950
// section 7.14.4 has it in front of the content.
func (q *request) defaultOperation(e *editConfig) func() error {
	return func() error {
		if e.hasContent {
			return yangerr.New(yangerr.BadElement, nil, "<default-operation> must come before the content of the edit").WithType(yangerr.Protocol).
				WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: "default-operation"})
		}
		word, err := q.word("merge", "replace", "none")
		e.operation = map[string]tree.Op{"merge": tree.Merge, "replace": tree.Replace, "none": tree.None}[word]
		return err
	}
}

// editContent reads <config> or <url>, of which there is one.
func (q *request) editContent(e *editConfig) func() error {
	return func() (err error) {
		element := string(q.r.Local())
		if e.hasContent {
			return yangerr.New(yangerr.BadElement, nil, "an edit has one of <config> and <url>").WithType(yangerr.Protocol).
				WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: element})
		}
		e.hasContent = true
		if element == "url" {
			return q.urlRef(&e.url)
		}
		etag, err := q.etagAttr()
		if err != nil {
			return err
		}
		if etag != "" {
			e.expected = append(e.expected, q.condition(tree.Path{}, etag))
		}
		e.edits, err = codec.DecodeEdits(q.srv.schema, q.r, codec.EditOptions{
			Default: e.operation,
			Etag:    func(at tree.Path, etag string) { e.expected = append(e.expected, q.condition(at, etag)) },
		})
		return err
	}
}

// edit applies the edits to the candidate as test-option and error-option say.
// Constraints are checked where the client asks for a test; without a
// test-option a candidate may break them until it is validated or committed
// (RFC 7950 section 8.3.3).
func (q *request) edit(e *editConfig) error {
	if e.url != nil {
		err := q.fetch(e.url, func(r *xmltok.Reader) (err error) {
			e.edits, err = codec.DecodeEdits(q.srv.schema, r, codec.EditOptions{Default: e.operation})
			return err
		})
		if err != nil {
			return err
		}
	}
	var partial yangerr.List
	expected := e.expected
	if e.testOption == "test-only" {
		expected = nil
	}
	err := q.ds.UpdateIf(q.ctx, expected, func(candidate *tree.Node) (*tree.Node, error) {
		apply := tree.Apply
		if e.errorOption == "continue-on-error" {
			apply = tree.ApplyEach
		}
		root, errs := apply(candidate, e.edits)
		errs = q.nacm.DiscreetEdit(errs)
		switch {
		case len(errs) == 0:
		case e.errorOption == "continue-on-error":
			partial = errs
		case e.errorOption == "stop-on-error":
			return nil, errs[:1]
		default:
			return nil, errs
		}
		if err := q.mayWrite(candidate, root); err != nil {
			return nil, err
		}
		if err := q.ds.Forbidden(root, e.edits); err != nil {
			return nil, slices.Concat(partial, yangerr.From(err))
		}
		if e.testOption == "test-then-set" || e.testOption == "test-only" {
			if err := q.ds.Validate(q.ctx, root); err != nil {
				return nil, slices.Concat(partial, yangerr.From(err))
			}
		}
		if e.testOption == "test-only" {
			return candidate, nil
		}
		return root, nil
	})
	if err != nil {
		return err
	}
	return partial.Err()
}
