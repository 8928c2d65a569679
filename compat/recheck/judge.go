package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lockstep/compat/internal/history"
	"lockstep/compat/internal/oracle"
	"lockstep/compat/internal/report"
	"lockstep/compat/internal/scenario"
	"lockstep/compat/internal/scenarios"
)

// unfinished is the status of a cell whose history ends before its verdict, if no violation makes it a failure.
const unfinished report.Status = "unfinished"

// cell is one cell of the run and its verdict now.
type cell struct {
	name       string
	events     []history.Event
	status     report.Status
	complaint  string
	violations []oracle.Violation
	still      oracle.Still

	// was is the run's own status of the cell, "" where results.json has none; wasViolations is -1 where the history
	// does not say.
	was           report.Status
	wasViolations int64

	// differences are what the run's target is known to do otherwise in this cell.
	differences scenario.Differences
}

// good tells whether a cell needs no further look.
func (c *cell) good() bool {
	return (c.status == report.Pass || c.status == report.Skip) && !c.differs()
}

// differs tells whether the verdict is another than the run's.
func (c *cell) differs() bool {
	return c.was != "" && c.was != c.status || c.wasViolations >= 0 && c.wasViolations != int64(len(c.violations))
}

// recheck judges every cell of the run in dir, in the order in which they began.
func recheck(dir string) ([]*cell, error) {
	f, err := os.Open(filepath.Join(dir, "history.jsonl"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	events, err := history.Load(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	target, was, err := statuses(dir)
	if err != nil {
		return nil, err
	}
	cells := byCell(events)
	for _, c := range cells {
		c.was = was[c.name]
		id, client, _ := strings.Cut(c.name, "/")
		c.differences = scenarios.Differences().Of(target, id, client)
		c.judge()
	}
	return cells, nil
}

// statuses are the run's target and its own verdicts, by scenario/client; none when the run was cut off before it wrote them.
func statuses(dir string) (string, map[string]report.Status, error) {
	body, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	var results report.Results
	if err == nil {
		err = json.Unmarshal(body, &results)
	}
	if err != nil {
		return "", nil, fmt.Errorf("read the run's results: %w", err)
	}
	out := map[string]report.Status{}
	for _, c := range results.Cells {
		out[c.Scenario+"/"+c.Client] = c.Status
	}
	return results.Target, out, nil
}

// byCell parts the events. What a retried cell did before does not count.
func byCell(events []history.Event) []*cell {
	byName := map[string]*cell{}
	var order []*cell
	for _, e := range events {
		c := byName[e.Cell]
		if c == nil {
			c = &cell{name: e.Cell}
			byName[e.Cell] = c
			order = append(order, c)
		}
		if e.Kind == history.Retried {
			c.events = c.events[:0]
		}
		c.events = append(c.events, e)
	}
	return order
}

// judge comes to the verdict as the suite does: a violation that no known difference explains makes a failure; without
// one the scenario's own complaints decide.
func (c *cell) judge() {
	c.status, c.wasViolations = unfinished, -1
	// What a client said after the verdict, the run did not judge either.
	for i := len(c.events) - 1; i >= 0; i-- {
		if v := c.events[i]; v.Kind == history.Verdict {
			c.status, c.complaint, c.wasViolations = report.Status(v.Name), v.Text, v.Counts["violations"]
			c.events = c.events[:i]
			break
		}
	}
	c.violations = oracle.Judge(c.events)
	c.still = oracle.LongestStill(c.events)
	shown, wrong := c.differences.Unexplained(c.violations)
	if len(shown) > 0 {
		c.complaint = strings.TrimPrefix(c.complaint+"\nknown difference: "+shown.String(), "\n")
	}
	if len(wrong) > 0 {
		c.status = report.Fail
		c.complaint = strings.TrimPrefix(c.complaint+"\n"+oracle.Summary(wrong, mostShown), "\n")
	}
}
