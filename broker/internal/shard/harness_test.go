package shard

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/rafttransport"
	"lockstep/broker/internal/recordbatch"
	"lockstep/broker/internal/vfs"
)

var key = partition.Key{Topic: partition.TopicID{7}, Partition: 3}

// toyKind is the kind of commands of a toy.
const toyKind = 9

// toy is a Machine that keeps all its commands.
type toy struct {
	mu   sync.Mutex
	cmds []byte
}

func (m *toy) Apply(cmd []byte) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cmds = append(m.cmds, cmd...)
	return len(m.cmds)
}

func (m *toy) Snapshot() ([]byte, error) { return m.all(), nil }

func (m *toy) Restore(state []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cmds = bytes.Clone(state)
	return nil
}

func (m *toy) all() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.cmds)
}

// member is one node while it runs.
type member struct {
	*Shard
	toy  *toy
	stop func()
}

type cluster struct {
	t     *testing.T
	dirs  map[int32]string
	addrs map[int32]string

	segmentBytes int64
	fs           map[int32]vfs.FS                                         // of nodes whose disk is not the real one
	dial         func(ctx context.Context, addr string) (net.Conn, error) // nil: as usual
	mayFail      map[int32]chan error                                     // of nodes that may: why they did

	mu    sync.Mutex // guards nodes
	nodes map[int32]*member
}

// newCluster starts n nodes with one shard.
func newCluster(t *testing.T, n int) *cluster {
	t.Helper()
	return newClusterOf(t, n, 0)
}

// newClusterOf starts nodes with segments of the given size.
func newClusterOf(t *testing.T, n int, segmentBytes int64) *cluster {
	t.Helper()
	c := &cluster{t: t, segmentBytes: segmentBytes, fs: map[int32]vfs.FS{}, mayFail: map[int32]chan error{}, dirs: map[int32]string{}, addrs: map[int32]string{}, nodes: map[int32]*member{}}
	listeners := map[int32]net.Listener{}
	for id := int32(1); id <= int32(n); id++ {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[id], c.dirs[id], c.addrs[id] = l, t.TempDir(), l.Addr().String()
	}
	for id, l := range listeners {
		c.start(id, l)
	}
	t.Cleanup(func() {
		for _, m := range c.all() {
			c.kill(m.node)
		}
	})
	return c
}

func (c *cluster) all() (all []*member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.nodes {
		all = append(all, m)
	}
	return all
}

