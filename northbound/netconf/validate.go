package netconf

// parseValidate reads <validate> (RFC 6241 section 8.6.4.1, RFC 8526 section 3.2).
func parseValidate(q *request) (func() error, error) {
	var source configRef
	err := q.params(map[string]func() error{
		"source": q.ref(&source, refKinds{stores: readable, url: true, config: true, nmda: true}),
	})
	if err == nil && source.isZero() {
		err = missingElement("<validate> needs a <%s>", "source")
	}
	if err != nil {
		return nil, err
	}
	return func() error {
		root, err := q.content(source)
		if err == nil {
			err = q.ds.Validate(q.ctx, root)
		}
		if err != nil {
			return err
		}
		return q.ok()
	}, nil
}
