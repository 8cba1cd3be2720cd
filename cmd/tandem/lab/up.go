package lab

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// Ports inside every element's namespace.
const (
	NETCONFPort    = "830"
	NETCONFTLSPort = "6513"
	GNMIPort       = "9339"
)

// Up builds the lab, starts the elements and configures them. What it built
// before an error stays for inspection; Down removes it.
func (l *Lab) Up(ctx context.Context) error {
	if err := l.Boot(ctx); err != nil {
		return err
	}
	return l.ConfigureAll(ctx)
}

// Boot builds the namespaces and links and starts the elements; they are ready
// and have no configuration.
func (l *Lab) Boot(ctx context.Context) error {
	if err := l.vacant(); err != nil {
		return err
	}
	if err := os.MkdirAll(l.RunDir, 0o700); err != nil {
		return err
	}
	if err := l.save(); err != nil {
		return err
	}
	if err := l.makeKey(); err != nil {
		return err
	}
	if err := l.build(ctx); err != nil {
		return err
	}
	for _, node := range l.Topology.Elements() {
		if err := l.Start(node); err != nil {
			return err
		}
	}
	if err := l.each(l.Topology.Elements(), func(node string) error { return l.WaitReady(ctx, node) }); err != nil {
		return err
	}
	l.progress("%d elements are ready: %s", len(l.Topology.Elements()), strings.Join(l.Topology.Elements(), ", "))
	return nil
}

// vacant refuses a lab that is up, and one whose names are taken: what is not
// built here must not be taken down here.
func (l *Lab) vacant() error {
	if l.exists() {
		return fmt.Errorf("lab %s is up already: take it down first (tandem lab down %s)", l.Topology.Name, l.Topology.Name)
	}
	for _, node := range l.Topology.NodeNames() {
		namespace := l.Topology.Namespace(node)
		if _, err := os.Stat(filepath.Join("/run/netns", namespace)); err == nil {
			return fmt.Errorf("the network namespace %s exists and is not of a lab in %s: another lab, or ip netns delete %s",
				namespace, filepath.Dir(l.RunDir), namespace)
		}
	}
	return nil
}

// exists reports whether something of the lab has been built.
func (l *Lab) exists() bool {
	_, err := os.Stat(filepath.Join(l.RunDir, "lab.json"))
	return err == nil
}

// ConfigureAll configures every element from its file.
func (l *Lab) ConfigureAll(ctx context.Context) error {
	return l.each(l.Topology.Elements(), func(node string) error { return l.Configure(ctx, node) })
}

