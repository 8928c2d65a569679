package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Row is one thing that is measured: on one system at a time, always by the same function, whatever system it is.
// Rows of several classes share a Name when they are the same measurement; where two of them want the same system
// with the same durability, it is measured once for both.
type Row struct {
	Name  string // what ROW= matches
	What  string // how it is measured, in a line
	Class Class
	Life  Life
	// Cold rows of a shared cluster come before it is warmed up.
	Cold bool
	// Tuned rows are measured on Kafka as it is tuned as well, where it does not sync; not in a quick run.
	Tuned bool
	// Pairs is how often each system is measured in a full run; 0 means 1. QUICK=1 measures once.
	Pairs   int
	Figures []Figure
	// Measure measures one system once. Its answer has a value for each figure by name, and may have others, which are
	// kept in the samples only. An error that wraps ErrCannot says why this machine or this system has no such value.
	Measure func(ctx context.Context, s *System) (map[string]float64, error)
}

// Figure is one value of a row, and one line of the results.
type Figure struct {
	Name string // key in what Measure returns
	Unit string
	Goal Goal
	// Limit names a machine's figure ("row.figure", same unit) that this one cannot pass: how close it came is told.
	Limit string
}

// ErrCannot is wrapped by errors that say why something is not measured here.
var ErrCannot = errors.New("not measured here")

// Class is which durability the two systems are compared at.
type Class string

const (
	// ClassA acknowledges from the page cache of a majority (ours: LOCKSTEP_FSYNC=os; Kafka's default).
	ClassA Class = "A"
	// ClassB syncs to disk before it acknowledges (ours: the default; Kafka: log.flush.interval.messages=1).
	ClassB Class = "B"
	// Defaults is each system as it comes: ours syncs, Kafka does not.
	Defaults Class = "defaults"
)

// durable tells whether a system of this kind syncs before it acknowledges, in this class.
func (c Class) durable(kind Kind) bool {
	return c == ClassB || c == Defaults && kind.Name() == ours
}

// Life is what a row needs to have running.
type Life int

const (
	// Shared rows are given a cluster of three nodes, warmed up, that rows before them have used.
	Shared Life = iota
	// Alone rows are given no cluster: they launch their own, in whatever shape.
	Alone
	// Machine rows measure the machine itself, with nothing running: the physical limits.
	Machine
)

// Outcome is what a figure came to: medians over pairs. NaN: not measured.
type Outcome struct{ Ours, Kafka, Ratio float64 }

// Goal is what a figure should be. The zero Goal is none.
type Goal struct {
	Text string
	met  func(Outcome) bool
}

// Met tells whether it is reached; ok is false where there is no goal, or nothing to say.
func (g Goal) Met(o Outcome) (met, ok bool) {
	if g.met == nil || o.Ours != o.Ours {
		return false, false
	}
	return g.met(o), true
}

// ratioAtLeast: ours is at least so many times Kafka's.
func ratioAtLeast(x float64) Goal {
	return Goal{fmt.Sprintf("≥ %v × Kafka", x), func(o Outcome) bool { return o.Ratio >= x }}
}

// ratioAtMost: ours is at most so large a part of Kafka's.
func ratioAtMost(x float64) Goal {
	return Goal{fmt.Sprintf("≤ %.2g × Kafka", x), func(o Outcome) bool { return o.Ratio <= x }}
}

// oursAtMost is in the figure's unit.
func oursAtMost(x float64, unit string) Goal {
	return Goal{fmt.Sprintf("≤ %v %s", x, unit), func(o Outcome) bool { return o.Ours <= x }}
}

// both goals.
func both(a, b Goal) Goal {
	return Goal{a.Text + ", " + b.Text, func(o Outcome) bool { return a.met(o) && b.met(o) }}
}

// millis is a duration as latencies have it.
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
