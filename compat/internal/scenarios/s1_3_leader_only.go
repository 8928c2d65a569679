package scenarios

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/scenario"

	"github.com/twmb/franz-go/pkg/kerr"
)

// 1.3: followers do not serve reads; clients have a rack all the same.
//
// Must be seen: a follower answers NOT_LEADER_OR_FOLLOWER and names the current leader (from version 12 on, and where it is
// from version 16 on); every client reads everything, and leaders served it all.
func leaderOnly() *scenario.Scenario {
	return &scenario.Scenario{ID: "1.3", Title: "only the leader serves; a follower names it", Limit: 5 * time.Minute, Faults: true,
		RunAll: func(ctx context.Context, cells []*scenario.Cell) error {
			c := cells[0].Cluster
			if f := c.Features(); !f.Counters && !f.Traffic {
				return scenario.Skipf("who served what was read is unproven here")
			}
			if err := c.Reconfigure(ctx, map[string]string{"LOCKSTEP_FETCH_FROM_FOLLOWERS": "false"}); err != nil {
				return err
			}
			for _, cell := range cells {
				err := readFromLeader(ctx, cell)
				if scenario.IsUnknown(err) && ctx.Err() == nil { // nodes that have just started still share out their leaderships
					cell.Again(err)
					err = readFromLeader(ctx, cell)
				}
				cell.Fail(err)
			}
			return nil
		}}
}

func readFromLeader(ctx context.Context, c *scenario.Cell) error {
	const n = 100
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	x, err := seat(ctx, c, n)
	if err != nil {
		return err
	}
	for _, version := range []int16{10, 11, 12, 17} {
		err := c.UnlessMoved(ctx, x.topic, x.refuses(ctx, version))
		if scenario.IsUnknown(err) {
			return err
		}
		c.Fail(err) // and go on: who serves clients is another question
	}
	o := c.FromFollower(x.topic, x.follower)
	if c.Kind.Local { // its local-read listener is there to serve what it has, whatever the node leads
		o.Bootstrap = c.Cluster.Bootstrap()
	}
	w, err := c.OpenWindow(ctx)
	if err != nil {
		return err
	}
	if err := x.client.OpenConsumer(ctx, reader, o); err != nil {
		return err
	}
	end, err := c.ReadToEnd(ctx, x.topic, 0, reader)
	if err != nil {
		return err
	}
	served := c.ServedSince(ctx, w)
	if x.writer != x.client {
		c.Fail(x.writer.Close(ctx))
	}
	if err := x.client.Close(ctx); err != nil {
		return err
	}
	return c.UnlessMoved(ctx, x.topic, x.leadersServed(ctx, w, served, end))
}

// leadersServed shows that the leader, and nobody else, served what was read: by the brokers' counters, or else by the bytes on
// the clients' links. The clients must have ended.
func (x *counted) leadersServed(ctx context.Context, w scenario.Window, served cluster.Counts, end int64) error {
	c := x.c
	if c.Cluster.Features().Counters {
		c.Result.Served.Leader, c.Result.Served.Follower = served.Leader, served.Follower
		if served.Follower != 0 || served.Leader < end {
			return fmt.Errorf("leaders served %d records and followers %d", served.Leader, served.Follower)
		}
		return nil
	}
	stored, err := raw.FetchRange(ctx, c.Cluster.Direct(x.topic.Leader), x.topic.Name, x.topic.Partition, 0, end)
	if err != nil {
		return err
	}
	if _, err := c.AwaitTraffic(ctx, w, map[cluster.Edge]int64{cluster.ClientEdge(x.topic.Leader): stored.Bytes}); err != nil {
		return err
	}
	for _, f := range x.topic.Followers {
		down, err := c.AwaitTraffic(ctx, w, map[cluster.Edge]int64{cluster.ClientEdge(f): 0})
		if err != nil || down >= stored.Bytes {
			return fmt.Errorf("%d bytes came down the link of node %d, which is no leader (error %v); the batches read have %d", down, f, err, stored.Bytes)
		}
	}
	return nil
}

// refuses checks what the follower answers to a fetch of some version.
func (x *counted) refuses(ctx context.Context, version int16) error {
	a, got, err := x.c.ProbeOnce(ctx, "probe", x.follower, x.c.Cluster.Direct(x.follower), raw.Fetch{Topic: x.topic.Name, TopicID: x.topic.ID,
		Partition: x.topic.Partition, Rack: cluster.Rack(x.follower), Version: version})
	if err != nil {
		return err
	}
	leader := -1
	if version >= 12 {
		leader = x.topic.Leader
	}
	named := false
	for _, e := range a.Endpoints {
		named = named || e.Node == leader && e.Addr == x.c.Cluster.Dial(cluster.ClientEdge(leader))
	}
	if a.Error != kerr.NotLeaderForPartition || len(got) > 0 || a.CurrentLeader.ID != leader || named != (version >= 16) {
		return fmt.Errorf("node %d, version %d: error %v, %d records, leader %d at %v; expected NOT_LEADER_OR_FOLLOWER and leader %d",
			x.follower, version, a.Error, len(got), a.CurrentLeader.ID, a.Endpoints, leader)
	}
	return nil
}
