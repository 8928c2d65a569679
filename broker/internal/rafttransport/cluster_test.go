package rafttransport

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// node is a Mux and its Rafts.
type node struct {
	mux   *Mux
	rafts []*raft.Raft
	fsms  []*machine
	logs  []*raft.InmemStore
	snaps []*raft.InmemSnapshotStore
}

type cluster struct {
	t       testing.TB
	nodes   map[int32]*node
	proxies map[[2]int32]*proxy
	push    bool
}

func raftConfig(id int32) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID, _ = serverAddr(id)
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = 500*time.Millisecond, 500*time.Millisecond, 500*time.Millisecond
	c.CommitTimeout = 500 * time.Millisecond
	c.LogOutput, c.LogLevel = io.Discard, "ERROR"
	if os.Getenv("RAFT_LOG") != "" { // for whoever looks into a failure
		c.LogOutput, c.LogLevel = os.Stderr, os.Getenv("RAFT_LOG")
	}
	return c
}

// newCluster starts nodes × shards Rafts; leaders push commits if push is set.
func newCluster(t testing.TB, nodes, shards int, push bool, tune func(*raft.Config)) *cluster {
	t.Helper()
	all, proxies := muxes(t, nodes, nil)
	c := &cluster{t: t, nodes: make(map[int32]*node), proxies: proxies, push: push}
	var conf raft.Configuration
	for id := int32(1); id <= int32(nodes); id++ {
		sid, addr := serverAddr(id)
		conf.Servers = append(conf.Servers, raft.Server{ID: sid, Address: addr})
	}
	for id := int32(1); id <= int32(nodes); id++ {
		n := &node{mux: running(t, all[id])}
		c.nodes[id] = n
		for shard := range shards {
			n.logs = append(n.logs, raft.NewInmemStore())
			n.snaps = append(n.snaps, raft.NewInmemSnapshotStore())
			n.fsms = append(n.fsms, &machine{times: make(map[uint64]time.Time)})
			n.rafts = append(n.rafts, nil)
			rc := raftConfig(id)
			if tune != nil {
				tune(rc)
			}
			c.start(n, shard, rc, conf)
		}
	}
	t.Cleanup(func() {
		for _, n := range c.nodes {
			n.stop()
		}
	})
	return c
}

func (c *cluster) start(n *node, shard int, rc *raft.Config, conf raft.Configuration) {
	c.t.Helper()
	trans := n.mux.Shard(uint32(shard))
	if err := raft.BootstrapCluster(rc, n.logs[shard], n.logs[shard], n.snaps[shard], trans, conf); err != nil {
		c.t.Fatal(err)
	}
	ready := make(chan *raft.Raft, 1)
	var r *raft.Raft
	n.fsms[shard].applied = func(l *raft.Log) {
		if r == nil {
			r = <-ready
		}
		if c.push && r.State() == raft.Leader {
			for peer := range c.nodes {
				trans.PushCommit(peer, r.CurrentTerm(), l.Index, l.Term, l.Index)
			}
		}
	}
	made, err := raft.NewRaft(rc, n.fsms[shard], n.logs[shard], n.logs[shard], n.snaps[shard], trans)
	if err != nil {
		c.t.Fatal(err)
	}
	n.rafts[shard] = made
	ready <- made
}

// stop shuts every Raft of the node down, in the order that ShardTransport asks
// for.
func (n *node) stop() {
	futures := make([]raft.Future, 0, len(n.rafts))
	for shard, r := range n.rafts {
		futures = append(futures, r.Shutdown())
		if t := n.mux.shard(uint32(shard)); t != nil {
			_ = t.Close()
		}
	}
	for _, f := range futures {
		_ = f.Error()
	}
}

// leader waits for a leader of shard among the given nodes that a majority
// follows.
func (c *cluster) leader(shard int, among ...int32) int32 {
	c.t.Helper()
	var found int32
	eventually(c.t, 20*time.Second, fmt.Sprintf("shard %d has a leader among %v", shard, among), func() bool {
		for _, id := range among {
			if r := c.nodes[id].rafts[shard]; r.State() == raft.Leader && r.VerifyLeader().Error() == nil {
				found = id
				return true
			}
		}
		return false
	})
	return found
}

// apply applies n entries of size bytes to shard and returns the last index.
func (c *cluster) apply(shard int, leader int32, n, size int) uint64 {
	c.t.Helper()
	var last raft.ApplyFuture
	for i := range n {
		last = c.nodes[leader].rafts[shard].Apply(bytes.Repeat([]byte{byte(i)}, size), 10*time.Second)
	}
	if err := last.Error(); err != nil {
		c.t.Fatalf("applying to shard %d on node %d: %v", shard, leader, err)
	}
	return last.Index()
}

