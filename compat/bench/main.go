package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.root, "root", ".", "the repository")
	flag.StringVar(&o.row, "row", ".*", "regular expression that must match a row's whole name")
	flag.BoolVar(&o.quick, "quick", false, "one short pair of each: within five minutes")
	flag.IntVar(&o.pairs, "pairs", 0, "pairs of every row; 0: as many as each asks for")
	flag.BoolVar(&o.add, "add", false, "add to the samples of earlier runs instead of forgetting them")
	flag.BoolVar(&o.list, "list", false, "list the rows, measure nothing")
	flag.BoolVar(&o.report, "report", false, "make results.json and the page anew from the samples there are, measure nothing")
	flag.StringVar(&o.system, "system", ".*", "regular expression that must match the name of a system to be measured")
	serve := flag.String(serveFlag, "", "be the file server of limit-fileserver")
	flag.Parse()
	if *serve != "" {
		fmt.Fprintln(os.Stderr, "bench:", serveFile(*serve))
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	root, row        string
	system           string
	quick, add, list bool
	report           bool
	pairs            int
}

// quickly is when a quick run begins nothing any more: it ends within five minutes, builds and all.
const quickly = 4*time.Minute + 30*time.Second

func run(ctx context.Context, o options) error {
	pattern, err := regexp.Compile("^(?:" + o.row + ")$")
	if err != nil {
		return fmt.Errorf("ROW: %w", err)
	}
	b, err := newBench(o.root, o.quick)
	if err != nil {
		return err
	}
	r := &runner{b: b, pairs: o.pairs}
	if r.system, err = regexp.Compile("^(?:" + o.system + ")$"); err != nil {
		return fmt.Errorf("SYSTEM: %w", err)
	}
	for _, row := range rows() {
		if pattern.MatchString(row.Name) {
			r.rows = append(r.rows, row)
		}
	}
	if len(r.rows) == 0 {
		return fmt.Errorf("ROW=%s matches none of the rows", o.row)
	}
	if o.list {
		for _, row := range r.rows {
			fmt.Printf("%-18s %-9s %s\n", row.Name, row.Class, row.What)
		}
		return nil
	}
	k := kept{Machine: facts(time.Now().Format(time.RFC3339)), Quick: o.quick}
	if o.add || o.report {
		if err := k.load(b.Out); err != nil {
			return err
		}
		r.first = k.pairs()
	}
	if o.report {
		return k.report(b.Out)
	}
	earlier := k.Samples
	r.keep = func(now []Sample) error {
		k.Samples = slices.Concat(earlier, now)
		return k.report(b.Out)
	}
	start := time.Now()
	if o.quick {
		r.until = start.Add(quickly)
	}
	if err := errors.Join(r.run(ctx), r.keep(r.samples)); err != nil {
		return err
	}
	fmt.Print("\n", table(results(rows(), k.Samples)))
	fmt.Printf("\n%d cores, %s, %.0f s; %s\n", k.Machine.Cores, k.Machine.CPU, time.Since(start).Seconds(), filepath.Join(b.Out, "index.html"))
	return nil
}
