package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

func main() {
	var r runner
	only := flag.String("only", ".*", "regular expression that must match a bug's whole name")
	flag.StringVar(&r.binary, "binary", "bin/lockstep-mutants", "broker built with the tag mutants")
	flag.StringVar(&r.suite, "suite", ".build/compat.test", "test binary of ./compat")
	flag.StringVar(&r.dir, "dir", "compat", "the package's directory, where it runs")
	flag.BoolVar(&r.planned, "planned", false, "look for each bug only where plan.go says")
	flag.DurationVar(&r.limit, "limit", 6*time.Minute, "longest time for one bug")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &r, *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, r *runner, only string) error {
	pattern, err := regexp.Compile("^(?:" + only + ")$")
	if err != nil {
		return fmt.Errorf("MUTANT: %w", err)
	}
	for _, path := range []*string{&r.binary, &r.suite, &r.dir} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	r.out = filepath.Join(r.dir, "out", "mutants")
	all, err := bugsOf(ctx, r.binary)
	if err != nil {
		return err
	}
	if err := checkPlan(all); err != nil {
		return err
	}
	ledger := filepath.Join(r.dir, "out", "mutants.json")
	var verdicts []verdict
	for _, b := range all {
		if !pattern.MatchString(b.name) {
			continue
		}
		fmt.Printf("  …  %s: %s\n", b.name, b.text)
		v := r.hunt(ctx, b)
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", ctx.Err())
		}
		fmt.Println(v.line())
		verdicts = append(verdicts, v)
		// After each, so that what was found out is there when the rest is not.
		if err := keep(ledger, all, verdicts); err != nil {
			return err
		}
	}
	caught := verdicts
	if len(verdicts) == 0 {
		if !pattern.MatchString(none) {
			return fmt.Errorf("MUTANT=%s matches none of the %d bugs", only, len(all))
		}
		if caught, err = readVerdicts(ledger); err != nil {
			return err
		}
	}
	control := r.control(ctx, caught)
	if err := keep(ledger, all, append(verdicts, control)); err != nil {
		return err
	}
	return conclude(verdicts, control)
}

// conclude tells the sum of it; nil if all is as it should be.
func conclude(verdicts []verdict, control verdict) error {
	missed := 0
	for _, v := range verdicts {
		if !v.Caught {
			missed++
		}
	}
	if len(verdicts) > 0 {
		fmt.Printf("%d of %d planted bugs were caught\n", len(verdicts)-missed, len(verdicts))
	}
	switch {
	case control.Caught:
		return fmt.Errorf("without a bug the same cells do not pass, so that their catches mean nothing: %s", control.Reason)
	case missed > 0:
		return fmt.Errorf("%d bugs were not caught: holes in the suite", missed)
	}
	return nil
}
