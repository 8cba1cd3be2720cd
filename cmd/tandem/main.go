// Command tandem is the operator's command line: it talks NETCONF to any
// element and builds labs of elements on one machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := root().ExecuteContext(ctx)
	if err == nil {
		return
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		// A command run by lab exec has said itself what was wrong.
		os.Exit(exit.ExitCode())
	}
	fmt.Fprintln(os.Stderr, "tandem: "+err.Error())
	os.Exit(1)
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tandem",
		Short: "Manage MPLS-TP network elements and labs of them",
		Long: "tandem reads and edits the configuration of an element over NETCONF, shows its\n" +
			"state, and builds labs: whole networks of elements on one machine.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	var t target
	t.flags(cmd.PersistentFlags())
	cmd.AddCommand(configureCommand(&t), getCommand(&t), getConfigCommand(&t), editCommand(&t), rpcCommand(&t), mepCommand(&t), showCommand(&t), labCommand())
	return cmd
}
