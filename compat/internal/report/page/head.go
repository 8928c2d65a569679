package page

import (
	"fmt"
	"strings"
	"time"

	"lockstep/compat/internal/report"
)

// head is what the run was.
type head struct {
	Status  report.Status // of the whole
	Verdict string        // in words
	Sums    string
	Facts   []fact
	Again   string
}

type fact struct{ Name, Value string }

// count is how many cells have a status, for the filter.
type count struct {
	Status report.Status
	Mark   string
	N      int
}

// known is the status of a cell that passed by showing what its client is known to do differently.
const known report.Status = "known"

var marks = map[report.Status]string{report.Pass: "✓", report.Fail: "✗", report.Unknown: "?", report.Skip: "–", known: "≠"}

var words = map[report.Status]string{report.Pass: "pass", report.Fail: "FAIL", report.Unknown: "unknown", report.Skip: "skip", known: "known difference"}

// statusOf is a cell's status as the page shows it.
func statusOf(c report.Cell) report.Status {
	if c.Status == report.Pass && c.Known != "" {
		return known
	}
	return c.Status
}

func countAll(cells []report.Cell) []count {
	n := map[report.Status]int{}
	for _, c := range cells {
		n[statusOf(c)]++
	}
	var out []count
	for _, s := range []report.Status{report.Fail, report.Unknown, report.Pass, known, report.Skip} {
		if n[s] > 0 {
			out = append(out, count{s, marks[s], n[s]})
		}
	}
	return out
}

func newHead(r *report.Results) head {
	h := head{Again: r.Run.Again}
	h.Status, h.Verdict = verdict(r)
	var records, bytes, leader, follower int64
	for _, c := range r.Cells {
		records, bytes = records+c.Records, bytes+c.Bytes
		leader, follower = leader+c.Served.Leader, follower+c.Served.Follower
	}
	h.Sums = fmt.Sprintf("%s records (%s) checked byte for byte. Brokers counted %s records served by leaders and %s by followers.",
		thousands(records), size(bytes), thousands(leader), thousands(follower))
	add := func(name, value string) {
		if value != "" {
			h.Facts = append(h.Facts, fact{name, value})
		}
	}
	why := ""
	if r.Run.Why != "" {
		why = " (" + r.Run.Why + ")"
	}
	add("Target", strings.TrimSpace(r.Target+" "+r.Run.TargetVersion))
	add("Runtime", r.Runtime+why)
	add("Cluster", r.Run.Engine)
	add("Seed", fmt.Sprint(r.Seed))
	if !r.Run.Started.IsZero() {
		add("Started", r.Run.Started.UTC().Format("2006-01-02 15:04:05")+" UTC")
		add("Took", (time.Duration(r.Run.Seconds) * time.Second).String())
	}
	m := r.Run.Machine
	if m.Cores > 0 {
		machine := fmt.Sprintf("%d cores", m.Cores)
		if m.Memory > 0 {
			machine += ", " + size(m.Memory)
		}
		add("Machine", machine+", "+m.OS)
		add("Go", m.Go)
	}
	return h
}

// verdict says what came out. Only a run with nothing but passes and skips is green.
func verdict(r *report.Results) (report.Status, string) {
	all := len(r.Cells)
	n := map[report.Status]int{}
	for _, c := range r.Cells {
		n[c.Status]++
	}
	skipped := ""
	if n[report.Skip] > 0 {
		skipped = fmt.Sprintf(", %d skipped with a reason", n[report.Skip])
	}
	switch {
	case all == 0:
		return report.Unknown, "No cell ran"
	case n[report.Fail] > 0:
		text := fmt.Sprintf("%d of %d cells failed", n[report.Fail], all)
		if n[report.Unknown] > 0 {
			text += fmt.Sprintf(", %d showed nothing", n[report.Unknown])
		}
		return report.Fail, text + skipped
	case n[report.Unknown] > 0:
		return report.Unknown, fmt.Sprintf("Nothing failed, but %d of %d cells showed nothing%s", n[report.Unknown], all, skipped)
	case n[report.Pass] == 0:
		return report.Skip, fmt.Sprintf("All %d cells were skipped", all)
	}
	if n[report.Pass] == 1 {
		return report.Pass, "The one cell that ran passed" + skipped
	}
	return report.Pass, fmt.Sprintf("All %d cells passed%s", n[report.Pass], skipped)
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:] // a narrow space
	}
	return s
}

func size(n int64) string {
	for _, u := range []struct {
		name string
		of   int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.of {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.of), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}
