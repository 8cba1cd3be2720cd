package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/tandem-ne/tandem/cmd/tandem/client"
)

// target is the element that a command talks to. Each flag's default can come
// from the environment, which is how `tandem lab exec` points at a lab's node.
type target struct {
	address, user, key, hostKeys, knownHosts string
	timeout                                  time.Duration
}

func (t *target) flags(f *pflag.FlagSet) {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "."
	}
	f.StringVarP(&t.address, "address", "a", env("TANDEM_ADDRESS", "127.0.0.1:830"), "element's NETCONF address, host:port [TANDEM_ADDRESS]")
	f.StringVarP(&t.user, "user", "u", env("TANDEM_USER", "admin"), "user name [TANDEM_USER]")
	f.StringVarP(&t.key, "key", "i", env("TANDEM_KEY", filepath.Join(home, ".ssh", "id_ed25519")), "private key file [TANDEM_KEY]")
	f.StringVar(&t.hostKeys, "host-keys", env("TANDEM_HOST_KEYS", ""), "file with the element's public host keys; default: known_hosts decides [TANDEM_HOST_KEYS]")
	f.StringVar(&t.knownHosts, "known-hosts", filepath.Join(home, ".ssh", "known_hosts"), "known_hosts file")
	f.DurationVar(&t.timeout, "timeout", 30*time.Second, "limit for connecting and for each operation")
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// with opens a session, runs f and closes the session.
func (t *target) with(ctx context.Context, f func(*client.Session) error) error {
	s, err := client.Dial(ctx, client.Target{
		Address: t.address, User: t.user, KeyFile: t.key,
		HostKeyFile: t.hostKeys, KnownHosts: t.knownHosts, Timeout: t.timeout,
		AgentSocket: os.Getenv("SSH_AUTH_SOCK"), Ask: asker(),
	})
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.Close())
}

// asker returns what asks the user for a secret; nil where nobody sits at a
// terminal.
func asker() func(prompt string) (string, error) {
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		return nil
	}
	return func(prompt string) (string, error) {
		fmt.Fprint(os.Stderr, prompt)
		secret, err := term.ReadPassword(in)
		fmt.Fprintln(os.Stderr)
		return string(secret), err
	}
}
