package shard

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/partition"
)

// small is the size of segments in these tests: a few dozen appends fill one.
const small = 16 << 10

// fill appends until the leader's log has n more segments.
func (c *cluster) fill(leader *member, k partition.Key, n int) {
	c.t.Helper()
	for want := leader.Storage().Segments + n; leader.Storage().Segments < want; {
		c.append(leader, k, 10)
	}
}

// freed waits until a member has dropped everything before the entry that it
// needs, by asking it as a node does.
func (c *cluster) freed(m *member, below uint64) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("node %d has freed what lies before entry %d", m.node, below), func() bool {
		if err := m.Free(); err != nil {
			c.t.Fatal(err)
		}
		return m.Storage().FirstIndex >= below
	})
}

// TestRetentionFreesSegments: a log start that moves takes segments off each
// replica's disk, readers of what is gone are told where the log begins, and
// everything else is as before, also after a restart.
func TestRetentionFreesSegments(t *testing.T) {
	c := newClusterOf(t, 3, small)
	leader := c.leader()
	if r := c.wait(leader.appending(key, idempotent(1, 8, 0))); r.Err != nil {
		t.Fatal(r.Err)
	}
	c.fill(leader, key, 6)
	hw := leader.LogEnd(key)
	keep := hw - 40
	if start, err := leader.DeleteRecords(context.Background(), key, keep); err != nil || start != keep {
		t.Fatalf("log start %d, %v", start, err)
	}
	full := 0 // replicas that have not freed anything by themselves, as one does that just takes a snapshot
	for _, m := range c.all() {
		eventually(t, "the log start has come", func() bool { return m.Partition(key).LogStart() == keep })
		needed, ok := m.set.FirstNeeded()
		if !ok || needed < 50 {
			t.Fatalf("node %d: needs %d: the test does not test", m.node, needed)
		}
		if m.Storage().Segments >= 6 {
			full++
		}
		first, ok := m.logStore.SegmentOf(needed)
		if !ok {
			t.Fatalf("node %d has no entry %d", m.node, needed)
		}
		c.freed(m, first)
		if after := m.Storage(); after.Segments > 2 || after.LogBytes > 2*small || after.DiskBytes > 5*small || after.SnapshotIndex < needed {
			t.Errorf("node %d: %+v", m.node, after)
		}
		if _, err := m.Partition(key).Read(keep-1, 1000, true); !errors.Is(err, kerr.OffsetOutOfRange) {
			t.Errorf("node %d, below the log start: %v", m.node, err)
		}
	}
	if full == 0 {
		t.Fatal("no replica had anything to free: the test does not test")
	}
	c.agree(key, hw)
	for _, m := range c.all() {
		c.kill(m.node)
		c.start(m.node, nil)
		leader := c.leader()
		hw += 10
		c.append(leader, key, 10)
		c.agree(key, hw)
	}
	// The producer that wrote what is gone is still known.
	if r := c.wait(c.leader().appending(key, idempotent(1, 8, 0))); r.Err != nil || r.BaseOffset != 0 {
		t.Errorf("a repeated batch: %+v", r)
	}
	if r := c.wait(c.leader().appending(key, idempotent(1, 8, 1))); r.Err != nil || r.BaseOffset != hw {
		t.Errorf("its next batch: %+v, want offset %d", r, hw)
	}
}

// TestDropFreesSegments: the data of a deleted topic goes, that of its neighbour
// stays, and what is empty needs nothing.
func TestDropFreesSegments(t *testing.T) {
	c := newClusterOf(t, 1, small)
	m := c.leader()
	other := partition.Key{Topic: partition.TopicID{9}}
	c.fill(m, other, 3)
	c.fill(m, key, 3)
	whole := contents(t, m.Shard, key)
	if err := m.Drop(context.Background(), other); err != nil {
		t.Fatal(err)
	}
	needed, _ := m.set.FirstNeeded()
	first, _ := m.logStore.SegmentOf(needed)
	c.freed(m, first)
	if got := contents(t, m.Shard, key); len(got) != len(whole) {
		t.Errorf("%d batches of %d are left", len(got), len(whole))
	}
	if err := m.Drop(context.Background(), key); err != nil {
		t.Fatal(err)
	}
	c.freed(m, needed+uint64(len(whole))/2) // all but the newest segment
	if s := m.Storage(); s.Segments != 1 {
		t.Errorf("nothing is needed, and there is %+v", s)
	}
	c.kill(1)
	c.start(1, nil)
	c.append(c.leader(), partition.Key{Topic: partition.TopicID{10}}, 1)
}

