package shard

import (
	"context"
	"time"

	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/recordbatch"
)

// Shard is one Raft group and the partitions that live in it, on this node.
type Shard struct{}

// Machine is a replicated state machine that lives in a shard beside the
// partitions (the controller in shard 0, consumer groups in every shard).
// Calls come from one goroutine, in log order, and must be deterministic.
type Machine interface {
	// Apply executes one committed command; its result goes to the proposer.
	Apply(cmd []byte) any
	// Snapshot returns the whole state, for Restore.
	Snapshot() ([]byte, error)
	// Restore replaces the state; nil means empty.
	Restore(state []byte) error
}

// ID returns the shard's number, 0 to the number of shards less one.
func (s *Shard) ID() uint32 { panic("skeleton") }

// AppendResult is what became of one batch.
type AppendResult struct {
	BaseOffset int64 // offset of its first record; -1 on error
	LogStart   int64 // log start offset of the partition
	Err        error // nil, or a *kerr.Error: NotLeaderForPartition, RequestTimedOut, OutOfOrderSequenceNumber, InvalidProducerEpoch, …
}

// Append proposes a validated batch for partition k and calls done once, from
// another goroutine, when it is committed and applied or has failed; also when
// ctx ends (RequestTimedOut: it may still be committed later). Batches are
// ordered as Append was called. The shard takes the batch's bytes over.
// acks=0 passes a nil done.
func (s *Shard) Append(ctx context.Context, k partition.Key, b recordbatch.Batch, done func(AppendResult)) {
	panic("skeleton")
}

// Propose replicates a command for the Machine registered under kind and
// returns its Apply result once committed. Only the leader can:
// otherwise kerr.NotLeaderForPartition.
func (s *Shard) Propose(ctx context.Context, kind byte, cmd []byte) (any, error) { panic("skeleton") }

// Partition returns this replica's view of k, creating an empty one for a
// partition that has no records yet.
func (s *Shard) Partition(k partition.Key) *partition.Partition { panic("skeleton") }

// Role of this node in the shard.
type Role uint8

// Roles.
const (
	Follower Role = iota
	Candidate
	Leader
)

// Status is a consistent view of the shard on this node; cheap to take.
type Status struct {
	Role        Role
	Ready       bool      // leader: every earlier entry is applied, it accepts writes and its high watermark is true
	Leader      int32     // node id; -1 unknown
	Epoch       int32     // Raft term = leader epoch
	LastContact time.Time // follower: leader last heard; leader: quorum last heard
	Commit      uint64    // newest commit index known (follower: as the leader said)
	Applied     uint64
	Last        uint64
	// LagEntries and LagSince say how far a follower is behind the commit
	// index its leader told it, in Raft entries and since when it has not
	// been caught up (zero while it is).
	LagEntries uint64
	LagSince   time.Time
}

// Status returns the current status.
func (s *Shard) Status() Status { panic("skeleton") }

// Replicas lists the node ids of the shard's replicas, ascending.
func (s *Shard) Replicas() []int32 { panic("skeleton") }

// LogEnd is, on the leader, the offset after the newest appended record of k, committed or not;
// on a follower its high watermark.
func (s *Shard) LogEnd(k partition.Key) int64 { panic("skeleton") }

// Progress is what the leader knows of a follower.
type Progress struct {
	Node        int32
	Match       uint64    // newest Raft index it has acknowledged
	LastContact time.Time // last response from it
	LagSince    time.Time // since when it is behind the commit index; zero while it is not
}

// Followers returns the progress of the other replicas; empty unless leader.
func (s *Shard) Followers() []Progress { panic("skeleton") }

// FollowerEnd is the offset after the newest committed record of k that the follower has acknowledged (leader only).
func (s *Shard) FollowerEnd(node int32, k partition.Key) int64 { panic("skeleton") }

// ReadIndex returns once this replica has applied everything that was
// committed when it was called, verified with the leader's quorum.
func (s *Shard) ReadIndex(ctx context.Context) error { panic("skeleton") }

// DeleteRecords advances k's log start to offset (replicated) and returns the new log start.
func (s *Shard) DeleteRecords(ctx context.Context, k partition.Key, offset int64) (int64, error) {
	panic("skeleton")
}

// Watch wakes w whenever the shard's leader, term or readiness changes, until Unwatch.
func (s *Shard) Watch(w *partition.Watcher) { panic("skeleton") }

// Unwatch ends Watch.
func (s *Shard) Unwatch(w *partition.Watcher) { panic("skeleton") }
