package netconf

// parseDeleteConfig reads <delete-config> (RFC 6241 section 7.4). The element
// has neither a startup datastore nor URLs, and running cannot be deleted, so
// that no target is possible.
func parseDeleteConfig(q *request) (func() error, error) {
	target := ""
	err := q.params(map[string]func() error{
		"target": func() (err error) { target, err = q.datastoreName(nil, nil); return err },
	})
	if err == nil && target == "" {
		err = missingElement("<delete-config> needs a <%s>", "target")
	}
	return nil, err
}
