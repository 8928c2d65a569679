package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"
)

const (
	// nodeFeltWithin bounds how long a node's end or its return may take to be seen.
	nodeFeltWithin = 60 * time.Second
	// rebuiltWithin is the same for a node that has to get all its data from its peers.
	rebuiltWithin = 3 * time.Minute
)

// Killed is kill -9 of a node; healing starts it again on its data, and it is gone when the whole cluster is well.
func Killed(c *cluster.Cluster, node int) Fault {
	return nodeDown("kill -9", c, node, c.Kill)
}

// AllKilled is kill -9 of all nodes at the same time; healing starts them again on their data.
func AllKilled(c *cluster.Cluster) Fault {
	every := func(do func(node int) error) error {
		errs := make([]error, len(cluster.Nodes()))
		var wg sync.WaitGroup
		for i, n := range cluster.Nodes() {
			wg.Go(func() { errs[i] = do(n) })
		}
		wg.Wait()
		return errors.Join(errs...)
	}
	return Fault{
		Name:   "kill -9 of all nodes",
		inject: func(ctx context.Context) error { return every(func(n int) error { return c.Kill(ctx, n) }) },
		heal:   func(ctx context.Context) error { return every(func(n int) error { return c.StartNode(ctx, n) }) },
		probe: func(ctx context.Context) (feel, string) {
			for _, n := range cluster.Nodes() {
				if !c.Running(n) && ask(ctx, c, n) == nil {
					return between, fmt.Sprintf("node %d does not run, and answers", n)
				}
				if c.Running(n) {
					err := c.Healthy(ctx)
					return feels(err != nil), fmt.Sprintf("node %d runs; the cluster: %s", n, orWell(err))
				}
			}
			return bites, "no node runs, and none answers"
		},
		within: nodeFeltWithin,
	}
}

// Stopped is a graceful stop of a node; healing as with Killed.
func Stopped(c *cluster.Cluster, node int) Fault {
	return nodeDown("stop", c, node, c.Stop)
}

// Wiped is kill -9 of a node and the loss of all its data; healing starts it with nothing, and it is gone when the node
// has everything from its peers again and the whole cluster is well.
func Wiped(c *cluster.Cluster, node int) Fault {
	f := nodeDown("kill -9 and wipe", c, node, func(ctx context.Context, node int) error {
		if err := c.Kill(ctx, node); err != nil {
			return err
		}
		return c.Wipe(ctx, node)
	})
	f.within, f.wiped = rebuiltWithin, node
	return f
}

// Transferred hands the leadership of a partition (Lockstep: of all in its shard) to a node, by asking for it: it bites when
// every node names that one as the leader in a newer epoch than before. Where leadership goes back by itself there is nothing
// to take back, elsewhere Heal hands it back; it waits until the cluster is well.
func Transferred(c *cluster.Cluster, topic string, partition int32, to int) Fault {
	var before raw.Leader
	healed := false
	return Fault{
		Name: fmt.Sprintf("leadership of %s-%d to node %d", topic, partition, to),
		inject: func(ctx context.Context) error {
			now, err := leaderBy(ctx, c, to, topic, partition)
			if err != nil {
				return err
			}
			if now.ID == to {
				return fmt.Errorf("node %d leads already", to)
			}
			before = now
			return c.TransferPartition(ctx, topic, partition, to)
		},
		heal: func(ctx context.Context) error {
			healed = true
			if c.Features().HandsBack {
				return nil
			}
			return c.TransferPartition(ctx, topic, partition, before.ID)
		},
		probe: func(ctx context.Context) (feel, string) {
			if healed {
				err := c.Healthy(ctx)
				if err != nil {
					return between, err.Error()
				}
				return gone, "the cluster is well"
			}
			for _, n := range cluster.Nodes() {
				now, err := leaderBy(ctx, c, n, topic, partition)
				if err != nil || now.ID != to || now.Epoch <= before.Epoch {
					return between, fmt.Sprintf("node %d names node %d in epoch %d, error %v", n, now.ID, now.Epoch, err)
				}
			}
			return bites, fmt.Sprintf("every node names node %d", to)
		},
		within: linkFeltWithin,
	}
}

// leaderBy asks a node for a partition's leader.
func leaderBy(ctx context.Context, c *cluster.Cluster, node int, topic string, partition int32) (raw.Leader, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	conn, err := raw.Dial(ctx, c.Direct(node))
	if err != nil {
		return raw.Leader{}, err
	}
	defer conn.Close()
	now, err := conn.Leader(ctx, topic, partition)
	return now.Leader, err
}

// ask dials past all proxies and asks for the versions.
func ask(ctx context.Context, c *cluster.Cluster, node int) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	_, err := raw.Ping(ctx, c.Direct(node), raw.KafkaGreeting(), 1)
	return err
}

func nodeDown(how string, c *cluster.Cluster, node int, down func(context.Context, int) error) Fault {
	return Fault{
		Name:   fmt.Sprintf("%s node %d", how, node),
		inject: func(ctx context.Context) error { return down(ctx, node) },
		heal:   func(ctx context.Context) error { return c.StartNode(ctx, node) },
		probe: func(ctx context.Context) (feel, string) {
			if c.Running(node) {
				err := c.Healthy(ctx)
				return feels(err != nil), fmt.Sprintf("the node runs; the cluster: %v", orWell(err))
			}
			err := ask(ctx, c, node)
			return feels(err != nil), fmt.Sprintf("no process; asked directly: %v", orAnswered(err))
		},
		within: nodeFeltWithin,
	}
}

// Paused freezes a node: its connections stay open and nothing answers.
func Paused(c *cluster.Cluster, node int) Fault {
	return Fault{
		Name:   fmt.Sprintf("pause node %d", node),
		inject: func(ctx context.Context) error { return c.Pause(ctx, node) },
		heal:   func(ctx context.Context) error { return c.Resume(ctx, node) },
		probe: func(ctx context.Context) (feel, string) {
			err := ask(ctx, c, node)
			if err != nil {
				return bites, "asked directly: " + err.Error()
			}
			err = c.Healthy(ctx)
			return feels(err != nil), "an answer; the cluster: " + orWell(err)
		},
		within: nodeFeltWithin,
	}
}

func orWell(err error) string {
	if err == nil {
		return "well"
	}
	return err.Error()
}
