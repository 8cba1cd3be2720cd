package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tandem-ne/tandem/cmd/tandem/client"
)

// view is one table of show: what is asked for and how it is printed.
type view struct {
	name, short, filter string
	print               func(w io.Writer, reply []byte) error
}

const (
	nodeNS  = `<mpls-tp xmlns="urn:tandem:yang:mtp-node">`
	nodeEnd = `</mpls-tp>`
)

var views = []view{
	{"sections", "Sections: interface, peer, state, counters", nodeNS + `<sections/>` + nodeEnd, printSections},
	{"lsps", "Static LSPs: labels, state in the data plane, counters", nodeNS + `<lsps xmlns="urn:tandem:yang:mtp-lsp"/>` + nodeEnd, printLSPs},
	{"tunnels", "Tunnels: far end, LSPs, which of them is active, counters", nodeNS + `<tunnels xmlns="urn:tandem:yang:mtp-lsp"/>` + nodeEnd, printTunnels},
	{"pseudowires", "Pseudowires: labels, tunnel, who uses them, state, counters", clientsFilter, printPseudowires},
	{"services", "Services: attachment circuit, pseudowire, state, counters, colours", clientsFilter, printServices},
	{"qos", "Bandwidth profiles, maps of classes and schedulers, and who uses them", qosFilter, printQoS},
	{"megs", "MEGs: CC session, defects, packets", nodeNS + `<oam xmlns="urn:tandem:yang:mtp-oam"/>` + nodeEnd, printMEGs},
	{"alarms", "The alarm list", `<alarms xmlns="urn:ietf:params:xml:ns:yang:ietf-alarms"><alarm-list/></alarms>`, printAlarms},
	{"sessions", "NETCONF sessions: who, from where, locks", sessionsFilter, printSessions},
	{"commits", "The history of the configuration", commitsFilter, printCommits},
	{"data-plane", "The data plane: driver, why it was taken, what it can do, what it dropped", nodeNS + `<node/>` + nodeEnd, printDataPlane},
}

func showCommand(t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show state as tables",
	}
	for _, v := range views {
		cmd.AddCommand(&cobra.Command{
			Use:   v.name,
			Short: v.short,
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return t.with(cmd.Context(), func(s *client.Session) error {
					reply, err := s.Get(cmd.Context(), v.filter)
					if err != nil {
						return err
					}
					return v.print(cmd.OutOrStdout(), []byte(reply))
				})
			},
		})
	}
	return cmd
}

// above is a cell of a row that goes on with the one above it.
const above = " "

// table prints rows under a header; an empty cell is shown as a hyphen.
func table(w io.Writer, header string, rows func(row func(cells ...any))) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, strings.ReplaceAll(header, " ", "\t"))
	rows(func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(tw, "\t")
			}
			if s, ok := c.(string); ok && s == "" {
				c = "-"
			}
			fmt.Fprint(tw, c)
		}
		fmt.Fprintln(tw)
	})
	return tw.Flush()
}

type statistics struct {
	InPackets  uint64 `xml:"in-packets"`
	OutPackets uint64 `xml:"out-packets"`
	InDrops    uint64 `xml:"in-drops"`
	OutDrops   uint64 `xml:"out-drops"`
}

type dataPlaneState struct {
	State  string `xml:"state"`
	Reason string `xml:"reason"`
}

func (s dataPlaneState) String() string {
	if s.Reason != "" {
		return s.State + " (" + s.Reason + ")"
	}
	return s.State
}

func printSections(w io.Writer, reply []byte) error {
	var data struct {
		Sections []struct {
			Name      string         `xml:"name"`
			Interface string         `xml:"interface"`
			PeerNode  string         `xml:"peer>node-id"`
			PeerMAC   string         `xml:"peer>mac-address"`
			Oper      string         `xml:"oper-state"`
			State     dataPlaneState `xml:"data-plane-state"`
			Stats     statistics     `xml:"statistics"`
		} `xml:"mpls-tp>sections>section"`
	}
	if err := xml.Unmarshal(reply, &data); err != nil {
		return err
	}
	return table(w, "SECTION INTERFACE PEER PEER-MAC OPER DATA-PLANE IN OUT DROPS", func(row func(...any)) {
		for _, s := range data.Sections {
			row(s.Name, s.Interface, s.PeerNode, s.PeerMAC, s.Oper, s.State.String(), s.Stats.InPackets, s.Stats.OutPackets, s.Stats.InDrops+s.Stats.OutDrops)
		}
	})
}

