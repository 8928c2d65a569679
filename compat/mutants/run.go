package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// runner runs the suite against the binary with planted bugs.
type runner struct {
	binary, suite, dir, out string
	limit                   time.Duration
	planned                 bool // look nowhere but where plan.go says
}

// bug is a planted bug as the broker describes it.
type bug struct{ name, text string }

// bugsOf asks the broker for its planted bugs.
func bugsOf(ctx context.Context, binary string) ([]bug, error) {
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = append(os.Environ(), "LOCKSTEP_MUTANT=?")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 {
		return nil, fmt.Errorf("%s does not list planted bugs (was it built with -tags mutants?): %v\n%s", binary, err, out)
	}
	var all []bug
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if name, text, ok := strings.Cut(lines.Text(), "\t"); ok {
			all = append(all, bug{name, text})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s lists no planted bug:\n%s", binary, out)
	}
	return all, nil
}

// cells chooses cells, by regular expressions over whole names; "" is all.
type cells struct{ scenario, client string }

// hunt runs the suite against one bug until a cell catches it.
func (r *runner) hunt(ctx context.Context, b bug) verdict {
	start := time.Now()
	v := verdict{Mutant: b.name}
	p := plan[b.name]
	for i, where := range []cells{p.where, {client: likely}, {}} {
		if i > 0 && r.planned {
			break
		}
		left := r.limit - time.Since(start)
		if left <= 0 || ctx.Err() != nil {
			break
		}
		ran, err := r.run(ctx, filepath.Join(r.out, b.name, fmt.Sprint(i+1)), b.name, where, left)
		if err != nil {
			v.Reason = err.Error()
		}
		if v.judge(ran, p.shows) {
			break
		}
	}
	v.Seconds = time.Since(start).Round(100 * time.Millisecond).Seconds()
	return v
}

// control runs the binary without a bug through the cells that caught one.
func (r *runner) control(ctx context.Context, verdicts []verdict) verdict {
	start := time.Now()
	v := verdict{Mutant: none, Reason: "passes every cell that caught a bug"}
	var err error
	if v.Passed, err = r.passes(ctx, verdicts); err != nil {
		v.Caught, v.Reason = true, err.Error()
	}
	v.Seconds = time.Since(start).Round(100 * time.Millisecond).Seconds()
	return v
}

func (r *runner) passes(ctx context.Context, verdicts []verdict) (passed []string, err error) {
	by := map[string][]string{} // client → scenarios
	for _, v := range verdicts {
		scenario, client := v.where()
		if v.Caught && v.Mutant != none && !slices.Contains(by[client], scenario) {
			by[client] = append(by[client], scenario)
		}
	}
	for client, scenarios := range by {
		slices.Sort(scenarios)
		fmt.Printf("  …  without a bug: %s with %s\n", strings.Join(scenarios, ", "), client)
		for i, id := range scenarios {
			scenarios[i] = strings.ReplaceAll(id, ".", `\.`)
		}
		where := cells{strings.Join(scenarios, "|"), client}
		ran, err := r.run(ctx, filepath.Join(r.out, "none", client), "", where, 2*r.limit)
		if err != nil {
			return passed, err
		}
		for _, c := range ran {
			if c.Status != "pass" {
				return passed, fmt.Errorf("%s/%s: %s: %s", c.Scenario, c.Client, c.Status, c.Reason)
			}
			passed = append(passed, c.Scenario+"/"+c.Client)
		}
		if len(ran) < len(scenarios) {
			return passed, fmt.Errorf("only %d cells ran of %s", len(ran), where.scenario)
		}
		fmt.Printf("  ✓  without a bug: %d cells pass\n", len(ran))
	}
	return passed, nil
}

// run runs cells against one bug, "" being none, and returns what came of each. That some failed is no error.
func (r *runner) run(ctx context.Context, out, bug string, where cells, limit time.Duration) ([]cell, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := os.RemoveAll(out); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(out, "terminal.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, r.suite, "-test.run", "^TestCompat$", "-test.timeout", "0")
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.dir, log, log
	cmd.Env = append(os.Environ(), "LOCKSTEP_COMPAT=1", "RUNTIME=process", "TARGET=lockstep", "FAILFAST=1", "OUT="+out,
		"BINARY="+r.binary, "LOCKSTEP_MUTANT="+bug, "SCENARIO="+where.scenario, "CLIENT="+where.client)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it ends what it has started
	cmd.WaitDelay = 20 * time.Second
	runErr := cmd.Run()
	body, err := os.ReadFile(filepath.Join(out, "results.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist) && ctx.Err() != nil:
		return nil, fmt.Errorf("no cell had failed when its %v were over", limit.Round(time.Second))
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the suite did not come to its cells (see %s): %v", log.Name(), runErr)
	case err != nil:
		return nil, err
	}
	var results struct {
		Cells []cell `json:"cells"`
	}
	if err := json.Unmarshal(body, &results); err != nil {
		return nil, fmt.Errorf("results of %s: %w", out, err)
	}
	if ctx.Err() != nil {
		// What failed last was cut off, and says nothing; an earlier failure would have ended the run.
		return nil, fmt.Errorf("no cell had failed when its %v were over", limit.Round(time.Second))
	}
	return results.Cells, nil
}
