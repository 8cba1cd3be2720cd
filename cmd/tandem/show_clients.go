package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// The filters of the views of what the LSPs carry.
const (
	pseudowiresNS = `<pseudowires xmlns="urn:tandem:yang:mtp-pw"/>`
	servicesNS    = `<services xmlns="urn:tandem:yang:mtp-service"/>`
	clientsFilter = nodeNS + pseudowiresNS + servicesNS + nodeEnd
	qosFilter     = nodeNS + `<qos xmlns="urn:tandem:yang:mtp-qos"/>` + servicesNS + `<sections/>` + nodeEnd
)

func printTunnels(w io.Writer, reply []byte) error {
	var data struct {
		Tunnels []struct {
			Name string `xml:"name"`
			Num  string `xml:"tunnel-num"`
			To   string `xml:"destination>node-id"`
			LSPs []struct {
				Num   string `xml:"lsp-num"`
				Role  string `xml:"role"`
				Pair  string `xml:"bidirectional-lsp"`
				Alone string `xml:"static-lsp"`
			} `xml:"lsp"`
			Active string         `xml:"active-lsp"`
			Oper   string         `xml:"oper-state"`
			State  dataPlaneState `xml:"data-plane-state"`
			Stats  statistics     `xml:"statistics"`
		} `xml:"mpls-tp>tunnels>tunnel"`
	}
	if err := xml.Unmarshal(reply, &data); err != nil {
		return err
	}
	return table(w, "TUNNEL NUM TO LSP ROLE ACTIVE OPER DATA-PLANE PACKETS-OUT DROPS", func(row func(...any)) {
		for _, t := range data.Tunnels {
			first := []any{t.Name, t.Num, t.To, "", "", "", t.Oper, t.State.String(), t.Stats.OutPackets, t.Stats.OutDrops}
			if len(t.LSPs) == 0 {
				row(first...)
			}
			for i, l := range t.LSPs {
				role, active := l.Role, ""
				if role == "" {
					role = "working"
				}
				if l.Num == t.Active {
					active = "active"
				}
				cells := []any{above, above, above, l.Num + " " + l.Pair + l.Alone, role, active, above, above, above, above}
				if i == 0 {
					copy(first[3:6], cells[3:6])
					cells = first
				}
				row(cells...)
			}
		}
	})
}

// endpoint is one end of a service.
type endpoint struct {
	PW         string `xml:"pw"`
	P2MP       string `xml:"p2mp-pseudowire"`
	Attachment struct {
		Interface string `xml:"interface"`
		Role      string `xml:"role"`
		Outer     string `xml:"outer-vlan-id"`
		Inner     string `xml:"inner-vlan-id"`
		Operation string `xml:"vlan-operation"`
		VLAN      string `xml:"vlan-id"`
		Peer      string `xml:"peer-mac-address"`
		Profile   string `xml:"ingress-bandwidth-profile"`
		Map       string `xml:"tc-map"`
		Oper      string `xml:"oper-state"`
	} `xml:"ac"`
}

// circuit prints an attachment circuit: interface, tags, what becomes of them.
func (e endpoint) circuit() string {
	a := e.Attachment
	parts := []string{a.Interface}
	if a.Outer != "" {
		tags := "vlan " + a.Outer
		if a.Role == "nni" {
			tags = "s-" + tags
		}
		if a.Inner != "" {
			tags += "." + a.Inner
		}
		parts = append(parts, tags)
	}
	if a.Operation != "" && a.Operation != "none" {
		parts = append(parts, strings.TrimSpace(a.Operation+" "+a.VLAN))
	}
	if a.Peer != "" {
		parts = append(parts, "client "+a.Peer)
	}
	return strings.Join(parts, " ")
}

