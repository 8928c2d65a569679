package shard

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/shardlog"
)

// watchedLog is the log as Raft sees it. When the disk has failed, or has no
// room, this replica is over: Raft would go on, be elected again and again by
// peers that do not know, or panic. Nothing is acknowledged that is not on the
// disk, as the error reaches Raft first or Raft goes no further; the node is told,
// and stops with one clear line.
type watchedLog struct {
	*shardlog.Log
	shard *Shard
}

var (
	_ raft.LogStore    = watchedLog{}
	_ raft.StableStore = watchedLog{}
)

// StoreLog implements raft.LogStore.
func (l watchedLog) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

// StoreLogs implements raft.LogStore.
func (l watchedLog) StoreLogs(entries []*raft.Log) error { return l.watch(l.Log.StoreLogs(entries)) }

// DeleteRange implements raft.LogStore.
func (l watchedLog) DeleteRange(from, to uint64) error { return l.watch(l.Log.DeleteRange(from, to)) }

func (l watchedLog) watch(err error) error {
	if err != nil && !errors.Is(err, shardlog.ErrClosed) && !errors.Is(err, shardlog.ErrResetPending) {
		l.shard.diskFailed(err)
	}
	return err
}

// GetLog implements raft.LogStore. Raft panics when it cannot read an entry that
// it is to apply.
func (l watchedLog) GetLog(index uint64, e *raft.Log) error {
	err := l.Log.GetLog(index, e)
	if err != nil && !errors.Is(err, raft.ErrLogNotFound) {
		l.end(err)
	}
	return err
}

// Set implements raft.StableStore.
func (l watchedLog) Set(key, value []byte) error { return l.end(l.Log.Set(key, value)) }

// SetUint64 implements raft.StableStore. Raft panics when it cannot note its term.
func (l watchedLog) SetUint64(key []byte, value uint64) error {
	return l.end(l.Log.SetUint64(key, value))
}

// end ends the goroutine, which is one of Raft's, if there is an error: the rest
// of the process has a node to stop.
func (l watchedLog) end(err error) error {
	if err == nil || errors.Is(err, shardlog.ErrClosed) {
		return err
	}
	l.shard.diskFailed(err)
	runtime.Goexit()
	return err
}

// diskFailed takes this replica out of office and has the node stop.
func (s *Shard) diskFailed(err error) {
	what := "the disk has failed or is full; see to it and start this node again"
	if errors.Is(err, shardlog.ErrCommitted) {
		what = "the leader has other entries than those committed here: one of them is of other, or older, data than the cluster's"
	}
	err = fmt.Errorf("shard %d: %s: %w", s.id, what, err)
	if !s.failed.CompareAndSwap(nil, &err) {
		return
	}
	s.leaveOffice(s.office.Load())
	s.log.Error("this replica cannot go on", "error", err)
	s.fail(err)
}

// Failed returns why this replica cannot go on, nil while it can.
func (s *Shard) Failed() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}
