package scenarios

import (
	"context"
	"time"

	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/scenario"
)

// 1.2, 2.2, 2.5: some records are committed and read from a follower; then it is cut off from its peers, in both directions,
// and as many more are committed by the other two; then the cut heals.
//
// Must be seen: the cut bites; the majority commits; the follower gives out nothing above what it knows to be committed
// (its high watermark stays), and below that everything, still right; afterwards it has everything, as has the client.
func followerUncommitted() *scenario.Scenario {
	return cutFollower("1.2", "a follower that is cut off gives out nothing above its commit: 50 and 50", 50)
}

func lagAndCatchUp() *scenario.Scenario {
	return cutFollower("2.2", "a follower lags and catches up: 500, cut, 500", 500)
}

func minority() *scenario.Scenario {
	return cutFollower("2.5", "two nodes against one: the majority commits, the follower alone shows nothing new", 200)
}

func cutFollower(id, title string, n int64) *scenario.Scenario {
	return &scenario.Scenario{ID: id, Title: title, Limit: 4 * time.Minute, Faults: true,
		Run: func(ctx context.Context, c *scenario.Cell) error {
			x, err := count(ctx, c, n)
			if err != nil {
				return err
			}
			cut := faults.Isolated(c.Cluster, x.follower)
			if err := cut.Inject(ctx, c.H); err != nil {
				return err
			}
			if err := x.send(ctx, n); err != nil {
				return err
			}
			if err := x.nothingAt(ctx, n); err != nil {
				return c.UnlessMoved(ctx, x.topic, err)
			}
			if err := x.holds(ctx, n); err != nil {
				return c.UnlessMoved(ctx, x.topic, err)
			}
			healed := time.Now()
			if err := cut.Heal(ctx, c.H); err != nil {
				return err
			}
			for {
				err := x.holds(ctx, 2*n)
				if err == nil {
					break
				}
				if time.Since(healed) > resumeWithin {
					return err
				}
				if err := hold(ctx, 50*time.Millisecond); err != nil {
					return err
				}
			}
			c.H.Logf("the follower gave out all %d records %d ms after the healing began", 2*n, time.Since(healed).Milliseconds())
			return x.finish(ctx, 2*n)
		}}
}