type serviceEntry struct {
	Name      string         `xml:"name"`
	Endpoints []endpoint     `xml:"endpoint"`
	Oper      string         `xml:"oper-state"`
	State     dataPlaneState `xml:"data-plane-state"`
	Stats     statistics     `xml:"statistics"`
	Colours   []struct {
		Name    string `xml:"name"`
		Packets uint64 `xml:"packets"`
	} `xml:"policing>colour"`
}

func printServices(w io.Writer, reply []byte) error {
	var data struct {
		Services []serviceEntry `xml:"mpls-tp>services>service"`
	}
	if err := xml.Unmarshal(reply, &data); err != nil {
		return err
	}
	return table(w, "SERVICE ATTACHMENT LINK PSEUDOWIRE OPER DATA-PLANE FROM-CLIENT TO-CLIENT DROPS GREEN YELLOW RED", func(row func(...any)) {
		for _, s := range data.Services {
			var circuit, link, pw string
			for _, e := range s.Endpoints {
				if e.Attachment.Interface != "" {
					circuit, link = e.circuit(), e.Attachment.Oper
				}
				pw += e.PW + e.P2MP
			}
			colours := map[string]any{"green": "", "yellow": "", "red": ""}
			for _, c := range s.Colours {
				colours[c.Name] = c.Packets
			}
			row(s.Name, circuit, link, pw, s.Oper, s.State.String(), s.Stats.InPackets, s.Stats.OutPackets,
				s.Stats.InDrops+s.Stats.OutDrops, colours["green"], colours["yellow"], colours["red"])
		}
	})
}

type pseudowireEntry struct {
	Name        string         `xml:"name"`
	Type        string         `xml:"pw-type"`
	In          string         `xml:"receive-label"`
	Out         string         `xml:"transmit-label"`
	Label       string         `xml:"label"`
	Role        string         `xml:"role"`
	Tunnel      string         `xml:"tunnel"`
	ControlWord string         `xml:"control-word"`
	Returns     []string       `xml:"return-pseudowire"`
	Oper        string         `xml:"oper-state"`
	State       dataPlaneState `xml:"data-plane-state"`
	Stats       statistics     `xml:"statistics"`
}

func printPseudowires(w io.Writer, reply []byte) error {
	var data struct {
		PWs      []pseudowireEntry `xml:"mpls-tp>pseudowires>pseudowire"`
		P2MP     []pseudowireEntry `xml:"mpls-tp>pseudowires>p2mp-pseudowire"`
		Switches []struct {
			Name string `xml:"name"`
			One  string `xml:"segment-1"`
			Two  string `xml:"segment-2"`
		} `xml:"mpls-tp>pseudowires>switching-point"`
		Services []serviceEntry `xml:"mpls-tp>services>service"`
	}
	if err := xml.Unmarshal(reply, &data); err != nil {
		return err
	}
	users := map[string]string{}
	for _, s := range data.Services {
		for _, e := range s.Endpoints {
			users[e.PW], users[e.P2MP] = "service "+s.Name, "service "+s.Name
		}
	}
	for _, s := range data.Switches {
		users[s.One], users[s.Two] = "switching-point "+s.Name, "switching-point "+s.Name
	}
	for _, p := range data.P2MP {
		for _, name := range p.Returns {
			users[name] = "return of " + p.Name
		}
	}
	return table(w, "PSEUDOWIRE TYPE IN OUT TUNNEL CONTROL-WORD USED-BY OPER DATA-PLANE FROM-NETWORK TO-NETWORK DROPS", func(row func(...any)) {
		for _, p := range append(data.PWs, data.P2MP...) {
			switch p.Role {
			case "root":
				p.Out = p.Label
			case "leaf":
				p.In = p.Label
			}
			_, kind, prefixed := strings.Cut(p.Type, ":")
			if !prefixed {
				kind = p.Type
			}
			if kind == "" {
				kind = "ethernet"
			}
			if p.Role != "" {
				kind += " p2mp " + p.Role
			}
			row(p.Name, kind, p.In, p.Out, p.Tunnel, controlWord(p), users[p.Name], p.Oper, p.State.String(),
				p.Stats.InPackets, p.Stats.OutPackets, p.Stats.InDrops+p.Stats.OutDrops)
		}
	})
}

