package netconf

import "github.com/tandem-ne/tandem/server/tree"

// parseValidate reads <validate> (RFC 6241 section 8.6.4.1).
func parseValidate(q *request) (func() error, error) {
	source := ""
	var inline *tree.Node
	err := q.params(map[string]func() error{
		"source": func() (err error) {
			source, err = q.datastoreName([]string{"running", "candidate"}, q.readConfig(&inline))
			return err
		},
	})
	if err == nil && source == "" {
		err = missingElement("<validate> needs a <%s>", "source")
	}
	return func() error {
		if inline == nil {
			inline = q.root(source)
		}
		if err := q.ds.Validate(q.ctx, inline); err != nil {
			return err
		}
		return q.ok()
	}, err
}
