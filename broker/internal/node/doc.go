// Package node puts a broker together: which parts there are, in what order
// they open and close, and what is told over HTTP.
//
// Opening: the data directory (lock.go), the addresses, the shards (which
// recover from disk), the metadata, the coordinators, the API, the listeners.
// Everything then runs under one errgroup (node.go), and the first part that
// fails ends all. Closing: listeners stop first, so that clients turn to other
// nodes; then leadership is handed over; then Raft stops, then the log.
package node
