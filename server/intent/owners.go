package intent

import (
	"slices"
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
)

// Owners of configuration leafs.
const (
	ownerDataplane     = "dataplane"          // becomes a dataplane.Section or dataplane.LSP
	ownerOAM           = "oam"                // becomes an oam.MEG
	ownerRule          = "server/intent"      // decides what is allowed, or is refused by name
	ownerAccess        = "server/access"      // users, their passwords and keys, and who is trusted
	ownerNETCONF       = "northbound/netconf" // limits of sessions, call home
	ownerSubscriptions = "northbound/netconf" // filters that subscriptions name
	ownerRecord        = "record"             // kept for people and management systems, as its description says
)

// owners tells for every configuration leaf of the served schema who acts on it.
// A path ending in "/" stands for all leafs below it that have no line of their own.
func owners() map[string]string {
	const (
		root = "/mtp-node:mpls-tp"
		node = root + "/node/"
		lsp  = root + "/mtp-lsp:lsps/static-lsp/"
		meg  = root + "/mtp-oam:oam/meg/"
		pw   = root + "/mtp-pw:pseudowires/"
	)
	return map[string]string{
		node + "name":         ownerRecord,
		node + "global-id":    ownerOAM,
		node + "node-id":      ownerOAM,
		node + "icc":          ownerRule,
		node + "country-code": ownerRecord,
		node + "ttl-mode":     ownerDataplane,

		root + "/mpls-label-blocks/mpls-label-block/": ownerRule,

		root + "/sections/section/name":             ownerDataplane,
		root + "/sections/section/interface":        ownerDataplane,
		root + "/sections/section/vlan-id":          ownerDataplane,
		root + "/sections/section/admin-state":      ownerDataplane,
		root + "/sections/section/if-num":           ownerOAM,
		root + "/sections/section/peer/global-id":   ownerOAM,
		root + "/sections/section/peer/node-id":     ownerOAM,
		root + "/sections/section/peer/if-num":      ownerOAM,
		root + "/sections/section/peer/mac-address": ownerDataplane,

		lsp + "name":                        ownerDataplane,
		lsp + "description":                 ownerRecord,
		lsp + "admin-state":                 ownerDataplane,
		lsp + "operation":                   ownerDataplane,
		lsp + "type":                        ownerDataplane,
		lsp + "in-segment/incoming-label":   ownerDataplane,
		lsp + "in-segment/incoming-section": ownerDataplane,
		lsp + "in-segment/ip-prefix":        ownerDataplane,
		lsp + "out-segment/nhlfe-single/":   ownerDataplane,
		lsp + "out-segment/nhlfe-multiple/": ownerDataplane,
		lsp + "bandwidth":                   ownerRecord,
		lsp + "bud":                         ownerDataplane,
		lsp + "l-lsp-class":                 ownerDataplane,
		lsp + "entropy-label":               ownerDataplane,

		root + "/mtp-lsp:lsps/bidirectional-lsp/name":           ownerOAM,
		root + "/mtp-lsp:lsps/bidirectional-lsp/directionality": ownerRule,
		root + "/mtp-lsp:lsps/bidirectional-lsp/forward-lsp":    ownerOAM,
		root + "/mtp-lsp:lsps/bidirectional-lsp/reverse-lsp":    ownerOAM,
		root + "/mtp-lsp:lsps/bidirectional-lsp/lsp-id/":        ownerOAM,

		root + "/mtp-lsp:tunnels/tunnel/name":                  ownerDataplane,
		root + "/mtp-lsp:tunnels/tunnel/usage":                 ownerRecord,
		root + "/mtp-lsp:tunnels/tunnel/tunnel-num":            ownerOAM,
		root + "/mtp-lsp:tunnels/tunnel/destination/":          ownerOAM,
		root + "/mtp-lsp:tunnels/tunnel/lsp/lsp-num":           ownerOAM,
		root + "/mtp-lsp:tunnels/tunnel/lsp/role":              ownerDataplane,
		root + "/mtp-lsp:tunnels/tunnel/lsp/bidirectional-lsp": ownerDataplane,
		root + "/mtp-lsp:tunnels/tunnel/lsp/static-lsp":        ownerDataplane,
		root + "/mtp-lsp:tunnels/tunnel/admin-state":           ownerDataplane,

		pw + "pseudowire/":                           ownerDataplane,
		pw + "pseudowire/local/":                     ownerOAM,
		pw + "pseudowire/peer/":                      ownerOAM,
		pw + "pseudowire/agi":                        ownerOAM,
		pw + "pseudowire/vccv/":                      ownerOAM,
		pw + "p2mp-pseudowire/":                      ownerDataplane,
		pw + "switching-point/":                      ownerDataplane,
		root + "/mtp-service:services/service/":      ownerDataplane,
		root + "/mtp-qos:qos/":                       ownerDataplane,
		root + "/sections/section/mtp-qos:scheduler": ownerDataplane,

		meg + "name":                            ownerOAM,
		meg + "ip-based":                        ownerOAM,
		meg + "icc-based":                       ownerRule,
		meg + "section":                         ownerOAM,
		meg + "bidirectional-lsp":               ownerOAM,
		meg + "static-lsp":                      ownerRule,
		meg + "pseudowire":                      ownerOAM,
		meg + "admin-state":                     ownerOAM,
		meg + "mep/mep-id":                      ownerRule,
		meg + "mep/remote-mep-id":               ownerRule,
		meg + "mep/cc/enabled":                  ownerOAM,
		meg + "mep/cc/mode":                     ownerRule,
		meg + "mep/cc/desired-min-tx-interval":  ownerOAM,
		meg + "mep/cc/required-min-rx-interval": ownerOAM,
		meg + "mep/cc/local-multiplier":         ownerOAM,
		meg + "mep/cc/traffic-class":            ownerOAM,
		meg + "mep/cv/enabled":                  ownerOAM,

		"/ietf-interfaces:interfaces/interface/name":        ownerRule, // sections refer to it
		"/ietf-interfaces:interfaces/interface/type":        ownerRecord,
		"/ietf-interfaces:interfaces/interface/description": ownerRecord,

		"/ietf-subscribed-notifications:filters/":       ownerSubscriptions,
		"/ietf-subscribed-notifications:subscriptions/": ownerSubscriptions, // which refuses them

		"/mtp-management:management/netconf/":   ownerNETCONF,
		"/mtp-management:management/call-home/": ownerNETCONF,
		"/mtp-management:management/ssh/":       ownerAccess,
		"/mtp-management:management/tls/":       ownerAccess,

		"/ietf-netconf-acm:nacm/":                                      ownerAccess,
		"/ietf-system:system/contact":                                  ownerRecord,
		"/ietf-system:system/location":                                 ownerRecord,
		"/ietf-system:system/authentication/user/name":                 ownerAccess,
		"/ietf-system:system/authentication/user/password":             ownerAccess,
		"/ietf-system:system/authentication/user-authentication-order": ownerAccess,
		"/ietf-system:system/authentication/user/authorized-key/":      ownerAccess,
	}
}

