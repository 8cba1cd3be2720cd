package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tandem-ne/tandem/cmd/tandem/client"
)

// mepCommand holds the commands that a MEP carries out.
func mepCommand(t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mep",
		Short: "Lock, unlock and loop back what a MEG watches",
		Long: "mep invokes the actions of the MEP of a MEG (RFC 6435). They are commands at this\n" +
			"element: lock the far end there. None is configuration, and none outlasts tandemd.",
	}
	for _, c := range []struct{ use, short, action string }{
		{"lock MEG", "Drop user traffic in both directions, while OAM goes on", "<lock/>"},
		{"unlock MEG", "Take the lock back, and a loopback with it", "<unlock/>"},
		{"loopback MEG on|off", "Send back everything that arrives on a locked LSP or pseudowire", ""},
	} {
		args := len(strings.Fields(c.use)) - 1
		cmd.AddCommand(&cobra.Command{
			Use: c.use, Short: c.short, Args: cobra.ExactArgs(args),
			RunE: func(cmd *cobra.Command, args []string) error {
				action := c.action
				if action == "" {
					enable, ok := map[string]string{"on": "true", "off": "false"}[args[1]]
					if !ok {
						return fmt.Errorf("%q is neither on nor off", args[1])
					}
					action = "<loopback><enable>" + enable + "</enable></loopback>"
				}
				return t.with(cmd.Context(), func(s *client.Session) error {
					text, err := invoke(cmd, s, args[0], action)
					if err == nil && text != "" {
						fmt.Fprintln(cmd.OutOrStdout(), text)
					}
					return err
				})
			},
		})
	}
	return cmd
}

// invoke invokes an action of the MEP of a MEG and returns what the element says
// to it; what it refused is an error.
func invoke(cmd *cobra.Command, s *client.Session, meg, action string) (string, error) {
	var name strings.Builder
	if err := xml.EscapeText(&name, []byte(meg)); err != nil {
		return "", err
	}
	reply, err := s.RPC(cmd.Context(), `<action xmlns="urn:ietf:params:xml:ns:yang:1">`+nodeNS+`<oam xmlns="urn:tandem:yang:mtp-oam"><meg><name>`+
		name.String()+`</name><mep>`+action+`</mep></meg></oam>`+nodeEnd+`</action>`)
	if err != nil {
		return "", err
	}
	var said struct {
		Outcome string `xml:"outcome"`
		Text    string `xml:"text"`
	}
	if err := xml.Unmarshal([]byte("<reply>"+reply+"</reply>"), &said); err != nil {
		return "", err
	}
	if said.Outcome != "accepted" {
		return "", errors.New(said.Outcome + ": " + said.Text)
	}
	return said.Text, nil
}
