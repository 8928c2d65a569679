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
	return &scenario.Scenario{ID: "5.1", Title: "the follower's link is refused and healed under readers", Limit: 5 * time.Minute, Faults: true,
		RunAll: func(ctx context.Context, cells []*scenario.Cell) error {
			const follower = 2
			p, err := invite(ctx, cells, follower)
			if err != nil {
				return err
			}
			p.write()
			p.read(ctx, resumeWithin, "before the cut")
			if err := p.stillFollows(ctx); err != nil {
				return err
			}
			cut := faults.Refused(cells[0].Cluster, p.edges()...)
			if err := p.fault(ctx, cut.Inject); err != nil {
				return err
			}
			p.acks(ctx, resumeWithin, "during the cut")
			if err := hold(ctx, cutFor); err != nil {
				return err
			}
			if err := p.fault(ctx, cut.Heal); err != nil {
				return err
			}
			p.read(ctx, resumeWithin, "after the cut was healed")
			p.finish(ctx)
			return nil
		}}
}

const (
	// cutFor is how long a loud cut lasts: longer than any client's first retries.
	cutFor = 4 * time.Second
	// resumeWithin is how long a client may take to go on once nothing is in its way.
	resumeWithin = 60 * time.Second
)
