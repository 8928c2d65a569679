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
	return together(outing{id: "5.3", title: "the follower's link is a black hole under readers", limit: 8 * time.Minute,
		happen: func(ctx context.Context, p *party) error {
			return p.measure(ctx, step{"follower's client link black-holed", faults.BlackHole(p.cluster, p.edges()...), loyal})
		}})
}

// loyal readers stay with a replica that has fallen silent until their lease on it ends (deaf ones, and kafka-python 3 for
// as long as it can connect). They need not find another way while the hole lasts.
func loyal(m *member) bool { return deaf(m) || m.c.Kind.Name == "kafka-python-3" }
