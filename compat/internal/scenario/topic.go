package scenario

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"
)

// Topic is a cell's own topic, and the partition of it that the cell uses.
type Topic struct {
	Name      string
	ID        [16]byte
	Partition int32
	Leader    int   // when it was made; faults may move it
	Epoch     int32 // the leader's, then
	Followers []int
}

// topicWithin bounds the creation of a topic until all nodes know of it.
const topicWithin = 30 * time.Second

// every calls try until it succeeds or ctx ends; the error then tells of the last try that ctx did not cut short.
func every(ctx context.Context, pause time.Duration, try func() error) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	var last error
	for {
		err := try()
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w (last: %w)", ctx.Err(), last)
		}
	}
}

// Topic makes the cell's topic with so many partitions and waits until every node names the same leaders. The
// partition to be used is the first that accept takes (nil: takes any).
func (c *Cell) Topic(ctx context.Context, partitions int32, accept func(leader int) bool) (Topic, error) {
	return c.TopicWith(ctx, nil, partitions, accept)
}

// TopicWith is Topic with configs of its own, beside retention, of which there is none.
func (c *Cell) TopicWith(ctx context.Context, configs map[string]string, partitions int32, accept func(leader int) bool) (Topic, error) {
	ctx, cancel := context.WithTimeout(ctx, topicWithin)
	defer cancel()
	// A name that tells where it is from, and that no earlier run has used on a cluster that outlives it.
	name := fmt.Sprintf("compat-%s-%x", strings.ReplaceAll(dirName(c.H.Name()), ".", "-"), c.now().UnixNano()&0xffffff)
	all := map[string]string{"retention.ms": "-1"}
	maps.Copy(all, configs)
	if err := c.create(ctx, name, partitions, all); err != nil {
		return Topic{}, err
	}
	c.watchTopic(name)
	for p := range partitions {
		var t Topic
		err := every(ctx, 50*time.Millisecond, func() (err error) {
			t, err = c.agreed(ctx, name, p)
			return err
		})
		if err != nil {
			return t, fmt.Errorf("nodes do not agree about %s-%d: %w", name, p, err)
		}
		if accept == nil || accept(t.Leader) {
			c.H.Logf("topic %s-%d: leader %d, followers %v", t.Name, t.Partition, t.Leader, t.Followers)
			return t, nil
		}
	}
	return Topic{}, Unknownf("none of the %d partitions of %s has a fitting leader", partitions, name)
}

// create makes a topic where topics are made.
func (c *Cell) create(ctx context.Context, name string, partitions int32, configs map[string]string) error {
	return every(ctx, 100*time.Millisecond, func() error {
		return c.Cluster.AskController(ctx, func(conn *raw.Conn) error { return conn.CreateTopic(ctx, name, partitions, configs) })
	})
}

// LeaderNow is the leader that all nodes name at this moment.
func (c *Cell) LeaderNow(ctx context.Context, t Topic) (int, error) {
	now, err := c.lookAgain(ctx, t)
	return now.Leader, err
}

func (c *Cell) lookAgain(ctx context.Context, t Topic) (now Topic, err error) {
	ctx, cancel := context.WithTimeout(ctx, topicWithin)
	defer cancel()
	err = every(ctx, 50*time.Millisecond, func() (err error) {
		now, err = c.agreed(ctx, t.Name, t.Partition)
		return err
	})
	return now, err
}

// UnlessMoved turns an error into "shows nothing" when the partition's leader is not where it was when the cell chose
// whom to read from: then who served what proves nothing, for good or bad. (Elections without a fault are worth a look of
// their own: the history has every replica's role over time.)
func (c *Cell) UnlessMoved(ctx context.Context, t Topic, err error) error {
	if err == nil {
		return nil
	}
	now, lookErr := c.lookAgain(ctx, t)
	if lookErr != nil || (now.Leader == t.Leader && now.Epoch == t.Epoch) {
		return err
	}
	return Unknownf("the leader of %s-%d moved while the cell ran, from node %d (epoch %d) to %d (epoch %d): %w",
		t.Name, t.Partition, t.Leader, t.Epoch, now.Leader, now.Epoch, err)
}

// agreed asks every node for the leader of a partition.
func (c *Cell) agreed(ctx context.Context, name string, partition int32) (Topic, error) {
	t := Topic{Name: name, Partition: partition}
	for _, n := range cluster.Nodes() {
		now, err := c.leaderSeenBy(ctx, n, name, partition)
		if err != nil {
			return t, err
		}
		if t.Leader != 0 && (t.Leader != now.ID || t.Epoch != now.Epoch) {
			return t, fmt.Errorf("node %d names %d in epoch %d, not %d in epoch %d", n, now.ID, now.Epoch, t.Leader, t.Epoch)
		}
		t.Leader, t.Epoch, t.ID = now.ID, now.Epoch, now.TopicID
	}
	t.Followers = cluster.Others(t.Leader)
	return t, nil
}

func (c *Cell) leaderSeenBy(ctx context.Context, node int, name string, partition int32) (raw.Leadership, error) {
	conn, err := raw.Dial(ctx, c.Cluster.Direct(node))
	if err != nil {
		return raw.Leadership{}, fmt.Errorf("node %d: %w", node, err)
	}
	defer conn.Close()
	now, err := conn.Leader(ctx, name, partition)
	if err != nil {
		return raw.Leadership{}, fmt.Errorf("node %d: %w", node, err)
	}
	return now, nil
}

// End asks the partition's leader, whoever that is now, for the high watermark.
func (c *Cell) End(ctx context.Context, t Topic) (int64, error) {
	var end int64
	err := every(ctx, 100*time.Millisecond, func() error {
		now, err := c.agreed(ctx, t.Name, t.Partition)
		if err != nil {
			return err
		}
		conn, err := raw.Dial(ctx, c.Cluster.Direct(now.Leader))
		if err != nil {
			return err
		}
		defer conn.Close()
		end, err = conn.EndOffset(ctx, t.Name, t.Partition)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("end offset of %s-%d: %w", t.Name, t.Partition, err)
	}
	return end, nil
}
