package shard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/mutant"
	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/rafttransport"
	"lockstep/broker/internal/shardlog"
	"lockstep/broker/internal/vfs"
)

// segmentBytes is the usual size of the log's segments: what a new shard takes
// on disk, and how finely retention can give space back. A snapshot is due after
// as many bytes of blobs: it is what a restart has to replay, and what holds
// freed segments back. cacheBytes is how much of the newest entries stays in
// memory, for followers and for readers at the end.
const (
	segmentBytes = 32 << 20
	cacheBytes   = 2 << 20
)

// Options is what a shard needs to live.
type Options struct {
	ID       uint32
	Node     int32
	Replicas []int32 // ids of all its replicas, this node among them; the same on each
	Dir      string
	Sync     bool // fsync before acknowledging
	Mux      *rafttransport.Mux
	Machines map[byte]Machine // by kind of command; kinds 1 and 4 are the shard's own
	Log      *slog.Logger
	// SegmentBytes is the size of the log's segments; 0: the usual.
	SegmentBytes int64
	FS           vfs.FS // nil: the operating system's
	// Fatal is called when this replica cannot go on: its disk is broken, or
	// the log holds what this version does not understand. The node must stop.
	Fatal func(error)
}

// Shard is one Raft group and the partitions that live in it, on this node.
type Shard struct {
	id       uint32
	node     int32
	replicas []int32
	mux      *rafttransport.Mux
	machines map[byte]Machine
	log      *slog.Logger
	fail     func(error)

	logStore  *shardlog.Log
	snapshots *shardlog.SnapshotStore
	set       *partition.Set

	raftNow      atomic.Pointer[raft.Raft]
	reset        chan struct{} // an installed snapshot wants Raft made anew
	appliedIndex atomic.Uint64 // newest command applied
	progress     signal        // appliedIndex has moved

	askedIndex     *rounds // of this replica to the leader
	confirmedIndex *rounds // of this leader to a majority

	lag      lagClock
	watchers watchers

	snapshotEvery int64 // bytes of blobs
	sinceSnapshot int64 // bytes; the state machine's goroutine only
	// brought is the newest entry that the present Raft has brought to the state
	// machine, lastCommand the newest command above the restored snapshot that was
	// applied, in a replay or by an earlier Raft perhaps. Of the state machine's
	// goroutine, and of recover.
	brought, lastCommand uint64
	snapshotDue          chan struct{}
	failed               atomic.Pointer[error] // why this replica cannot go on
	waiting              atomic.Bool           // for what the others have: this replica is empty
	rebuilding           atomic.Bool           // must not vote yet
	spared               atomic.Uint64         // the newest snapshot's state needs no entry below
	peerLost             chan struct{}         // capacity 1: a peer's last connection has ended
	changed              signal                // woken when the leader, the term or readiness changes

	office       atomic.Pointer[office] // nil unless this node leads and is ready
	ledUntil     atomic.Int64           // ns since 1970: when the last office was left
	retake       chan struct{}          // the office was given up though this node may lead
	queue        *queue
	flying       chan struct{} // one value for each flight
	smallFlights int           // see worthwhile
	landed       chan struct{} // capacity 1: there is one value less
	flights      chan *flight
	flightMu     sync.Mutex // guards inFlight of heads, and landed, err and repeats of flights
}

// Open recovers the shard from its directory: everything that this replica knew
// to be committed is applied when it returns. Raft starts with Run.
func Open(o Options) (*Shard, error) {
	o.SegmentBytes = cmp.Or(o.SegmentBytes, segmentBytes)
	s := &Shard{
		snapshotEvery: o.SegmentBytes,
		id:            o.ID, node: o.Node, replicas: o.Replicas, mux: o.Mux, machines: o.Machines,
		log: o.Log, fail: o.Fatal,
		reset: make(chan struct{}, 1), snapshotDue: make(chan struct{}, 1), peerLost: make(chan struct{}, 1), retake: make(chan struct{}, 1),
		askedIndex: newRounds(readRoundTime), confirmedIndex: newRounds(readRoundTime),
		queue: newQueue(), flying: make(chan struct{}, maxFlights), flights: make(chan *flight, maxFlights), landed: make(chan struct{}, 1),
	}
	if s.smallFlights = 1; o.Sync {
		s.smallFlights = 2
	}
	var err error
	s.logStore, err = shardlog.Open(shardlog.Options{
		Dir: filepath.Join(o.Dir, strconv.Itoa(int(o.ID))), Sync: o.Sync, Logger: o.Log, SegmentBytes: o.SegmentBytes, CacheBytes: cacheBytes, FS: o.FS,
		OnReset: func() { s.reset <- struct{}{} },
	})
	if err != nil {
		return nil, fmt.Errorf("shard %d: %w", o.ID, err)
	}
	s.set = partition.NewSet(s.logStore)
	rebuilding, err := storedUint(s.logStore, keyRebuilding)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("shard %d: %w", o.ID, err), s.logStore.Close())
	}
	s.rebuilding.Store(rebuilding == 1)
	if s.snapshots, err = shardlog.NewSnapshotStore(s.logStore); err == nil {
		err = s.recover()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("shard %d: %w", o.ID, err), s.logStore.Close())
	}
	s.mux.WatchLost(s.noticeLost)
	return s, nil
}

