package scenarios

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/scenario"
)

// 1.6: the link between a leader and a follower is cut, while the third node hears both, so that nobody takes either for
// dead: where one node decides that for all, it is the third. The leader is asked from that follower's rack.
//
// Must be seen: before the cut the leader names the follower; once it has not heard it for a while it names nobody, and serves
// the records itself; when the cut is healed it names the follower again. (5.4 and 5.10 have what real clients make of it.)
func cutOffPreferred() *scenario.Scenario {
	return &scenario.Scenario{ID: "1.6", Title: "nobody is sent to a follower that its leader does not hear", Limit: 3 * time.Minute, Faults: true,
		With: func(k clients.Kind) bool { return k.Name == clients.Default().Name },
		Run: func(ctx context.Context, c *scenario.Cell) error {
			const n = 50
			third, err := c.Cluster.Overseer(ctx)
			if err != nil {
				return err
			}
			pair := cluster.Others(max(third, 1))
			follower, leader := pair[0], pair[1]
			g, err := host(ctx, c, leader)
			if err != nil {
				return err
			}
			if err := written(n, follower)(ctx, g); err != nil {
				return err
			}
			if err := g.named(ctx, n, follower, follower, "before the cut"); err != nil {
				return c.UnlessMoved(ctx, g.topic, err)
			}
			cut := faults.BlackHole(c.Cluster, cluster.RaftEdge(leader, follower), cluster.RaftEdge(follower, leader))
			if err := cut.Inject(ctx, c.H); err != nil {
				return err
			}
			if err := g.named(ctx, n, follower, -1, "with the follower cut off"); err != nil {
				return c.UnlessMoved(ctx, g.topic, err)
			}
			if err := cut.Heal(ctx, c.H); err != nil {
				return err
			}
			if err := g.named(ctx, n, follower, follower, "with the cut healed"); err != nil {
				return c.UnlessMoved(ctx, g.topic, err)
			}
			return g.leave(ctx, n)
		}}
}

// noticedWithin is how long a leader may take to know that a follower is cut off, or that it is not any more. Lockstep's
// default lease is 3 s.
const noticedWithin = 15 * time.Second

// named asks the leader from the follower's rack until it answers as it should.
func (g *guest) named(ctx context.Context, n int64, follower, preferred int, when string) error {
	ctx, cancel := context.WithTimeout(ctx, noticedWithin)
	defer cancel()
	for asked := time.Now(); ; {
		a, got, err := g.c.ProbeOnce(ctx, "asks-from-the-rack", g.topic.Leader, g.c.Cluster.Direct(g.topic.Leader), raw.Fetch{Topic: g.topic.Name,
			Partition: g.topic.Partition, Rack: cluster.Rack(follower), MaxWait: raw.NoWait, MinBytes: 1})
		if err != nil {
			return err
		}
		if a.Error == nil && a.Preferred == preferred && a.HighWatermark == n && (len(got) > 0) == (preferred == -1) {
			g.c.H.Logf("%s, the leader names node %d after %v", when, preferred, time.Since(asked).Round(time.Millisecond))
			return nil
		}
		if hold(ctx, 100*time.Millisecond) != nil {
			return fmt.Errorf("%s, asked from the rack of node %d for %v, the leader still names node %d as preferred replica (%d records, error %v); expected %d",
				when, follower, noticedWithin, a.Preferred, len(got), a.Error, preferred)
		}
	}
}
