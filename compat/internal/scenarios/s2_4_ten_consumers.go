package scenarios

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/records"
	"lockstep/compat/internal/scenario"
)

// 2.4: ten consumers read 10,000 records each: five from the leader, three from one follower, two from the other.
//
// Must be seen: identical data for all ten; each replica served its share, by the brokers' counters and by the bytes on
// the followers' links.
func tenConsumers() *scenario.Scenario {
	return &scenario.Scenario{ID: "2.4", Title: "ten consumers, five on followers, 10,000 records each", Limit: 4 * time.Minute, Run: runTenConsumers}
}

const sharedRecords = 10_000

func runTenConsumers(ctx context.Context, c *scenario.Cell) error {
	x, err := seat(ctx, c, 0)
	if err != nil {
		return err
	}
	rs := records.Plain(c.Seed, sharedRecords, time.Now().UnixMilli())
	const piece = 500
	for i := 0; i < len(rs); i += piece {
		if err := x.writer.Send(x.load.Handle, x.topic.Partition, int64(i), rs[i:i+piece]); err != nil {
			return err
		}
	}
	if err := x.writer.Flush(ctx, x.load.Handle); err != nil {
		return err
	}
	w, err := c.OpenWindow(ctx)
	if err != nil {
		return err
	}
	before := c.Cluster.NodeCounts(ctx)
	on := map[int]int64{x.topic.Leader: 5, x.topic.Followers[0]: 3, x.topic.Followers[1]: 2}
	var readers []string
	for node, n := range on {
		for i := range n {
			handle := fmt.Sprintf("reader-%d-%d", node, i)
			if err := x.client.OpenConsumer(ctx, handle, c.FromFollower(x.topic, node)); err != nil {
				return err
			}
			readers = append(readers, handle)
		}
	}
	end, err := c.ReadToEnd(ctx, x.topic, 0, readers...)
	if err != nil {
		return err
	}
	after, served := c.Cluster.NodeCounts(ctx), c.ServedSince(ctx, w)
	if x.writer != x.client {
		c.Fail(x.writer.Close(ctx))
	}
	if err := x.client.Close(ctx); err != nil {
		return err
	}
	if end != sharedRecords {
		return fmt.Errorf("the log ends at %d, not at %d", end, sharedRecords)
	}
	stored, err := c.CompareReplicas(ctx, x.topic, 0, end)
	if err != nil {
		return err
	}
	down := map[cluster.Edge]int64{}
	for _, f := range x.topic.Followers {
		down[c.FollowerEdge(f)] = on[f] * stored
	}
	err = c.ProveFollowers(ctx, w, served, scenario.Reading{Records: 5 * end, Down: down, Leader: cluster.ClientEdge(x.topic.Leader)})
	if err == nil && c.Cluster.Features().Counters {
		err = balanced(c, x.topic, on, before, after, end)
	}
	return c.UnlessMoved(ctx, x.topic, err)
}

// balanced checks that every node served those who were sent to it, in its own role.
func balanced(c *scenario.Cell, t scenario.Topic, on map[int]int64, before, after map[int]cluster.Counts, end int64) error {
	for node, readers := range on {
		got := after[node].Minus(before[node])
		n, role := got.Follower, "follower"
		if node == t.Leader {
			n, role = got.Leader, "leader"
		}
		c.H.Append(history.Event{Kind: history.Served, Node: node, Counts: map[string]int64{role + "_records": n}})
		if n < readers*end || n >= (readers+1)*end {
			return fmt.Errorf("node %d served %d records as a %s to %d readers of %d", node, n, role, readers, end)
		}
	}
	return nil
}
