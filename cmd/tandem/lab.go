package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tandem-ne/tandem/cmd/tandem/lab"
)

// labFlags are shared by the lab commands.
type labFlags struct {
	runDir, tandemd, dataplane string
}

func labCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Networks of elements in namespaces of this machine",
		Long: "A lab is a directory with a lab.yaml: nodes become network namespaces, links veth\n" +
			"pairs, elements real tandemd processes, each configured over NETCONF. Needs root.",
	}
	var f labFlags
	cmd.PersistentFlags().StringVar(&f.runDir, "run-dir", lab.DefaultRunDir, "where the labs that are up keep their files")
	cmd.PersistentFlags().StringVar(&f.tandemd, "tandemd", besideMe("tandemd"), "the daemon")
	cmd.PersistentFlags().StringVar(&f.dataplane, "dataplane", "auto", "auto, kernel or ebpf")
	cmd.AddCommand(f.up(), f.status(), f.exec(), f.down(), f.demo())
	return cmd
}

// besideMe returns the path of a program in the directory of this one.
func besideMe(program string) string {
	me, err := os.Executable()
	if err != nil {
		return program
	}
	return filepath.Join(filepath.Dir(me), program)
}

// load prepares the lab of a directory.
func (f *labFlags) load(dir string) (*lab.Lab, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("a lab makes network namespaces: it needs root")
	}
	t, err := lab.Load(dir)
	if err != nil {
		return nil, err
	}
	return lab.New(t, f.runDir, f.tandemd, f.dataplane), nil
}

func (f *labFlags) up() *cobra.Command {
	return &cobra.Command{
		Use:     "up DIRECTORY",
		Short:   "Build a lab and configure its elements",
		Example: "  tandem lab up testdata/lab/diamond",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := f.load(args[0])
			if err != nil {
				return err
			}
			l.Progress = func(format string, a ...any) { fmt.Fprintf(cmd.OutOrStdout(), format+"\n", a...) }
			return l.Up(cmd.Context())
		},
	}
}

func (f *labFlags) status() *cobra.Command {
	return &cobra.Command{
		Use:   "status [LAB]",
		Short: "Show the labs that are up, or the nodes of one",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			names := args
			if len(names) == 0 {
				var err error
				if names, err = lab.Names(f.runDir); err != nil {
					return err
				}
				if len(names) == 0 {
					fmt.Fprintln(cmd.OutOrStdout(), "no lab is up")
					return nil
				}
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "LAB\tNODE\tNAMESPACE\tKIND\tPROCESS\tLOG")
			for _, name := range names {
				l, err := lab.Open(name, f.runDir)
				if err != nil {
					return err
				}
				for _, node := range l.Topology.NodeNames() {
					kind, process, log := "host", "-", "-"
					if l.Topology.Nodes[node].Element() {
						kind, process, log = "element", "not running", l.LogFile(node)
						if l.Running(node) {
							process = fmt.Sprintf("running, pid %d", l.Processes[node].PID)
						}
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", name, node, l.Topology.Namespace(node), kind, process, log)
				}
			}
			return w.Flush()
		},
	}
}

func (f *labFlags) exec() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec LAB/NODE COMMAND [ARGUMENT...]",
		Short: "Run a command inside a node",
		Long: "exec runs a command in the node's network namespace. At an element, TANDEM_ADDRESS,\n" +
			"TANDEM_KEY and TANDEM_HOST_KEYS are set, so that tandem's other commands talk to it.",
		Example: "  tandem lab exec diamond/ce1 ping -c3 203.0.113.2\n  tandem lab exec diamond/pe1 tandem show megs",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, node, ok := strings.Cut(args[0], "/")
			if !ok {
				return fmt.Errorf("%q: want LAB/NODE", args[0])
			}
			l, err := lab.Open(name, f.runDir)
			if err != nil {
				return err
			}
			return l.Exec(cmd.Context(), node, args[1:])
		},
	}
	// Flags after the node belong to the command that is run.
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func (f *labFlags) down() *cobra.Command {
	return &cobra.Command{
		Use:   "down LAB",
		Short: "Stop a lab's elements and remove everything it made",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := lab.Open(args[0], f.runDir)
			if err != nil {
				return err
			}
			l.Progress = func(format string, a ...any) { fmt.Fprintf(cmd.OutOrStdout(), format+"\n", a...) }
			return l.Down(context.WithoutCancel(cmd.Context()))
		},
	}
}

func (f *labFlags) demo() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo DIRECTORY",
		Short: "Show the main job in a lab: configure, forward, watch, cut, restore",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := f.load(args[0])
			if err != nil {
				return err
			}
			return l.Demo(cmd.Context(), cmd.OutOrStdout(), keep)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the lab up and print how to talk to it")
	return cmd
}
