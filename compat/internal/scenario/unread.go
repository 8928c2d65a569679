package scenario

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/oracle"
)

// copyWithin bounds how long a failed cell may take to copy what its readers missed.
const copyWithin = 20 * time.Second

// judge applies the oracles to the cell's history. Where a reader missed records of a partition that the scenario did not
// come to copy, it is copied now, so that the verdict can tell lost records from undelivered ones. The cell's clients must
// have ended.
func (c *Cell) judge(ctx context.Context) []oracle.Violation {
	vs := oracle.Judge(c.H.Events())
	copied := map[replicaKey]bool{}
	for _, v := range vs {
		key := replicaKey{topic: v.Topic, partition: v.Partition}
		if v.Rule != oracle.Missing || copied[key] {
			continue
		}
		copied[key] = true
		c.copyUnread(ctx, Topic{Name: v.Topic, Partition: v.Partition})
	}
	if len(copied) == 0 {
		return vs
	}
	return oracle.Judge(c.H.Events())
}

// copyUnread copies a partition from every replica that gives it out.
func (c *Cell) copyUnread(ctx context.Context, t Topic) {
	ctx, cancel := context.WithTimeout(ctx, copyWithin)
	defer cancel()
	end, err := c.End(ctx, t)
	if err != nil {
		c.H.Logf("what readers missed of %s-%d could not be copied: %v", t.Name, t.Partition, err)
		return
	}
	for _, n := range cluster.Nodes() {
		// An error is in the history: the oracles then say which replicas they know.
		_, _ = c.copyReplica(ctx, t, n, fmt.Sprintf("raw-unread-%d", n), c.Cluster.Direct(n), 0, end)
	}
}
