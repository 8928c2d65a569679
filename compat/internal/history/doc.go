// Package history is the record of everything that a run of the suite did and saw.
//
// Every command given to a client, every answer, every record read, every fault and every observation of
// the cluster becomes one Event. Judging is done elsewhere (package oracle), over events alone, so that a
// saved history can be judged again without a cluster, and a checker can be tested with a table.
//
// Read event.go for what an event holds and which kinds there are; bytes.go for how keys and values are kept
// (small ones whole, large ones as a digest, so that a history stays small enough to keep); log.go for the
// log itself: append, wait until something has happened, save as JSON lines.
//
// A history file is one JSON object a line, in the order in which the suite learnt of the events. Times are
// nanoseconds since 1970 on the machine that runs the suite; drivers run on the same machine.
package history
