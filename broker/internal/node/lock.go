package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lockstep/broker/internal/config"
)

// identity says whose data a directory holds. It is written once.
type identity struct {
	NodeID int32 `json:"node_id"`
	Shards int   `json:"shards"`
}

const (
	identityFile = "node.json"
	lockFile     = "lock"
)

// openDataDir makes the data directory if need be, locks it against other
// processes and checks that its data is this node's. The lock ends with the
// process, or when the file is closed.
func openDataDir(c *config.Config) (*os.File, error) {
	if err := os.MkdirAll(c.DataDir, 0o755); err != nil {
		return nil, fmt.Errorf("data directory %s cannot be made (choose another with --data-dir): %w", c.DataDir, err)
	}
	lock, err := os.OpenFile(filepath.Join(c.DataDir, lockFile), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("data directory %s cannot be written to (choose another with --data-dir): %w", c.DataDir, err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("data directory %s is in use by another process: stop that one, or choose another with --data-dir", c.DataDir), lock.Close())
	}
	if err := checkIdentity(c); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func checkIdentity(c *config.Config) error {
	path := filepath.Join(c.DataDir, identityFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return writeIdentity(path, identity{NodeID: c.NodeID, Shards: c.Shards})
	}
	if err != nil {
		return fmt.Errorf("read whose data directory %s is: %w", c.DataDir, err)
	}
	var id identity
	if err := json.Unmarshal(data, &id); err != nil {
		return fmt.Errorf("%s is damaged, so that it is not known whose data this is: restore it, or move the directory away to start empty: %w", path, err)
	}
	if id.NodeID != c.NodeID {
		return fmt.Errorf("data directory %s holds the data of node %d, not of node %d: set --node-id %d, or choose another --data-dir", c.DataDir, id.NodeID, c.NodeID, id.NodeID)
	}
	if id.Shards != c.Shards {
		return fmt.Errorf("data directory %s was made with %d shards, not %d, and that is fixed: set --shards %d", c.DataDir, id.Shards, c.Shards, id.Shards)
	}
	return nil
}

// writeIdentity replaces path durably.
func writeIdentity(path string, id identity) error {
	data, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), identityFile+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(append(data, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
