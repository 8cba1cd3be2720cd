package netconf

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// Transaction ids (draft-ietf-netconf-transaction-id-11): the etag of a container,
// an entry of a list or the root is the id of the commit that last changed it,
// behind the name of the series of ids. All ids that ever were are the server's
// txid history.
const (
	nsTxidAttr = codec.NamespaceTxid
	nsTxid     = "urn:ietf:params:xml:ns:yang:ietf-netconf-txid"

	nsTxidCompare = "urn:ietf:params:xml:ns:yang:ietf-netconf-txid-nmda-compare"

	txidMatch   = "=" // left out: the client knows it
	txidUnknown = "!" // of the candidate: differs from running
)

// withEtag is the key in params of the request for an etag.
const withEtag = "{" + nsTxid + "}with-etag"

// txids are the ids of one datastore at one time.
type txids struct {
	snap     datastore.Snapshot
	instance string
	latest   uint64 // the newest id of all
	// whole is the one id of a datastore whose nodes have none of their own
	// (startup); empty for others.
	whole string
}

// txidsOf returns the ids of a datastore of configuration; false for operational.
func (q *request) txidsOf(store datastore.Name) (txids, bool) {
	t := txids{instance: q.srv.store.Instance()}
	// Running first: the candidate is then never behind the newest id.
	switch store {
	case datastore.Candidate:
		t.snap = q.ds.CandidateSnapshot()
	case datastore.Startup:
		t.snap = q.srv.store.Startup()
		t.whole = t.instance + "-s" + strconv.FormatInt(t.snap.Time.UnixNano(), 36)
	case datastore.Running, intendedStore:
		t.snap = q.srv.store.Running()
	default:
		return t, false
	}
	t.latest = t.snap.ID
	return t, true
}

// etag is the transaction id of what the commit last changed.
func (t *txids) etag(commit uint64) string {
	switch {
	case t.whole != "":
		return t.whole
	case commit == datastore.Uncommitted:
		return txidUnknown
	}
	return etagOf(t.instance, commit)
}

func etagOf(instance string, commit uint64) string {
	return instance + "-" + strconv.FormatUint(commit, 10)
}

// known reports whether a client that has the id of a node knows what the commit
// made of it: it is that id, or a later one of the history.
func (t *txids) known(etag string, commit uint64) bool {
	if t.whole != "" {
		return etag == t.whole
	}
	return commit != datastore.Uncommitted && knownEtag(t.instance, t.latest, etag, commit)
}

func knownEtag(instance string, latest uint64, etag string, commit uint64) bool {
	series, number, ok := strings.Cut(etag, "-")
	id, err := strconv.ParseUint(number, 10, 64)
	return ok && err == nil && series == instance && number == strconv.FormatUint(id, 10) && id >= commit && id <= latest
}

// etagAttr returns the attribute etag of the current element, empty where it has
// none. The times that are another kind of transaction id are not supported: who
// sends one must not believe that it has an effect.
func (q *request) etagAttr() (string, error) {
	element, etag := string(q.r.Local()), ""
	for _, a := range q.r.Attrs() {
		switch {
		case a.Is(nsTxidAttr, "etag"):
			if etag = string(a.Value); etag == "" {
				return "", yangerr.New(yangerr.BadAttribute, nil, "the attribute etag is empty").WithType(yangerr.Protocol).
					WithInfo(yangerr.Info{Name: yangerr.InfoBadAttribute, Value: "etag"}, yangerr.Info{Name: yangerr.InfoBadElement, Value: element})
			}
		case a.Space == nsTxidAttr:
			return "", unknownAttribute(a, element, "of the transaction ids, etag is supported")
		}
	}
	return etag, nil
}

// rootEtag takes over the etag of the current element for the whole datastore.
func (q *request) rootEtag() error {
	if !q.txid {
		return nil
	}
	etag, err := q.etagAttr()
	if etag != "" {
		q.etag = etag
	}
	return err
}

// asked returns what a retrieval with the filter asks of transaction ids; nil for
// nothing.
func (q *request) asked(sel *selection) *txidFilter {
	var f *txidFilter
	if sel != nil && sel.subtree != nil {
		f = sel.subtree.txids(q.srv.schema, q.srv.schema.Root())
	}
	if q.etag != "" {
		if f == nil {
			f = &txidFilter{}
		}
		f.etag = q.etag
	}
	return f
}

