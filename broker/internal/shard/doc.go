// Package shard runs one Raft group and the partitions that live in it.
//
// A producer's batch goes through these hands:
//
//	Append → queue → sequencer → raft.Apply → (log, followers) → fsm → done
//	         (queue.go)  (sequencer.go)                          (fsm.go)
//
// The sequencer is one goroutine: it alone assigns base offsets, stamps and
// proposes, so that order needs no lock. While blobs are in flight the queue
// fills, and all of it becomes the next blob (one Raft entry, many batches).
// The state machine applies committed entries on every replica: that moves
// high watermarks, wakes readers and, on the leader, lets followers know at
// once (commit push).
//
// # What must always hold
//
//   - done is told success only for a batch that a quorum has stored and this
//     node has applied, at the offset it was applied at.
//   - A leader accepts writes only in a term in which it has applied everything
//     before (a barrier): only then does it know the next offsets and what its
//     producers have sent. office (leader.go) is that knowledge; it is made
//     anew in each term and thrown away with it.
//   - Offsets are assigned in the term that a blob is stamped with. If Raft
//     stores it in another term after all, every replica refuses it
//     (package partition), and its producers are told to try again.
//   - A restarted replica replays up to the commit index that it knew before
//     Raft runs, so that its high watermarks do not fall behind what it has
//     served; entries that Raft then brings again are passed over (fsm.go).
//   - Disk is freed in three steps, each replica on its own after the first: a log
//     start moves, by a command in the log (Retain, DeleteRecords, Drop); a
//     snapshot of a state that knows it becomes durable; segments go that this
//     very state does not need (retention.go). After a crash between two of them
//     the newest snapshot still finds all that it needs, and the next Free goes on.
//     A state as of now may need less than the newest snapshot's: what counts is
//     the snapshot's, or the next start would miss records.
//   - Nothing here takes a lock that Raft's goroutines hold while they wait
//     for the state machine, nor holds one of its own across a call to Raft.
package shard
