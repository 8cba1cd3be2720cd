package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tandem-ne/tandem/cmd/tandem/client"
	"github.com/tandem-ne/tandem/cmd/tandem/configure"
	"github.com/tandem-ne/tandem/cmd/tandem/model"
)

func configureCommand(t *target) *cobra.Command {
	var lines []string
	var file string
	var shared bool
	cmd := &cobra.Command{
		Use:     "configure",
		Aliases: []string{"conf"},
		Short:   "Configure an element line by line: completion, compare, commit confirmed, rollback",
		Long: "configure reads the element's own YANG modules, so that it knows every word of any\n" +
			"element, and edits a working copy of the configuration. Tab completes, ? explains,\n" +
			"commit sends what differs in one transaction, and nothing is changed before.\n" +
			"The candidate is locked meanwhile, unless --shared. Without a terminal, or with -c or\n" +
			"-f, it is a script: the first error ends it with exit status 1.",
		Example: `  tandem configure
  tandem configure -c 'set system contact "NOC, 24 h"' -c 'commit comment ticket-17'
  tandem configure -c 'show | display json'
  tandem configure -f changes.txt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(lines) > 0 && file != "" {
				return errors.New("-c and -f exclude each other")
			}
			return t.with(cmd.Context(), func(s *client.Session) error {
				return runConfigure(cmd, t, s, shared, lines, file)
			})
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&lines, "command", "c", nil, "line to carry out; may be given several times")
	f.StringVarP(&file, "file", "f", "", "file with lines to carry out, - for standard input")
	f.BoolVar(&shared, "shared", false, "leave the candidate unlocked until commit")
	return cmd
}

func runConfigure(cmd *cobra.Command, t *target, s *client.Session, shared bool, lines []string, file string) (err error) {
	ctx := cmd.Context()
	schema, err := model.Load(ctx, s, model.Options{Cache: cacheDir("schemas"), Progress: progress(cmd.ErrOrStderr())})
	if err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(t.address)
	if err != nil {
		host = t.address
	}
	m, err := configure.Open(ctx, configure.Options{
		Schema: schema, Element: s, Out: cmd.OutOrStdout(), Name: t.user + "@" + host, Shared: shared,
	})
	if err != nil {
		return err
	}
	// The lock is given back even when the user has pressed Ctrl-C.
	defer func() { err = errors.Join(err, m.Close(context.WithoutCancel(ctx))) }()
	switch {
	case len(lines) > 0:
		return m.Script(ctx, "-c", strings.Join(lines, "\n"))
	case file != "":
		text, err := read(cmd, file)
		if err != nil {
			return err
		}
		return m.Script(ctx, file, text)
	case !isTerminal(cmd.InOrStdin()):
		text, err := io.ReadAll(cmd.InOrStdin())
		if err != nil {
			return err
		}
		return m.Script(ctx, "standard input", string(text))
	}
	return m.Interactive(ctx, configure.Terminal{HistoryFile: filepath.Join(cacheDir(""), "history")})
}

// isTerminal reports whether somebody types.
func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	return term.IsTerminal(int(f.Fd()))
}

// cacheDir is a directory of the user's that may be deleted at any time; empty
// where the user has none.
func cacheDir(name string) string {
	base, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	dir := filepath.Join(base, "tandem", name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return ""
	}
	return dir
}

// progress tells, from the first second on, how many modules are there.
func progress(w io.Writer) func(done, total int) {
	began := time.Now()
	said := false
	return func(done, total int) {
		switch {
		case time.Since(began) > time.Second && done < total:
			fmt.Fprintf(w, "\rreading the element's YANG modules: %d of %d", done, total)
			said = true
		case said && done == total:
			fmt.Fprintf(w, "\r%60s\r", "")
		}
	}
}
