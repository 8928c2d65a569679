package faults

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
)

// nodeFeltWithin bounds how long a node's end or its return may take to be seen.
const nodeFeltWithin = 60 * time.Second

// Killed is kill -9 of a node; healing starts it again on its data, and it is gone when the whole cluster is well.
func Killed(c *cluster.Cluster, node int) Fault {
	return nodeDown("kill -9", c, node, c.Kill)
}

// Stopped is a graceful stop of a node; healing as with Killed.
func Stopped(c *cluster.Cluster, node int) Fault {
	return nodeDown("stop", c, node, c.Stop)
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
			_, err := ask(ctx, c.Direct(node), answerWithin)
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
			_, err := ask(ctx, c.Direct(node), answerWithin)
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
