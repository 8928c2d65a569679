package page

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// logLine is a line of a node's log. A line without a time of its own has that of the line before.
type logLine struct {
	At   int64 // ns since 1970
	Node string
	Text string
}

const (
	logAround = 2 * time.Second
	// mostLines of all nodes are shown for a moment: the nearest.
	mostLines = 40
	longest   = 600 // characters of a line
)

// The two ways in which targets write times: slog's text handler, and Apache Kafka's log4j pattern (local time).
var (
	slogTime  = regexp.MustCompile(`time=(\S+)`)
	log4jTime = regexp.MustCompile(`^\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\]`)
)

func timeOf(line string) (time.Time, bool) {
	if m := slogTime.FindStringSubmatch(line); m != nil {
		if t, err := time.Parse(time.RFC3339Nano, m[1]); err == nil {
			return t, true
		}
	}
	if m := log4jTime.FindStringSubmatch(line); m != nil {
		if t, err := time.ParseInLocation("2006-01-02 15:04:05,000", m[1], time.Local); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// readLogs reads every node's log of a run.
func readLogs(dir string) ([]logLine, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "nodes", "node-*.log"))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var all []logLine
	for _, path := range paths {
		name := filepath.Base(path)
		lines, err := readLog(path, name[:len(name)-len(".log")])
		if err != nil {
			return all, err
		}
		all = append(all, lines...)
	}
	return all, nil
}

func readLog(path, node string) ([]logLine, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, 4<<20)
	var lines []logLine
	var at int64
	for in.Scan() {
		if t, ok := timeOf(in.Text()); ok {
			at = t.UnixNano()
		}
		text := in.Text()
		if len(text) > longest {
			text = text[:longest] + "…"
		}
		lines = append(lines, logLine{at, node, text})
	}
	if err := in.Err(); err != nil {
		return lines, fmt.Errorf("%s: %w", path, err)
	}
	return lines, nil
}

// around are the lines near a moment, in order of time.
func around(lines []logLine, at int64) []logLine {
	away := func(l logLine) int64 { return max(l.At-at, at-l.At) }
	var near []logLine
	for _, l := range lines {
		if away(l) <= int64(logAround) {
			near = append(near, l)
		}
	}
	slices.SortStableFunc(near, func(a, b logLine) int { return int(away(a) - away(b)) })
	near = near[:min(len(near), mostLines)]
	slices.SortStableFunc(near, func(a, b logLine) int { return int(a.At - b.At) })
	return near
}