// open recovers a node's shard, without running it.
func (c *cluster) open(id int32, mux *rafttransport.Mux, machine *toy) *Shard {
	c.t.Helper()
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("SHARD_LOG") != "" { // for whoever looks into a failure
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", id)
	}
	var replicas []int32
	for other := int32(1); other <= int32(len(c.addrs)); other++ {
		replicas = append(replicas, other)
	}
	s, err := Open(Options{
		ID: 5, Node: id, Replicas: replicas, Dir: c.dirs[id], Mux: mux, Machines: map[byte]Machine{toyKind: machine}, Log: log,
		SegmentBytes: c.segmentBytes, FS: c.fs[id], Sync: c.fs[id] != nil,
		Fatal: func(err error) {
			if why := c.mayFail[id]; why != nil {
				why <- err
				return
			}
			c.t.Errorf("node %d: %v", id, err)
		},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// start runs a node, on l or its former address.
func (c *cluster) start(id int32, l net.Listener) *member {
	c.t.Helper()
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", c.addrs[id]); err != nil {
			c.t.Fatal(err)
		}
	}
	mux := rafttransport.New(rafttransport.Config{LocalID: id, Listener: l, Peers: c.addrs, Dial: c.dial})
	m := &member{toy: &toy{}}
	m.Shard = c.open(id, mux, m.toy)
	Serve(mux, func(id uint32) *Shard {
		if id != 5 {
			return nil
		}
		return m.Shard
	})
	ctx, cancel := context.WithCancel(context.Background())
	under, cancelUnder := context.WithCancel(context.Background())
	var ran sync.WaitGroup
	done := make(chan struct{})
	ran.Go(func() {
		if err := mux.Run(under); err != nil {
			c.t.Errorf("mux of node %d: %v", id, err)
		}
	})
	go func() {
		defer close(done)
		if err := m.Run(ctx); err != nil && m.Failed() == nil {
			c.t.Errorf("node %d: %v", id, err)
		}
	}()
	m.stop = func() {
		cancel()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			c.t.Errorf("node %d does not stop", id)
		}
		cancelUnder()
		ran.Wait()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[id] = m
	return m
}

// kill ends a node without handing over what it leads.
func (c *cluster) kill(id int32) {
	c.mu.Lock()
	m := c.nodes[id]
	delete(c.nodes, id)
	c.mu.Unlock()
	m.stop()
}

// leader waits for a leader that takes writes and that all nodes follow: one
// whose election others still contest may be gone at once.
func (c *cluster) leader() *member {
	c.t.Helper()
	var found *member
	eventually(c.t, "there is a leader", func() bool {
		found = nil
		all := c.all()
		for _, m := range all {
			if m.Status().Ready {
				found = m
			}
		}
		return found != nil && !slices.ContainsFunc(all, func(m *member) bool {
			a, b := m.Status(), found.Status()
			return a.Leader != found.node || a.Epoch != b.Epoch
		})
	})
	return found
}

// follower waits for a node that follows the leader.
func (c *cluster) follower(leader *member) *member {
	c.t.Helper()
	var found *member
	eventually(c.t, "there is a follower", func() bool {
		for _, m := range c.all() {
			if m != leader && m.Status().Leader == leader.node {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come true that %s", what)
		}
	}
}

// records is a batch of n records with the given text.
func records(n int, text string) recordbatch.Batch {
	all := make([]recordbatch.Record, n)
	for i := range all {
		all[i] = recordbatch.Record{Timestamp: 1, Value: fmt.Appendf(nil, "%s %d", text, i)}
	}
	return recordbatch.Make(all...)
}

func idempotent(n int, id int64, sequence int32) recordbatch.Batch {
	b := records(n, fmt.Sprint("sequence ", sequence))
	b.SetProducer(id, 0, sequence)
	return b
}

// appending appends without waiting. The batch is overwritten as soon as the shard
// lets it go, as the next request would.
func (m *member) appending(k partition.Key, b recordbatch.Batch) <-chan AppendResult {
	result := make(chan AppendResult, 2) // a second answer would be a mistake, but is not to block
	b = slices.Clone(b)
	m.Append(context.Background(), k, b, func(r AppendResult) { result <- r }, func() {
		if len(b) == 0 {
			panic("a batch was let go twice")
		}
		clear(b)
		b = nil
	})
	return result
}

func (c *cluster) wait(result <-chan AppendResult) AppendResult {
	c.t.Helper()
	select {
	case r := <-result:
		return r
	case <-time.After(15 * time.Second):
		c.t.Fatal("no answer to an append")
	}
	return AppendResult{}
}

// append appends n records and returns their base offset.
func (c *cluster) append(m *member, k partition.Key, n int) int64 {
	c.t.Helper()
	r := c.wait(m.appending(k, records(n, "x")))
	if r.Err != nil {
		c.t.Fatalf("append: %v", r.Err)
	}
	return r.BaseOffset
}

// contents are the batches of a partition, as one replica reads them.
func contents(t *testing.T, s *Shard, k partition.Key) (all []recordbatch.Batch) {
	t.Helper()
	p := s.Partition(k)
	for offset := p.LogStart(); offset < p.HighWatermark(); {
		data, err := p.Read(offset, 1<<20, true)
		if err != nil || len(data) == 0 {
			t.Fatalf("read at %d: %d bytes, %v", offset, len(data), err)
		}
		for len(data) > 0 {
			b, rest, err := recordbatch.Next(data)
			if err != nil {
				t.Fatal(err)
			}
			all, data, offset = append(all, b), rest, b.NextOffset()
		}
	}
	return all
}

// agree waits until all nodes have the high watermark, and fails unless their
// bytes are the same.
func (c *cluster) agree(k partition.Key, hw int64) {
	c.t.Helper()
	var want [][]byte
	for _, m := range c.all() {
		eventually(c.t, fmt.Sprintf("node %d has %d records", m.node, hw), func() bool {
			p := m.Partition(k)
			_, err := p.Read(p.LogStart(), 1, true) // fails while a snapshot is being installed
			return err == nil && p.HighWatermark() == hw
		})
		var got [][]byte
		for _, b := range contents(c.t, m.Shard, k) {
			if err := b.Validate(); err != nil {
				c.t.Errorf("node %d, offset %d: %v", m.node, b.BaseOffset(), err)
			}
			got = append(got, b)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(bytes.Join(got, nil), bytes.Join(want, nil)) {
			c.t.Errorf("node %d holds other bytes than another", m.node)
		}
	}
}