// controlWord says whether there is one: the default is that there is.
func controlWord(p pseudowireEntry) string {
	if p.ControlWord == "false" || strings.HasSuffix(p.Type, "network-layer") {
		return "no"
	}
	return "yes"
}

func printQoS(w io.Writer, reply []byte) error {
	var data struct {
		Profiles []struct {
			Name string `xml:"name"`
			CIR  string `xml:"cir"`
			EIR  string `xml:"eir"`
			CBS  string `xml:"cbs"`
			EBS  string `xml:"ebs"`
		} `xml:"mpls-tp>qos>bandwidth-profile"`
		Maps []struct {
			Name    string `xml:"name"`
			Entries []struct {
				Priority string `xml:"pcp"`
				Green    string `xml:"traffic-class"`
				Yellow   string `xml:"yellow-traffic-class"`
			} `xml:"entry"`
		} `xml:"mpls-tp>qos>tc-map"`
		Schedulers []struct {
			Name   string `xml:"name"`
			Rate   string `xml:"shaping-rate"`
			Queues []struct {
				Class  string `xml:"traffic-class"`
				Weight string `xml:"weight"`
			} `xml:"queue"`
		} `xml:"mpls-tp>qos>scheduler"`
		Services []serviceEntry `xml:"mpls-tp>services>service"`
		Sections []struct {
			Name      string `xml:"name"`
			Scheduler string `xml:"scheduler"`
		} `xml:"mpls-tp>sections>section"`
	}
	if err := xml.Unmarshal(reply, &data); err != nil {
		return err
	}
	type use struct{ kind, name string }
	users := map[use][]string{}
	for _, s := range data.Services {
		for _, e := range s.Endpoints {
			users[use{"profile", e.Attachment.Profile}] = append(users[use{"profile", e.Attachment.Profile}], s.Name)
			users[use{"map", e.Attachment.Map}] = append(users[use{"map", e.Attachment.Map}], s.Name)
		}
	}
	for _, s := range data.Sections {
		users[use{"scheduler", s.Scheduler}] = append(users[use{"scheduler", s.Scheduler}], s.Name)
	}
	of := func(kind, name string) string { return strings.Join(users[use{kind, name}], ",") }
	err := table(w, "PROFILE CIR-BIT/S EIR-BIT/S CBS-OCTETS EBS-OCTETS SERVICES", func(row func(...any)) {
		for _, p := range data.Profiles {
			row(p.Name, p.CIR, p.EIR, p.CBS, p.EBS, of("profile", p.Name))
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(w)
	err = table(w, "TC-MAP PRIORITY GREEN YELLOW SERVICES", func(row func(...any)) {
		for _, m := range data.Maps {
			name, services := m.Name, of("map", m.Name)
			for _, e := range m.Entries {
				if e.Yellow == "" {
					e.Yellow = e.Green
				}
				row(name, e.Priority, e.Green, e.Yellow, services)
				name, services = above, above
			}
			if len(m.Entries) == 0 {
				row(name, "", "", "", services)
			}
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(w)
	return table(w, "SCHEDULER RATE-BIT/S QUEUES SECTIONS", func(row func(...any)) {
		for _, s := range data.Schedulers {
			weighted := map[string]bool{}
			var parts []string
			for _, q := range s.Queues {
				weighted[q.Class] = true
				parts = append(parts, q.Class+" weight "+q.Weight)
			}
			strict := ""
			for class := 7; class >= 0; class-- {
				if c := fmt.Sprint(class); !weighted[c] {
					strict += " " + c
				}
			}
			row(s.Name, s.Rate, strings.TrimPrefix(strings.Join(append([]string{"strict" + strict}, parts...), ", "), ", "), of("scheduler", s.Name))
		}
	})
}
