package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Sample is what one measurement of one system gave.
type Sample struct {
	Row     string             `json:"row"`
	System  string             `json:"system"` // lockstep, kafka or machine
	Durable bool               `json:"durable"`
	Pair    int                `json:"pair"`
	Values  map[string]float64 `json:"values,omitempty"`
	Curves  []Curve            `json:"curves,omitempty"`
	Why     string             `json:"why,omitempty"` // why there are no values
	Seconds float64            `json:"seconds"`       // that it took
}

// Curve is something to plot.
type Curve struct {
	Name string    `json:"name"`
	X    []float64 `json:"x"`
	Y    []float64 `json:"y"`
}

// life is one system at one durability, from its start to its end: everything that is to be known of it is measured in
// that time, and no other system is alive.
type life struct {
	kind    Kind
	durable bool
}

// lives in the order in which they take turns: those that are compared stand next to each other.
var lives = []life{{lockstep{}, false}, {kafka{}, false}, {tunedKafka{}, false}, {lockstep{}, true}, {kafka{}, true}}

// wants tells whether a life has something to tell of a row.
func (l life) wants(row Row) bool {
	return row.Class.durable(l.kind) == l.durable && (row.Tuned || l.kind.Name() != tuned)
}

// runner measures rows in turn, pair after pair.
type runner struct {
	b       *Bench
	rows    []Row
	samples []Sample
	// first is the number of the first pair: after those of earlier runs that these are added to.
	first int
	// pairs, if not 0, is how often every row is measured.
	pairs int
	// system is whose turns are taken.
	system *regexp.Regexp
	// until is when a quick run has to be over; zero: whenever it is.
	until time.Time
	// keep is told after every life what there is so far.
	keep func([]Sample) error
}

// run measures everything. What cannot be measured is a sample that says so; an error is what ended the run.
func (r *runner) run(ctx context.Context) error {
	for pair := 0; ; pair++ {
		due := r.due(pair)
		if len(due) == 0 {
			return nil
		}
		for _, row := range due {
			if row.Life == Machine {
				r.measure(ctx, row, &System{Bench: r.b}, pair)
			}
		}
		if err := r.share(ctx, due, pair); err != nil {
			return err
		}
		for _, row := range due {
			if row.Life == Alone {
				r.alone(ctx, row, pair)
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", ctx.Err())
		}
		if err := r.keep(r.samples); err != nil {
			return err
		}
	}
}

// share has each system live once, and measures the rows that share it.
func (r *runner) share(ctx context.Context, due []Row, pair int) error {
	for _, l := range r.lives() {
		if rows := distinct(due, l, Shared); len(rows) > 0 {
			if err := r.live(ctx, System{Kind: l.kind, Durable: l.durable, Bench: r.b}, rows, pair); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", ctx.Err())
		}
		if err := r.keep(r.samples); err != nil {
			return err
		}
	}
	return nil
}

// alone measures a row that starts systems itself, on one after the other.
func (r *runner) alone(ctx context.Context, row Row, pair int) {
	for _, l := range r.lives() {
		if l.wants(row) {
			r.measure(ctx, row, &System{Kind: l.kind, Durable: l.durable, Bench: r.b}, pair)
		}
	}
}

// lives are those of the systems that are to be measured.
func (r *runner) lives() []life {
	return slices.DeleteFunc(slices.Clone(lives), func(l life) bool {
		return !r.system.MatchString(l.kind.Name()) || r.b.Quick && l.kind.Name() == tuned
	})
}

// due are the rows that have a pair of this number.
func (r *runner) due(pair int) []Row {
	var out []Row
	for _, row := range r.rows {
		pairs := max(row.Pairs, 1)
		if r.b.Quick {
			pairs = 1
		}
		if r.pairs != 0 {
			pairs = r.pairs
		}
		if row.Life == Machine && r.pairs != 0 {
			pairs = min(pairs, max(row.Pairs, 1))
		}
		if pair < pairs {
			out = append(out, row)
		}
	}
	return out
}

// distinct are the rows with such a life for which this system has something to tell, each name once.
func distinct(rows []Row, l life, of Life) []Row {
	seen := map[string]bool{}
	var out []Row
	for _, row := range rows {
		if row.Life != of || !l.wants(row) || seen[row.Name] {
			continue
		}
		seen[row.Name] = true
		out = append(out, row)
	}
	return out
}

// live starts a system, warms it up, measures all rows that share it, and ends it.
func (r *runner) live(ctx context.Context, s System, rows []Row, pair int) (err error) {
	start := time.Now()
	if r.late() {
		for _, row := range rows {
			r.measure(ctx, row, &s, pair) // which says so
		}
		return nil
	}
	s.Cluster, err = s.Launch(ctx, Shape{})
	if err != nil {
		for _, row := range rows {
			r.add(Sample{Row: row.Name, System: s.Kind.Name(), Durable: s.Durable, Pair: r.first + pair, Why: fmt.Sprintf("it did not start: %v", err)})
		}
		return ctx.Err()
	}
	defer func() { err = errors.Join(err, s.Cluster.Close()) }()
	warmed := false
	for _, row := range rows {
		if !row.Cold && !warmed {
			if err := warmUp(ctx, &s); err != nil {
				return fmt.Errorf("warm up %s: %w", &s, err)
			}
			warmed = true
			fmt.Printf("    %-18s started and warm after %.1f s\n", &s, time.Since(start).Seconds())
		}
		r.measure(ctx, row, &s, pair)
	}
	return nil
}

// longest is what one measurement may take.
const longest = 15 * time.Minute

// overTime is why a quick run has not measured something.
const overTime = "the five minutes of QUICK=1 were over"

// late tells whether the time of a quick run is over.
func (r *runner) late() bool { return !r.until.IsZero() && time.Now().After(r.until) }

func (r *runner) measure(ctx context.Context, row Row, s *System, pair int) {
	if ctx.Err() != nil {
		return
	}
	sample := Sample{Row: row.Name, System: "machine", Durable: s.Durable, Pair: r.first + pair}
	if s.Kind != nil {
		sample.System = s.Kind.Name()
	}
	if r.late() {
		sample.Why = overTime
		r.add(sample)
		return
	}
	end := time.Now().Add(longest)
	if !r.until.IsZero() {
		end = r.until
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	mine := *s
	mine.Series = func(name string, x, y []float64) { sample.Curves = append(sample.Curves, Curve{name, x, y}) }
	start := time.Now()
	values, err := row.Measure(ctx, &mine)
	sample.Seconds = time.Since(start).Seconds()
	sample.Values = values
	if err != nil {
		sample.Why, sample.Values = err.Error(), nil
		if r.late() {
			sample.Why = overTime
		}
	}
	fmt.Printf("    %-18s %s %s\n", s, row.Name, brief(row, sample))
	r.add(sample)
}

func (r *runner) add(s Sample) { r.samples = append(r.samples, s) }

// brief is a sample in a line.
func brief(row Row, s Sample) string {
	if s.Why != "" {
		return "not measured: " + s.Why
	}
	text := ""
	for _, f := range row.Figures {
		if v, ok := s.Values[f.Name]; ok {
			text += fmt.Sprintf(" %s %s %s,", f.Name, number(v), f.Unit)
		}
	}
	return fmt.Sprintf("%s %.1f s", text, s.Seconds)
}