// flag reads a parameter of type boolean.
func (q *request) flag(into *bool) func() error {
	return func() error {
		word, err := q.word("true", "false")
		*into = word == "true"
		return err
	}
}

// okEtag sends <ok/> with a transaction id.
func (q *request) okEtag(etag string) error {
	return q.reply(func(w io.Writer) {
		fmt.Fprintf(w, `<%sok%s/>`, q.prefix, etagText(etag))
	})
}

// etagText is the attribute etag with a declaration of its prefix.
func etagText(etag string) string {
	return ` xmlns:txid="` + nsTxidAttr + `" txid:etag="` + string(xmltok.AppendAttr(nil, etag)) + `"`
}

// condition is what an edit with the attribute etag on an element expects.
func (q *request) condition(at tree.Path, etag string) datastore.Condition {
	store := q.srv.store
	return datastore.Condition{
		Path: at,
		Holds: func(commit uint64) bool {
			return knownEtag(store.Instance(), store.Running().ID, etag, commit)
		},
		Err: func(commit uint64) *yangerr.Error {
			return yangerr.New(yangerr.OperationFailed, at, "the configuration has another transaction id here than the client expects").
				WithType(yangerr.Protocol).WithInfo(yangerr.Info{
				Name: "txid-value-mismatch-error-info", Namespace: nsTxid,
				Children: []yangerr.Info{
					{Name: "mismatch-path", Path: at},
					{Name: "mismatch-etag-value", Value: etagOf(store.Instance(), commit)},
				},
			})
		},
	}
}

// txidFilter is what a request says about the transaction ids of one node and of
// those below it, as the elements of its filter do.
type txidFilter struct {
	etag  string // empty where the element has none
	below map[*schema.Node]*txidFilters
}

// txidFilters are the elements for instances of one schema node.
type txidFilters struct {
	entries map[string][]*txidFilter // of a list, by the text of all keys
	others  []txidMatches
}

// txidMatches is an element with its content matches.
type txidMatches struct {
	filter *txidFilter
	match  []tree.Match
}

// txids returns what f, whose node is n, says; nil if it has no etag in it.
func (f *filterNode) txids(s *schema.Schema, n *schema.Node) *txidFilter {
	t := &txidFilter{etag: f.etag}
	for _, c := range f.children {
		child := n.Child(c.local)
		if child == nil || c.space != "" && child.Module.Namespace != c.space || c.text != "" && c.etag == "" {
			continue
		}
		below := c.txids(s, child)
		if below == nil {
			continue
		}
		match, ok := c.matches(s, child)
		if !ok {
			continue
		}
		if t.below == nil {
			t.below = map[*schema.Node]*txidFilters{}
		}
		all := t.below[child]
		if all == nil {
			all = &txidFilters{entries: map[string][]*txidFilter{}}
			t.below[child] = all
		}
		if keys, ok := keysOf(child, match); ok {
			all.entries[keys] = append(all.entries[keys], below)
		} else {
			all.others = append(all.others, txidMatches{below, match})
		}
	}
	if t.etag == "" && t.below == nil {
		return nil
	}
	return t
}

// matches returns the content matches of f, whose node is n; false where one can
// never match.
func (f *filterNode) matches(s *schema.Schema, n *schema.Node) ([]tree.Match, bool) {
	var list []tree.Match
	for _, c := range f.children {
		if c.text == "" {
			continue
		}
		leaf := n.Child(c.local)
		if leaf == nil || c.space != "" && leaf.Module.Namespace != c.space {
			return nil, false
		}
		v, ok := c.value(s, leaf)
		if !ok {
			return nil, false
		}
		list = append(list, tree.Match{Leaf: leaf, Value: v})
	}
	return list, true
}

// keysOf returns the text of all keys where the matches are those and nothing else.
func keysOf(n *schema.Node, match []tree.Match) (string, bool) {
	if n.Kind != schema.List || len(n.Keys) == 0 || len(match) != len(n.Keys) {
		return "", false
	}
	keys := make([]schema.Value, len(n.Keys))
	for _, m := range match {
		i := m.Leaf.KeyIndex()
		if i < 0 || !keys[i].IsZero() {
			return "", false
		}
		keys[i] = m.Value
	}
	return keyText(keys), true
}

