package shard

import (
	"time"
)

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

// AppendResult is what became of one batch.
type AppendResult struct {
	BaseOffset int64 // offset of its first record; -1 on error
	LogStart   int64 // log start offset of the partition
	Err        error // nil, or a *kerr.Error: NotLeaderForPartition, RequestTimedOut, OutOfOrderSequenceNumber, InvalidProducerEpoch, …
}

// Role of this node in the shard.
type Role uint8

// Roles.
const (
	Follower Role = iota
	Candidate
	Leader
)

// String is the role's name in metrics and in the replica state.
func (r Role) String() string { return [...]string{"follower", "candidate", "leader"}[r] }

// Status is a consistent view of the shard on this node; cheap to take.
type Status struct {
	Role        Role
	Ready       bool      // leader: every earlier entry is applied, it accepts writes and its high watermark is true
	Leader      int32     // node id; -1 unknown
	Heard       int32     // who led in this epoch, when last heard; -1 nobody yet, or this node itself
	Epoch       int32     // Raft term = leader epoch
	Waiting     bool      // this replica is empty and waits until all others have told what they have
	Rebuilding  bool      // this replica was empty: it gets what the others have, and does not vote yet
	LastContact time.Time // follower: leader last heard; leader: quorum last heard
	Commit      uint64    // newest commit index known (follower: as the leader said)
	Applied     uint64
	Last        uint64
	// LagEntries and LagSince say how far a follower is behind the commit
	// index its leader told it: in Raft entries, and since when something has
	// been committed that it has not applied (zero while there is nothing).
	LagEntries uint64
	LagSince   time.Time
}

// Storage is what the shard takes on this node's disk.
type Storage struct {
	FirstIndex    uint64 // oldest Raft entry that is kept; 0 when there are none
	Segments      int
	LogBytes      int64  // of the entries that are kept
	DiskBytes     int64  // of the log's files, which are made before they are filled
	SnapshotIndex uint64 // newest snapshot; 0 before the first
}

// Progress is what the leader knows of a follower.
type Progress struct {
	Node        int32
	Match       uint64    // newest Raft index it has acknowledged
	LastContact time.Time // last response from it
	LagSince    time.Time // since when something has been committed that it lacks; zero while there is nothing
	// Lost is for how long there has been no connection to or from it, though
	// there was one before: 0 while there is one.
	Lost time.Duration
}
