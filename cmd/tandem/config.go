package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tandem-ne/tandem/cmd/tandem/client"
)

// read returns the text of a file; "-" is standard input.
func read(cmd *cobra.Command, name string) (string, error) {
	if name == "-" {
		b, err := io.ReadAll(cmd.InOrStdin())
		return string(b), err
	}
	b, err := os.ReadFile(name)
	return string(b), err
}

func getCommand(t *target) *cobra.Command {
	var filter string
	cmd := &cobra.Command{
		Use:   "get",
		Short: "Print running configuration and state as XML",
		Example: `  tandem get
  echo '<mpls-tp xmlns="urn:tandem:yang:mtp-node"><sections/></mpls-tp>' | tandem get --filter -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fetch(cmd, t, filter, func(s *client.Session, f string) (string, error) { return s.Get(cmd.Context(), f) })
		},
	}
	cmd.Flags().StringVarP(&filter, "filter", "f", "", "file with the content of a subtree filter, - for standard input")
	return cmd
}

func getConfigCommand(t *target) *cobra.Command {
	var filter, source string
	cmd := &cobra.Command{
		Use:   "get-config",
		Short: "Print a datastore's configuration as XML",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if source != "running" && source != "candidate" && source != "startup" {
				return fmt.Errorf("--source %q: running, candidate or startup", source)
			}
			return fetch(cmd, t, filter, func(s *client.Session, f string) (string, error) {
				return s.GetConfig(cmd.Context(), source, f)
			})
		},
	}
	cmd.Flags().StringVarP(&filter, "filter", "f", "", "file with the content of a subtree filter, - for standard input")
	cmd.Flags().StringVarP(&source, "source", "s", "running", "running, candidate or startup")
	return cmd
}

func fetch(cmd *cobra.Command, t *target, filter string, get func(*client.Session, string) (string, error)) error {
	var content string
	if filter != "" {
		var err error
		if content, err = read(cmd, filter); err != nil {
			return err
		}
	}
	return t.with(cmd.Context(), func(s *client.Session) error {
		text, err := get(s, content)
		if err != nil {
			return err
		}
		return indent(cmd.OutOrStdout(), text)
	})
}

func editCommand(t *target) *cobra.Command {
	return &cobra.Command{
		Use:   "edit FILE",
		Short: "Lock, merge a configuration into the candidate, commit, unlock",
		Long: "edit sends the file's content as the <config> of one edit-config on the candidate\n" +
			"and commits it. The file may carry nc:operation attributes. When anything is\n" +
			"refused, nothing has changed and every error is printed with its path.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := read(cmd, args[0])
			if err != nil {
				return err
			}
			return t.with(cmd.Context(), func(s *client.Session) error { return s.Configure(cmd.Context(), content) })
		},
	}
}

func rpcCommand(t *target) *cobra.Command {
	return &cobra.Command{
		Use:   "rpc FILE",
		Short: "Send any operation given as XML and print the reply",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := read(cmd, args[0])
			if err != nil {
				return err
			}
			return t.with(cmd.Context(), func(s *client.Session) error {
				reply, err := s.RPC(cmd.Context(), body)
				if err != nil {
					return err
				}
				return indent(cmd.OutOrStdout(), reply)
			})
		},
	}
}
