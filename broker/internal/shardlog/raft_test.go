package shardlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

// sumFSM is a state machine that depends on every entry and their order.
type sumFSM struct {
	mu    sync.Mutex
	sum   uint64
	count uint64
	last  uint64 // index applied
}

func (f *sumFSM) Apply(e *raft.Log) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range e.Data {
		f.sum = f.sum*31 + uint64(b)
	}
	f.count++
	f.last = e.Index
	return nil
}

func (f *sumFSM) state() [2]uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return [2]uint64{f.sum, f.count}
}

func (f *sumFSM) Snapshot() (raft.FSMSnapshot, error) { return sumSnapshot(f.state()), nil }

func (f *sumFSM) Restore(rc io.ReadCloser) error {
	r, err := StateReader(rc)
	if err != nil {
		return err
	}
	p, err := io.ReadAll(r)
	if err != nil || len(p) != 16 {
		return fmt.Errorf("restore: %d bytes, %v", len(p), err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sum, f.count = binary.BigEndian.Uint64(p), binary.BigEndian.Uint64(p[8:])
	return nil
}

type sumSnapshot [2]uint64

func (s sumSnapshot) Persist(sink raft.SnapshotSink) error {
	p := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, s[0]), s[1])
	if _, err := sink.Write(p); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

func (s sumSnapshot) Release() {}

// node is one member of a cluster.
type node struct {
	t     *testing.T
	id    string
	mem   *vfs.Mem
	log   *Log
	snaps *SnapshotStore
	fsm   *sumFSM
	trans *raft.InmemTransport
	raft  *raft.Raft
	reset chan struct{}
}

type cluster struct {
	t     *testing.T
	nodes []*node
	apply int
}

func newCluster(t *testing.T, size int) *cluster {
	c := &cluster{t: t}
	var servers []raft.Server
	for i := range size {
		n := &node{t: t, id: fmt.Sprint(i + 1), mem: vfs.NewMem()}
		c.nodes = append(c.nodes, n)
		servers = append(servers, raft.Server{ID: raft.ServerID(n.id), Address: raft.ServerAddress(n.id)})
	}
	for _, n := range c.nodes {
		n.start(raft.Configuration{Servers: servers})
	}
	c.connect()
	t.Cleanup(func() {
		for _, n := range c.nodes {
			if n.raft != nil {
				n.stop()
			}
		}
	})
	return c
}

func raftConfig(id string) *raft.Config {
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(id)
	conf.HeartbeatTimeout = 60 * time.Millisecond
	conf.ElectionTimeout = 60 * time.Millisecond
	conf.LeaderLeaseTimeout = 60 * time.Millisecond
	conf.CommitTimeout = 5 * time.Millisecond
	conf.TrailingLogs = math.MaxUint64
	conf.SnapshotThreshold = math.MaxUint64
	conf.Logger = hclog.NewNullLogger()
	return conf
}

// start opens the node's log and its Raft. Servers are for a new cluster.
func (n *node) start(servers raft.Configuration) {
	n.t.Helper()
	o := Options{Dir: testDir, FS: n.mem, SegmentBytes: 16 << 10, Sync: true, CacheBytes: 20 << 10}
	n.reset = make(chan struct{}, 1)
	reset := n.reset
	o.OnReset = func() { reset <- struct{}{} }
	l, err := Open(o)
	if err != nil {
		n.t.Fatalf("node %s: %v", n.id, err)
	}
	n.log = l
	if n.snaps, err = NewSnapshotStore(l); err != nil {
		n.t.Fatalf("node %s: %v", n.id, err)
	}
	if len(servers.Servers) > 0 {
		err := raft.BootstrapCluster(raftConfig(n.id), l, l, n.snaps, transport(n.id), servers)
		if err != nil {
			n.t.Fatal(err)
		}
	}
	n.startRaft()
}

func (n *node) startRaft() {
	n.t.Helper()
	n.fsm = &sumFSM{}
	n.trans = transport(n.id)
	n.log.HeadersOnly(true)
	r, err := raft.NewRaft(raftConfig(n.id), n.fsm, n.log, n.log, n.snaps, n.trans)
	n.log.HeadersOnly(false)
	if err != nil {
		n.t.Fatal(err)
	}
	n.raft = r
}

func transport(id string) *raft.InmemTransport {
	_, t := raft.NewInmemTransportWithTimeout(raft.ServerAddress(id), time.Second)
	return t
}

// stop is graceful.
func (n *node) stop() {
	n.t.Helper()
	if err := n.raft.Shutdown().Error(); err != nil {
		n.t.Fatal(err)
	}
	n.trans.Close()
	if err := n.log.Close(); err != nil {
		n.t.Fatal(err)
	}
	n.raft = nil
}

// connect makes every running node reach every other.
func (c *cluster) connect() {
	for _, a := range c.nodes {
		for _, b := range c.nodes {
			if a != b && a.raft != nil && b.raft != nil {
				a.trans.Connect(b.trans.LocalAddr(), b.trans)
			}
		}
	}
}

// isolate cuts a node off.
func (c *cluster) isolate(n *node) {
	n.trans.DisconnectAll()
	for _, other := range c.nodes {
		if other != n && other.raft != nil {
			other.trans.Disconnect(n.trans.LocalAddr())
		}
	}
}

func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}

