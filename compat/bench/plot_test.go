package main

import "testing"

// An axis is logarithmic where points were chosen by factors: not over minutes or seconds, and not for three nodes.
func TestFactors(t *testing.T) {
	for _, c := range []struct {
		name string
		at   []float64
		want int
	}{
		{"two systems, by tens", []float64{1, 10, 100, 1000, 1, 10, 100, 1000}, 4},
		{"by twos", []float64{1, 2, 4, 8, 16}, 5},
		{"nodes", []float64{1, 2, 3}, 0},
		{"minutes", []float64{0.1, 0.2, 0.3, 0.4}, 0},
		{"from zero on", []float64{0, 1, 10}, 0},
		{"one", []float64{5}, 0},
		{"none", nil, 0},
	} {
		if got := factors(c.at); len(got) != c.want || (got == nil) != (c.want == 0) {
			t.Errorf("%s: ticks %v, not %d", c.name, got, c.want)
		}
	}
}
