package shard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/recordbatch"
)

func TestAppendGivesOffsets(t *testing.T) {
	c := newCluster(t, 1)
	m := c.leader()
	other := partition.Key{Topic: key.Topic, Partition: 4}
	for i, step := range []struct {
		key  partition.Key
		n    int
		want int64
	}{{key, 3, 0}, {key, 1, 3}, {other, 2, 0}, {key, 5, 4}, {other, 1, 2}} {
		if got := c.append(m, step.key, step.n); got != step.want {
			t.Errorf("append %d: offset %d, want %d", i, got, step.want)
		}
		if hw := m.Partition(step.key).HighWatermark(); hw != step.want+int64(step.n) {
			t.Errorf("append %d was acknowledged at the high watermark %d", i, hw)
		}
	}
	for _, b := range contents(t, m.Shard, key) {
		if b.PartitionLeaderEpoch() != m.Status().Epoch || b.Validate() != nil {
			t.Errorf("offset %d: epoch %d, want %d; %v", b.BaseOffset(), b.PartitionLeaderEpoch(), m.Status().Epoch, b.Validate())
		}
	}
	if end := m.LogEnd(key); end != 9 {
		t.Errorf("log end %d", end)
	}
	if len(m.Keys()) != 2 {
		t.Errorf("keys %v", m.Keys())
	}
	m.Append(context.Background(), key, records(1, "acks=0"), nil, nil)
	eventually(t, "a batch that nobody waits for is written", func() bool { return m.LogEnd(key) == 10 })
	large := records(200, strings.Repeat("large ", 100)) // its checksum is combined
	if r := c.wait(m.appending(other, large)); r.BaseOffset != 3 {
		t.Errorf("a large batch is at offset %d, %v", r.BaseOffset, r.Err)
	}
	if got := contents(t, m.Shard, other); !bytes.Equal(got[2][recordbatch.HeaderLen:], large[recordbatch.HeaderLen:]) {
		t.Error("a large batch came out otherwise than it went in")
	}
	c.kill(m.node)
	again, _ := c.opened(m.node) // reads the log, with its checksums
	if got := contents(t, again, other); len(got) != 3 || got[2].Validate() != nil {
		t.Errorf("after a restart there are %d batches", len(got))
	}
}

func TestAppendKeepsEachCallersOrder(t *testing.T) {
	c := newCluster(t, 3)
	m := c.leader()
	const callers, each = 8, 50
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			var results []<-chan AppendResult
			for i := range each {
				results = append(results, m.appending(key, idempotent(2, int64(caller), int32(2*i))))
			}
			last := int64(-1)
			for i, result := range results {
				r := <-result
				if r.Err != nil || r.BaseOffset <= last {
					t.Errorf("caller %d, batch %d: offset %d after %d, %v", caller, i, r.BaseOffset, last, r.Err)
				}
				last = r.BaseOffset
			}
		})
	}
	all.Wait()
	c.agree(key, callers*each*2)
	next := map[int64]int32{}
	for _, b := range contents(t, m.Shard, key) {
		if b.BaseSequence() != next[b.ProducerID()] {
			t.Errorf("offset %d: sequence %d of producer %d, want %d", b.BaseOffset(), b.BaseSequence(), b.ProducerID(), next[b.ProducerID()])
		}
		next[b.ProducerID()] += 2
	}
}

func TestAppendAgainIsAnsweredWithTheFirstOffset(t *testing.T) {
	c := newCluster(t, 3)
	m := c.leader()
	c.append(m, key, 1)
	var flying []<-chan AppendResult
	for range 5 { // the copies meet the first in flight, or just landed
		flying = append(flying, m.appending(key, idempotent(3, 42, 0)))
	}
	for i, result := range flying {
		if r := c.wait(result); r.Err != nil || r.BaseOffset != 1 {
			t.Errorf("copy %d: %+v", i, r)
		}
	}
	if r := c.wait(m.appending(key, idempotent(3, 42, 0))); r.Err != nil || r.BaseOffset != 1 {
		t.Errorf("after the commit: %+v", r)
	}
	if r := c.wait(m.appending(key, idempotent(1, 42, 7))); !errors.Is(r.Err, kerr.OutOfOrderSequenceNumber) || r.BaseOffset != -1 {
		t.Errorf("a gap: %+v", r)
	}
	c.agree(key, 4)

	// The next leader knows it too.
	to := c.follower(m)
	if err := m.Transfer(to.node); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other leads", func() bool { return to.Status().Ready })
	if r := c.wait(to.appending(key, idempotent(3, 42, 0))); r.Err != nil || r.BaseOffset != 1 {
		t.Errorf("at the next leader: %+v", r)
	}
	if r := c.wait(to.appending(key, idempotent(1, 42, 3))); r.Err != nil || r.BaseOffset != 4 {
		t.Errorf("next, at the next leader: %+v", r)
	}
	c.agree(key, 5)
}

