package netconf

import (
	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// parseCopyConfig reads <copy-config> (RFC 6241 section 7.3): from a datastore, a
// URL or the message to the candidate, startup or a URL.
func parseCopyConfig(q *request) (func() error, error) {
	var source, target configRef
	mode := tree.Explicit
	err := q.params(map[string]func() error{
		"target":     q.ref(&target, refKinds{stores: writable, url: true}),
		"source":     q.ref(&source, refKinds{stores: readable, url: true, config: true}),
		withDefaults: q.readWithDefaults(&mode),
	})
	switch {
	case err != nil:
	case target.isZero():
		err = missingElement("<copy-config> needs a <%s>", "target")
	case source.isZero():
		err = missingElement("<copy-config> needs a <%s>", "source")
	case source.equal(target):
		err = yangerr.New(yangerr.InvalidValue, nil, "source and target of <copy-config> are the same datastore").WithType(yangerr.Protocol)
	}
	if err != nil {
		return nil, err
	}
	return func() error {
		full, err := q.content(source)
		if err != nil {
			return err
		}
		root := full
		if mode == tree.ReportAll || mode == tree.ReportAllTagged {
			root = q.srv.defaults.InUse(root, full)
		}
		// RFC 8341 section 3.2.6: what a user may not read does not get out of a
		// datastore, but saving running needs no right to read it.
		if source.store != "" && (source.store != datastore.Running || target.store != datastore.Startup) {
			root = q.orEmpty(q.visible(root))
		}
		switch {
		case target.url != nil:
			err = q.srv.urls.write(q.ctx, target.url, document(root, mode))
		case target.store == datastore.Startup:
			root = q.inMode(root, mode)
			if source.store != datastore.Running {
				err = q.mayWrite(q.srv.store.Startup().Root, root)
			}
			if err == nil {
				err = q.ds.SetStartup(q.ctx, root)
			}
		default:
			err = q.replace(q.inMode(root, mode))
		}
		if err != nil {
			return err
		}
		return q.ok()
	}, nil
}

// document is a configuration as a URL holds it: one <config> element.
func document(root *tree.Node, mode tree.DefaultsMode) []byte {
	text := []byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<config xmlns="` + nsBase + `">` + "\n")
	text = codec.AppendXML(text, root, codec.EncodeOptions{Defaults: mode, ConfigOnly: true, Indent: "  "})
	return append(text, "\n</config>\n"...)
}

// inMode returns what a datastore holds that takes root as it is reported in the
// mode of <with-defaults> (RFC 6243 section 4.5.4): what is tagged as default is
// not set there.
func (q *request) inMode(root *tree.Node, mode tree.DefaultsMode) *tree.Node {
	if mode != tree.ReportAll && mode != tree.Trim {
		return root
	}
	r := xmltok.NewReader(document(root, mode), xmltok.Limits{Bytes: 1 << 62})
	if _, err := r.Next(); err != nil {
		return root // not possible: the encoder made it
	}
	if n, err := codec.DecodeData(q.srv.schema, q.srv.schema.Root(), r, codec.DataOptions{ConfigOnly: true}); err == nil {
		return n
	}
	return root
}
