package scenario

import (
	"context"
	"sync"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/history"
)

// watchEvery is how often replicas are looked at while a cell runs.
const watchEvery = 250 * time.Millisecond

// watcher puts the state of the replicas of the cells' topics into their histories whenever it has changed: for the
// timeline, for the worst lag, and for the oracle that wants high watermarks and epochs to rise only.
type watcher struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	seen   map[replicaKey]history.ReplicaState // the goroutine's own
}

type replicaKey struct {
	node      int
	topic     string
	partition int32
}

// watch starts a watcher of the cells, unless the target does not show its replicas. Stop it.
func (s *Suite) watch(ctx context.Context, cells ...*Cell) *watcher {
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{cancel: cancel, seen: map[replicaKey]history.ReplicaState{}}
	if !s.Cluster.Features().Replicas {
		return w
	}
	w.wg.Go(func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			for _, n := range cluster.Nodes() {
				w.look(ctx, s.Cluster, n, cells)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return w
}

func (w *watcher) stop() {
	w.cancel()
	w.wg.Wait()
}

// look asks one node. A shard is believed when it has an epoch (without one it has yet to read its log, and its numbers grow
// from nothing), and a leader only when it is ready: before, it does not know how much of its log is committed.
func (w *watcher) look(ctx context.Context, c *cluster.Cluster, node int, cells []*Cell) {
	ctx, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	start := time.Now().UnixNano()
	status, err := c.Status(ctx, node)
	if err != nil {
		return // it is down, or cut off, or slow: the faults say so
	}
	believed := map[int]bool{}
	for _, sh := range status.Shards {
		believed[sh.Shard] = sh.Epoch > 0 && (sh.Ready || sh.Role != "leader")
	}
	for _, r := range status.Replicas {
		if !believed[r.Shard] {
			continue
		}
		key := replicaKey{node, r.Topic, r.Partition}
		state := history.ReplicaState{Role: r.Role, Leader: r.Leader, Epoch: r.Epoch, LogStart: r.LogStart,
			HighWatermark: r.HighWatermark, LogEnd: r.LogEnd, LagRecords: r.LagRecords}
		if w.seen[key] == state {
			continue
		}
		for _, cell := range cells {
			if cell.watches(r.Topic) {
				w.seen[key] = state
				cell.H.Append(history.Event{Kind: history.Replica, Start: start, Node: node, Topic: r.Topic, Partition: r.Partition, State: &state})
			}
		}
	}
}

func (c *Cell) watchTopic(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.topics == nil {
		c.topics = map[string]bool{}
	}
	c.topics[name] = true
}

func (c *Cell) watches(topic string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.topics[topic]
}

// worstLag is the largest lag that any follower showed.
func worstLag(events []history.Event) int64 {
	var worst int64
	for _, e := range events {
		if e.Kind == history.Replica {
			worst = max(worst, e.State.LagRecords)
		}
	}
	return worst
}
