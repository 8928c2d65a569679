package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/oracle"
	"lockstep/compat/internal/report"
)

// Suite runs cells on one cluster.
type Suite struct {
	Cluster *cluster.Cluster
	Log     *history.Log
	Root    string // of the repository
	Out     string // the run's directory
	Seed    uint64
	Term    *report.Terminal
	Results *report.Results
	Now     func() time.Time
	// Again is the command line that repeats a cell, with %s for scenario and client.
	Again string
	// Differences are what targets are known to do otherwise.
	Differences Differences
}

// Run runs a scenario with some clients and returns their results in the same order. Cells are run one after the
// other, unless the scenario runs them all at once.
func (s *Suite) Run(ctx context.Context, sc *Scenario, kinds []clients.Kind) []report.Cell {
	var out []report.Cell
	if sc.RunAll != nil {
		return s.runTogether(ctx, sc, kinds)
	}
	for _, k := range kinds {
		c := s.cell(sc, k)
		s.Term.Started(sc.ID, k.Name, sc.Title)
		start := s.Now()
		err := s.ready(ctx, c)
		if err == nil {
			watch := s.watch(ctx, c)
			err = s.guard(ctx, sc, func(ctx context.Context) error { return sc.Run(ctx, c) })
			if IsUnknown(err) && ctx.Err() == nil {
				c.Again(err)
				err = s.guard(ctx, sc, func(ctx context.Context) error { return sc.Run(ctx, c) })
			}
			watch.stop()
		}
		c.Fail(err)
		out = append(out, s.finish(ctx, c, start))
		s.restore(ctx, sc.Faults || c.Failed())
	}
	return out
}

func (s *Suite) runTogether(ctx context.Context, sc *Scenario, kinds []clients.Kind) []report.Cell {
	start := s.Now()
	var all, able []*Cell
	for _, k := range kinds {
		c := s.cell(sc, k)
		c.Fail(s.ready(ctx, c))
		all = append(all, c)
		if !c.Failed() {
			able = append(able, c)
		}
	}
	s.Term.Started(sc.ID, fmt.Sprintf("%d clients at once", len(able)), sc.Title)
	if len(able) > 0 {
		watch := s.watch(ctx, able...)
		run := func(ctx context.Context) error { return sc.RunAll(ctx, able) }
		err := s.guard(ctx, sc, run)
		if IsUnknown(err) && ctx.Err() == nil && !anyFailed(able) {
			for _, c := range able {
				c.Again(err)
			}
			s.restore(ctx, true)
			err = s.guard(ctx, sc, run)
		}
		for _, c := range able {
			c.Fail(err)
		}
		watch.stop()
	}
	var out []report.Cell
	for _, c := range all {
		out = append(out, s.finish(ctx, c, start))
	}
	s.restore(ctx, true)
	return out
}

func anyFailed(cells []*Cell) bool {
	return slices.ContainsFunc(cells, (*Cell).Failed)
}

func (s *Suite) cell(sc *Scenario, k clients.Kind) *Cell {
	name := sc.ID + "/" + k.Name
	return &Cell{
		Scenario: sc, Kind: k, Cluster: s.Cluster, H: s.Log.Cell(name), Dir: filepath.Join(s.Out, dirName(name)),
		Seed: seedFor(s.Seed, name), root: s.Root, now: s.Now,
		Result: report.Cell{Scenario: sc.ID, Client: k.Name, Title: sc.Title, Reproduce: fmt.Sprintf(s.Again, sc.ID, k.Name)},
	}
}

// ready says why a cell cannot begin.
func (s *Suite) ready(ctx context.Context, c *Cell) error {
	if err := c.Kind.Missing(s.Root); err != nil {
		if c.Kind.Optional {
			return skip{err}
		}
		return err
	}
	if c.Kind.Local && !s.Cluster.Features().LocalListener {
		return Skipf("%s reads from followers by the local-read listener only, which there is none of here (target %s, runtime %s)", c.Kind.Name, s.Cluster.Target().Name(), s.Cluster.Runtime())
	}
	if err := s.Cluster.Healthy(ctx); err != nil {
		if err := s.Cluster.Restore(ctx); err != nil {
			return fmt.Errorf("the cluster was not well before the cell: %w", err)
		}
	}
	return os.MkdirAll(c.Dir, 0o755)
}

// guard bounds a run in time and turns a panic into an error.
func (s *Suite) guard(ctx context.Context, sc *Scenario, run func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sc.Limit, fmt.Errorf("the cell's limit of %v", sc.Limit))
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the scenario panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return run(ctx)
}

