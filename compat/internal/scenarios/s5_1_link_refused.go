package scenarios

import (
	"context"
	"time"

	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/scenario"
)

// 5.1: while clients read from a follower, the link to it is cut the loud way (reset and refused) and healed.
//
// Must be seen: the cut bites; writers go on, for the leader is still there; after it is healed every reader goes on by
// itself; nothing is lost, doubled or changed, and no client's position is reset.
func linkRefused() *scenario.Scenario {
	return together(outing{id: "5.1", title: "the follower's link is refused and healed under readers", limit: 5 * time.Minute,
		happen: func(ctx context.Context, p *party) error {
			return p.outlast(ctx, faults.Refused(p.cluster, p.edges()...), cutFor)
		}})
}

// cutFor is how long a loud cut lasts: longer than any client's first retries.
const cutFor = 4 * time.Second
