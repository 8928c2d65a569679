package report

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Terminal writes lines for people. Safe for concurrent use.
type Terminal struct {
	mu     sync.Mutex
	w      io.Writer
	colour bool
}

// NewTerminal writes to w. Colours are used where w is a terminal and NO_COLOR is not set.
func NewTerminal(w io.Writer) *Terminal {
	t := &Terminal{w: w}
	if f, ok := w.(*os.File); ok && os.Getenv("NO_COLOR") == "" {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			t.colour = true
		}
	}
	return t
}

// Printf writes a line.
func (t *Terminal) Printf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, format+"\n", args...)
}

// Started is the line of a cell, or of several at once, that begins.
func (t *Terminal) Started(scenario, clients, title string) {
	t.Printf("  …      %-5s %-22s %s", scenario, clients, title)
}

// Finished is the line of a cell that ended.
func (t *Terminal) Finished(c Cell) {
	line := fmt.Sprintf("  %s  %-5s %-22s %5.1f s", t.paint(c.Status, fmt.Sprintf("%-7s", c.Status)), c.Scenario, c.Client, c.Seconds)
	if c.Records > 0 {
		line += fmt.Sprintf("  %d records, %s", c.Records, size(c.Bytes))
		if c.Served.Leader+c.Served.Follower > 0 {
			line += fmt.Sprintf("; served: leader %d, follower %d", c.Served.Leader, c.Served.Follower)
		}
		if c.ProxyBytesFollower > 0 {
			line += fmt.Sprintf("; %s over followers' proxies", size(c.ProxyBytesFollower))
		}
	}
	if c.MaxUnavailability > 0 {
		line += fmt.Sprintf("; longest stop %d ms", c.MaxUnavailability)
	}
	if x := c.Scaling; x != nil {
		line += fmt.Sprintf("; spread readers got %.2f × as much, %.0f kB/s", x.Times, x.Spread.KBps(0))
	}
	if c.Known != "" {
		line += "\n         known difference: " + strings.ReplaceAll(c.Known, "\n", "\n         known difference: ")
	}
	if c.Reason != "" {
		line += "\n         " + strings.ReplaceAll(c.Reason, "\n", "\n         ")
	}
	t.Printf("%s", line)
}

var marks = map[Status]string{Pass: "✓", Fail: "✗ FAIL", Unknown: "? unknown", Skip: "– skip"}

// Matrix is scenario × client, one mark each, and what was counted.
func (t *Terminal) Matrix(r *Results) {
	r.mu.Lock()
	defer r.mu.Unlock()
	scenarios, clients := axes(r.Cells)
	byCell := map[string]Cell{}
	for _, c := range r.Cells {
		byCell[c.Scenario+"/"+c.Client] = c
	}
	width := 8
	for _, c := range clients {
		width = max(width, utf8.RuneCountInString(c))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-*s", width, "")
	for _, s := range scenarios {
		fmt.Fprintf(&b, "  %-9s", s)
	}
	for _, client := range clients {
		fmt.Fprintf(&b, "\n%-*s", width, client)
		for _, s := range scenarios {
			c, there := byCell[s+"/"+client]
			mark := " "
			if there {
				mark = marks[c.Status]
				if c.Status == Pass && c.Known != "" {
					mark = "≠ known"
				}
			}
			fmt.Fprintf(&b, "  %s", t.paint(c.Status, fmt.Sprintf("%-9s", mark)))
		}
	}
	t.Printf("%s\n", b.String())
}

// Summary is the last lines: how many of what, how much was moved, how long it took, where it all lies.
func (t *Terminal) Summary(r *Results, took time.Duration, dir string) {
	var records, bytes, leader, follower int64
	for _, c := range r.Cells {
		records += c.Records
		bytes += c.Bytes
		leader += c.Served.Leader
		follower += c.Served.Follower
	}
	passed := fmt.Sprintf("%d passed", r.Count(Pass))
	if n := r.known(); n > 0 {
		passed += fmt.Sprintf(" (%d with a known difference)", n)
	}
	t.Printf("%s, %d failed, %d unknown, %d skipped; %d records (%s) checked; records served by leaders %d, by followers %d; %.0f s",
		passed, r.Count(Fail), r.Count(Unknown), r.Count(Skip), records, size(bytes), leader, follower, took.Seconds())
	t.Printf("report: %s", dir)
}

func (t *Terminal) paint(s Status, text string) string {
	codes := map[Status]string{Pass: "32", Fail: "31", Unknown: "35", Skip: "33"}
	if !t.colour || codes[s] == "" {
		return text
	}
	return "\x1b[" + codes[s] + "m" + text + "\x1b[0m"
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func size(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