// applied waits until the nodes have applied count entries of shard.
func (c *cluster) applied(shard int, count uint64, nodes ...int32) {
	c.t.Helper()
	for _, id := range nodes {
		eventually(c.t, 20*time.Second, fmt.Sprintf("node %d has applied %d entries of shard %d", id, count, shard), func() bool {
			return c.nodes[id].fsms[shard].total() >= count
		})
	}
}

func TestClusterReplicatesAllShards(t *testing.T) {
	c := newCluster(t, 3, 6, false, func(rc *raft.Config) { rc.CommitTimeout = 50 * time.Millisecond })
	for shard := range 6 {
		leader := c.leader(shard, 1, 2, 3)
		last := c.apply(shard, leader, 200, 3000)
		c.applied(shard, 200, 1, 2, 3)
		trans := c.nodes[leader].mux.Shard(uint32(shard))
		for id := int32(1); id <= 3; id++ {
			if id == leader {
				continue
			}
			eventually(t, 5*time.Second, "the leader has seen the follower's progress", func() bool {
				match, contact := trans.Follower(id)
				return match == last && time.Since(contact) < time.Second
			})
			eventually(t, 5*time.Second, "the follower has seen its leader's", func() bool {
				v := c.nodes[id].mux.Shard(uint32(shard)).Leader()
				return v.Node == leader && v.Term == c.nodes[leader].rafts[shard].CurrentTerm() && v.Commit == last && time.Since(v.LastContact) < time.Second
			})
			var a, b raft.Log
			if c.nodes[leader].logs[shard].GetLog(last, &a) != nil || c.nodes[id].logs[shard].GetLog(last, &b) != nil ||
				!bytes.Equal(a.Data, b.Data) || a.Term != b.Term || a.AppendedAt.UnixNano() != b.AppendedAt.UnixNano() {
				t.Errorf("shard %d: entry %d differs on node %d: %v %v", shard, last, id, a, b)
			}
			if addr, lid := c.nodes[id].rafts[shard].LeaderWithID(); string(addr) != string(lid) || string(lid) != fmt.Sprint(leader) {
				t.Errorf("shard %d: node %d follows %q %q, want %d", shard, id, addr, lid, leader)
			}
		}
	}
}

func TestClusterSurvivesLeaderFailure(t *testing.T) {
	c := newCluster(t, 3, 6, true, nil)
	dead := c.leader(0, 1, 2, 3)
	var rest []int32
	for id := range c.nodes {
		if id != dead {
			rest = append(rest, id)
		}
	}
	for shard := range 6 {
		c.apply(shard, c.leader(shard, 1, 2, 3), 10, 100)
	}
	began := time.Now()
	c.nodes[dead].stop()
	if err := c.nodes[dead].mux.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("stopping a node took %v", time.Since(began).Round(time.Millisecond))
	for shard := range 6 {
		c.apply(shard, c.leader(shard, rest...), 10, 100)
		c.applied(shard, 20, rest...)
	}
	t.Logf("all shards wrote again after %v", time.Since(began).Round(time.Millisecond))
}

func TestClusterTransfersLeadership(t *testing.T) {
	c := newCluster(t, 3, 1, false, nil)
	from := c.leader(0, 1, 2, 3)
	to := from%3 + 1
	c.apply(0, from, 10, 100)
	if err := c.nodes[from].rafts[0].LeadershipTransferToServer(serverAddr(to)).Error(); err != nil {
		t.Fatal(err)
	}
	c.leader(0, to)
	c.apply(0, to, 10, 100)
	c.applied(0, 20, 1, 2, 3)
}

// TestClusterHealsBlackHole cuts a follower off without a single reset, both
// ways, under load, and expects it to catch up soon after.
func TestClusterHealsBlackHole(t *testing.T) {
	c := newCluster(t, 3, 2, true, nil)
	leader := c.leader(0, 1, 2, 3)
	cut, other := leader%3+1, (leader+1)%3+1
	links := [][2]int32{{leader, cut}, {cut, leader}, {other, cut}, {cut, other}}
	c.apply(0, leader, 10, 1000)
	c.applied(0, 10, 1, 2, 3)
	for _, l := range links {
		c.proxies[l].hole()
	}
	began, n := time.Now(), 10
	for time.Since(began) < 4*time.Second {
		c.apply(0, leader, 20, 5_000)
		n += 20
	}
	c.applied(0, uint64(n), leader, other)
	if got := c.nodes[cut].fsms[0].total(); got >= uint64(n) {
		t.Fatalf("node %d was not cut off: it applied %d entries", cut, got)
	}
	if age := time.Since(c.nodes[leader].mux.Contact(cut)); age < 3*time.Second {
		t.Errorf("the leader heard of the cut node %v ago", age)
	}
	for _, l := range links {
		c.proxies[l].heal()
	}
	began = time.Now()
	c.applied(0, uint64(n), cut)
	t.Logf("caught up on %d entries %v after the link was healed", n-10, time.Since(began).Round(time.Millisecond))
	if got := c.leader(0, 1, 2, 3); got != leader {
		t.Logf("leader moved from %d to %d", leader, got)
	}
}

