package shard

import (
	"context"
	"io"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// Raft's timers. A leader's silence is taken for its death after one to two
// heartbeat timeouts; shorter ones than these take a busy machine for it: on two
// saturated cores 250 ms lost elections. A death that shows otherwise is not
// waited for (succession.go). Commit pushes make the commit timeout irrelevant
// for readers.
const (
	heartbeatTimeout = 750 * time.Millisecond
	commitTimeout    = 500 * time.Millisecond
)

func (s *Shard) config() *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = serverID(s.node)
	c.HeartbeatTimeout = heartbeatTimeout
	c.ElectionTimeout = heartbeatTimeout
	c.LeaderLeaseTimeout = heartbeatTimeout
	c.CommitTimeout = commitTimeout
	c.BatchApplyCh = true
	c.NoLegacyTelemetry = true
	c.ShutdownOnRemove = false
	// The log is the partitions' data: only retention shortens it. Snapshots
	// are taken by bytes, not by entries.
	c.TrailingLogs = math.MaxUint64
	c.SnapshotThreshold = math.MaxUint64
	c.SnapshotInterval = time.Hour
	c.NoSnapshotRestoreOnStart = true // Open has done it
	c.Logger = raftLogger(s.log)
	return c
}

// startRaft starts a life of Raft on the log. A replica without data first finds
// its place (join.go).
func (s *Shard) startRaft(ctx context.Context) (*raft.Raft, error) {
	exists, err := raft.HasExistingState(s.logStore, s.logStore, s.snapshots)
	if err != nil {
		return nil, err
	}
	forms, t := false, s.transport()
	if !exists {
		t.SetVoting(false) // what comes now must not wait for Raft and get a vote then
		if forms, err = s.join(ctx); err != nil {
			return nil, err
		}
	}
	c := s.config()
	t.SetVoting(!s.rebuilding.Load())
	c.HeartbeatTimeout = s.firstTimeout(forms)
	c.ElectionTimeout = c.HeartbeatTimeout
	s.brought = 0
	s.logStore.HeadersOnly(true) // NewRaft looks at every entry above the snapshot
	r, err := raft.NewRaft(c, fsm{s}, watchedLog{s.logStore, s}, watchedLog{s.logStore, s}, s.snapshots, t)
	s.logStore.HeadersOnly(false)
	if err != nil {
		return nil, err
	}
	s.raftNow.Store(r)
	return r, nil
}

// raftLogger passes Raft's log lines on. What Raft calls information is of
// interest only when one looks into a shard.
func raftLogger(l *slog.Logger) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Level: hclog.Info, Output: raftLines{l}, DisableTime: true,
	})
}

type raftLines struct{ log *slog.Logger }

var _ io.Writer = raftLines{}

// Write takes one line of the form "[LEVEL] text".
func (w raftLines) Write(p []byte) (int, error) {
	level, text, _ := strings.Cut(strings.TrimSpace(string(p)), "]")
	text = strings.TrimSpace(text)
	switch strings.TrimPrefix(level, "[") {
	case "ERROR", "WARN":
		w.log.Debug(text, "raft", strings.TrimPrefix(level, "["))
	default:
		w.log.Debug(text)
	}
	return len(p), nil
}