func printLSPs(w io.Writer, reply []byte) error {
	var data struct {
		LSPs []struct {
			Name      string   `xml:"name"`
			Operation string   `xml:"operation"`
			Bud       bool     `xml:"bud"`
			Class     string   `xml:"l-lsp-class"`
			Entropy   bool     `xml:"entropy-label"`
			Space     string   `xml:"in-segment>incoming-section"`
			InLabel   string   `xml:"in-segment>incoming-label"`
			Prefixes  []string `xml:"in-segment>ip-prefix"`
			Section   string   `xml:"out-segment>nhlfe-single>outgoing-section"`
			Tunnel    string   `xml:"out-segment>nhlfe-single>outgoing-tunnel"`
			Labels    []string `xml:"out-segment>nhlfe-single>mpls-label-stack>entry>label"`
			Branches  []struct {
				Section string   `xml:"outgoing-section"`
				Tunnel  string   `xml:"outgoing-tunnel"`
				Labels  []string `xml:"mpls-label-stack>entry>label"`
			} `xml:"out-segment>nhlfe-multiple>nhlfe"`
			Oper  string         `xml:"oper-state"`
			State dataPlaneState `xml:"data-plane-state"`
			Stats statistics     `xml:"statistics"`
		} `xml:"mpls-tp>lsps>static-lsp"`
	}
	if err := xml.Unmarshal(reply, &data); err != nil {
		return err
	}
	return table(w, "LSP OPERATION IN OUT TO OPER DATA-PLANE PACKETS-IN PACKETS-OUT DROPS", func(row func(...any)) {
		for _, l := range data.LSPs {
			in := l.InLabel
			if in == "" {
				in = strings.Join(l.Prefixes, ",")
			}
			if l.Space != "" {
				in += " of " + l.Space
			}
			operation := l.Operation
			if l.Bud {
				operation += ", bud"
			}
			if l.Class != "" {
				operation += ", class " + l.Class
			}
			if l.Entropy {
				operation += ", entropy label"
			}
			row(l.Name, operation, in, strings.Join(l.Labels, ","), l.Section+l.Tunnel, l.Oper, l.State.String(),
				l.Stats.InPackets, l.Stats.OutPackets, l.Stats.InDrops+l.Stats.OutDrops)
			// The branches of a point-to-multipoint LSP stand below it.
			for _, b := range l.Branches {
				row(above, "branch", above, strings.Join(b.Labels, ","), b.Section+b.Tunnel, above, above, above, above, above)
			}
		}
	})
}

func printMEGs(w io.Writer, reply []byte) error {
	var data struct {
		MEGs []struct {
			Name    string   `xml:"name"`
			Section string   `xml:"section"`
			LSP     string   `xml:"bidirectional-lsp"`
			PW      string   `xml:"pseudowire"`
			Defects []string `xml:"mep>state>defect"`
			Lock    string   `xml:"mep>state>lock-state"`
			Looped  bool     `xml:"mep>state>loopback-state"`
			Blocked bool     `xml:"mep>state>traffic-blocked"`
			Session struct {
				Local    string `xml:"local-state"`
				Remote   string `xml:"remote-state"`
				Diag     string `xml:"local-diagnostic"`
				Tx       string `xml:"negotiated-tx-interval"`
				Detect   string `xml:"detection-time"`
				Sent     uint64 `xml:"send-packet-count"`
				Received uint64 `xml:"receive-packet-count"`
				Invalid  uint64 `xml:"receive-invalid-packet-count"`
			} `xml:"mep>state>session"`
		} `xml:"mpls-tp>oam>meg"`
	}
	if err := xml.Unmarshal(reply, &data); err != nil {
		return err
	}
	return table(w, "MEG ENTITY LOCAL REMOTE DIAG TX-US DETECT-US SENT RECEIVED INVALID DEFECTS TRAFFIC", func(row func(...any)) {
		for _, m := range data.MEGs {
			entity := "section " + m.Section
			if m.LSP != "" {
				entity = "lsp " + m.LSP
			}
			if m.PW != "" {
				entity = "pseudowire " + m.PW
			}
			traffic := m.Lock
			switch {
			case m.Looped:
				traffic += ",loopback"
			case m.Blocked && m.Lock == "unlocked":
				traffic = "blocked"
			case m.Lock == "unlocked":
				traffic = "open"
			}
			s := m.Session
			row(m.Name, entity, s.Local, s.Remote, s.Diag, s.Tx, s.Detect, s.Sent, s.Received, s.Invalid, strings.Join(m.Defects, ","), traffic)
		}
	})
}

func printAlarms(w io.Writer, reply []byte) error {
	var data struct {
		Alarms []struct {
			Resource string `xml:"resource"`
			Type     string `xml:"alarm-type-id"`
			Severity string `xml:"perceived-severity"`
			Cleared  bool   `xml:"is-cleared"`
			Changed  string `xml:"last-changed"`
			Text     string `xml:"alarm-text"`
		} `xml:"alarms>alarm-list>alarm"`
	}
	if err := xml.Unmarshal(reply, &data); err != nil {
		return err
	}
	return table(w, "ALARM SEVERITY STATE LAST-CHANGED RESOURCE TEXT", func(row func(...any)) {
		for _, a := range data.Alarms {
			state := "raised"
			if a.Cleared {
				state = "cleared"
			}
			row(a.Type, a.Severity, state, a.Changed, a.Resource, a.Text)
		}
	})
}
