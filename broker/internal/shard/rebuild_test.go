package shard

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"lockstep/broker/internal/partition"
)

// throttle slows what is written to one address, while it is set.
type throttle struct {
	addr string
	on   atomic.Bool
}

func (th *throttle) dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil || addr != th.addr {
		return conn, err
	}
	return &slowConn{conn, th}, nil
}

type slowConn struct {
	net.Conn
	*throttle
}

func (c *slowConn) Write(p []byte) (int, error) {
	const chunk, pause = 4 << 10, 5 * time.Millisecond // some 800 KB/s
	done := 0
	for done < len(p) && c.on.Load() {
		n, err := c.Conn.Write(p[done:min(len(p), done+chunk)])
		if done += n; err != nil {
			return done, err
		}
		time.Sleep(pause)
	}
	n, err := c.Conn.Write(p[done:])
	return done + n, err
}

// wipe ends a node and takes all its data.
func (c *cluster) wipe(id int32) {
	c.t.Helper()
	c.kill(id)
	c.dirs[id] = c.t.TempDir()
}

// rebuilt waits until a node votes again.
func (c *cluster) rebuilt(id int32) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("node %d is rebuilt", id), func() bool {
		st := c.member(id).Status()
		return st.Leader >= 0 && !st.Rebuilding
	})
}

func (c *cluster) member(id int32) *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[id]
}

// TestWipedNodeIsRebuilt: many partitions, some of whose data lies below what the
// leaders' logs still hold, are all there again on a node that was emptied, while
// others go on writing, and also if who sends or who receives is killed meanwhile.
func TestWipedNodeIsRebuilt(t *testing.T) {
	for _, killed := range []string{"nobody", "receiver", "sender"} {
		t.Run("killed "+killed, func(t *testing.T) {
			c := newClusterOf(t, 3, small)
			leader := c.leader()
			keys := []partition.Key{key}
			for i := range int32(40) {
				keys = append(keys, partition.Key{Topic: partition.TopicID{byte(i % 7)}, Partition: 100 + i})
			}
			for range 6 {
				for _, k := range keys {
					if r := c.wait(leader.appending(k, records(20, "some text that takes place in a segment"))); r.Err != nil {
						t.Fatal(r.Err)
					}
				}
			}
			for _, k := range keys[1:20] { // the oldest is gone
				if _, err := leader.DeleteRecords(context.Background(), k, 70); err != nil {
					t.Fatal(err)
				}
			}
			for _, k := range append(keys[20:], key) {
				if _, err := leader.DeleteRecords(context.Background(), k, 45); err != nil {
					t.Fatal(err)
				}
			}
			for _, m := range c.all() {
				eventually(t, "the last log start has come", func() bool { return m.Partition(key).LogStart() == 45 })
				c.freed(m, 20)
			}
			if s := leader.Storage(); s.Segments < 4 {
				t.Fatalf("%+v: the test does not test", s)
			}
			// A receiver that is to be caught in the middle is a slow one.
			wiped := c.follower(leader).node
			slow := &throttle{addr: c.addrs[wiped]}
			c.dial = slow.dial
			if killed != "nobody" {
				slow.on.Store(true)
				c.kill(leader.node) // connections are made anew
				c.start(leader.node, nil)
			}
			leader = c.leader()
			if leader.node == wiped {
				wiped = c.follower(leader).node
				slow.on.Store(false)
			}
			c.wipe(wiped)
			stop := make(chan struct{})
			answers := c.storm(leader, stop)
			m := c.start(wiped, nil)
			switch killed {
			case "receiver":
				eventually(t, "it is in the middle", func() bool { return m.raft() != nil && m.Status().Rebuilding })
				c.kill(wiped)
				slow.on.Store(false)
				c.start(wiped, nil)
			case "sender":
				eventually(t, "it is in the middle", func() bool { return m.raft() != nil && m.Status().Rebuilding })
				c.kill(leader.node)
				slow.on.Store(false)
				c.start(leader.node, nil)
			}
			c.rebuilt(wiped)
			close(stop)
			all := answers()
			leader = c.leader()
			c.append(leader, key, 1)
			for _, k := range keys {
				c.agree(k, leader.LogEnd(k))
			}
			if n := kept(t, c.member(wiped).Shard, all); n == 0 {
				t.Error("nothing was written meanwhile")
			}
			if first, newest := c.member(wiped).Storage().FirstIndex, leader.Storage().FirstIndex; first > newest {
				t.Errorf("it holds entries from %d on, the leader from %d", first, newest)
			}
			if rebuilding, err := storedUint(c.member(wiped).logStore, keyRebuilding); err != nil || rebuilding != 0 {
				t.Errorf("on its disk: rebuilding %d, %v", rebuilding, err)
			}
		})
	}
}