func keyText(keys []schema.Value) string {
	var b strings.Builder
	for _, k := range keys {
		text := k.String()
		fmt.Fprintf(&b, "%d:%s", len(text), text)
	}
	return b.String()
}

// of appends to list the filters for the instance n, what is in the datastore.
func (f *txidFilters) of(list []*txidFilter, n *tree.Node) []*txidFilter {
	if f == nil {
		return list
	}
	if len(f.entries) > 0 && len(n.Keys()) > 0 {
		list = append(list, f.entries[keyText(n.Keys())]...)
	}
	for _, o := range f.others {
		if o.holds(n) {
			list = append(list, o.filter)
		}
	}
	return list
}

func (m *txidMatches) holds(n *tree.Node) bool {
	for _, c := range m.match {
		if c.Leaf.Kind == schema.LeafList {
			if h := n.Child(c.Leaf); h == nil || h.Entry(c.Value) == nil {
				return false
			}
		} else if v, _ := tree.Effective(n, c.Leaf); v.IsZero() || v.String() != c.Value.String() {
			return false
		}
	}
	return true
}

// txidMarker marks what is printed of a datastore with transaction ids and leaves
// out what the client knows (rules of the draft's section 3.4). It is a
// codec.Marker.
type txidMarker struct {
	txids
	root  string // the attribute of all; empty for none
	stack []txidFrame
}

// txidFrame is one open element.
type txidFrame struct {
	real    *tree.Node // in the datastore; nil for what only defaults make
	version datastore.Version
	etag    string // of the client, for this node; empty for none
	filters []*txidFilter
}

// mark returns the marker for what a request asks.
func (t txids) mark(f *txidFilter) *txidMarker {
	m := &txidMarker{txids: t}
	top := txidFrame{real: t.snap.Root, version: t.snap.Version(), etag: f.etag, filters: []*txidFilter{f}}
	m.stack = append(m.stack, top)
	switch {
	case f.etag == "":
	case t.known(f.etag, top.version.Commit):
		m.root = txidMatch
	default:
		m.root = t.etag(top.version.Commit)
	}
	return m
}

// apply has what a reply holds marked: nothing is left of it where the client knows
// the whole datastore. A nil marker changes nothing.
func (m *txidMarker) apply(root *tree.Node, opt codec.EncodeOptions) (*tree.Node, codec.EncodeOptions) {
	if m == nil {
		return root, opt
	}
	opt.Marker = m
	if m.root == txidMatch {
		root = nil
	}
	return root, opt
}

// markerAttrs are the attributes of the element around what is printed with opt.
func markerAttrs(opt codec.EncodeOptions) string {
	marker := opt.Marker
	if d, ok := marker.(*depthMarker); ok {
		marker = d.inner
	}
	switch m, ok := marker.(*txidMarker); {
	case !ok:
		return ""
	case m.root == "":
		return ` xmlns:txid="` + nsTxidAttr + `"`
	default:
		return etagText(m.root)
	}
}

func (m *txidMarker) Enter(n *tree.Node) (attrs string, cut bool) {
	s := n.Schema()
	up := &m.stack[len(m.stack)-1]
	f := txidFrame{version: up.version, etag: up.etag}
	if up.real != nil {
		f.real = up.real.Child(s)
		if f.real != nil && f.real.IsHolder() {
			f.real = f.real.Entry(n.Keys()...)
		}
	}
	versioned := f.real != nil && (s.Kind == schema.Container || s.Kind == schema.List)
	if versioned {
		f.version = up.version.Child(tree.Step{Node: s, Keys: n.Keys()})
	}
	for _, t := range up.filters {
		is := f.real
		if is == nil {
			is = n
		}
		f.filters = t.below[s].of(f.filters, is)
	}
	for _, t := range f.filters {
		if t.etag != "" {
			f.etag = t.etag
		}
	}
	m.stack = append(m.stack, f)
	switch {
	case f.etag == "":
		return "", false
	case m.known(f.etag, f.version.Commit):
		return ` txid:etag="` + txidMatch + `"`, true
	case !versioned || m.whole != "":
		return "", false
	}
	return ` txid:etag="` + string(xmltok.AppendAttr(nil, m.txids.etag(f.version.Commit))) + `"`, false
}

func (m *txidMarker) Leave() { m.stack = m.stack[:len(m.stack)-1] }
