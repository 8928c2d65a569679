package scenarios

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/scenario"
)

// 5.3: while clients read from a follower, the link to it becomes a black hole: connections stay, nothing passes. Later it
// heals.
//
// Must be seen: the hole bites; writers go on; how long each reader takes to find another way while the hole lasts (it
// need not: a client that only knows this address cannot); after the healing every reader goes on by itself; nothing
// lost, doubled or changed.
func linkBlackHoled() *scenario.Scenario {
	return &scenario.Scenario{ID: "5.3", Title: "the follower's link is a black hole for a while under readers", Limit: 6 * time.Minute, Faults: true,
		RunAll: func(ctx context.Context, cells []*scenario.Cell) error {
			const follower = 2
			p, err := invite(ctx, cells, follower)
			if err != nil {
				return err
			}
			p.write()
			p.read(ctx, resumeWithin, "before the black hole")
			if err := p.stillFollows(ctx); err != nil {
				return err
			}
			hole := faults.BlackHole(cells[0].Cluster, p.edges()...)
			if err := p.fault(ctx, hole.Inject); err != nil {
				return err
			}
			p.acks(ctx, resumeWithin, "during the black hole")
			p.each(func(m *member) error { return findsAnotherWay(ctx, m) })
			if err := p.fault(ctx, hole.Heal); err != nil {
				return err
			}
			p.read(ctx, resumeWithin, "after the black hole")
			p.finish(ctx)
			return nil
		}}
}

// holeFor is how long the hole lasts at most, and no longer than it takes until every reader has found another way. Clients
// that wait for a request's own timeout (30 s in Java, 60 s in librdkafka) do not find one in this time, and need not:
// a leader that knows nothing of the hole would send them back.
const holeFor = 15 * time.Second

// findsAnotherWay notes how long a reader stood still until it was given records that were written after the hole began.
func findsAnotherWay(ctx context.Context, m *member) error {
	if m.c.Kind.Local {
		return nil // it knows no other address
	}
	ctx, cancel := context.WithTimeout(ctx, holeFor)
	defer cancel()
	start := time.Now()
	written := m.c.H.Tally(m.load.Handle).Next
	err := m.c.H.Until(ctx, "records written after the hole began", reader, func(x history.Tally) bool { return x.Next > written })
	took := fmt.Sprintf("after %.1f s", time.Since(start).Seconds())
	if err != nil {
		took = fmt.Sprintf("not within %v", holeFor)
	}
	m.c.H.Logf("%s found another way past the black hole %s", m.c.Kind.Name, took)
	return nil
}
