// Package group coordinates consumer groups: who is in them, who consumes
// what, and how far they have come.
//
// Each group lives in one shard (ShardOf), and its coordinator is the node that
// leads that shard. Two types share the work, one of each for every shard on
// every node:
//
//   - Machine is the replicated half: committed offsets, and each group as its
//     last rebalance left it. It changes only by commands in the shard's log.
//   - Coordinator is the half in memory: members that are joining, sessions,
//     requests that wait. It is in office only while this node leads the
//     shard. It starts from the Machine, and forgets everything at the end.
//
// So when a coordinator dies, the next one goes on with the same members in
// the same generation, without a rebalance. Who was just joining is not known
// to it, and asks again.
//
// # Order of reading
//
// machine.go and codec.go for what is stored; coordinator.go for offices;
// group.go for one group in memory; then rebalance.go, which the files of the
// requests lead to: join.go, static.go, sync.go, liveness.go (heartbeats,
// leaving, what is due by itself), offsets.go, admin.go. store.go puts what a
// group has decided into the log.
//
// # The protocol
//
// It is Kafka's classic one, as Apache Kafka's coordinator speaks it: KIP-62
// (heartbeats in the background), 134 (initial delay), 345 (static members),
// 394 (member ids first), 814 (static leaders that need not assign again).
// Cooperative rebalancing (KIP-429) is an agreement among clients.
//
//	Empty ──join──▶ Preparing ──all have joined, or time is up──▶ Completing
//	  ▲               │   ▲                                          │
//	  └──nobody came──┘   └──join, leave, session ends──┬── Stable ◀─┘ the leader's
//	                                                    └─ Completing  assignment is committed
//
// # What must always hold
//
//   - Nobody is told of an assignment before it is committed.
//   - One office at a time: each begins with a command that fences the earlier
//     ones (Machine.Apply refuses what they still have under way).
//   - A commit that a rebalance has overtaken in the log is refused, wherever
//     it was checked before: the new owner may have read the offsets.
//   - The lock is never held across a Propose.
package group
