package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// Result is one figure of one row: what results.json has a row of.
type Result struct {
	Row   string   `json:"row"` // row.figure
	Class Class    `json:"class,omitempty"`
	Ours  *float64 `json:"ours"`  // median; null: not measured
	Kafka *float64 `json:"kafka"` // median
	Tuned *float64 `json:"kafka_tuned,omitempty"`
	Unit  string   `json:"unit"`
	// Ratio is the median of ours / Kafka's within each pair, Spread the lowest and the highest of them.
	Ratio  *float64    `json:"ratio"`
	Spread *[2]float64 `json:"spread"`
	Goal   string      `json:"goal,omitempty"`
	Met    *bool       `json:"met"`
	Pairs  []Pair      `json:"pairs,omitempty"`
	Limit  string      `json:"limit,omitempty"`    // the machine's figure that bounds ours
	OfIt   *float64    `json:"of_limit,omitempty"` // ours as a part of it
	What   string      `json:"what"`               // how it is measured
	Why    string      `json:"why,omitempty"`      // why something was not measured
}

// Pair is what the two systems were measured at, one after the other.
type Pair struct {
	Ours  *float64 `json:"ours"`
	Kafka *float64 `json:"kafka"`
}

// Report is all of results.json.
type Report struct {
	Machine Facts    `json:"machine"`
	Quick   bool     `json:"quick"`
	Rows    []Result `json:"rows"`
	// KafkaJVM are the options that Kafka ran with.
	KafkaJVM string `json:"kafka_jvm"`
	// TunedJVM and TunedSettings are what it ran with for the column of Kafka as it is tuned.
	TunedJVM      string            `json:"kafka_tuned_jvm"`
	TunedSettings map[string]string `json:"kafka_tuned_settings"`
	How           []How             `json:"-"`
}

// How is how a row is measured.
type How struct{ Name, What string }

// results are all figures that anything is known of: rows without a sample are left out.
func results(rows []Row, samples []Sample) []Result {
	byKey := map[sampleKey]Sample{}
	last := 0
	for _, s := range samples {
		byKey[sampleKey{s.Row, s.System, s.Durable, s.Pair}] = s
		last = max(last, s.Pair)
	}
	x := index{byKey, last}
	var out []Result
	for _, row := range rows {
		for _, f := range row.Figures {
			if r, ok := x.result(row, f); ok {
				out = append(out, r)
			}
		}
	}
	bound(out, rows)
	return out
}

type sampleKey struct {
	row, system string
	durable     bool
	pair        int
}

// index finds samples.
type index struct {
	samples map[sampleKey]Sample
	last    int // pair
}

// result puts the pairs of one figure together.
func (x index) result(row Row, f Figure) (Result, bool) {
	r := Result{Row: row.Name + "." + f.Name, Class: row.Class, Unit: f.Unit, Goal: f.Goal.Text, Limit: f.Limit, What: row.What}
	var mine, theirs, best, ratios []float64
	var whys []string
	found := false
	for pair := 0; pair <= x.last; pair++ {
		var p Pair
		take := func(system string, durable bool, into **float64, all *[]float64) {
			s, ok := x.samples[sampleKey{row.Name, system, durable, pair}]
			if !ok {
				return
			}
			found = true
			if v, ok := s.Values[f.Name]; ok && !math.IsNaN(v) && !math.IsInf(v, 0) {
				*into = &v
				*all = append(*all, v)
			} else if why := system + ": " + s.Why; s.Why != "" && !contains(whys, why) {
				whys = append(whys, why)
			}
		}
		if row.Life == Machine {
			take("machine", false, &p.Ours, &mine)
		} else {
			take(ours, row.Class.durable(lockstep{}), &p.Ours, &mine)
			take(peers, row.Class.durable(kafka{}), &p.Kafka, &theirs)
			if (life{tunedKafka{}, false}).wants(row) {
				take(tuned, false, new(*float64), &best)
			}
		}
		if p.Ours != nil && p.Kafka != nil && *p.Kafka != 0 {
			ratios = append(ratios, *p.Ours / *p.Kafka)
		}
		if p != (Pair{}) {
			r.Pairs = append(r.Pairs, p)
		}
	}
	r.Ours, r.Kafka, r.Tuned, r.Ratio = known(median(mine)), known(median(theirs)), known(median(best)), known(median(ratios))
	if len(ratios) > 0 {
		r.Spread = &[2]float64{quantile(ratios, 0), quantile(ratios, 1)}
	}
	if met, ok := f.Goal.Met(Outcome{median(mine), median(theirs), median(ratios)}); ok {
		r.Met = &met
	}
	r.Why = strings.Join(whys, "; ")
	return r, found
}

// bound tells how close each figure came to the machine's.
func bound(all []Result, rows []Row) {
	limits := map[string]*float64{}
	for _, r := range all {
		limits[r.Row] = r.Ours
	}
	for i := range all {
		limit := limits[all[i].Limit]
		if all[i].Limit != "" && limit != nil && all[i].Ours != nil && *limit != 0 {
			all[i].OfIt = known(*all[i].Ours / *limit)
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func known(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}

// writeJSON writes v to a file of the results, whole or not at all.
func writeJSON(dir, name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.Rename(path+".new", path)
}