func TestAppendAtAFollower(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	f := c.follower(leader)
	if r := c.wait(f.appending(key, records(1, "x"))); !errors.Is(r.Err, kerr.NotLeaderForPartition) {
		t.Errorf("append: %v", r.Err)
	}
	if _, err := f.Propose(context.Background(), toyKind, nil); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("propose: %v", err)
	}
	if _, err := f.DeleteRecords(context.Background(), key, 0); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("delete records: %v", err)
	}
	if len(f.Followers()) != 0 || len(leader.Followers()) != 2 {
		t.Errorf("followers of the follower: %v, of the leader: %v", f.Followers(), leader.Followers())
	}
}

func TestAppendIsAnsweredWhenItsContextEnds(t *testing.T) {
	c := newCluster(t, 1)
	m := c.leader()
	for range 50 {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		answers := make(chan AppendResult, 2)
		m.Append(ended, key, records(1, "x"), func(r AppendResult) { answers <- r }, nil)
		if r := c.wait(answers); r.Err != nil && !errors.Is(r.Err, kerr.RequestTimedOut) {
			t.Errorf("answer: %+v", r)
		}
		select {
		case r := <-answers:
			t.Errorf("a second answer: %+v", r)
		default:
		}
	}
}

func TestFollowersShowACommitAtOnce(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	c.append(leader, key, 1)
	c.agree(key, 1)
	for _, p := range leader.Followers() {
		eventually(t, "the follower's progress is known", func() bool { return leader.FollowerEnd(p.Node, key) == 1 })
	}
	var slowest time.Duration
	const rounds = 30
	took := make([]time.Duration, 0, rounds)
	for range rounds {
		hw := c.append(leader, key, 1) + 1
		acknowledged := time.Now()
		for _, m := range c.all() {
			w := partition.NewWatcher()
			m.Partition(key).Watch(w)
			for m.Partition(key).HighWatermark() < hw {
				select {
				case <-w.C():
				case <-time.After(10 * time.Second):
					t.Fatalf("node %d does not show offset %d", m.node, hw-1)
				}
			}
			m.Partition(key).Unwatch(w)
		}
		took = append(took, time.Since(acknowledged))
		slowest = max(slowest, took[len(took)-1])
	}
	fast := 0
	for _, d := range took {
		if d < commitTimeout/5 { // far sooner than Raft's own timer, even where the machine is busy
			fast++
		}
	}
	if fast < rounds*2/3 {
		t.Errorf("only %d of %d commits showed at once: %v", fast, rounds, took)
	}
	t.Logf("slowest: %v", slowest)
}

func TestPropose(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	for i := range 3 {
		got, err := leader.Propose(context.Background(), toyKind, []byte("ab"))
		if err != nil || got != 2*(i+1) {
			t.Errorf("propose: %v, %v", got, err)
		}
	}
	for _, m := range c.all() {
		eventually(t, fmt.Sprintf("node %d has applied it", m.node), func() bool { return string(m.toy.all()) == "ababab" })
	}
}

func TestDeleteRecords(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	ctx := context.Background()
	for range 4 {
		c.append(leader, key, 5)
	}
	for _, step := range []struct {
		to, want int64
		err      error
	}{{7, 7, nil}, {3, 7, nil}, {21, -1, kerr.OffsetOutOfRange}, {-1, -1, kerr.OffsetOutOfRange}, {20, 20, nil}} {
		got, err := leader.DeleteRecords(ctx, key, step.to)
		if got != step.want || !errors.Is(err, step.err) {
			t.Errorf("to %d: %d, %v", step.to, got, err)
		}
	}
	for _, m := range c.all() {
		eventually(t, fmt.Sprintf("node %d has the log start", m.node), func() bool { return m.Partition(key).LogStart() == 20 })
	}
	r := c.wait(leader.appending(key, records(1, "x")))
	if r.Err != nil || r.BaseOffset != 20 || r.LogStart != 20 {
		t.Errorf("append: %+v", r)
	}
	if err := leader.Drop(ctx, key); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.all() {
		eventually(t, fmt.Sprintf("node %d has dropped it", m.node), func() bool { return m.set.Existing(key) == nil })
	}
}

func TestReadIndexOnAFollower(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	f := c.follower(leader)
	for i := range int64(20) {
		c.append(leader, key, 1)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if err := f.ReadIndex(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		if hw := f.Partition(key).HighWatermark(); hw < i+1 {
			t.Errorf("after the read index the follower shows %d of %d records", hw, i+1)
		}
	}
	if err := leader.ReadIndex(context.Background()); err != nil {
		t.Errorf("on the leader: %v", err)
	}
	for _, m := range c.all() {
		if m != f {
			c.kill(m.node)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second/2)
	defer cancel()
	if err := f.ReadIndex(ctx); err == nil {
		t.Error("without a quorum there was a read index")
	}
}
