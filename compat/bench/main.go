package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"lockstep/compat/internal/cluster"
)

func main() {
	var o options
	flag.StringVar(&o.root, "root", ".", "the repository")
	flag.StringVar(&o.row, "row", ".*", "regular expression that must match a row's whole name")
	flag.BoolVar(&o.quick, "quick", false, "one short pair of each: within five minutes")
	flag.IntVar(&o.pairs, "pairs", 0, "pairs of every row; 0: as many as each asks for")
	flag.BoolVar(&o.add, "add", false, "add to the samples of earlier runs instead of forgetting them")
	flag.BoolVar(&o.list, "list", false, "list the rows, measure nothing")
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
	pairs            int
}

// samplesFile has every measurement; results.json is made of it.
const samplesFile = "samples.json"

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
	var earlier []Sample
	if o.add {
		if earlier, err = load(b.Out); err != nil {
			return err
		}
		for _, s := range earlier {
			r.first = max(r.first, s.Pair+1)
		}
	}
	machine := facts(time.Now().Format(time.RFC3339))
	r.keep = func(now []Sample) error {
		return report(b, machine, append(earlier[:len(earlier):len(earlier)], now...))
	}
	start := time.Now()
	if err := errors.Join(r.run(ctx), r.keep(r.samples)); err != nil {
		return err
	}
	fmt.Print("\n", table(results(rows(), append(earlier, r.samples...))))
	fmt.Printf("\n%d cores, %s, %.0f s; %s\n", machine.Cores, machine.CPU, time.Since(start).Seconds(), filepath.Join(b.Out, "index.html"))
	return nil
}

// load takes the samples of earlier runs, if there are some.
func load(dir string) ([]Sample, error) {
	b, err := os.ReadFile(filepath.Join(dir, samplesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("samples of earlier runs: %w", err)
	}
	var out []Sample
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("samples of earlier runs: %w", err)
	}
	return out, nil
}

// report writes everything that is known so far.
func report(b *Bench, machine Facts, samples []Sample) error {
	if err := writeJSON(b.Out, samplesFile, samples); err != nil {
		return err
	}
	r := Report{Machine: machine, Quick: b.Quick, Rows: results(rows(), samples), KafkaJVM: strings.Join(cluster.StockJVM(), " ")}
	for _, row := range rows() {
		if how := (How{row.Name, row.What}); !slices.Contains(r.How, how) {
			r.How = append(r.How, how)
		}
	}
	return errors.Join(writeJSON(b.Out, "results.json", r), page(b.Out, r, samples))
}