// ModuleCoverage counts the configuration leafs of a module by who acts on them.
type ModuleCoverage struct {
	Module  string
	Leafs   int
	Owners  map[string]int
	Unowned []string // paths
}

// Coverage tells for every implemented module with configuration who owns it, by
// the modules' names.
func (i *Intent) Coverage() []ModuleCoverage {
	table := owners()
	byModule := map[string]*ModuleCoverage{}
	for id := range i.schema.NumNodes() {
		n := i.schema.NodeByID(id)
		if !n.Config || n.Kind == schema.Container || n.Kind == schema.List || !isData(n, i.schema.Root()) {
			continue
		}
		c := byModule[n.Module.Name]
		if c == nil {
			c = &ModuleCoverage{Module: n.Module.Name, Owners: map[string]int{}}
			byModule[n.Module.Name] = c
		}
		c.Leafs++
		owner := ownerOf(table, n.Path())
		if owner == "" && slices.Contains(i.stored, n.Module.Name) {
			owner = ownerRecord
		}
		if owner == "" {
			c.Unowned = append(c.Unowned, n.Path())
			continue
		}
		c.Owners[owner]++
	}
	all := make([]ModuleCoverage, 0, len(byModule))
	for _, c := range byModule {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b ModuleCoverage) int { return strings.Compare(a.Module, b.Module) })
	return all
}

// isData reports whether n is in the data tree, not in an RPC, action or notification.
func isData(n, root *schema.Node) bool {
	for ; n.Parent != nil; n = n.Parent {
		switch n.Kind {
		case schema.RPC, schema.Action, schema.Input, schema.Output, schema.Notification:
			return false
		}
	}
	return n == root
}

// ownerOf looks a path up: itself first, then the longest line that stands for
// what is below it.
func ownerOf(table map[string]string, path string) string {
	if owner, ok := table[path]; ok {
		return owner
	}
	for at := strings.LastIndexByte(path, '/'); at > 0; at = strings.LastIndexByte(path[:at], '/') {
		if owner, ok := table[path[:at+1]]; ok {
			return owner
		}
	}
	return ""
}

func (i *Intent) unowned() []string {
	var paths []string
	for _, c := range i.Coverage() {
		paths = append(paths, c.Unowned...)
	}
	return paths
}
