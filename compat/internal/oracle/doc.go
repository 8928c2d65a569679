// Package oracle judges a history. Its functions are pure: events in, violations out; no cluster, no clock.
//
// Read violation.go for what a judgement is, index.go and finallog.go for how the events of a cell are laid out for
// judging, then one file per oracle:
//
//   - acked.go (1): what is read is what was acknowledged at its offset, equal in every field that the client can show;
//     and nothing is read that was never sent;
//   - onevalue.go (2): one offset has one value, whoever reads it and when; idempotent producers leave no
//     duplicates; a reader is not sent back;
//   - raw.go (3): replicas hold the same bytes, those that the producer sent, under a right CRC-32C; an answer begins
//     with the batch that holds the offset asked for;
//   - committed.go (4): nothing is shown, or claimed by a high watermark, that is not there in the end;
//   - monotonic.go (5): replicas' high watermarks, log starts and epochs only rise; epochs.go (5): batches carry the epoch
//     of the leader that took them; sessions.go (5): no reader loses its position, whichever replica it asks;
//   - linearizable.go (6): sessions that were promised linearizable reads, or their own writes, get them;
//   - progress.go (7): how long readers and writers stood still, and whether they went on within the bounds that the
//     history names; resume.go: how long each took to go on after each fault;
//   - tail.go (8, and 1): what readers were not given, and whether it is lost or undelivered.
//
// An oracle that cannot see enough says so: a reader without records, a promise without a probe, or a bound without
// its fault is a violation (rule "vacuous"), never a pass; so is a search that was given up (rule "unknown").
package oracle
