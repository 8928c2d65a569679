//go:build mutants

package mutant

import (
	"fmt"
	"os"
)

var chosen = choose()

// Is reports whether a bug is planted in this process.
func Is(b Bug) bool { return b == chosen }

// choose reads LOCKSTEP_MUTANT once, before main.
func choose() Bug {
	name := os.Getenv("LOCKSTEP_MUTANT")
	if name == "" {
		return ""
	}
	for _, d := range described {
		if string(d.bug) == name {
			fmt.Fprintf(os.Stderr, "planted bug: %s: %s\n", d.bug, d.text)
			return d.bug
		}
	}
	fmt.Fprintf(os.Stderr, "LOCKSTEP_MUTANT=%s is not known; there are:\n", name)
	for _, d := range described {
		fmt.Fprintf(os.Stderr, "%s\t%s\n", d.bug, d.text)
	}
	os.Exit(2)
	return ""
}

// ChangesRecords reports whether the planted bug changes records on their way out, so that they have to be in memory.
func ChangesRecords() bool { return chosen == FlippedByte || chosen == Restamped }
