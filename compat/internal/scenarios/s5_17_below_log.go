package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/scenario"
)

// 5.17: nodes have small segments; the first half of a partition is deleted, and with it the head of its shard's Raft log
// goes from all nodes' disks. Then a follower loses its disk. What it lacks can no longer be had entry by entry from the
// beginning: it has to be sent state and segments.
//
// Must be seen: the leader's Raft log begins above its first entry before the loss; the node comes back with all that is
// left, byte for byte, serves it to a client, and what comes after; as a leader it knows the producers that wrote before it
// was rebuilt, so that a batch that is sent again is not stored again.
func belowTheLog() *scenario.Scenario {
	return &scenario.Scenario{ID: "5.17", Title: "a node whose data the Raft logs no longer hold is rebuilt", Limit: 5 * time.Minute, Faults: true,
		With: func(k clients.Kind) bool { return k.Name == clients.Default().Name }, Run: rebuildFromSegments}
}

// smallAndSwift has the smallest segments there are, in bytes, and has them freed soon.
var smallAndSwift = map[string]string{"LOCKSTEP_SEGMENT_BYTES": "65536", "LOCKSTEP_RETENTION_CHECK": "1s"}

func rebuildFromSegments(ctx context.Context, c *scenario.Cell) error {
	if f := c.Cluster.Features(); !f.Wipe || !f.Reconfigure {
		return scenario.Skipf("needs a node's disk taken away and settings changed")
	}
	if err := smallFiles(ctx, c); err != nil {
		return err
	}
	t, err := c.Topic(ctx, 6, func(leader int) bool { return leader == partyLeader })
	if err != nil {
		return err
	}
	client, err := c.StartUnderTest(ctx)
	if err != nil {
		return err
	}
	load, err := c.OpenLoad(ctx, client, "writer", t)
	if err != nil {
		return err
	}
	for range 20 {
		if err := load.Send(ctx, 200); err != nil {
			return err
		}
	}
	start, err := dropHalf(ctx, c, t)
	if err != nil {
		return err
	}
	before, err := openRawWriter(ctx, c, t, "before-the-loss")
	if err != nil {
		return err
	}
	if _, err := before.write(ctx, leaderFirst(t)...); err != nil {
		return err
	}
	lost := faults.Wiped(c.Cluster, partyFollower)
	if err := lost.Inject(ctx, c.H); err != nil {
		return err
	}
	if err := load.Send(ctx, 500); err != nil {
		return err
	}
	if err := lost.Heal(ctx, c.H); err != nil {
		return err
	}
	first, err := firstIndex(ctx, c, t, partyFollower)
	if err != nil {
		return err
	}
	c.H.Logf("the rebuilt node's Raft log begins at %d", first)
	if err := load.Send(ctx, 500); err != nil {
		return err
	}
	o := c.FromFollower(t, partyFollower)
	o.Offset = start
	if err := client.OpenConsumer(ctx, reader, o); err != nil {
		return err
	}
	end, err := c.ReadToEnd(ctx, t, start, reader)
	if err != nil {
		return err
	}
	if err := client.Close(ctx); err != nil {
		return err
	}
	if _, err := c.CompareReplicas(ctx, t, start, end); err != nil {
		return c.UnlessMoved(ctx, t, err)
	}
	return knowsProducers(ctx, c, before)
}

// knowsProducers makes the rebuilt node the leader, and sends it once more what was acknowledged before it was rebuilt.
func knowsProducers(ctx context.Context, c *scenario.Cell, w *rawWriter) error {
	moved := faults.Transferred(c.Cluster, w.t.Name, w.t.Partition, partyFollower)
	if err := errors.Join(moved.Inject(ctx, c.H), moved.Heal(ctx, c.H)); err != nil {
		return err
	}
	if err := w.storedOnce(ctx, partyFollower); err != nil {
		return fmt.Errorf("sent to the rebuilt node: %w", err)
	}
	c.H.Logf("the rebuilt node knows that it has the batch at offset %d", w.at)
	return nil
}