// leader waits for one among the nodes and returns it.
func (c *cluster) leader(among ...*node) *node {
	c.t.Helper()
	if len(among) == 0 {
		among = c.nodes
	}
	var leader *node
	waitFor(c.t, "there is a leader", func() bool {
		for _, n := range among {
			if n.raft != nil && n.raft.VerifyLeader().Error() == nil {
				leader = n
				return true
			}
		}
		return false
	})
	return leader
}

// write applies n entries through the leader.
func (c *cluster) write(leader *node, n, size int) {
	c.t.Helper()
	var last raft.ApplyFuture
	for range n {
		c.apply++
		last = leader.raft.Apply(bytes.Repeat([]byte{byte(c.apply), byte(c.apply >> 8), 7}, size/3+1)[:size], 0)
	}
	if err := last.Error(); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// same waits until all running nodes have the leader's state and log.
func (c *cluster) same(leader *node) {
	c.t.Helper()
	for _, n := range c.nodes {
		if n.raft == nil || n == leader {
			continue
		}
		waitFor(c.t, "node "+n.id+" has caught up", func() bool {
			a, _ := leader.log.LastIndex()
			b, _ := n.log.LastIndex()
			return a == b && n.fsm.state() == leader.fsm.state()
		})
		c.sameLogs(leader, n)
	}
}

// sameLogs compares all entries that the leader has.
func (c *cluster) sameLogs(leader, n *node) {
	c.t.Helper()
	first, _ := leader.log.FirstIndex()
	last, _ := leader.log.LastIndex()
	if f, _ := n.log.FirstIndex(); f > first {
		c.t.Fatalf("node %s has its log from %d, the leader from %d", n.id, f, first)
	}
	for i := first; i <= last; i++ {
		var a, b raft.Log
		if err := errors.Join(leader.log.GetLog(i, &a), n.log.GetLog(i, &b)); err != nil {
			c.t.Fatalf("entry %d of node %s: %v", i, n.id, err)
		}
		if err := sameEntry(&b, &a); err != nil {
			c.t.Fatalf("node %s: %v", n.id, err)
		}
	}
}

func TestRaftCluster(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	c.write(leader, 200, 700)
	c.same(leader)

	// One node is killed and comes back.
	victim := c.nodes[0]
	c.isolate(victim)
	victim.raft.Shutdown().Error()
	victim.mem = victim.mem.Kill()
	victim.log.Close()
	victim.raft = nil
	leader = c.leader(c.nodes[1:]...)
	c.write(leader, 100, 700)
	victim.start(raft.Configuration{})
	c.connect()
	c.same(c.leader())

	// All restart.
	for _, n := range c.nodes {
		n.stop()
	}
	for _, n := range c.nodes {
		n.start(raft.Configuration{})
	}
	c.connect()
	leader = c.leader()
	c.write(leader, 50, 5000)
	c.same(leader)
}

// A leader that is cut off appends what the others never see. When it comes
// back that suffix is deleted.
func TestRaftConflict(t *testing.T) {
	c := newCluster(t, 3)
	for range 3 {
		old := c.leader()
		c.write(old, 30, 900)
		c.isolate(old)
		for range 40 {
			old.raft.Apply(make([]byte, 1000), 0) // in vain
		}
		var others []*node
		for _, n := range c.nodes {
			if n != old {
				others = append(others, n)
			}
		}
		leader := c.leader(others...)
		c.write(leader, 10, 900)
		c.connect()
		c.same(c.leader())
	}
}
