// Package mutant plants bugs in the broker, so that the compatibility suite can be checked: each of them must be caught
// by some cell, and one that none catches is a hole in the suite (`make mutants`).
//
// Each Bug is a mistake that somebody could really make, in one line where it would be made:
//
//	if mutant.Is(mutant.AckBeforeQuorum) {
//		s.tell(f.batches, nil)
//	}
//
// An ordinary build has none of them: Is is then a function that is always false, the compiler removes what depends on it,
// and no environment variable can bring it back (a test looks into the binary). With the build tag `mutants`, the variable
// LOCKSTEP_MUTANT chooses one bug by its name for the life of the process; without it the build is as an ordinary one.
// An unknown name ends the process with status 2 and the list.
//
// Read bugs.go for the list, and harm.go for the few that need more than a line.
package mutant
