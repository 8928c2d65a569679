// Package oracle judges a history. Its functions are pure: events in, violations out; no cluster, no clock.
//
// Read violation.go for what a judgement is, index.go for how the events of a cell are laid out for judging,
// then one file per oracle:
//
//   - acked.go (1): what was acknowledged is read, at its offset, equal in every field that the client can show;
//     and nothing is read that was never sent;
//   - onevalue.go (2): one offset has one value, whoever reads it and when; idempotent producers leave no
//     duplicates; a reader is not sent back;
//   - raw.go (3): replicas hold the same bytes, those that the producer sent, under a right CRC-32C;
//   - monotonic.go (5): replicas' high watermarks and epochs only rise;
//   - progress.go (7): how long readers and writers stood still.
//
// An oracle that cannot see enough says so: a reader without records, or a range that was never fetched, is a
// violation (rule "vacuous"), never a pass.
package oracle
