//go:build !mutants

package mutant

// Is reports whether a bug is planted: never in this build.
func Is(Bug) bool { return false }

// ChangesRecords reports whether the planted bug changes records on their way out: never in this build.
func ChangesRecords() bool { return false }
