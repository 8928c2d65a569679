package shard

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// TestReadIndexAcrossLeaders hands leadership round: what was acknowledged by
// one leader is seen on every node after a read index, also when it is asked
// for while the next one is being elected.
func TestReadIndexAcrossLeaders(t *testing.T) {
	c := newCluster(t, 3)
	written := int64(0)
	for range 4 {
		leader := c.leader()
		c.append(leader, key, 1)
		written++
		next := c.follower(leader)
		var done sync.WaitGroup
		done.Go(func() {
			if err := leader.Transfer(next.node); err != nil {
				t.Logf("transfer: %v", err)
			}
		})
		for _, m := range c.all() {
			done.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				if err := m.ReadIndex(ctx); err != nil {
					t.Errorf("node %d: %v", m.node, err)
				} else if hw := m.Partition(key).HighWatermark(); hw < written {
					t.Errorf("node %d shows %d of %d records", m.node, hw, written)
				}
			})
		}
		done.Wait()
	}
}

// TestReadIndexOfALonelyLeader: a leader whose followers are gone cannot know
// whether it still leads, though Raft believes so for a while.
func TestReadIndexOfALonelyLeader(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := leader.ReadIndex(ctx); err != nil {
		t.Fatalf("with followers: %v", err)
	}
	for _, m := range c.all() {
		if m != leader {
			c.kill(m.node)
		}
	}
	ctx, cancel = context.WithTimeout(context.Background(), time.Second/4)
	defer cancel()
	if err := leader.ReadIndex(ctx); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("alone: %v", err)
	}
}
