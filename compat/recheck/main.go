// Command recheck judges the saved history of a run again, with the oracles as they are now and without a cluster:
//
//	go run ./compat/recheck compat/out/latest
//
// It prints each cell's violations and exits with 1 when there are any, 2 when the history cannot be read.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"lockstep/compat/internal/history"
	"lockstep/compat/internal/oracle"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: recheck DIR (a run's directory below compat/out)")
		os.Exit(2)
	}
	bad, err := recheck(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "recheck:", err)
		os.Exit(2)
	}
	if bad > 0 {
		os.Exit(1)
	}
}

// recheck judges every cell of the run in dir, in the order in which they began, and returns how many have violations.
func recheck(dir string) (bad int, err error) {
	f, err := os.Open(filepath.Join(dir, "history.jsonl"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	events, err := history.Load(f)
	if err != nil {
		return 0, err
	}
	cells := map[string][]history.Event{}
	var order []string
	for _, e := range events {
		if cells[e.Cell] == nil {
			order = append(order, e.Cell)
		}
		if e.Kind == history.Retried {
			cells[e.Cell] = cells[e.Cell][:0]
		}
		cells[e.Cell] = append(cells[e.Cell], e)
	}
	for _, name := range order {
		vs := oracle.Judge(cells[name])
		still := oracle.LongestStill(cells[name])
		fmt.Printf("%-30s %7d events, %d violations, longest stop %d ms (%s)\n", name, len(cells[name]), len(vs), still.For.Milliseconds(), still.Handle)
		if len(vs) > 0 {
			bad++
			fmt.Println(oracle.Summary(vs, 50))
		}
	}
	return bad, nil
}
