// Package controller keeps the cluster's metadata: its brokers, its topics and
// their configs, and in which shard each partition lives.
//
// It is a state machine in shard 0, and every node has a replica of it. State
// is immutable: applying a command publishes a new one (state.go), so that
// readers need no lock. Changes are commands (command.go) that go to the leader
// of shard 0, wherever that is, by a node-to-node call (propose.go); who asked
// waits until its own replica has applied the change, so that what it reads
// next has it.
//
// What must always hold:
//
//   - Apply is deterministic: random ids and the clock are drawn by the
//     proposer and travel in the command.
//   - A topic id is never used again, and a partition never changes its shard.
//   - Ids of deleted topics stay known, as the leaders of the shards drop data
//     only of topics that they know to be deleted, not of those that their
//     replica of the metadata has not heard of yet.
package controller
