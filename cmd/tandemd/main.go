// Command tandemd is the element: it reads its flags, opens the data plane,
// starts the server and its protocols, and waits for a signal.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// flags are the daemon's; everything else is configuration.
type flags struct {
	stateDir, instance, adminKey string
	hosts                        []string
	yangDir                      string
	configDir                    string
	recoveryUser                 string
	startup                      bool
	netconf, netconfTLS, gnmi    string
	dataplane, xdp               string
	logLevel                     string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "tandemd: "+err.Error())
		os.Exit(1)
	}
}

func root() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "tandemd",
		Short: "An MPLS-TP network element",
		Long: "tandemd turns this host, or this network namespace, into an MPLS-TP network\n" +
			"element. The first start makes host keys, certificates and, from --admin-key, the\n" +
			"administrator; there is no default password. Everything else is configured over\n" +
			"NETCONF or gNMI.",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f) },
	}
	p := cmd.PersistentFlags()
	p.StringVar(&f.stateDir, "state-dir", "/var/lib/tandem", "directory of journal, keys and certificates")
	p.StringVar(&f.instance, "instance", "", "name that keeps several elements of one host apart; default: derived from the network namespace")
	p.StringVar(&f.dataplane, "dataplane", "auto", "auto, kernel or ebpf")
	p.StringVar(&f.xdp, "xdp", "auto", "how the ebpf data plane takes frames from interfaces: auto, native, generic or tc")
	p.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	l := cmd.Flags()
	l.StringVar(&f.adminKey, "admin-key", "", "file with public keys of the first administrator, in authorized_keys form")
	l.StringSliceVar(&f.hosts, "host", nil, "further DNS names or addresses for the TLS certificate")
	l.StringVar(&f.recoveryUser, "recovery-user", "", "user whose sessions no access control rule restricts, to get back in after a mistake")
	l.StringVar(&f.yangDir, "yang-dir", "", "directory with further YANG modules and deviations to serve")
	l.StringVar(&f.configDir, "config-dir", "", "directory that NETCONF's file URLs lead to and cannot leave; default: configs in --state-dir")
	l.BoolVar(&f.startup, "startup", false, "keep a startup datastore: a reboot of the host begins with it, not with running")
	l.StringVar(&f.netconf, "netconf-listen", ":830", "address of NETCONF over SSH")
	l.StringVar(&f.netconfTLS, "netconf-tls-listen", ":6513", "address of NETCONF over TLS")
	l.StringVar(&f.gnmi, "gnmi-listen", ":9339", "address of gNMI over TLS")
	cmd.AddCommand(&cobra.Command{
		Use:   "flush",
		Short: "Remove everything of this element from the data plane, pinned tables included",
		Long: "flush is for taking an element away for good: a stopped tandemd leaves the data\n" +
			"plane forwarding. The configuration in --state-dir stays.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return flush(cmd.Context(), f) },
	})
	return cmd
}

// urlDir is the directory of file URLs.
func (f *flags) urlDir() string { return cmp.Or(f.configDir, filepath.Join(f.stateDir, "configs")) }

func (f *flags) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level %q: debug, info, warn or error", f.logLevel)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})), nil
}

func (f *flags) adminKeys() ([]string, error) {
	if f.adminKey == "" {
		return nil, nil
	}
	text, err := os.ReadFile(f.adminKey)
	if err != nil {
		return nil, fmt.Errorf("--admin-key: %w", err)
	}
	var keys []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			keys = append(keys, line)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("--admin-key: %s holds no key", f.adminKey)
	}
	return keys, nil
}

// run is the life of the daemon.
func run(ctx context.Context, f flags) (err error) {
	log, err := f.logger()
	if err != nil {
		return err
	}
	keys, err := f.adminKeys()
	if err != nil {
		return err
	}
	// The heap is the configuration, which stays; commits are short. Half as
	// much again for garbage is a better bargain than twice as much. A start is
	// the contrary: nearly all that it allocates is garbage, and the less of it
	// is collected the sooner it is over.
	tuned := os.Getenv("GOGC") == ""
	if tuned {
		debug.SetGCPercent(400)
	}
	// Listening first: an address that is taken is found before anything runs.
	listeners, err := f.listen()
	if err != nil {
		return err
	}
	defer listeners.close()

	began := time.Now()
	element, err := f.open(ctx, log, keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, element.Close()) }()
	defer f.startSweep(element, log)()
	north, err := startNorthbound(element, listeners, f.urlDir(), log)
	if err != nil {
		return err
	}
	log.Info("ready", "netconf", listeners.netconf.Addr(), "netconf-tls", listeners.netconfTLS.Addr(), "gnmi", listeners.gnmi.Addr(),
		"commit", element.Store.Running().ID, "took", time.Since(began).Round(time.Millisecond))
	if tuned {
		debug.SetGCPercent(50)
		debug.FreeOSMemory()
	}
	select {
	case <-ctx.Done():
		log.Info("stopping; the data plane goes on forwarding")
	case err = <-north.failed:
	}
	return errors.Join(err, north.stop())
}