// each runs f for every node side by side and returns all errors.
func (l *Lab) each(nodes []string, f func(node string) error) error {
	var wg sync.WaitGroup
	errs := make([]error, len(nodes))
	for i, node := range nodes {
		wg.Go(func() {
			if err := f(node); err != nil {
				errs[i] = fmt.Errorf("%s: %w", node, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (l *Lab) makeKey() error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "tandem lab "+l.Topology.Name)
	if err != nil {
		return err
	}
	sshKey, err := ssh.NewPublicKey(public)
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.KeyFile(), pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	return os.WriteFile(l.KeyFile()+".pub", ssh.MarshalAuthorizedKey(sshKey), 0o644)
}

// build makes namespaces, veth pairs, addresses and routes.
func (l *Lab) build(ctx context.Context) error {
	t := l.Topology
	var lines []string
	for _, node := range t.NodeNames() {
		lines = append(lines, "netns add "+t.Namespace(node))
	}
	for _, link := range t.Links {
		a, z := t.end(link.A), t.end(link.Z)
		lines = append(lines, fmt.Sprintf("link add name %s%s netns %s type veth peer name %s%s netns %s",
			a.ifc, a.address(), a.namespace, z.ifc, z.address(), z.namespace))
	}
	if err := ipBatch(ctx, "", lines...); err != nil {
		return fmt.Errorf("build lab: %w", err)
	}
	for _, node := range t.NodeNames() {
		if err := l.buildNode(ctx, node); err != nil {
			return fmt.Errorf("build %s: %w", node, err)
		}
	}
	l.progress("built %d namespaces and %d links", len(t.Nodes), len(t.Links))
	return nil
}

type linkEnd struct {
	namespace, ifc, mac string
}

func (t *Topology) end(s string) linkEnd {
	node, ifc, _ := strings.Cut(s, ":")
	return linkEnd{t.Namespace(node), ifc, t.Nodes[node].Interfaces[ifc].MAC}
}

func (e linkEnd) address() string {
	if e.mac == "" {
		return ""
	}
	return " address " + e.mac
}

func (l *Lab) buildNode(ctx context.Context, node string) error {
	n, namespace := l.Topology.Nodes[node], l.Topology.Namespace(node)
	settings := map[string]string{"net.ipv6.conf.default.accept_dad": "0", "net.ipv6.conf.all.accept_dad": "0"}
	if n.Forwarding {
		settings["net.ipv4.ip_forward"] = "1"
		settings["net.ipv6.conf.all.forwarding"] = "1"
	}
	for key, value := range settings {
		if err := sysctl(namespace, key, value); err != nil {
			return err
		}
	}
	lines := []string{"link set lo up"}
	var routes []string
	for ifc, i := range n.Interfaces {
		if len(i.Addresses) == 0 {
			// The host must not chat on a section, so it gets no link-local
			// address; IPv6 stays on, for clients that leave an LSP here.
			if err := sysctl(namespace, "net.ipv6.conf."+ifc+".addr_gen_mode", "1"); err != nil {
				return err
			}
		}
		for _, a := range i.Addresses {
			lines = append(lines, fmt.Sprintf("address add %s dev %s", a, ifc))
		}
		if i.MTU != 0 {
			lines = append(lines, fmt.Sprintf("link set dev %s mtu %d", ifc, i.MTU))
		}
		lines = append(lines, fmt.Sprintf("link set dev %s up", ifc))
	}
	for _, r := range n.Routes {
		prefix, via, err := parseRoute(r)
		if err != nil {
			return err
		}
		routes = append(routes, fmt.Sprintf("route add %s via %s", prefix, via))
	}
	return ipBatch(ctx, namespace, append(lines, routes...)...)
}

// Start starts an element's daemon; it comes up with the configuration that its
// state directory holds.
func (l *Lab) Start(node string) error {
	if l.Running(node) {
		return fmt.Errorf("%s is running", node)
	}
	log, err := os.OpenFile(l.LogFile(node), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	namespace := l.Topology.Namespace(node)
	cmd := exec.Command(l.Tandemd,
		"--state-dir", l.StateDir(node),
		"--instance", namespace,
		"--admin-key", l.KeyFile()+".pub",
		"--dataplane", l.Dataplane,
		"--netconf-listen", "127.0.0.1:"+NETCONFPort,
		"--netconf-tls-listen", "127.0.0.1:"+NETCONFTLSPort,
		"--gnmi-listen", "127.0.0.1:"+GNMIPort)
	cmd.Stdout, cmd.Stderr = log, log
	// The daemon outlives this command and does not get its terminal's signals.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := inNamespace(namespace, cmd.Start); err != nil {
		return fmt.Errorf("start %s: %w", l.Tandemd, err)
	}
	// Reaped when it ends, so that a dead child is never taken for a live one.
	go func() { _ = cmd.Wait() }()
	started, err := startTime(cmd.Process.Pid)
	if err != nil {
		return fmt.Errorf("%s ended at once: %s", node, l.tail(node))
	}
	l.Processes[node] = Process{PID: cmd.Process.Pid, Started: started}
	return l.save()
}

// WaitReady returns when the element answers a NETCONF session.
func (l *Lab) WaitReady(ctx context.Context, node string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var last error
	err := poll(ctx, 50*time.Millisecond, func() (bool, error) {
		if !l.Running(node) {
			return false, fmt.Errorf("tandemd ended: %s", l.tail(node))
		}
		// Until the first start has made its keys there is nothing to dial with.
		s, err := l.NETCONF(ctx, node, nil)
		if err != nil {
			last = err
			return false, nil
		}
		return true, s.Close()
	})
	if err != nil {
		return fmt.Errorf("not ready: %w", errors.Join(err, last))
	}
	return nil
}

func (l *Lab) tail(node string) string {
	text, err := os.ReadFile(l.LogFile(node))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// Configure sends the node's configuration file in one NETCONF transaction.
func (l *Lab) Configure(ctx context.Context, node string) error {
	config, err := os.ReadFile(filepath.Join(l.Topology.Dir, l.Topology.Nodes[node].Config))
	if err != nil {
		return err
	}
	s, err := l.NETCONF(ctx, node, nil)
	if err != nil {
		return err
	}
	if err := s.Configure(ctx, string(config)); err != nil {
		return errors.Join(err, s.Close())
	}
	l.progress("%s configured over NETCONF (session %d)", node, s.ID())
	return s.Close()
}

// Kill ends an element's daemon at once, without any chance to tidy up.
func (l *Lab) Kill(ctx context.Context, node string) error {
	return l.stop(ctx, node, syscall.SIGKILL)
}

// Stop asks an element's daemon to end; its forwarding stays.
func (l *Lab) Stop(ctx context.Context, node string) error {
	return l.stop(ctx, node, syscall.SIGTERM)
}

func (l *Lab) stop(ctx context.Context, node string, sig syscall.Signal) error {
	p, ok := l.Processes[node]
	if !ok {
		return fmt.Errorf("%s is not running", node)
	}
	if err := p.signal(sig); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := p.wait(ctx); err != nil {
		return fmt.Errorf("%s (process %d) did not end: %w", node, p.PID, err)
	}
	delete(l.Processes, node)
	return l.save()
}

// Down ends the elements, removes what they pinned, the namespaces and the
// lab's directory. It goes on after an error and returns all of them. A lab that
// was never built has nothing to take down.
func (l *Lab) Down(ctx context.Context) error {
	if !l.exists() {
		return nil
	}
	var errs []error
	for _, node := range l.Topology.Elements() {
		if !l.Running(node) {
			continue
		}
		if err := l.Stop(ctx, node); err != nil {
			errs = append(errs, err, l.Kill(ctx, node))
		}
	}
	for _, node := range l.Topology.NodeNames() {
		namespace := l.Topology.Namespace(node)
		if l.Topology.Nodes[node].Element() {
			errs = append(errs, l.flush(ctx, node))
		}
		if _, err := os.Stat(filepath.Join("/run/netns", namespace)); err == nil {
			errs = append(errs, ipBatch(ctx, "", "netns delete "+namespace))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	l.progress("took down %d namespaces", len(l.Topology.Nodes))
	return os.RemoveAll(l.RunDir)
}

// flush lets the daemon remove its objects from the data plane, pinned maps
// included: they would outlive the namespace.
func (l *Lab) flush(ctx context.Context, node string) error {
	namespace := l.Topology.Namespace(node)
	if _, err := os.Stat(filepath.Join("/run/netns", namespace)); err != nil {
		return nil
	}
	// Not `ip netns exec`: it mounts a new /sys, without the BPF file system.
	return inNamespace(namespace, func() error {
		cmd := exec.CommandContext(ctx, l.Tandemd, "flush",
			"--state-dir", l.StateDir(node), "--instance", namespace, "--dataplane", l.Dataplane)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("flush %s: %w: %s", node, err, out)
		}
		return nil
	})
}

// Exec runs a command inside a node's namespace with the caller's terminal and
// returns its error, an *exec.ExitError where the command failed.
func (l *Lab) Exec(ctx context.Context, node string, args []string) error {
	if _, ok := l.Topology.Nodes[node]; !ok {
		return fmt.Errorf("lab %s has no node %q (it has %s)", l.Topology.Name, node, strings.Join(l.Topology.NodeNames(), ", "))
	}
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", l.Topology.Namespace(node)}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(),
		"TANDEM_ADDRESS=127.0.0.1:"+NETCONFPort,
		"TANDEM_KEY="+l.KeyFile(),
		"TANDEM_HOST_KEYS="+filepath.Join(l.StateDir(node), "ssh", "ssh_host_ed25519_key.pub"))
	return cmd.Run()
}
