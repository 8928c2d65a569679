// Package compat is the end-to-end suite: three brokers behind toxiproxy, real clients that read from followers, faults
// that are shown to bite, and oracles that judge what every client saw. It knows nothing of the broker but what a client
// sees, and runs against any Kafka-protocol cluster.
//
// TestCompat runs it (`make compat`; README.md beside this file says how and what it needs). The order to read in:
// internal/scenarios is the test plan, internal/scenario the frame it runs in, internal/cluster what is under test,
// internal/clients who reads and writes, internal/history what is remembered, internal/oracle how it is judged.
package compat
