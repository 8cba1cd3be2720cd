package conformance

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
)

// SSH returns a Target.Dial for a server of NETCONF over SSH (RFC 6242) at
// host:port. keyFile holds the private key of user, who is the empty user of
// Dial; other users get the same key. hostKeyFile holds the server's public key
// in authorized_keys form; where it is empty any key is accepted.
func SSH(address, user, keyFile, hostKeyFile string) (func(string) (io.ReadWriteCloser, error), error) {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyFile, err)
	}
	check, algorithms := ssh.InsecureIgnoreHostKey(), []string(nil)
	if hostKeyFile != "" {
		if text, err = os.ReadFile(hostKeyFile); err != nil {
			return nil, fmt.Errorf("host key: %w", err)
		}
		public, _, _, _, err := ssh.ParseAuthorizedKey(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", hostKeyFile, err)
		}
		// A server with keys of several types must show the one that is known.
		check, algorithms = ssh.FixedHostKey(public), []string{public.Type()}
		if public.Type() == ssh.KeyAlgoRSA {
			algorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
		}
	}
	return func(name string) (io.ReadWriteCloser, error) {
		if name == "" {
			name = user
		}
		return dialSSH(address, &ssh.ClientConfig{
			User: name, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: check,
			HostKeyAlgorithms: algorithms, Timeout: 10 * time.Second,
		})
	}, nil
}

// sshStream is one subsystem channel with the connection it has to itself.
type sshStream struct {
	io.Reader
	io.Writer
	client *ssh.Client
}

func (s *sshStream) Close() error { return s.client.Close() }

func dialSSH(address string, config *ssh.ClientConfig) (io.ReadWriteCloser, error) {
	client, err := ssh.Dial("tcp", address, config)
	if err != nil {
		return nil, err
	}
	session, err := client.NewSession()
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	in, err := session.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	if err := session.RequestSubsystem("netconf"); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &sshStream{out, in, client}, nil
}
