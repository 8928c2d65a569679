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

// 1.6: a follower is cut off from its peers, and the leader is asked from that follower's rack.
//
// Must be seen: before the cut the leader names the follower; once it has not heard it for a while it names nobody, and serves
// the records itself; when the cut is healed it names the follower again. (5.4 and 5.10 have what real clients make of it.)
func cutOffPreferred() *scenario.Scenario {
	return &scenario.Scenario{ID: "1.6", Title: "nobody is sent to a follower that is cut off", Limit: 3 * time.Minute, Faults: true,
		With: func(k clients.Kind) bool { return k.Name == clients.Default().Name },
		Run: func(ctx context.Context, c *scenario.Cell) error {
			const n = 50
			x, err := count(ctx, c, n)
			if err != nil {
				return err
			}
			if err := x.named(ctx, n, x.follower, "before the cut"); err != nil {
				return c.UnlessMoved(ctx, x.topic, err)
			}
			cut := faults.Isolated(c.Cluster, x.follower)
			if err := cut.Inject(ctx, c.H); err != nil {
				return err
			}
			if err := x.named(ctx, n, -1, "with the follower cut off"); err != nil {
				return c.UnlessMoved(ctx, x.topic, err)
			}
			if err := cut.Heal(ctx, c.H); err != nil {
				return err
			}
			if err := x.named(ctx, n, x.follower, "with the cut healed"); err != nil {
				return c.UnlessMoved(ctx, x.topic, err)
			}
			return x.finish(ctx, n)
		}}
}

// noticedWithin is how long a leader may take to know that a follower is cut off, or that it is not any more. Lockstep's
// default lease is 3 s.
const noticedWithin = 15 * time.Second

// named asks the leader from the follower's rack until it answers as it should.
func (x *counted) named(ctx context.Context, n int64, preferred int, when string) error {
	ctx, cancel := context.WithTimeout(ctx, noticedWithin)
	defer cancel()
	for asked := time.Now(); ; {
		a, got, err := x.c.ProbeOnce(ctx, "asks-from-the-rack", x.topic.Leader, x.c.Cluster.Direct(x.topic.Leader), raw.Fetch{Topic: x.topic.Name,
			Partition: x.topic.Partition, Rack: cluster.Rack(x.follower), MaxWait: raw.NoWait, MinBytes: 1})
		if err != nil {
			return err
		}
		if a.Error == nil && a.Preferred == preferred && a.HighWatermark == n && (len(got) > 0) == (preferred == -1) {
			x.c.H.Logf("%s, the leader names node %d after %v", when, preferred, time.Since(asked).Round(time.Millisecond))
			return nil
		}
		if hold(ctx, 100*time.Millisecond) != nil {
			return fmt.Errorf("%s, asked from the rack of node %d for %v, the leader still names node %d as preferred replica (%d records, error %v); expected %d",
				when, x.follower, noticedWithin, a.Preferred, len(got), a.Error, preferred)
		}
	}
}
