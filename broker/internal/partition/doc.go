// Package partition is one replica's view of the partitions of a shard: which
// bytes of the shard's log belong to which offsets, how far each partition is
// committed, and what is known of its leader epochs and producers.
//
// A shard's log holds blobs of many batches of many partitions. A run is the
// contiguous part of one entry that belongs to one partition: whole batches,
// just as clients will fetch them. Set applies committed entries run by run
// and gives out a Partition for each key; start reading at Set.Apply, then
// Partition.Read, and records.go for reads that leave in the log what need not
// be looked at.
//
// # What must always hold
//
//   - Only committed runs reach a Partition, so its high watermark is the end
//     of its last run, and moves only in Apply, and never back.
//   - Runs of a partition follow each other without a gap: a run is accepted
//     only if it was stamped for the term of the entry that carries it and if
//     its first offset is the partition's next. Every replica decides this
//     from the log alone, so all agree; a refused run stays in the log unseen.
//     (A leader that lost and regained its office while a proposal waited
//     could otherwise publish offsets that are taken.)
//   - A log start moves forward only, by a command in the log, to at most the
//     high watermark of that moment. Below it nothing is readable at once; what
//     is known of producers stays. So the oldest entry that any partition needs
//     (Set.FirstNeeded) never goes back either, and whoever removes what lies
//     before it must do so only once a state that says so is durable: a state
//     that wants more than there is cannot be restored (Reindex).
//   - A reader that is overtaken by that finds its entry or its index gone: it
//     looks at the log start again, and answers OFFSET_OUT_OF_RANGE.
//   - Everything that decides is in the log: even the clock by which producers
//     expire is the leader's, as it stamped the blob.
//
// # Index
//
// A partition finds an offset by binary search over its runs: base offset,
// Raft index, position and length in the entry's payload. The runs of sealed
// segments are written beside the segment (a sidecar) and dropped from memory;
// what stays is one reference for each (segment, partition), until the log start
// passes it. If the disk does not take a sidecar, the runs of that segment and of
// later ones stay in memory until it does. See index.go for the format. Offsets and Raft indexes are never compared with each other.
package partition
