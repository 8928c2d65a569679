package scenarios

import (
	"context"
	"time"

	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/scenario"
)

// 5.14: the follower that everyone reads from is killed (kill -9) and loses its disk, while writers go on; it is started
// with nothing. (5.17 does the same where the others' Raft logs no longer hold all of it.)
//
// Must be seen: the node comes back with all there is, and what it then serves is byte for byte what the others have;
// readers that go on there are not sent back and miss nothing.
func wiped() *scenario.Scenario {
	return together(outing{id: "5.14", title: "a node that lost its disk is rebuilt from its peers", limit: 8 * time.Minute,
		beside: hop,
		happen: func(ctx context.Context, p *party) error {
			if !p.cluster.Features().Wipe {
				return scenario.Skipf("a node's disk cannot be taken away here")
			}
			return p.outlast(ctx, faults.Wiped(p.cluster, p.follower), 2*time.Second)
		}})
}