func TestRetain(t *testing.T) {
	c := newCluster(t, 3)
	leader, ctx := c.leader(), context.Background()
	for range 10 {
		c.append(leader, key, 10) // at 1 ms after the epoch
	}
	size := int64(0)
	for _, b := range contents(t, leader.Shard, key) {
		size += int64(len(b))
	}
	for _, r := range []struct {
		Retention
		now  int64
		want int64
	}{
		{Retention{-1, -1}, 1e15, 0},
		{Retention{1000, -1}, 1001, 0},
		{Retention{-1, size}, 1e15, 0},
		{Retention{-1, size / 2}, 1e15, 50},
		{Retention{1000, -1}, 1002, 100},
	} {
		start, err := leader.Retain(ctx, key, r.Retention, time.UnixMilli(r.now))
		if got := leader.Partition(key).LogStart(); err != nil || got != r.want || start != 0 && start != got {
			t.Errorf("%+v: log start %d, told %d, %v", r, got, start, err)
		}
	}
	for _, m := range c.all() {
		eventually(t, "the log start has come", func() bool { return m.Partition(key).LogStart() == 100 })
	}
	c.append(leader, key, 10)
	c.agree(key, 110)
	if _, err := c.follower(leader).Retain(ctx, key, Retention{0, 0}, time.Now()); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("a follower: %v", err)
	}
	if start, err := leader.Retain(ctx, partition.Key{Partition: 99}, Retention{0, 0}, time.Now()); start != 0 || err != nil {
		t.Errorf("a partition without records: %d, %v", start, err)
	}
}

// TestParkedReaderIsWoken: who waits below a log start that moves is not left
// waiting.
func TestParkedReaderIsWoken(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	c.append(leader, key, 10)
	c.agree(key, 10)
	m := c.follower(leader)
	p, w := m.Partition(key), partition.NewWatcher()
	p.Watch(w)
	defer p.Unwatch(w)
	if _, err := leader.DeleteRecords(context.Background(), key, 8); err != nil {
		t.Fatal(err)
	}
	for deadline := time.After(15 * time.Second); ; {
		select {
		case <-w.C():
		case <-deadline:
			t.Fatal("the reader is not woken")
		}
		if _, err := p.Read(5, 100, true); errors.Is(err, kerr.OffsetOutOfRange) {
			return
		}
	}
}

// TestFollowerBehindWhatWasDropped comes back to leaders that have nothing of
// what it needs next: it is sent the state and the segments that are left.
func TestFollowerBehindWhatWasDropped(t *testing.T) {
	c := newClusterOf(t, 3, small)
	leader := c.leader()
	c.append(leader, key, 10)
	c.agree(key, 10)
	away := c.follower(leader).node
	had := c.nodes[away].raft().LastIndex()
	c.kill(away)
	c.fill(leader, key, 5)
	keep := leader.LogEnd(key) - 400
	if _, err := leader.DeleteRecords(context.Background(), key, keep); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.all() {
		eventually(t, "the log start has come", func() bool { return m.Partition(key).LogStart() == keep })
		c.freed(m, had+10)
	}
	c.append(leader, key, 10)
	m := c.start(away, nil)
	c.agree(key, leader.LogEnd(key))
	if m.Partition(key).LogStart() != keep || m.Storage().SnapshotIndex < had || m.Storage().FirstIndex <= had {
		t.Errorf("log start %d, %+v", m.Partition(key).LogStart(), m.Storage())
	}
}

// TestNoSnapshotOfAReplayedState: Raft would give it too low an index.
func TestNoSnapshotOfAReplayedState(t *testing.T) {
	c := newCluster(t, 1)
	c.append(c.leader(), key, 10)
	c.kill(1)
	s, _ := c.opened(1)
	if _, err := (fsm{s}).Snapshot(); !errors.Is(err, errAhead) {
		t.Errorf("before Raft has brought it again: %v", err)
	}
	s.brought = s.lastCommand
	if _, err := (fsm{s}).Snapshot(); err != nil {
		t.Errorf("and afterwards: %v", err)
	}
}
