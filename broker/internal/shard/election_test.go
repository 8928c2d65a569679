package shard

import "testing"

// TestFirstLeaderIsThePreferred forms groups, whose preferred node is the third
// (5 modulo 3) and would else be elected one time in three.
func TestFirstLeaderIsThePreferred(t *testing.T) {
	for range 3 {
		c := newCluster(t, 3)
		leader := c.leader()
		if leader.node != leader.preferred() || leader.node != 3 {
			t.Errorf("node %d was elected first, %d is preferred", leader.node, leader.preferred())
		}
		for _, m := range c.all() {
			eventually(t, "the election timeout is the usual one", func() bool {
				return m.raft().ReloadableConfig().HeartbeatTimeout == heartbeatTimeout
			})
		}
	}
}
