// Command recheck judges the saved history of a run again, with the oracles as they are now and without a cluster:
//
//	go run ./compat/recheck compat/out/latest       (or: make recheck DIR=compat/out/latest)
//
// It prints each cell's verdict and violations, and says where a verdict is not the run's: oracles may have changed
// since, and a history may have been cut off. What a scenario itself complained about (a client that would not start, a
// fault that did not bite) cannot be judged again and stands as the history has it.
//
// It also makes the run's report.html anew, from results.json and the history.
//
// The exit status is 0 when no cell failed, none is unknown, and every verdict is the run's; 1 otherwise; 2 when
// the history cannot be read. main.go reads and prints; judge.go judges.
package main
