package api

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/config"
	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/metrics"
	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/recordbatch"
	"lockstep/broker/internal/shard"
	"lockstep/broker/internal/shardlog"
)

// memoryLog is a shard's log for partition.Set: payloads by index.
type memoryLog struct {
	mu       sync.Mutex
	payloads map[uint64][]byte
	broken   bool // every read fails
}

func (l *memoryLog) AppendPayload(dst []byte, index uint64, off, n int) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return nil, fmt.Errorf("disk error")
	}
	data := l.payloads[index][off : off+n : off+n]
	if len(dst) == 0 {
		return data, nil
	}
	return append(dst, data...), nil
}
func (l *memoryLog) Cached(index uint64, off, n int) []byte {
	data, _ := l.AppendPayload(nil, index, off, n)
	return data
}
func (l *memoryLog) Section(uint64, int, int) (*shardlog.Section, error) {
	return nil, fmt.Errorf("all is in memory")
}
func (l *memoryLog) SegmentOf(uint64) (uint64, bool) { return 0, false }
func (l *memoryLog) ReadSidecar(uint64, string, int64, int) ([]byte, error) {
	return nil, fs.ErrNotExist
}
func (l *memoryLog) WriteSidecar(uint64, string, []byte) error { return nil }

// fakeShard is a replica without Raft: tests say what its status is, and what
// is committed.
type fakeShard struct {
	log *memoryLog
	set *partition.Set

	mu          sync.Mutex // guards what follows
	index       uint64
	st          shard.Status
	uncommitted int64 // records appended beyond the high watermark
	followers   []shard.Progress
	ends        map[int32]int64 // FollowerEnd by node; absent: the high watermark
	readIndex   func(context.Context) error
	awaitLeader func()
	onLogEnd    func()
	onAppend    func(ctx context.Context, k partition.Key, b recordbatch.Batch, done func(shard.AppendResult))
}

func newFakeShard(st shard.Status) *fakeShard {
	log := &memoryLog{payloads: map[uint64][]byte{}}
	return &fakeShard{log: log, set: partition.NewSet(log), st: st, ends: map[int32]int64{}}
}

func (s *fakeShard) ID() uint32 { return 0 }

func (s *fakeShard) Status() shard.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.st
	if st.LastContact.IsZero() {
		st.LastContact = time.Now() // heard just now, whenever that is
	}
	return st
}

// become changes the status and tells the watchers.
func (s *fakeShard) become(change func(*shard.Status)) {
	s.mu.Lock()
	change(&s.st)
	s.mu.Unlock()
	s.set.WakeAll()
}

func (s *fakeShard) Replicas() []int32 { return []int32{1, 2, 3} }

func (s *fakeShard) Followers() []shard.Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]shard.Progress, len(s.followers))
	for i, f := range s.followers {
		if f.LastContact.IsZero() {
			f.LastContact = time.Now()
		}
		all[i] = f
	}
	return all
}

func (s *fakeShard) FollowerEnd(node int32, k partition.Key) int64 {
	s.mu.Lock()
	end, ok := s.ends[node]
	s.mu.Unlock()
	if ok {
		return end
	}
	return s.set.Partition(k).HighWatermark()
}

func (s *fakeShard) LogEnd(k partition.Key) int64 {
	if s.onLogEnd != nil {
		s.onLogEnd()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set.Partition(k).HighWatermark() + s.uncommitted
}

func (s *fakeShard) AwaitLeader(context.Context) {
	if s.awaitLeader != nil {
		s.awaitLeader()
	}
}

func (s *fakeShard) ReadIndex(ctx context.Context) error {
	if s.readIndex == nil {
		return nil
	}
	return s.readIndex(ctx)
}

func (s *fakeShard) Append(ctx context.Context, k partition.Key, b recordbatch.Batch, done func(shard.AppendResult), free func()) {
	if s.onAppend != nil {
		s.onAppend(ctx, k, b, done)
		return
	}
	base := s.commit(k, b)
	if free != nil {
		clear(b) // as if the next request were in its memory
		free()
	}
	if done != nil {
		done(shard.AppendResult{BaseOffset: base})
	}
}

func (s *fakeShard) Log(k partition.Key) partitionLog { return s.set.Partition(k) }
func (s *fakeShard) Watch(*partition.Watcher)         {}
func (s *fakeShard) Unwatch(*partition.Watcher)       {}

// commit stamps batches and applies them as one entry, and returns the first
// offset.
func (s *fakeShard) commit(k partition.Key, batches ...recordbatch.Batch) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	base := s.set.Partition(k).HighWatermark()
	var run []byte
	next := base
	for _, b := range batches {
		b = append(recordbatch.Batch(nil), b...)
		b.SetBaseOffset(next)
		b.SetPartitionLeaderEpoch(s.st.Epoch)
		next = b.NextOffset()
		run = append(run, b...)
	}
	payload := partition.AppendBlobHeader(nil, s.st.Epoch, 0)
	payload = append(partition.AppendRunHeader(payload, k, len(run)), run...)
	s.index++
	s.log.mu.Lock()
	s.log.payloads[s.index] = payload
	s.log.mu.Unlock()
	if _, err := s.set.Apply(s.index, uint64(s.st.Epoch), payload); err != nil {
		panic(err)
	}
	s.set.Flush()
	return base
}