// TestClusterOneDirectionCut cuts only what one follower asks the leader, then
// only what the leader asks the follower.
func TestClusterOneDirectionCut(t *testing.T) {
	c := newCluster(t, 3, 1, true, nil)
	leader := c.leader(0, 1, 2, 3)
	cut := leader%3 + 1
	c.proxies[[2]int32{cut, leader}].hole()
	eventually(t, 10*time.Second, "the follower notices", func() bool {
		return c.nodes[cut].mux.peers[leader].links[urgent].get() == nil
	})
	c.apply(0, leader, 50, 1000)
	c.applied(0, 50, 1, 2, 3) // replication does not need that direction

	c.proxies[[2]int32{cut, leader}].heal()
	c.proxies[[2]int32{leader, cut}].hole()
	eventually(t, 10*time.Second, "the leader notices", func() bool {
		return c.nodes[leader].mux.peers[cut].links[bulk].get() == nil
	})
	leader = c.leader(0, 1, 2, 3) // the follower may have won an election, or not: pre-vote
	c.apply(0, leader, 50, 1000)
	for l := range c.proxies {
		c.proxies[l].heal()
	}
	c.applied(0, 100, 1, 2, 3)
}

func TestClusterSurvivesResets(t *testing.T) {
	c := newCluster(t, 3, 1, true, nil)
	leader := c.leader(0, 1, 2, 3)
	for round := range 10 {
		for i := range 20 {
			if i == 10 {
				c.proxies[[2]int32{leader, leader%3 + 1}].reset()
			}
			c.apply(0, leader, 1, 20_000)
		}
		c.applied(0, uint64(20*(round+1)), 1, 2, 3)
	}
}

// TestClusterInstallsSnapshot lets a follower fall behind a compacted log.
func TestClusterInstallsSnapshot(t *testing.T) {
	c := newCluster(t, 3, 2, false, func(rc *raft.Config) { rc.TrailingLogs = 1 })
	leader := c.leader(0, 1, 2, 3)
	cut := leader%3 + 1
	c.apply(0, leader, 5, 100)
	c.applied(0, 5, 1, 2, 3)
	for l, p := range c.proxies {
		if l[0] == cut || l[1] == cut {
			p.hole()
		}
	}
	leader = c.leader(0, leader, 6-leader-cut)
	eventually(t, 10*time.Second, "the leader gives the link up", func() bool {
		return c.nodes[leader].mux.peers[cut].links[bulk].get() == nil
	})
	c.apply(0, leader, 100, 1000)
	if err := c.nodes[leader].rafts[0].Snapshot().Error(); err != nil {
		t.Fatal(err)
	}
	for _, p := range c.proxies {
		p.heal()
	}
	c.applied(0, 105, cut)
	eventually(t, 5*time.Second, "the snapshot is done", func() bool { match, _ := c.nodes[leader].mux.Shard(0).Follower(cut); return match >= 105 })
	if snaps, err := c.nodes[cut].snaps[0].List(); err != nil || len(snaps) == 0 || snaps[0].Size != machineStateLen {
		t.Errorf("the follower's snapshots: %v, %v; want one of %d bytes", snaps, err, machineStateLen)
	}
	leader = c.leader(0, 1, 2, 3)
	c.apply(0, leader, 5, 100)
	c.applied(0, 110, 1, 2, 3)
}

// followerDelay returns the median time from the leader's to a follower's
// applying of single entries.
func followerDelay(t *testing.T, push bool) time.Duration {
	c := newCluster(t, 3, 1, push, nil)
	leader := c.leader(0, 1, 2, 3)
	var delays []time.Duration
	for range 5 {
		index := c.apply(0, leader, 1, 1000)
		for id := int32(1); id <= 3; id++ {
			if id == leader {
				continue
			}
			var at time.Time
			eventually(t, 5*time.Second, "the follower applies", func() bool {
				f := c.nodes[id].fsms[0]
				f.mu.Lock()
				defer f.mu.Unlock()
				at = f.times[index]
				return !at.IsZero()
			})
			f := c.nodes[leader].fsms[0]
			f.mu.Lock()
			delays = append(delays, at.Sub(f.times[index]))
			f.mu.Unlock()
		}
	}
	slices.Sort(delays)
	t.Logf("push %v: a follower applies after the leader: min %v median %v max %v", push, delays[0], delays[len(delays)/2], delays[len(delays)-1])
	return delays[len(delays)/2]
}

func TestPushedCommitsArriveSooner(t *testing.T) {
	with, without := followerDelay(t, true), followerDelay(t, false)
	if with > without/4 || with > raftConfig(1).CommitTimeout/4 {
		t.Errorf("a follower applies %v after the leader with pushes, %v without", with, without)
	}
}