// restore makes the cluster whole after a cell that may have broken it; what goes wrong shows at the next cell.
func (s *Suite) restore(ctx context.Context, needed bool) {
	if !needed || ctx.Err() != nil {
		return
	}
	if err := s.Cluster.Restore(ctx); err != nil {
		s.Term.Printf("         the cluster could not be made whole: %v", err)
	}
}

// mostShown is how many violations are told in a cell's reason; the history has them all.
const mostShown = 5

// finish ends the cell's clients, judges its history, and writes its line.
func (s *Suite) finish(ctx context.Context, c *Cell, start time.Time) report.Cell {
	c.killAll()
	vs := c.judge(ctx)
	events := c.H.Events()
	r := c.Result
	r.Seconds = s.Now().Sub(start).Seconds()
	if r.Records == 0 {
		r.Records, r.Bytes = distinct(events)
	}
	r.WorstLagRecords = worstLag(events)
	if c.Scenario.Faults {
		still := oracle.LongestStill(events)
		r.MaxUnavailability = still.For.Milliseconds()
		if still.For > 0 {
			r.Stop = &report.Stop{Handle: still.Handle, From: still.From, MS: r.MaxUnavailability}
		}
	}
	s.decide(c, &r, vs)
	if r.Status == report.Fail || r.Status == report.Unknown {
		s.keepStates(c)
		r.Reason += "\nlogs: " + c.Dir + "\nagain: " + r.Reproduce
	}
	c.H.Drop()
	s.Log.Flush()
	s.Results.Add(r)
	s.Term.Finished(r)
	return r
}

// decide sets a cell's status and reason, by the scenario's complaints and the oracles', except those that a known difference
// of the target explains.
func (s *Suite) decide(c *Cell, r *report.Cell, vs []oracle.Violation) {
	all := s.Differences.Of(s.Cluster.Target().Name(), r.Scenario, r.Client)
	shown, complaints := all.Part(c.complaints())
	shownToo, wrong := all.Unexplained(vs)
	for _, d := range shownToo {
		if !slices.Contains(shown, d) {
			shown = append(shown, d)
		}
	}
	if len(complaints) == 0 && len(wrong) == 0 {
		complaints = all.Gone(shown)
	}
	own, why := verdict(complaints, r.Records)
	c.H.Append(history.Event{Kind: history.Verdict, Name: string(own), Text: why, Counts: map[string]int64{"violations": int64(len(vs))}})
	if len(wrong) > 0 {
		complaints = append(complaints, errors.New(oracle.Summary(wrong, mostShown)))
	}
	r.Status, r.Reason = verdict(complaints, r.Records)
	r.Known = shown.String()
}

// keepStates keeps what every node says of itself beside a cell's logs, for whoever looks into a failure. A node that says
// nothing leaves the error in place of it.
func (s *Suite) keepStates(c *Cell) {
	if !s.Cluster.Features().Replicas {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, n := range cluster.Nodes() {
		status, err := s.Cluster.Status(ctx, n)
		body, _ := json.MarshalIndent(status, "", " ") // of numbers and strings only
		if err != nil {
			body = []byte(err.Error())
		}
		if _, err := c.WriteFile(fmt.Sprintf("node-%d-state.json", n), body); err != nil {
			s.Term.Printf("         the state of node %d could not be kept: %v", n, err)
		}
	}
}

// verdict: one real complaint makes a failure, whatever else there is; then what shows nothing; then what could not run.
func verdict(errs []error, records int64) (report.Status, string) {
	status := report.Pass
	for _, err := range errs {
		switch {
		case isSkip(err) && status == report.Pass:
			status = report.Skip
		case IsUnknown(err) && status != report.Fail:
			status = report.Unknown
		case !isSkip(err) && !IsUnknown(err):
			status = report.Fail
		}
	}
	if status == report.Pass && records == 0 {
		return report.Unknown, "no record was read, so nothing was shown"
	}
	if err := errors.Join(errs...); err != nil {
		return status, err.Error()
	}
	return status, ""
}

// distinct counts the records that clients read, each place once.
func distinct(events []history.Event) (records, bytes int64) {
	type place struct {
		topic     string
		partition int32
		offset    int64
	}
	seen := map[place]bool{}
	for _, e := range events {
		at := place{e.Topic, e.Partition, e.Offset}
		if e.Kind != history.Read || e.Node != 0 || seen[at] {
			continue
		}
		seen[at] = true
		records++
		bytes += e.Record.Size()
	}
	return records, bytes
}
