package shard

import (
	"context"
	"fmt"
	"time"

	"lockstep/broker/internal/partition"
)

// Retention is what a partition keeps.
type Retention struct {
	MS    int64 // how old records get, by their timestamps, in milliseconds; -1: any age
	Bytes int64 // how much of the newest stays, at least; -1: all
}

// Retain moves k's log start past what retention lets go of at now, on all
// replicas, and returns it. Only the leader can: otherwise it is
// kerr.NotLeaderForPartition.
func (s *Shard) Retain(ctx context.Context, k partition.Key, r Retention, now time.Time) (int64, error) {
	p := s.set.Existing(k)
	if p == nil || r.MS < 0 && r.Bytes < 0 {
		return 0, nil
	}
	before := int64(0) // no record is older
	if r.MS >= 0 {
		before = now.UnixMilli() - r.MS
	}
	start, err := p.Expired(before, r.Bytes)
	if err != nil {
		return 0, fmt.Errorf("retention of %s: %w", k, err)
	}
	if start <= p.LogStart() {
		return p.LogStart(), nil
	}
	return s.DeleteRecords(ctx, k, start)
}

// Free gives the disk back what nobody can read any more: whole segments of this
// replica's log. They may go once a snapshot says so, which Free asks for if it
// would help; they then go by themselves.
func (s *Shard) Free() error {
	if err := s.dropSpared(); err != nil {
		return err
	}
	if s.raft() == nil {
		return nil
	}
	needed := s.needed()
	for _, seg := range s.logStore.Segments() {
		if seg.Sealed && seg.Last < needed {
			s.wantSnapshot()
			return nil
		}
	}
	return nil
}

// needed is the oldest Raft entry that the state as it is now needs.
func (s *Shard) needed() uint64 {
	next := s.appliedIndex.Load() + 1 // before looking: what is applied meanwhile lies above
	if first, ok := s.set.FirstNeeded(); ok {
		return min(first, next)
	}
	return next
}

// spare notes that the state of a durable snapshot needs nothing below index.
func (s *Shard) spare(index uint64) {
	for {
		old := s.spared.Load()
		if index <= old || s.spared.CompareAndSwap(old, index) {
			return
		}
	}
}

// dropSpared removes the segments that the newest snapshot's state does not need.
func (s *Shard) dropSpared() error {
	if err := s.snapshots.DropBefore(s.spared.Load()); err != nil {
		return fmt.Errorf("shard %d: free disk: %w", s.id, err)
	}
	return nil
}

func (s *Shard) wantSnapshot() {
	select {
	case s.snapshotDue <- struct{}{}:
	default:
	}
}
