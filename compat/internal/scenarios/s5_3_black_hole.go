package scenarios

import (
	"context"
	"time"

	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/scenario"
)

// 5.3: while clients read from a follower, the link to it becomes a black hole: connections stay, nothing passes. Its
// peers still reach it, so the leader hears nothing of it. Later it heals.
//
// Must be seen: the hole bites; writers go on; every reader gives the link up and goes on by itself within a bound while
// the hole lasts, although the leader believes the follower well and might send readers back into the hole for ever (not a
// reader that knows this address only: it goes on when the hole is gone); nothing lost, doubled or changed.
func linkBlackHoled() *scenario.Scenario {
	return together("5.3", "the follower's link is a black hole under readers", 8*time.Minute,
		func(ctx context.Context, p *party) error {
			return p.measure(ctx, "follower's client link black-holed", faults.BlackHole(p.cluster, p.edges()...), local)
		})
}
