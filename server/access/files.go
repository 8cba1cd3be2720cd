package access

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// file is one entry of a directory that is created as a whole.
type file struct {
	name string
	data []byte
	mode fs.FileMode
}

const (
	secret = fs.FileMode(0o600)
	public = fs.FileMode(0o644)
)

// createDir makes dir with all files in it or not at all: the files are written
// and synchronised in a sibling directory, and one rename publishes them.
func createDir(dir string, files []file) (err error) {
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	for _, f := range files {
		if err := writeSynced(filepath.Join(tmp, f.name), f.data, f.mode); err != nil {
			return err
		}
	}
	if err := syncDir(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// sweep removes what starts that were interrupted in createDir have left.
func sweep(dir string) error {
	for _, name := range []string{hostKeyDir, tlsDir} {
		left, err := filepath.Glob(filepath.Join(dir, "."+name+"-*"))
		if err != nil {
			return err
		}
		for _, tmp := range left {
			if err := os.RemoveAll(tmp); err != nil {
				return err
			}
		}
	}
	return nil
}

// replaceFile writes data beside name and renames it over name.
func replaceFile(name string, data []byte, mode fs.FileMode) (err error) {
	tmp := name + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeSynced(tmp, data, mode); err != nil {
		return err
	}
	if err := os.Rename(tmp, name); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return syncDir(filepath.Dir(name))
}

func writeSynced(name string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	// The umask may have taken bits away that a public file needs.
	if err := f.Chmod(mode); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readSecret reads a private key and refuses one that others could have read.
func readSecret(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %04o: a private key must be readable by its owner only (0600)", name, perm)
	}
	return os.ReadFile(name)
}

func exists(name string) (bool, error) {
	_, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
