package shardlog

import (
	"errors"
	"testing"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

// restartRaft is what the owner of a Raft does after OnReset.
func (n *node) restartRaft() {
	n.t.Helper()
	if err := n.raft.Shutdown().Error(); err != nil {
		n.t.Fatal(err)
	}
	n.trans.Close()
	n.log.ClearReset()
	n.startRaft()
}

// retain takes a snapshot and drops all that retention could, from nodes that
// have caught up.
func (c *cluster) retain(nodes ...*node) {
	c.t.Helper()
	for _, n := range nodes {
		if err := n.raft.Snapshot().Error(); err != nil {
			c.t.Fatalf("snapshot on node %s: %v", n.id, err)
		}
		list, err := n.snaps.List()
		if err != nil || len(list) == 0 {
			c.t.Fatalf("no snapshot: %v", err)
		}
		if err := n.log.DropBefore(list[0].Index); err != nil {
			c.t.Fatal(err)
		}
	}
}

// A node that lost its disk ends with every entry that its peers keep, although
// they no longer have the head of the log.
func TestRaftWipedFollower(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	c.write(leader, 300, 900)
	c.same(leader)
	c.retain(c.nodes...)
	c.write(leader, 100, 900)
	c.same(leader)
	if err := leader.raft.Snapshot().Error(); err != nil { // far above the first entry
		t.Fatal(err)
	}
	c.write(leader, 10, 900)

	var victim *node
	for _, n := range c.nodes {
		if n != leader {
			victim = n
		}
	}
	c.isolate(victim)
	victim.stop()
	victim.mem = vfs.NewMem()
	victim.start(raft.Configuration{})
	c.connect()
	c.same(leader)
	first, _ := leader.log.FirstIndex()
	if first < 2 {
		t.Fatal("the leader still has its whole log: nothing was tested")
	}
	list, _ := victim.snaps.List()
	if len(list) != 1 {
		t.Fatalf("%d snapshots on the wiped node", len(list))
	}
	// It is a full member again, also after a restart.
	c.isolate(victim)
	victim.stop()
	victim.start(raft.Configuration{})
	c.connect()
	c.write(c.leader(), 10, 900)
	c.same(c.leader())
}

// The leader is cut off and appends entries that nobody else sees; the others
// go on, take a snapshot and drop their log up to beyond where the two differ.
// The old leader can be helped only by that snapshot, and has entries at and
// beyond its index which contradict it: hashicorp/raft #697.
func TestRaftDivergentFollower(t *testing.T) {
	c := newCluster(t, 3)
	old := c.leader()
	c.write(old, 50, 900)
	c.same(old)
	common, _ := old.log.LastIndex()
	c.isolate(old)
	for range 400 {
		old.raft.Apply(make([]byte, 900), 0) // in vain
	}
	var others []*node
	for _, n := range c.nodes {
		if n != old {
			others = append(others, n)
		}
	}
	leader := c.leader(others...)
	c.write(leader, 100, 900)
	for _, n := range others {
		waitFor(t, "the majority has caught up", func() bool { return n.fsm.state() == leader.fsm.state() })
	}
	c.retain(others...)
	first, _ := leader.log.FirstIndex()
	list, _ := leader.snaps.List()
	last, _ := old.log.LastIndex()
	var theirs, ours raft.Log
	if err := errors.Join(old.log.GetLog(list[0].Index, &theirs), leader.log.GetLog(list[0].Index, &ours)); err != nil {
		t.Fatal(err)
	}
	if first <= common || last < list[0].Index || theirs.Term == ours.Term {
		t.Fatalf("logs are not as the test wants them: common %d, leader from %d, snapshot of %d, old leader to %d", common, first, list[0].Index, last)
	}

	c.connect()
	waitFor(t, "the log was replaced", func() bool {
		select {
		case <-old.reset:
			return true
		default:
			return false
		}
	})
	old.restartRaft()
	c.connect()
	c.same(c.leader())
	c.write(c.leader(), 50, 900)
	c.same(c.leader())
	select {
	case <-old.reset:
		t.Fatal("the log was replaced twice")
	default:
	}
}
