package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"lockstep/compat/internal/oracle"
	"lockstep/compat/internal/report/page"
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
	good := show(os.Stdout, cells)
	if err := writePage(os.Args[1], cells); err != nil {
		fmt.Fprintln(os.Stderr, "recheck:", err)
		os.Exit(2)
	}
	if !good {
		os.Exit(1)
	}
}

// writePage makes the run's report.html anew, with the violations found now. A run that was cut off before it wrote its
// results has none.
func writePage(dir string, cells []*cell) error {
	found := map[string][]oracle.Violation{}
	for _, c := range cells {
		found[c.name] = c.violations
	}
	path, err := page.Write(dir, found)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		fmt.Println("report:", path)
	}
	return err
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
			fmt.Fprintln(w, "*** the run's verdict was "+c.before())
		}
		good = good && c.good()
	}
	return good
}

// before is the run's own verdict, as far as it is known.
func (c *cell) before() string {
	switch {
	case c.wasViolations < 0:
		return string(c.was) + " (its history ends before it)"
	case c.was == "":
		return fmt.Sprintf("of %d violations", c.wasViolations)
	}
	return fmt.Sprintf("%s, with %d violations", c.was, c.wasViolations)
}
