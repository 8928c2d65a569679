package main

import (
	"strings"
	"testing"
)

func sample(row, system string, durable bool, pair int, v float64) Sample {
	return Sample{Row: row, System: system, Durable: durable, Pair: pair, Values: map[string]float64{"x": v}}
}

// Ratios are taken within pairs, a class takes the systems at its own durability, and what is missing is said.
func TestResults(t *testing.T) {
	rows := []Row{
		{Name: "limit", Life: Machine, Figures: []Figure{{Name: "x"}}},
		{Name: "r", Class: ClassA, Tuned: true, Figures: []Figure{{Name: "x", Goal: ratioAtLeast(3), Limit: "limit.x"}}},
		{Name: "r", Class: Defaults, Figures: []Figure{{Name: "x", Goal: ratioAtLeast(3)}}},
		{Name: "r", Class: ClassB, Figures: []Figure{{Name: "x"}}},
		{Name: "other", Class: ClassA, Figures: []Figure{{Name: "x"}}},
	}
	samples := []Sample{
		{Row: "limit", System: "machine", Values: map[string]float64{"x": 80}},
		sample("r", ours, false, 0, 30), sample("r", peers, false, 0, 10),
		sample("r", ours, false, 1, 40), sample("r", peers, false, 1, 8),
		sample("r", ours, false, 2, 60), sample("r", peers, false, 2, 15), sample("r", tuned, false, 0, 12), sample("r", tuned, false, 1, 14),
		sample("r", ours, true, 0, 20),
		{Row: "r", System: peers, Durable: true, Why: "no disk"},
	}
	got := results(rows, samples)
	if len(got) != 4 {
		t.Fatalf("%d results: %+v", len(got), got)
	}
	a := got[1]
	if *a.Ours != 40 || *a.Kafka != 10 || *a.Ratio != 4 || *a.Spread != [2]float64{3, 5} || !*a.Met || *a.OfIt != 0.5 || len(a.Pairs) != 3 {
		t.Errorf("class A: %+v", a)
	}
	if *a.Tuned != 13 || got[2].Tuned != nil {
		t.Errorf("tuned: %v in a row that asks for it, %v in another", a.Tuned, got[2].Tuned)
	}
	if d := got[2]; *d.Ours != 20 || *d.Kafka != 10 || *d.Ratio != 2 || *d.Met {
		t.Errorf("defaults: %+v", d)
	}
	if b := got[3]; b.Kafka != nil || b.Ratio != nil || b.Met != nil || b.Why != "kafka: no disk" {
		t.Errorf("class B: %+v", b)
	}
	text := table(got)
	if !strings.Contains(text, "missed") || !strings.Contains(text, "50 %") || !strings.Contains(text, "no disk") {
		t.Errorf("table:\n%s", text)
	}
}

// Each life measures a row once, for all classes that want it at that durability.
func TestDistinct(t *testing.T) {
	rows := []Row{{Name: "r", Class: ClassA, Tuned: true}, {Name: "r", Class: ClassB}, {Name: "r", Class: Defaults}, {Name: "s", Class: Defaults}, {Name: "m", Life: Machine}}
	want := [][]string{{"r"}, {"r", "s"}, {"r"}, {"r", "s"}, {"r"}}
	for i, l := range lives {
		var names []string
		for _, row := range distinct(rows, l, Shared) {
			names = append(names, row.Name)
		}
		if strings.Join(names, " ") != strings.Join(want[i], " ") {
			t.Errorf("%s, durable %v: %v", l.kind.Name(), l.durable, names)
		}
	}
}
