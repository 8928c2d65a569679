package scenarios

import (
	"context"
	"math/rand/v2"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/scenario"
)

// 5.12: beside the clients, sessions hop from replica to replica at random, while nodes are killed, frozen and cut off,
// each kind once, in an order and on nodes that the seed decides.
//
// Must be seen: what one replica has shown to a session, no other takes back: its offset is never out of range, and what
// lies there is the same (oracles 2, 4, 5).
func hopping() *scenario.Scenario {
	return together(outing{id: "5.12", title: "sessions that hop from replica to replica never go back", limit: 8 * time.Minute,
		beside: hop,
		happen: func(ctx context.Context, p *party) error {
			r := rand.New(rand.NewPCG(p.members[0].c.Seed, 2))
			kinds := []func(*cluster.Cluster, int) faults.Fault{faults.Killed, faults.Paused, faults.Isolated, faults.IsolatedRefused}
			r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
			for _, kind := range kinds {
				if err := p.during(ctx, kind(p.cluster, cluster.Nodes()[r.IntN(cluster.Size)]), time.Second); err != nil {
					return err
				}
			}
			return nil
		}})
}
