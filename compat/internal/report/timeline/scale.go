package timeline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Measures of every picture, in the SVG's own units.
const (
	width   = 1000.0
	gutter  = 150.0 // labels, on the left
	right   = 990.0
	barWide = 4.0 // one bin
	bins    = int((right - gutter) / barWide)
)

// scale turns ns since 1970 into a place from left to right.
type scale struct{ from, to int64 }

func (s scale) x(at int64) float64 {
	f := float64(at-s.from) / float64(s.to-s.from)
	return gutter + min(max(f, 0), 1)*(right-gutter)
}

func (s scale) bin(at int64) int {
	return min(max(int((s.x(at)-gutter)/barWide), 0), bins-1)
}

// seconds is a time as it is shown: since the left edge.
func (s scale) seconds(at int64) string { return fmt.Sprintf("%.3f s", float64(at-s.from)/1e9) }

// counts is how many marks fall into each bin, and the highest offset in it (-1: none).
func (s scale) counts(at, offset []int64) (n, top []int64) {
	n, top = make([]int64, bins), make([]int64, bins)
	for i := range top {
		top[i] = -1
	}
	for i, t := range at {
		b := s.bin(t)
		n[b]++
		if i < len(offset) {
			top[b] = max(top[b], offset[i])
		}
	}
	return n, top
}

// ticks are round times in seconds for the axis, at most 14 of them.
func (s scale) ticks() []float64 {
	whole := float64(s.to-s.from) / 1e9
	step := 0.001
	for _, wanted := range []float64{0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600} {
		if whole/step <= 14 {
			break
		}
		step = wanted
	}
	var out []float64
	for i := 0; float64(i)*step <= whole; i++ {
		out = append(out, float64(i)*step)
	}
	return out
}

// compact writes numbers for a data attribute: none is left empty, so that pauses cost one character a bin.
func compact(ns []int64, none int64) string {
	var b strings.Builder
	for i, n := range ns {
		if i > 0 {
			b.WriteByte(',')
		}
		if n != none {
			b.WriteString(strconv.FormatInt(n, 10))
		}
	}
	return b.String()
}

// full is the count that fills a lane: well above what is usual, so that one burst does not flatten all else. Bursts
// are drawn as high as the lane.
func full(ns []int64) int64 {
	var some []int64
	for _, n := range ns {
		if n > 0 {
			some = append(some, n)
		}
	}
	if len(some) == 0 {
		return 1
	}
	slices.Sort(some)
	usual := some[len(some)/2]
	return min(3*usual, some[len(some)-1])
}

func largest(ns []int64) int64 {
	var most int64
	for _, n := range ns {
		most = max(most, n)
	}
	return most
}
