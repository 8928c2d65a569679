package scenarios

import (
	"context"
	"time"

	"lockstep/compat/internal/scenario"
)

// 1.1: exactly 100 committed records are read from a follower, by the client and by the suite itself.
//
// Must be seen: offsets 0 to 99, right CRCs, a high watermark of 100 on the follower, which served them.
func followerCommitted() *scenario.Scenario {
	return &scenario.Scenario{ID: "1.1", Title: "a follower gives out 100 committed records", Limit: 2 * time.Minute,
		Run: func(ctx context.Context, c *scenario.Cell) error {
			const n = 100
			x, err := count(ctx, c, n)
			if err != nil {
				return err
			}
			if err := x.holds(ctx, n); err != nil {
				return c.UnlessMoved(ctx, x.topic, err)
			}
			return x.finish(ctx, n)
		}}
}
