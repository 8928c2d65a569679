// Command mutants checks the checker: it runs the suite against a broker with one planted bug after the other, each of
// which some cell must catch, and against the same binary without any, which must pass the cells that caught them.
//
//	make mutants                       # all bugs
//	make mutants MUTANT='stale-.*'     # a regular expression over whole names
//	make mutants MUTANT=none           # only the unplanted build, through all cells that mutants.json names
//
// Each bug is first looked for where it is likeliest to be caught (plan.go), then everywhere, until a cell fails or the
// time for it is over. A failing cell counts only if its reason is of the kind that the bug must show: a broker that does
// not start, a run that was cut off, or a complaint about something else is told as an accident, not as a catch.
//
// compat/out/mutants.json has what came of each bug when it was last looked for, compat/out/mutants/<bug>/ each run's own
// files. The exit status is 0 only if every bug was caught and the unplanted build, the entry "none", passed.
//
// It drives the suite's ordinary test binary through its environment, and asks the broker for its bugs' names:
// LOCKSTEP_MUTANT=? makes it list them.
package main