// fakeCluster is the metadata.
type fakeCluster struct {
	mu      sync.Mutex
	topics  []*controller.Topic
	brokers []controller.Broker
	create  func(controller.TopicSpec) (*controller.Topic, error)
	ids     int64
	idErr   error
	behind  chan struct{} // nil, or closed once the node is current
}

func (c *fakeCluster) Current() bool {
	select {
	case <-c.behind:
		return true
	default:
		return c.behind == nil
	}
}

func (c *fakeCluster) AwaitCurrent(ctx context.Context) {
	if c.behind == nil {
		return
	}
	select {
	case <-c.behind:
	case <-ctx.Done():
	}
}

func (c *fakeCluster) find(match func(*controller.Topic) bool) *controller.Topic {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.topics {
		if match(t) {
			return t
		}
	}
	return nil
}

func (c *fakeCluster) Topic(name string) *controller.Topic {
	return c.find(func(t *controller.Topic) bool { return t.Name == name })
}
func (c *fakeCluster) TopicByID(id partition.TopicID) *controller.Topic {
	return c.find(func(t *controller.Topic) bool { return t.ID == id })
}
func (c *fakeCluster) Topics() []*controller.Topic  { return c.topics }
func (c *fakeCluster) Brokers() []controller.Broker { return c.brokers }
func (c *fakeCluster) ClusterID() string            { return "cluster" }
func (c *fakeCluster) ControllerID() int32          { return 2 }
func (c *fakeCluster) AllocateProducerID(context.Context) (int64, error) {
	c.ids++
	return c.ids, c.idErr
}
func (c *fakeCluster) CreateTopic(_ context.Context, s controller.TopicSpec) (*controller.Topic, error) {
	if c.create == nil {
		return nil, kerr.RequestTimedOut
	}
	t, err := c.create(s)
	if err == nil {
		c.mu.Lock()
		c.topics = append(c.topics, t)
		c.mu.Unlock()
	}
	return t, err
}

// node is node 1 of a cluster of three, in racks r1, r2, r3, with one shard and
// topic "t" of four partitions.
type node struct {
	t       testing.TB
	api     *API
	cluster *fakeCluster
	shard   *fakeShard
	topic   *controller.Topic
	conn    *Conn
	host    string // the client's
}

var (
	asLeader   = shard.Status{Role: shard.Leader, Ready: true, Leader: 1, Epoch: 5, Heard: -1}
	asFollower = shard.Status{Role: shard.Follower, Leader: 2, Epoch: 5, Heard: 2}
)

func newNode(t testing.TB, st shard.Status) *node {
	cfg := config.Default()
	cfg.NodeID, cfg.Rack = 1, "r1"
	c := &fakeCluster{topics: []*controller.Topic{{Name: "t", ID: partition.TopicID{15: 7}, Shards: make([]uint32, 4), Configs: map[string]string{}}}}
	for i := int32(1); i <= 3; i++ {
		c.brokers = append(c.brokers, controller.Broker{
			ID: i, Rack: fmt.Sprintf("r%d", i), Alive: true,
			Client: controller.Endpoint{Host: "client", Port: 9091 + i}, Local: controller.Endpoint{Host: "local", Port: 9191 + i},
		})
	}
	s := newFakeShard(st)
	if st.Role == shard.Leader {
		s.followers = []shard.Progress{{Node: 2}, {Node: 3}}
	}
	a := newAPI(Deps{Config: cfg, Metrics: metrics.New(), Log: slog.New(slog.DiscardHandler)}, c)
	a.shards = []replica{s}
	return &node{t: t, api: a, cluster: c, shard: s, topic: c.topics[0], conn: NewConn()}
}

func (n *node) key(p int32) partition.Key { return partition.Key{Topic: n.topic.ID, Partition: p} }

// fill commits one batch of each of sizes (numbers of records) to a partition.
func (n *node) fill(p int32, sizes ...int) {
	for _, size := range sizes {
		n.shard.commit(n.key(p), batchOf(size))
	}
}

// batchOf is a batch of n records of 100 bytes.
func batchOf(n int) recordbatch.Batch {
	records := make([]recordbatch.Record, n)
	for i := range records {
		records[i] = recordbatch.Record{Timestamp: int64(1000 + i), Value: make([]byte, 100)}
	}
	return recordbatch.Make(records...)
}

// ask sends a request through the wire format, both ways, and returns the
// answer and whether the connection is to be closed.
func (n *node) ask(ctx context.Context, l Listener, body kmsg.Request) (kmsg.Response, bool) {
	n.t.Helper()
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, body, 42)
	req, err := ParseRequest(frame[4:])
	if err != nil {
		n.t.Fatal(err)
	}
	req.Listener, req.Conn, req.ClientHost = l, n.conn, n.host
	wait, err := n.api.Start(ctx, req)
	if err != nil {
		n.t.Fatal(err)
	}
	resp := wait()
	if resp == nil {
		return nil, req.HangUp
	}
	encoded := AppendResponse(nil, req, resp)
	header := 4
	if resp.IsFlexible() && resp.Key() != 18 {
		header++
	}
	decoded := kmsg.ResponseForKey(resp.Key())
	decoded.SetVersion(resp.GetVersion())
	if err := decoded.ReadFrom(encoded[header:]); err != nil {
		n.t.Fatalf("answer cannot be read: %v", err)
	}
	return decoded, req.HangUp
}

func askFor[R kmsg.Response](n *node, l Listener, body kmsg.Request) R {
	n.t.Helper()
	resp, _ := n.ask(n.t.Context(), l, body)
	return resp.(R)
}
