package scenarios

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/scenario"
)

// 1.5: the suite asks leader and follower with the racks that clients have, and the client itself reads from the follower.
//
// Must be seen: -1 means "stay", and the records come: from the leader without a rack and with its own rack, from the
// follower with its own rack; with the follower's rack the leader answers at once, without records, and names the
// follower. Nobody ever names itself.
func preferredReplica() *scenario.Scenario {
	return &scenario.Scenario{ID: "1.5", Title: "preferred replica: stay, stay, and the way to the follower", Limit: 2 * time.Minute,
		Run: func(ctx context.Context, c *scenario.Cell) error {
			const n = 50
			x, err := count(ctx, c, n)
			if err != nil {
				return err
			}
			if err := x.preferences(ctx, n); err != nil {
				return c.UnlessMoved(ctx, x.topic, err)
			}
			return x.finish(ctx, n)
		}}
}

func (x *counted) preferences(ctx context.Context, n int64) error {
	leader, follower := x.topic.Leader, x.follower
	for _, q := range []struct {
		node      int
		rack      string
		preferred int
	}{
		{leader, "", -1},
		{leader, cluster.Rack(leader), -1},
		{leader, "nowhere", -1},
		{leader, cluster.Rack(follower), follower},
		{follower, cluster.Rack(follower), -1},
	} {
		a, got, err := x.c.ProbeOnce(ctx, "preferred", q.node, x.c.Cluster.Direct(q.node), raw.Fetch{Topic: x.topic.Name,
			Partition: x.topic.Partition, Rack: q.rack, MaxWait: 5 * time.Second, MinBytes: 1})
		if err != nil {
			return err
		}
		records := q.preferred == -1
		if a.Error != nil || a.Preferred != q.preferred || (len(got) > 0) != records || a.HighWatermark != n || a.Took > time.Second {
			return fmt.Errorf("node %d (leader %d), rack %q: preferred %d, %d records, high watermark %d, error %v, after %v; expected preferred %d at once",
				q.node, leader, q.rack, a.Preferred, len(got), a.HighWatermark, a.Error, a.Took, q.preferred)
		}
	}
	return nil
}
