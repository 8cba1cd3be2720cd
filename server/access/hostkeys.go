package access

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"fmt"

	"golang.org/x/crypto/ssh"
)

const hostKeyDir = "ssh"

// hostKeyFiles are in the order in which they are offered.
func hostKeyFiles() []string { return []string{"ssh_host_ed25519_key", "ssh_host_ecdsa_key"} }

func (a *Access) openHostKeys(Options) error {
	dir := a.path(hostKeyDir)
	found, err := exists(dir)
	if err != nil {
		return err
	}
	if !found {
		if err := createHostKeys(dir); err != nil {
			return err
		}
		a.log.Info("made SSH host keys", "directory", dir)
	}
	for _, name := range hostKeyFiles() {
		path := a.path(hostKeyDir, name)
		raw, err := readSecret(path)
		if err != nil {
			return err
		}
		if _, err := ssh.ParsePrivateKey(raw); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		a.hostKeys = append(a.hostKeys, raw)
	}
	return nil
}

func createHostKeys(dir string) error {
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	var files []file
	for i, key := range []crypto.Signer{edKey, ecKey} {
		block, err := ssh.MarshalPrivateKey(key, "tandem host key")
		if err != nil {
			return err
		}
		pub, err := ssh.NewPublicKey(key.Public())
		if err != nil {
			return err
		}
		name := hostKeyFiles()[i]
		files = append(files,
			file{name, pem.EncodeToMemory(block), secret},
			file{name + ".pub", ssh.MarshalAuthorizedKey(pub), public})
	}
	return createDir(dir, files)
}