// recover restores the newest snapshot and replays what is known to be
// committed after it.
func (s *Shard) recover() error {
	state, err := s.newestState()
	if err != nil {
		return err
	}
	if err := s.restoreState(state); err != nil {
		return err
	}
	first, err := s.logStore.FirstIndex()
	if err != nil {
		return err
	}
	from, to := max(s.appliedIndex.Load()+1, first), s.logStore.Committed()
	if mutant.Is(mutant.ForgetsHW) {
		to = 0
	}
	if first == 0 || from > to {
		return nil
	}
	err = s.logStore.Replay(from, to, func(e *raft.Log) error {
		own := *e
		own.Data = append([]byte(nil), e.Data...) // machines may keep it
		// A machine's error is its answer to a proposer; a blob's means that the
		// log cannot be read.
		err, failed := s.apply(&own).(error)
		if failed && e.Data[0] == partition.BlobKind && !errors.Is(err, errRefused) {
			return err
		}
		s.appliedIndex.Store(e.Index)
		return nil
	})
	if err != nil {
		return fmt.Errorf("replay entries %d to %d: %w", from, to, err)
	}
	s.set.Flush()
	return nil
}

// catchUp restores an installed snapshot that Raft was shut down before giving
// it to the state machine: the next life of Raft believes that it has it.
func (s *Shard) catchUp() error {
	metas, err := s.snapshots.List()
	if err != nil || len(metas) == 0 || metas[0].Index <= s.appliedIndex.Load() {
		return err
	}
	return s.recover()
}

func (s *Shard) newestState() ([]byte, error) {
	metas, err := s.snapshots.List()
	if err != nil || len(metas) == 0 {
		return nil, err
	}
	_, rc, err := s.snapshots.Open(metas[0].ID)
	if err != nil {
		return nil, fmt.Errorf("open snapshot %s: %w", metas[0].ID, err)
	}
	defer rc.Close()
	r, err := shardlog.StateReader(rc)
	if err != nil {
		return nil, fmt.Errorf("read snapshot %s: %w", metas[0].ID, err)
	}
	return io.ReadAll(r)
}

// Run takes part in the Raft group until ctx ends, and then closes the shard.
func (s *Shard) Run(ctx context.Context) error {
	for {
		again, err := s.runRaft(ctx)
		if err != nil || !again {
			return errors.Join(err, s.logStore.Close())
		}
		s.log.Info("starting Raft anew on an installed snapshot")
		s.logStore.ClearReset()
		if err := s.catchUp(); err != nil {
			return errors.Join(fmt.Errorf("shard %d: %w", s.id, err), s.logStore.Close())
		}
	}
}

// runRaft runs one life of Raft; again is true when the next has to follow.
func (s *Shard) runRaft(ctx context.Context) (again bool, err error) {
	r, err := s.startRaft(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return false, nil
		}
		return false, fmt.Errorf("shard %d: start Raft: %w", s.id, err)
	}
	living, cancel := context.WithCancel(context.WithoutCancel(ctx)) // until Raft has answered all it will
	defer cancel()
	var loops sync.WaitGroup
	for _, loop := range []func(context.Context){s.lead, s.sequence, s.land, s.balance, s.monitor, s.snapshot, s.succeed, s.endFirstTimeout, s.rebuild} {
		loops.Go(func() { loop(living) })
	}
	select {
	case <-ctx.Done():
	case <-s.reset:
		again = true
	}
	stopped := r.Shutdown()
	err = errors.Join(s.transport().Close(), stopped.Error())
	cancel()
	loops.Wait()
	s.failFlights(living)
	return again, err
}

// failFlights answers what was queued or in flight when Raft stopped: the latter
// may be committed or not.
func (s *Shard) failFlights(ctx context.Context) {
	for _, p := range s.queue.take(math.MaxInt) {
		p.letGo()
		p.fail(kerr.NotLeaderForPartition)
	}
	for {
		select {
		case f := <-s.flights:
			s.landOne(ctx, f)
		default:
			return
		}
	}
}

// snapshot takes a snapshot whenever one is due.
func (s *Shard) snapshot(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.snapshotDue:
		}
		err := await(ctx, settle(s.raft().Snapshot()))
		if errors.Is(err, raft.ErrNothingNewToSnapshot) {
			continue
		}
		if err == nil {
			err = s.dropSpared()
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("snapshot failed", "error", err)
		}
	}
}

// raft is the present life of Raft; nil before the first.
func (s *Shard) raft() *raft.Raft { return s.raftNow.Load() }

func (s *Shard) transport() *rafttransport.ShardTransport { return s.mux.Shard(s.id) }

// ID returns the shard's number, 0 to the number of shards less one.
func (s *Shard) ID() uint32 { return s.id }

// Replicas lists the node ids of the shard's replicas, ascending.
func (s *Shard) Replicas() []int32 { return s.replicas }

// Partition returns this replica's view of k, creating an empty one for a
// partition that has no records yet.
func (s *Shard) Partition(k partition.Key) *partition.Partition { return s.set.Partition(k) }

func serverID(node int32) raft.ServerID { return raft.ServerID(strconv.Itoa(int(node))) }
