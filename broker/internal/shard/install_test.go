package shard

import (
	"context"
	"testing"
)

// TestInstalledSnapshot brings back nodes whose next entries no other has any
// more: one that has lost everything, and one that was away.
func TestInstalledSnapshot(t *testing.T) {
	for _, lost := range []bool{true, false} {
		name := "away"
		if lost {
			name = "lost"
		}
		t.Run(name, func(t *testing.T) {
			c := newClusterOf(t, 3, 16<<10)
			leader := c.leader()
			c.append(leader, key, 10)
			c.agree(key, 10)
			gone := c.follower(leader).node
			served := c.nodes[gone].Partition(key) // readers hold on to it
			c.kill(gone)
			for range 100 {
				c.append(leader, key, 10)
			}
			if _, err := leader.Propose(context.Background(), toyKind, []byte("abc")); err != nil {
				t.Fatal(err)
			}
			if _, err := leader.DeleteRecords(context.Background(), key, 700); err != nil {
				t.Fatal(err)
			}
			for _, m := range c.all() {
				eventually(t, "the log start has come", func() bool { return m.Partition(key).LogStart() == 700 })
				if err := m.raft().Snapshot().Error(); err != nil {
					t.Fatal(err)
				}
				first, ok := m.set.FirstNeeded()
				if !ok || first < 20 {
					t.Fatalf("node %d needs entries from %d on", m.node, first)
				}
				if err := m.logStore.DropBefore(first); err != nil {
					t.Fatal(err)
				}
				if first, err := m.logStore.FirstIndex(); err != nil || first < 20 {
					t.Fatalf("node %d still holds entry %d, %v: the test does not test", m.node, first, err)
				}
			}
			if lost {
				c.dirs[gone] = t.TempDir()
			}
			m := c.start(gone, nil)
			if hw := m.Partition(key).HighWatermark(); !lost && hw < served.HighWatermark() {
				t.Errorf("it fell back to %d", hw)
			}
			c.agree(key, 1010)
			for i := range int64(10) {
				if base := c.append(c.leader(), key, 1); base != 1010+i {
					t.Errorf("offset %d", base)
				}
			}
			c.agree(key, 1020)
			if start := m.Partition(key).LogStart(); start != 700 || string(m.toy.all()) != "abc" {
				t.Errorf("log start %d, machine %q", start, m.toy.all())
			}
			c.kill(gone)
			c.start(gone, nil)
			c.agree(key, 1020)
		})
	}
}
