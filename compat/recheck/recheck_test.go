package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lockstep/compat/internal/report"
)

// The histories in testdata are thirty records' worth of a real run of 5.1: good as it was, broken with an undelivered
// tail, a spoilt value, a flipped bit and a high watermark that falls.

func TestSavedRuns(t *testing.T) {
	tests := []struct {
		dir    string
		status report.Status
		found  []string
	}{
		{"good", report.Pass, nil},
		{"broken", report.Fail, []string{"1:differs", "2:two-values", "3:crc", "5:fell", "8:undelivered"}},
	}
	for _, tt := range tests {
		cells, err := recheck(filepath.Join("testdata", tt.dir))
		if err != nil {
			t.Fatal(err)
		}
		if len(cells) != 1 {
			t.Fatalf("%s: %d cells", tt.dir, len(cells))
		}
		c := cells[0]
		var found []string
		for _, v := range c.violations {
			found = append(found, fmt.Sprintf("%d:%s", v.Oracle, v.Rule))
		}
		slices.Sort(found)
		if c.status != tt.status || !slices.Equal(found, tt.found) {
			t.Errorf("%s: %s with %v\n%s", tt.dir, c.status, found, c.complaint)
		}
		if c.differs() {
			t.Errorf("%s: the run said %s with %d violations, recheck %s with %d", tt.dir, c.was, c.wasViolations, c.status, len(c.violations))
		}
		var out bytes.Buffer
		if good := show(&out, cells); good != (tt.status == report.Pass) {
			t.Errorf("%s: shown as good: %v\n%s", tt.dir, good, &out)
		}
	}
}

// A verdict that is not the run's is told, and is not well.
func TestAnotherVerdict(t *testing.T) {
	dir := t.TempDir()
	saved, err := os.ReadFile("testdata/good/history.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSpace(string(saved)), "\n")
	results, err := json.Marshal(&report.Results{Cells: []report.Cell{{Scenario: "5.1", Client: "franz-go", Status: report.Pass}}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func() []string
		status report.Status
		shown  string
	}{
		{"the run passed what fails", func() []string {
			return slices.DeleteFunc(slices.Clone(lines), func(l string) bool {
				return strings.Contains(l, `"kind":"read"`) && strings.Contains(l, `"handle":"reader"`)
			})
		}, report.Fail, "*** the run's verdict was pass, with 0 violations"},
		{"cut off before its verdict", func() []string { return lines[:len(lines)-1] }, unfinished, "unfinished"},
		{"tried again: the first try does not count", func() []string {
			retried := `{"at":1,"kind":"retried","cell":"5.1/franz-go"}` + "\n"
			return append(append([]string{lines[0], lines[1], lines[1]}, retried), lines...)
		}, report.Pass, ""},
	}
	for _, tt := range tests {
		write(t, dir, "history.jsonl", strings.Join(tt.change(), ""))
		write(t, dir, "results.json", string(results))
		cells, err := recheck(dir)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		var out bytes.Buffer
		good := show(&out, cells)
		if cells[0].status != tt.status || good != (tt.status == report.Pass) || !strings.Contains(out.String(), tt.shown) {
			t.Errorf("%s: %s, good %v\n%s", tt.name, cells[0].status, good, &out)
		}
	}
}

func write(t *testing.T, dir, name, body string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
}
