// Package shardlog keeps one shard's Raft log: hashicorp/raft's LogStore and
// StableStore over segment files, and its SnapshotStore.
//
// A shard's log is at the same time the only place where its partitions' record
// batches are, so it is read at any index, by many, for as long as retention
// keeps it; Raft itself rarely reads more than the newest entries.
//
// # Where to begin
//
// Log (log.go) is what users see; Open (open.go, chain.go) finds what is on the
// disk, StoreLogs (append.go) adds to it, read.go reads it, section.go has it sent,
// delete.go takes it away. segment.go is one file of the chain, frame.go and segfile.go its bytes.
// SnapshotStore (snapstore.go, snapfile.go) keeps what the state machine saves;
// stream.go is what a replica is sent that is behind the log's head, sink.go
// and install.go are how it takes that in.
//
// # Files
//
// A log has its own directory:
//
//	lock                                   held while the log is open
//	stable                                 Raft's term and vote (stable.go, slots.go)
//	commit                                 the commit checkpoint (commit.go)
//	0000000012-00000000000000004711.seg    a segment: seq 12, first entry 4711
//	0000000012-00000000000000004711.index  a sidecar of it, named "index"
//	0000000003-00000000000000000815.free   a spare file (spares.go), or prepared.free
//	0000000020-00000000000000004711.new    a segment of an install that is not complete
//	snapshots/INDEX-TERM-NUMBER.snap       a snapshot (snapfile.go); .tmp while incomplete
//	*.tmp                                  not finished; Open removes it
//
// A segment's seq is never used twice, so a name, once removed, never comes
// back with other contents.
//
// # A segment
//
// All numbers are little-endian, all checksums CRC-32C (Castagnoli). A file has
// the size that its header says, from the start:
//
//	+--------+-------+-------+-----+-------+-----+------+-----------+---------+
//	| header | frame | frame | ... | frame | end | refs | (unused)  | trailer |
//	|  128   |       |       |     |       | 64  | 8*n  |           |   64    |
//	+--------+-------+-------+-----+-------+-----+------+-----------+---------+
//	                                             '- written when it is sealed -'
//
//	header   0  crc of the rest      4  "LSG1"             8  seq
//	        16  first index         24  term before it    32  salt, random
//	        40  durable index       48  size of the file
//	        56  flags (1: the log begins here)            60  parts of an install
//	        64  snapshot index      72  snapshot term     80  zero
//
//	frame    0  crc of salt and 4-63      4  crc of the frame before (0: none)
//	         8  length of the data       12  length of the extensions
//	        16  crc of extensions, data  20  kind (1 entry, 2 end)   21  raft type
//	        22  zero                     24  index
//	        32  term                     40  commit index noted at the time
//	        48  durable index            56  appended at, Unix ns (0: unknown)
//	        64  extensions, zero-padded to 8
//	            data, zero-padded to 8: exactly what Raft was given
//
//	end     a frame without data whose index is the next one's
//
//	refs    per frame: position / 8 (4 bytes), length of the data (4 bytes)
//
//	trailer  0  crc of salt and the rest  4  "SLE1"    8  last index
//	        16  last term                24  commit   32  end of the frames
//	        40  position of the refs     48  count    52  crc of salt and refs
//	        56  zero
//
// A file is recycled: behind the last frame there is whatever it held before.
// The salt, which is new each time and in every checksum, keeps that from ever
// being taken for this segment's.
//
// # What must always hold
//
//  1. The segments in the order of seq follow each other: each one's first index
//     is the last of the one before plus one, and its "term before" is that one's
//     last term. A segment with flag 1 voids all before it.
//  2. A segment gets its name only when its header and an end mark are durable,
//     and a spare is written to only once its name as a spare is.
//  3. A trailer is written only after all frames of its segment are durable.
//  4. A frame's durable index is one up to which all entries were synced when it
//     was written. It is what tells a torn tail from damage: see below.
//  5. One call of StoreLogs is one write per segment, of its frames and an end mark
//     over the old one, and one sync if Options.Sync. Entries become visible to
//     readers after that.
//  6. A suffix is deleted newest segment first, and the segment that it begins in
//     is cut by making the file shorter, durably, before it grows again. So what
//     was cut is no longer in the file at all.
//  7. Segments are removed oldest first when retention moves on, each durably
//     before the next, and none that an open snapshot still has to send.
//  8. After a failed write or sync nothing is appended any more; no sync is retried.
//  9. Retention drops only what the state of the newest snapshot does not need, once
//     that is durable, and what it drops no older snapshot is left to miss:
//     SnapshotStore.DropBefore removes those first. A crash in between leaves a log
//     that begins earlier than it could.
//  10. The log never begins above the newest snapshot's index plus one.
//  11. An install has one point at which it counts: when its first segment, which
//     carries flag 1, gets its name. By then its other segments are durable
//     under ".new" names and the snapshot is under a ".tmp" name; whoever opens
//     them next finishes the renaming. Before, all of it is removed.
//  12. An install never takes away what may have been acknowledged: entries above
//     the snapshot stay if the log agrees with it, and a snapshot that is not above
//     what is known to be committed is refused if the log does not.
//  13. A file that was given to a socket (section.go) never becomes a spare: what the
//     socket has not sent yet is still the file's.
//
// # A torn tail, and damage
//
// Open reads the frames of the last segment, and of any that has no trailer, up
// to the first that is not intact. If that is an end mark the log ends there. If
// not, the write that was to replace it was interrupted, or the disk has lost
// something. The sectors of one write reach the disk in any order, so intact
// frames behind the bad one prove nothing; but a frame, header, trailer or commit
// checkpoint with a durable index at or above the missing entry does. Without
// such a proof the tail is cut, with one it is ErrDamaged, and the operator
// decides. What cannot be told apart from a torn tail is damage to the very last
// write of a log before anything has noted that it was synced.
//
// Bytes in sealed segments are verified when they are read: by GetLog and Replay,
// but not by AppendPayload, which returns a part of an entry.
//
// Without Options.Sync a power loss can take everything that was not synced by
// sealing or closing, even several segments; what remains is a prefix of the log.
//
// # What Raft needs to know
//
//   - TrailingLogs must be math.MaxUint64: only DropBefore shortens the log.
//   - The log is neither a MonotonicLogStore nor a CommitTrackingLogStore: the
//     first would make Raft delete what an installed snapshot has just brought, and
//     the second can note a commit index only with an append.
//   - Data given to StoreLogs, and what the readers return, must not be written to.
//   - A state machine's Restore reads the state through StateReader. When it runs
//     because the leader has sent a snapshot, the log has the entries already.
//   - Options.OnReset says when Raft has to be made anew: see NewSnapshotStore.
//   - Raft's Restore of a user's snapshot is not supported: it leaves a hole in the
//     log, and with a hole the log begins anew.
package shardlog