// nobodyLeads fails if a leader is elected within some election timeouts.
func (c *cluster) nobodyLeads(why string) {
	c.t.Helper()
	for deadline := time.Now().Add(4 * heartbeatTimeout); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for _, m := range c.all() {
			if m.Status().Ready {
				c.t.Fatalf("node %d leads, %s", m.node, why)
			}
		}
	}
}

// TestWipedNodeDoesNotVote: what was acknowledged is on a node that is down and
// on one that has lost it. The third, which never had it, must not be elected by
// the one that forgot.
func TestWipedNodeDoesNotVote(t *testing.T) {
	for _, c := range []struct {
		name string
		seen bool // the wiped node has seen the leader before that dies
	}{{"the leader is down already", false}, {"the leader dies in the middle", true}} {
		t.Run(c.name, func(t *testing.T) { testWipedVote(t, c.seen) })
	}
}

func testWipedVote(t *testing.T, seen bool) {
	c := newClusterOf(t, 3, small)
	leader := c.leader()
	c.append(leader, key, 10)
	c.agree(key, 10)
	wiped := c.follower(leader).node
	var late int32
	for _, m := range c.all() {
		if m.node != leader.node && m.node != wiped {
			late = m.node
		}
	}
	c.kill(late)
	if wiped == leader.node {
		t.Fatal("no follower")
	}
	leader = c.leader()
	c.fill(leader, key, 20)
	hw := leader.LogEnd(key)
	slow := &throttle{addr: c.addrs[wiped]}
	slow.on.Store(true)
	c.dial = slow.dial
	c.kill(leader.node) // so that it dials anew
	c.wipe(wiped)
	if seen {
		c.start(leader.node, nil)
		c.start(late, nil)
		c.start(wiped, nil)
		eventually(t, "the wiped node has a part of the log", func() bool {
			m := c.member(wiped)
			return m.raft() != nil && m.Status().Rebuilding && m.Status().Last > 5
		})
		if c.member(late).LogEnd(key) != hw { // else it may be elected, and loses nothing
			c.kill(leader.node)
			c.nobodyLeads("without what was acknowledged")
			c.start(leader.node, nil)
		}
	} else {
		c.start(late, nil)
		c.start(wiped, nil)
		c.nobodyLeads("without what was acknowledged")
		if st := c.member(wiped).Status(); !st.Waiting {
			t.Errorf("the wiped node: %+v", st)
		}
		c.start(leader.node, nil)
	}
	slow.on.Store(false)
	c.rebuilt(wiped)
	c.agree(key, hw)
	// The vote of the term in which it came back was spent.
	m := c.member(wiped)
	if term, err := storedUint(m.logStore, keyVoteTerm); err != nil || term < 2 {
		t.Errorf("its vote: term %d, %v", term, err)
	}
	// Now it counts again: with the leader gone the two others go on.
	c.kill(c.leader().node)
	c.append(c.leader(), key, 1)
}

// TestDivergentFollower: a leader without a quorum has written much that was never
// committed. It comes back when its peers have dropped what it would need, and
// the snapshot that it is sent is below its last entry (hashicorp/raft #697).
func TestDivergentFollower(t *testing.T) {
	c := newClusterOf(t, 3, small)
	old := c.leader()
	c.append(old, key, 10)
	c.agree(key, 10)
	var rest []int32
	for _, m := range c.all() {
		if m != old {
			rest = append(rest, m.node)
			c.kill(m.node)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	last := old.raft().LastIndex()
	for range 400 {
		go old.Propose(ctx, toyKind, []byte("never committed")) //nolint:errcheck // as it says
	}
	eventually(t, "it has written much", func() bool { return old.raft().LastIndex() > last+300 })
	last = old.raft().LastIndex()
	cancel()
	c.kill(old.node)
	for _, id := range rest {
		c.start(id, nil)
	}
	leader := c.leader()
	c.fill(leader, key, 4)
	keep := leader.LogEnd(key) - 200
	if _, err := leader.DeleteRecords(context.Background(), key, keep); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.all() {
		eventually(t, "the log start has come", func() bool { return m.Partition(key).LogStart() == keep })
		c.freed(m, 20)
	}
	if s := leader.Storage(); s.SnapshotIndex >= last {
		t.Fatalf("%+v, the other's last entry is %d: the test does not test", s, last)
	}
	m := c.start(old.node, nil)
	c.agree(key, leader.LogEnd(key))
	if len(m.toy.all()) > 0 {
		t.Errorf("what was never committed is there: %d bytes", len(m.toy.all()))
	}
	c.append(c.leader(), key, 1)
	c.agree(key, c.leader().LogEnd(key))
}
