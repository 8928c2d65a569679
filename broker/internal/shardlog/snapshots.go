package shardlog

import (
	"fmt"
	"io"

	"github.com/hashicorp/raft"
)

// NewSnapshotStore returns a store of snapshots below the log's directory.
func NewSnapshotStore(l *Log) (raft.SnapshotStore, error) {
	s, err := raft.NewFileSnapshotStore(l.opts.Dir, 2, io.Discard)
	if err != nil {
		return nil, fmt.Errorf("open snapshot store: %w", err)
	}
	return s, nil
}

// finishInstall removes what an install that was not completed has left.
func (l *Log) finishInstall(fresh []string) error {
	for _, path := range fresh {
		if err := l.fs.Remove(path); err != nil {
			return fmt.Errorf("open shard log: %w", err)
		}
	}
	return nil
}
