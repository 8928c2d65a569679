package faults

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"
)

// Latency delays what goes over edges by d in each direction, so that an answer takes 2d longer.
func Latency(c *cluster.Cluster, d time.Duration, edges ...cluster.Edge) Fault {
	late := toxic{kind: "latency", streams: bothWays, attrs: map[string]any{"latency": d.Milliseconds()}}
	return toxicOver(c, fmt.Sprintf("latency %v on", d), edges, late, func(edges []cluster.Edge) probe {
		return all(edges, func(ctx context.Context, e cluster.Edge) (feel, string) {
			// The fastest of a few: a busy machine is slow at times, never fast.
			fastest, err := time.Duration(0), error(nil)
			for i := range 3 {
				var took time.Duration
				if took, err = ping(ctx, c, e, 2*d+answerWithin); err != nil {
					return between, fmt.Sprintf("%s: %v", e, err)
				}
				if i == 0 || took < fastest {
					fastest = took
				}
			}
			return feels(fastest >= 2*d), fmt.Sprintf("%s: answers after %v and more", e, fastest.Round(time.Millisecond))
		})
	})
}

// Slicer has what goes over edges arrive in pieces of some 16 bytes.
func Slicer(c *cluster.Cluster, edges ...cluster.Edge) Fault {
	sliced := toxic{kind: "slicer", streams: bothWays, attrs: map[string]any{"average_size": 16, "size_variation": 4, "delay": 10}}
	return toxicOver(c, "sliced", edges, sliced, func(edges []cluster.Edge) probe {
		return all(edges, func(ctx context.Context, e cluster.Edge) (feel, string) {
			// The most of a few: pieces that wait in the socket are read together.
			most := 0
			for range 3 {
				ctx, cancel := context.WithTimeout(ctx, answerWithin)
				p, err := raw.Ping(ctx, c.Reach(e), c.Greeting(e), 1)
				cancel()
				if err != nil {
					return between, fmt.Sprintf("%s: %v", e, err)
				}
				most = max(most, p.Pieces)
			}
			return feels(most > 1), fmt.Sprintf("%s: an answer in %d pieces", e, most)
		})
	})
}
