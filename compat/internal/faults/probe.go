package faults

import (
	"context"
	"strings"
	"sync"

	"lockstep/compat/internal/cluster"
)

// probe looks once, and says what it saw.
type probe func(ctx context.Context) (feel, string)

// feel is what a probe finds.
type feel int

const (
	between feel = iota // neither the one nor the other: look again
	bites
	gone
	unfelt // nothing: another probe decides
)

// feels is the feel of a fault that has only two states.
func feels(it bool) feel {
	if it {
		return bites
	}
	return gone
}

// all looks at every edge at the same time, and finds what all of them show.
func all(edges []cluster.Edge, look func(context.Context, cluster.Edge) (feel, string)) probe {
	return func(ctx context.Context) (feel, string) {
		felt := make([]feel, len(edges))
		saw := make([]string, len(edges))
		var wg sync.WaitGroup
		for i, e := range edges {
			wg.Go(func() { felt[i], saw[i] = look(ctx, e) })
		}
		wg.Wait()
		return agreed(felt), strings.Join(saw, "; ")
	}
}

// both has two probes look, one after the other.
func both(a, b probe) probe {
	return func(ctx context.Context) (feel, string) {
		f, saw := a(ctx)
		g, also := b(ctx)
		if also != "" {
			saw += "; " + also
		}
		return agreed([]feel{f, g}), saw
	}
}

// agreed is what all found that found something.
func agreed(felt []feel) feel {
	out := unfelt
	for _, f := range felt {
		switch {
		case f == unfelt:
		case out == unfelt:
			out = f
		case out != f:
			return between
		}
	}
	if out == unfelt {
		return between
	}
	return out
}
