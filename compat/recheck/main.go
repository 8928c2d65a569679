package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: recheck DIR (a run's directory below compat/out)")
		os.Exit(2)
	}
	cells, err := recheck(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "recheck:", err)
		os.Exit(2)
	}
	if !show(os.Stdout, cells) {
		os.Exit(1)
	}
}

// mostShown is how many violations of a cell are printed.
const mostShown = 50

// show prints every cell and tells whether all is well.
func show(w io.Writer, cells []*cell) bool {
	good := true
	for _, c := range cells {
		fmt.Fprintf(w, "%-30s %-10s %7d events, %d violations, longest stop %d ms (%s)\n",
			c.name, c.status, len(c.events), len(c.violations), c.still.For.Milliseconds(), c.still.Handle)
		if c.complaint != "" {
			fmt.Fprintln(w, c.complaint)
		}
		if c.differs() {
			fmt.Fprintf(w, "*** the run's verdict was %s, with %d violations\n", c.was, c.wasViolations)
		}
		good = good && c.good()
	}
	return good
}
