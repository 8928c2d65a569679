// Command bench measures Lockstep beside Apache Kafka, and both beside what the machine can do.
//
//	make bench                     # everything
//	make bench QUICK=1             # one short pair of each, within five minutes
//	make bench ROW='produce-.*'    # a regular expression over whole names
//
// A Row (row.go) is one thing that is measured, by a function that measures one System (system.go) once. The runner
// (runner.go) starts one system after the other, warms each up, and has all rows that share it measured before it ends:
// one cluster is alive at a time, and pair follows pair, A B A B. What they gave are Samples; results.go makes the medians,
// paired ratios and verdicts of them, table.go prints them, page.go draws them.
//
// rows.go is the list of rows; produce.go is the shortest example of how one is written. flood.go is the generator of
// load that is as fast as it goes.
package main