// smallFiles gives every node its data anew, from the others, in small segments: files that are there keep their size.
func smallFiles(ctx context.Context, c *scenario.Cell) error {
	if err := forgetEarlierCells(ctx, c); err != nil {
		return err
	}
	if err := c.Cluster.Reconfigure(ctx, smallAndSwift); err != nil {
		return err
	}
	for _, n := range cluster.Nodes() {
		anew := faults.Wiped(c.Cluster, n)
		if err := errors.Join(anew.Inject(ctx, c.H), anew.Heal(ctx, c.H)); err != nil {
			return err
		}
	}
	return nil
}

// forgetEarlierCells deletes the topics of cells that have ended: their records would keep the shard's oldest segments.
func forgetEarlierCells(ctx context.Context, c *scenario.Cell) error {
	_, err := askAny(ctx, c, partyLeader, func(ctx context.Context, conn *raw.Conn) (struct{}, error) {
		m, err := conn.MetadataAll(ctx)
		if err != nil {
			return struct{}{}, err
		}
		var ours []string
		for _, t := range m.Topics {
			if t.Topic != nil && strings.HasPrefix(*t.Topic, "compat-") {
				ours = append(ours, *t.Topic)
			}
		}
		if len(ours) == 0 {
			return struct{}{}, nil
		}
		return struct{}{}, conn.DeleteTopics(ctx, ours...)
	})
	return err
}

// dropHalf deletes the first half of the partition's records and waits until the head of the leader's Raft log is gone. It
// returns the offset at which the partition begins.
func dropHalf(ctx context.Context, c *scenario.Cell, t scenario.Topic) (int64, error) {
	end, err := c.End(ctx, t)
	if err != nil {
		return 0, err
	}
	start := end / 2
	_, err = askAny(ctx, c, t.Leader, func(ctx context.Context, conn *raw.Conn) (struct{}, error) {
		return struct{}{}, conn.DeleteRecords(ctx, t.Name, t.Partition, start)
	})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, headGoneWithin)
	defer cancel()
	for {
		first, err := firstIndex(ctx, c, t, t.Leader)
		if err == nil && first > 1 {
			c.H.Logf("the leader's Raft log begins at %d, the partition at offset %d", first, start)
			return start, nil
		}
		if wait := hold(ctx, 100*time.Millisecond); wait != nil {
			return 0, scenario.Unknownf("the head of the Raft log was not freed (it begins at %d, error %v): nothing is below it", first, err)
		}
	}
}

// headGoneWithin is how long nodes may take to free what nobody can read any more.
const headGoneWithin = 90 * time.Second

// firstIndex is where a node's Raft log of the partition's shard begins. A target without such logs replicates the partition's
// own: that begins at one above the first offset that is left.
func firstIndex(ctx context.Context, c *scenario.Cell, t scenario.Topic, node int) (uint64, error) {
	if !c.Cluster.Features().Replicas {
		end, err := c.End(ctx, t)
		if err != nil {
			return 0, err
		}
		a, err := askAny(ctx, c, node, func(ctx context.Context, conn *raw.Conn) (*raw.Answer, error) {
			return conn.Fetch(ctx, raw.Fetch{Topic: t.Name, Partition: t.Partition, Offset: end, MaxWait: raw.NoWait})
		})
		if err != nil {
			return 0, err
		}
		if a.Error != nil {
			return 0, a.Error
		}
		return uint64(a.LogStart) + 1, nil
	}
	shard, err := c.Cluster.ShardOf(ctx, t.Name, t.Partition)
	if err != nil {
		return 0, err
	}
	s, err := c.Cluster.Status(ctx, node)
	if err != nil {
		return 0, err
	}
	for _, sh := range s.Shards {
		if sh.Shard == shard {
			return sh.FirstIndex, nil
		}
	}
	return 0, fmt.Errorf("node %d does not tell of shard %d", node, shard)
}
