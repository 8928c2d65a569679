package compat

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/report"
	"lockstep/compat/internal/report/page"
	"lockstep/compat/internal/scenario"
	"lockstep/compat/internal/scenarios"
)

// TestCompat runs every scenario that SCENARIO matches with every client that CLIENT matches, as subtests named
// scenario/client.
func TestCompat(t *testing.T) {
	if os.Getenv("LOCKSTEP_COMPAT") == "" {
		t.Skip("needs brokers, drivers and minutes: run it with `make compat`")
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	s, err := readSettings(ctx)
	if err != nil {
		t.Fatal(err)
	}
	term := report.NewTerminal(os.Stdout)
	term.Printf("compat: three %s nodes%s, runtime %s (%s), seed %d", s.target.Name(), s.behind(), s.runtime, s.why, s.seed)
	out, err := s.makeOut(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	log, err := history.Create(filepath.Join(out, "history.jsonl"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	logger, closeLog := suiteLog(t, out)
	defer closeLog()

	start := time.Now()
	c, err := cluster.Start(ctx, cluster.Options{Target: s.target, Runtime: s.runtime, External: s.external, LogDir: filepath.Join(out, "nodes"), Root: s.root, Logger: logger})
	if err != nil {
		t.Fatalf("%v\nlogs: %s", err, out)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("clean up the cluster: %v", err)
		}
	})
	interrupted(c, cancel)
	term.Printf("the cluster was ready after %.1f s", time.Since(start).Seconds())

	results := &report.Results{Target: s.target.Name(), Runtime: s.runtime, Seed: s.seed, Run: runInfo(ctx, s, c, start)}
	suite := &scenario.Suite{Cluster: c, Log: log, Root: s.root, Out: out, Seed: s.seed, Term: term, Results: results, Now: time.Now, Differences: scenarios.Differences(),
		Again: fmt.Sprintf("make compat SCENARIO=%%s CLIENT=%%s RUNTIME=%s TARGET=%s SEED=%d%s", s.runtime, s.target.Name(), s.seed, s.where())}
	// Also when a cell panics: what was finished is worth having.
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Errorf("history: %v", err)
		}
		results.Run.Seconds = time.Since(start).Seconds()
		if err := results.Write(out); err != nil {
			t.Error(err)
		}
		lies, err := page.Write(out, nil)
		if err != nil {
			t.Errorf("the page of the report: %v", err)
			lies = out
		}
		term.Matrix(results)
		term.Summary(results, time.Since(start), lies)
	})
	runAll(ctx, t, suite, s)
	if len(results.Cells) == 0 {
		t.Error("no cell ran: SCENARIO and CLIENT match nothing")
	}
}

// runInfo is what the report tells of the run as a whole.
func runInfo(ctx context.Context, s settings, c *cluster.Cluster, start time.Time) report.RunInfo {
	info := report.RunInfo{Why: s.why, Started: start.UTC(), Machine: report.ThisMachine(), Again: s.again(), Engine: "toxiproxy and three local processes"}
	if s.runtime == "docker" {
		info.Engine = "toxiproxy and three containers"
	}
	if s.target.Features().Replicas {
		if status, err := c.Status(ctx, cluster.Nodes()[0]); err == nil {
			info.TargetVersion = status.Version
		}
	}
	return info
}

func runAll(ctx context.Context, t *testing.T, suite *scenario.Suite, s settings) {
	for _, sc := range scenarios.All() {
		if s.failFast && suite.Results.Count(report.Fail) > 0 {
			return
		}
		if !s.scenario.MatchString(sc.ID) {
			continue
		}
		var kinds []clients.Kind
		for _, k := range clients.All() {
			if s.client.MatchString(k.Name) && (sc.With == nil || sc.With(k)) {
				kinds = append(kinds, k)
			}
		}
		if len(kinds) == 0 {
			continue
		}
		t.Run(sc.ID, func(t *testing.T) {
			if sc.RunAll != nil {
				for _, r := range suite.Run(ctx, sc, kinds) {
					t.Run(r.Client, func(t *testing.T) { tell(t, r) })
				}
				return
			}
			for _, k := range kinds {
				if s.failFast && suite.Results.Count(report.Fail) > 0 {
					return
				}
				t.Run(k.Name, func(t *testing.T) { tell(t, suite.Run(ctx, sc, []clients.Kind{k})[0]) })
			}
		})
	}
}

// tell gives a cell's verdict to the Go test. An unknown is not green.
func tell(t *testing.T, r report.Cell) {
	switch r.Status {
	case report.Pass:
	case report.Skip:
		t.Skip(r.Reason)
	default:
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
}

// interrupted cleans up on Ctrl-C and on being told to end, at once: cells that are under way fail, and their clients
// end with the suite.
func interrupted(c *cluster.Cluster, cancel context.CancelCauseFunc) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		sig := <-signals
		fmt.Fprintf(os.Stderr, "compat: %v: cleaning up\n", sig)
		cancel(fmt.Errorf("interrupted by %v", sig))
		if err := c.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "compat:", err)
		}
		os.Exit(130)
	}()
}

// suiteLog is the suite's own log, suite.log in the run's directory.
func suiteLog(t *testing.T, out string) (*slog.Logger, func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(out, "suite.log"))
	if err != nil {
		t.Fatal(err)
	}
	return slog.New(slog.NewTextHandler(f, nil)), func() { f.Close() }
}
