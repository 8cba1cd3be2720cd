// Package lab builds a network of Tandem elements on one machine: every node
// of a topology file becomes a network namespace, every link a veth pair, every
// element a real tandemd process configured over NETCONF.
package lab

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// FileName is the topology file inside a lab's directory.
const FileName = "lab.yaml"

// Topology is a lab as its file describes it.
type Topology struct {
	// Name prefixes the names of the namespaces: NAME-NODE.
	Name string `yaml:"name"`
	// Description is one sentence for people.
	Description string          `yaml:"description"`
	Nodes       map[string]Node `yaml:"nodes"`
	Links       []Link          `yaml:"links"`
	Demo        Demo            `yaml:"demo"`
	// Dir is where the file was, configuration files are relative to it.
	Dir string `yaml:"-"`
}

// Node is one namespace.
type Node struct {
	// Config is the element's configuration, the content of NETCONF's
	// <config>; a node without one is a host that runs no tandemd.
	Config string `yaml:"config"`
	// Interfaces are the node's ends of links, by name.
	Interfaces map[string]Interface `yaml:"interfaces"`
	// Routes are "PREFIX via ADDRESS".
	Routes []string `yaml:"routes"`
	// Forwarding lets the node forward IP packets of its clients.
	Forwarding bool `yaml:"forwarding"`
}

// Element reports whether the node runs tandemd.
func (n Node) Element() bool { return n.Config != "" }

// Interface is one end of a link.
type Interface struct {
	MAC       string   `yaml:"mac"`
	Addresses []string `yaml:"addresses"`
	// MTU in octets; 0: 1500. Interfaces of sections need room for labels.
	MTU int `yaml:"mtu"`
}

// Link joins two interfaces, each written NODE:INTERFACE.
type Link struct {
	A string `yaml:"a"`
	Z string `yaml:"z"`
}

// Demo says what `tandem lab demo` shows in this topology.
type Demo struct {
	// Pings are sent from a host to an address.
	Pings []Ping `yaml:"pings"`
	// Watch names the element whose telemetry is printed.
	Watch string `yaml:"watch"`
	// MEG is the MEG whose loss of continuity is timed.
	MEG string `yaml:"meg"`
	// Cut is the interface, NODE:INTERFACE, that is set down.
	Cut string `yaml:"cut"`
}

// Ping is one reachability check of the demo.
type Ping struct {
	From string `yaml:"from"`
	To   string `yaml:"to"`
}

var (
	nodeName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	ifName   = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,15}$`)
)

// Load reads and checks the topology in dir. Every fault is reported, each with
// the name of what is wrong.
func Load(dir string) (*Topology, error) {
	path := filepath.Join(dir, FileName)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("lab topology: %w", err)
	}
	t := &Topology{Dir: dir}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(t); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

func (t *Topology) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !nodeName.MatchString(t.Name) {
		bad("name %q: lower-case letters, digits and hyphens, at most 32", t.Name)
	}
	if len(t.Nodes) == 0 {
		bad("nodes: there is none")
	}
	for _, name := range t.NodeNames() {
		t.checkNode(name, bad)
	}
	joined := map[string]bool{}
	for i, l := range t.Links {
		for _, end := range []string{l.A, l.Z} {
			node, ifc, _ := strings.Cut(end, ":")
			if _, ok := t.Nodes[node].Interfaces[ifc]; !ok {
				bad("links[%d]: %q is not an interface of a node (NODE:INTERFACE)", i, end)
			} else if joined[end] {
				bad("links[%d]: %q is already joined", i, end)
			}
			joined[end] = true
		}
	}
	for _, name := range t.NodeNames() {
		for ifc := range t.Nodes[name].Interfaces {
			if !joined[name+":"+ifc] {
				bad("node %s: interface %s is on no link", name, ifc)
			}
		}
	}
	t.checkDemo(bad)
	return errors.Join(errs...)
}

func (t *Topology) checkNode(name string, bad func(string, ...any)) {
	n := t.Nodes[name]
	if !nodeName.MatchString(name) {
		bad("node %q: lower-case letters, digits and hyphens, at most 32", name)
	}
	if n.Element() {
		if _, err := os.Stat(filepath.Join(t.Dir, n.Config)); err != nil {
			bad("node %s: config: %w", name, err)
		}
	}
	for ifc, i := range n.Interfaces {
		if !ifName.MatchString(ifc) {
			bad("node %s: interface %q is not a Linux interface name", name, ifc)
		}
		if i.MAC != "" {
			if _, err := net.ParseMAC(i.MAC); err != nil {
				bad("node %s: interface %s: mac: %w", name, ifc, err)
			}
		}
		for _, a := range i.Addresses {
			if _, err := netip.ParsePrefix(a); err != nil {
				bad("node %s: interface %s: addresses: %w", name, ifc, err)
			}
		}
	}
	for _, r := range n.Routes {
		if _, _, err := parseRoute(r); err != nil {
			bad("node %s: routes: %w", name, err)
		}
	}
}

func (t *Topology) checkDemo(bad func(string, ...any)) {
	d := t.Demo
	for i, p := range d.Pings {
		if _, ok := t.Nodes[p.From]; !ok {
			bad("demo: pings[%d]: no node %q", i, p.From)
		}
		if _, err := netip.ParseAddr(p.To); err != nil {
			bad("demo: pings[%d]: %w", i, err)
		}
	}
	if d.Watch != "" && !t.Nodes[d.Watch].Element() {
		bad("demo: watch: %q is not an element", d.Watch)
	}
	if d.Cut != "" {
		node, ifc, _ := strings.Cut(d.Cut, ":")
		if _, ok := t.Nodes[node].Interfaces[ifc]; !ok {
			bad("demo: cut: %q is not an interface of a node", d.Cut)
		}
	}
}

// parseRoute splits "PREFIX via ADDRESS".
func parseRoute(s string) (netip.Prefix, netip.Addr, error) {
	p, a, ok := strings.Cut(s, " via ")
	if !ok {
		return netip.Prefix{}, netip.Addr{}, fmt.Errorf("%q: want PREFIX via ADDRESS", s)
	}
	prefix, err := netip.ParsePrefix(p)
	if err != nil {
		return netip.Prefix{}, netip.Addr{}, err
	}
	addr, err := netip.ParseAddr(a)
	if err != nil {
		return netip.Prefix{}, netip.Addr{}, err
	}
	return prefix, addr, nil
}

// NodeNames returns the nodes in a fixed order.
func (t *Topology) NodeNames() []string {
	names := make([]string, 0, len(t.Nodes))
	for n := range t.Nodes {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Elements returns the nodes that run tandemd, in a fixed order.
func (t *Topology) Elements() []string {
	return slices.DeleteFunc(t.NodeNames(), func(n string) bool { return !t.Nodes[n].Element() })
}

// Namespace returns the name of a node's network namespace.
func (t *Topology) Namespace(node string) string { return t.Name + "-" + node }
