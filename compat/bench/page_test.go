package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The page has every figure, a plot for the throughput and for each curve, and nothing that it would have to load.
func TestPage(t *testing.T) {
	rows := []Row{
		{Name: "produce", Class: ClassA, Figures: []Figure{{Name: "throughput", Unit: "MB/s", Goal: ratioAtLeast(3)}}},
		{Name: "latency", Class: ClassA, Figures: []Figure{{Name: "p99", Unit: "ms"}}},
	}
	curve := func(scale float64) []Curve {
		return []Curve{{"ms by percentile", []float64{50, 99, 99.9}, []float64{scale, 2 * scale, 9 * scale}}}
	}
	samples := []Sample{
		{Row: "produce", System: ours, Values: map[string]float64{"throughput": 400}},
		{Row: "produce", System: peers, Values: map[string]float64{"throughput": 100}},
		{Row: "latency", System: ours, Values: map[string]float64{"p99": 2}, Curves: curve(1)},
		{Row: "latency", System: peers, Curves: curve(700), Why: "no <luck>"},
	}
	dir := t.TempDir()
	if err := page(dir, Report{Rows: results(rows, samples)}, samples); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, want := range []string{"produce.throughput", "latency.p99", "class=\"met\"", "no &lt;luck&gt;", "latency: ms by percentile", "Throughput, class A"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if got := strings.Count(text, "<svg"); got != 2 {
		t.Errorf("%d plots", got)
	}
	if strings.Contains(text, "src=") || strings.Contains(text, "<link") {
		t.Error("the page loads something")
	}
}
