package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func sample() *Results {
	r := &Results{Target: "lockstep", Runtime: "process", Seed: 42}
	r.Add(Cell{Scenario: "2.1", Client: "java", ClientVersion: "4", Status: Pass, Records: 1000, Bytes: 5000, Served: Served{0, 1000}, Seconds: 1.5})
	r.Add(Cell{Scenario: "2.1", Client: "kcat", Status: Skip, Reason: "not here"})
	r.Add(Cell{Scenario: "5.1", Client: "java", Status: Fail, Reason: "oracle 1, lost: <t> & more\nsecond line"})
	r.Add(Cell{Scenario: "5.1", Client: "kcat", Status: Unknown, Reason: "too little"})
	return r
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	if err := sample().Write(dir); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Target string
		Seed   uint64
		Cells  []map[string]any
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got.Target != "lockstep" || got.Seed != 42 || len(got.Cells) != 4 {
		t.Fatalf("%+v", got)
	}
	for _, key := range []string{"scenario", "client", "client_version", "status", "reason", "records", "bytes", "served",
		"max_unavailability_ms", "worst_lag_records", "seconds", "title", "again"} {
		if _, there := got.Cells[0][key]; !there {
			t.Errorf("no %s in a cell", key)
		}
	}
	for _, key := range []string{"known_difference", "longest_stop", "resume_ms", "delay_ms", "read_scaling"} {
		if _, there := got.Cells[0][key]; there {
			t.Errorf("%s in a cell that has none", key)
		}
	}

	body, err = os.ReadFile(filepath.Join(dir, "junit.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var suites junitSuites
	if err := xml.Unmarshal(body, &suites); err != nil {
		t.Fatal(err)
	}
	s := suites.Suites[0]
	if s.Tests != 4 || s.Failures != 2 || s.Skipped != 1 || !strings.Contains(s.Cases[2].Failure.Text, "second line") {
		t.Errorf("%+v", s)
	}
}

func TestTotalMemory(t *testing.T) {
	for text, want := range map[string]int64{
		"MemFree: 1 kB\nMemTotal:       8000 kB\n": 8000 << 10,
		"": 0, "MemTotal: plenty\n": 0,
	} {
		if got := totalMemory(strings.NewReader(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestMatrix(t *testing.T) {
	var out bytes.Buffer
	term := NewTerminal(&out)
	r := sample()
	term.Finished(r.Cells[0])
	term.Matrix(r)
	term.Summary(r, 90*time.Second, "there")
	for _, want := range []string{"follower 1000", "✓", "✗ FAIL", "? unknown", "– skip", "1 passed, 1 failed, 1 unknown, 1 skipped", "report: there"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
