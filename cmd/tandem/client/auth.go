package client

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// authMethods returns the ways to log in, in the order in which ssh tries them:
// the keys of the agent and of the file, then the password.
func authMethods(t Target) ([]ssh.AuthMethod, error) {
	var signers []ssh.Signer
	if t.AgentSocket != "" {
		if conn, err := net.Dial("unix", t.AgentSocket); err == nil {
			// The connection is used until the handshake is over, and an agent
			// serves as many as come: it ends with the process.
			if keys, err := agent.NewClient(conn).Signers(); err == nil {
				signers = append(signers, keys...)
			}
		}
	}
	signer, err := readKey(t)
	switch {
	case err == nil:
		signers = append(signers, signer)
	case len(signers) == 0 && (t.Ask == nil || !errors.Is(err, os.ErrNotExist)):
		return nil, err
	}
	var methods []ssh.AuthMethod
	if len(signers) > 0 {
		methods = append(methods, ssh.PublicKeys(signers...))
	}
	if t.Ask != nil {
		prompt := fmt.Sprintf("password of %s at %s: ", t.User, t.Address)
		methods = append(methods, ssh.RetryableAuthMethod(ssh.PasswordCallback(func() (string, error) { return t.Ask(prompt) }), 3))
	}
	return methods, nil
}

func readKey(t Target) (ssh.Signer, error) {
	pem, err := os.ReadFile(t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(pem)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) && t.Ask != nil {
		phrase, e := t.Ask("passphrase of " + t.KeyFile + ": ")
		if e != nil {
			return nil, e
		}
		signer, err = ssh.ParsePrivateKeyWithPassphrase(pem, []byte(phrase))
	}
	if err != nil {
		return nil, fmt.Errorf("private key %s: %w", t.KeyFile, err)
	}
	return signer, nil
}
