package shard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/rafttransport"
	"lockstep/broker/internal/recordbatch"
)

// opened recovers a node that does not run, and closes it when the test ends.
func (c *cluster) opened(id int32) (*Shard, *toy) {
	c.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	mux, machine := rafttransport.New(rafttransport.Config{LocalID: id, Listener: l, Peers: c.addrs}), &toy{}
	s := c.open(id, mux, machine)
	c.t.Cleanup(func() {
		if err := errors.Join(s.logStore.Close(), mux.Close()); err != nil {
			c.t.Error(err)
		}
	})
	return s, machine
}

func TestRestartShowsWhatWasServed(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	for i := range int32(20) {
		c.append(leader, key, 2)
		if r := c.wait(leader.appending(key, idempotent(1, 8, i))); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if _, err := leader.Propose(context.Background(), toyKind, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	if _, err := leader.DeleteRecords(context.Background(), key, 11); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.all() {
		eventually(t, "the log start and the commands have come", func() bool {
			return m.Partition(key).LogStart() == 11 && len(m.toy.all()) == 3
		})
	}
	c.agree(key, 60)
	for _, m := range c.all() {
		before, producers := contents(t, m.Shard, key), m.Partition(key).Producers()
		c.kill(m.node)
		// Before Raft runs, so that readers never see it fall back.
		s, machine := c.opened(m.node)
		p := s.Partition(key)
		if p.HighWatermark() != 60 || p.LogStart() != 11 || len(p.Producers()) != len(producers) {
			t.Errorf("node %d: offsets %d to %d, %d producers", m.node, p.LogStart(), p.HighWatermark(), len(p.Producers()))
		}
		after := contents(t, s, key)
		for i := range before {
			if len(after) != len(before) || !bytes.Equal(after[i], before[i]) {
				t.Fatalf("node %d holds other bytes than before", m.node)
			}
		}
		if string(machine.all()) != "abc" {
			t.Errorf("node %d: the machine holds %q", m.node, machine.all())
		}
	}
}

func TestRestartOfAll(t *testing.T) {
	c := newCluster(t, 3)
	for round := range int64(2) {
		leader := c.leader()
		if base := c.append(leader, key, 5); base != round*5 {
			t.Errorf("offset %d, want %d", base, round*5)
		}
		c.agree(key, (round+1)*5)
		for _, m := range c.all() {
			c.kill(m.node)
		}
		for id := range c.addrs {
			c.start(id, nil)
		}
	}
	c.leader()
	c.agree(key, 10)
}

// TestKillImage opens a copy of a running node's directory: what the operating
// system has when the process is killed.
func TestKillImage(t *testing.T) {
	c := newCluster(t, 1)
	m := c.leader()
	for range 30 {
		c.append(m, key, 1)
	}
	hw := m.Partition(key).HighWatermark()
	image := t.TempDir()
	if err := os.CopyFS(image, os.DirFS(c.dirs[1])); err != nil {
		t.Fatal(err)
	}
	c.dirs[1] = image
	s, _ := c.opened(1)
	if got := s.Partition(key).HighWatermark(); got != hw || len(contents(t, s, key)) != 30 {
		t.Errorf("high watermark %d, %d were acknowledged", got, hw)
	}
}

func TestSnapshotAndRestart(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	for i := range int32(10) {
		if r := c.wait(leader.appending(key, idempotent(3, 8, 3*i))); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if _, err := leader.Propose(context.Background(), toyKind, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	c.agree(key, 30)
	for _, m := range c.all() {
		eventually(t, "the command has come", func() bool { return len(m.toy.all()) == 3 })
		if err := m.raft().Snapshot().Error(); err != nil {
			t.Fatal(err)
		}
	}
	c.append(leader, key, 1)
	c.agree(key, 31)
	for _, m := range c.all() {
		c.kill(m.node)
		if s, machine := c.opened(m.node); s.Partition(key).HighWatermark() != 31 || string(machine.all()) != "abc" {
			t.Errorf("node %d: high watermark %d, machine %q", m.node, s.Partition(key).HighWatermark(), machine.all())
		}
	}
}

func TestRestartOnASnapshot(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	c.append(leader, key, 4)
	c.agree(key, 4)
	for _, m := range c.all() {
		if err := m.raft().Snapshot().Error(); err != nil {
			t.Fatal(err)
		}
		c.kill(m.node)
	}
	for id := range c.addrs {
		c.start(id, nil)
	}
	if base := c.append(c.leader(), key, 4); base != 4 {
		t.Errorf("offset %d", base)
	}
	c.agree(key, 8)
}

// sent is a batch with its own text, and its answer.
type sent struct {
	batch recordbatch.Batch
	AppendResult
}

// storm appends from several callers until stop is closed.
func (c *cluster) storm(m *member, stop <-chan struct{}) (answers func() []sent) {
	var mu sync.Mutex
	var all []sent
	var callers sync.WaitGroup
	for caller := range 4 {
		callers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				b := records(1, fmt.Sprintf("node %d, caller %d, batch %d", m.node, caller, i))
				own := recordbatch.Batch(bytes.Clone(b))
				select {
				case r := <-m.appending(key, b):
					mu.Lock()
					all = append(all, sent{own, r})
					mu.Unlock()
					if r.Err != nil {
						return
					}
				case <-time.After(15 * time.Second):
					c.t.Errorf("no answer to batch %d", i)
					return
				}
			}
		})
	}
	return func() []sent { callers.Wait(); return all }
}

// kept fails unless every acknowledged batch is where it was said to be.
func kept(t *testing.T, s *Shard, all []sent) (acknowledged int) {
	t.Helper()
	at, taken := map[int64]recordbatch.Batch{}, map[int64]bool{}
	for _, b := range contents(t, s, key) {
		at[b.BaseOffset()] = b
	}
	for _, a := range all {
		if a.Err != nil {
			if !errors.Is(a.Err, kerr.NotLeaderForPartition) {
				t.Errorf("answer: %v", a.Err)
			}
			continue
		}
		acknowledged++
		if taken[a.BaseOffset] {
			t.Errorf("offset %d was given twice", a.BaseOffset)
		}
		taken[a.BaseOffset] = true
		if got := at[a.BaseOffset]; got == nil || !bytes.Equal(got[recordbatch.HeaderLen:], a.batch[recordbatch.HeaderLen:]) {
			t.Errorf("what was acknowledged at offset %d is not there", a.BaseOffset)
		}
	}
	return acknowledged
}

func TestLossOfTheLeader(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	answers := c.storm(leader, nil)
	eventually(t, "some batches are written", func() bool { return leader.LogEnd(key) > 100 })
	c.kill(leader.node)
	all := answers()
	next := c.leader()
	if next.Status().Epoch <= leader.Status().Epoch && next.node != leader.node {
		t.Errorf("the next epoch is %d", next.Status().Epoch)
	}
	stop := make(chan struct{})
	answers = c.storm(next, stop)
	hw := next.LogEnd(key)
	eventually(t, "the next leader writes", func() bool { return next.LogEnd(key) > hw+50 })
	close(stop)
	all = append(all, answers()...)
	c.start(leader.node, nil)
	c.agree(key, next.LogEnd(key))
	if n := kept(t, next.Shard, all); n < 150 {
		t.Errorf("only %d batches were acknowledged", n)
	}
}

// TestLeaderWithoutAQuorum keeps a leader alive that nobody follows any more.
func TestLeaderWithoutAQuorum(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	c.append(leader, key, 1)
	var rest []int32
	for _, m := range c.all() {
		if m != leader {
			rest = append(rest, m.node)
			c.kill(m.node)
		}
	}
	if r := c.wait(leader.appending(key, records(1, "never acknowledged"))); !errors.Is(r.Err, kerr.NotLeaderForPartition) {
		t.Errorf("without a quorum: %+v", r)
	}
	eventually(t, "it does not call itself leader", func() bool { return !leader.Status().Ready && leader.Status().Leader < 0 })
	for _, id := range rest {
		c.start(id, nil)
	}
	next := c.leader()
	c.append(next, key, 1)
	c.agree(key, next.LogEnd(key))
}

func TestTransferUnderLoad(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	answers := c.storm(leader, nil)
	eventually(t, "some batches are written", func() bool { return leader.LogEnd(key) > 50 })
	to := c.follower(leader)
	if err := leader.Transfer(to.node); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other leads", func() bool { return to.Status().Ready })
	all := answers() // ends with the first refusal of each caller
	stop := make(chan struct{})
	answers = c.storm(to, stop)
	eventually(t, "the next leader writes", func() bool { return to.LogEnd(key) > 100 })
	close(stop)
	all = append(all, answers()...)
	c.agree(key, to.LogEnd(key))
	kept(t, to.Shard, all)
}

// TestTransferThatFails: Raft refuses proposals and barriers while it hands its
// leadership over. When that fails the shard must take writes again.
func TestTransferThatFails(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	c.append(leader, key, 1)
	dead := c.follower(leader).node
	c.kill(dead)
	eventually(t, "a transfer gets into the way of an append", func() bool {
		leader, failed, refused := c.leader(), make(chan error, 1), false
		go func() { failed <- leader.Transfer(dead) }()
		for {
			if r := c.wait(leader.appending(key, records(1, "x"))); r.Err != nil {
				refused = true
			}
			select {
			case <-failed:
				return refused
			default:
			}
		}
	})
	eventually(t, "the leader takes writes again", func() bool {
		return c.wait(c.leader().appending(key, records(1, "x"))).Err == nil
	})
	c.start(dead, nil)
	c.agree(key, c.leader().LogEnd(key))
}

func TestStepDown(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	leader.StepDown()
	eventually(t, "another leads", func() bool {
		for _, m := range c.all() {
			if m != leader && m.Status().Ready {
				return true
			}
		}
		return false
	})
	alone := newCluster(t, 1)
	alone.leader().StepDown() // nobody to hand over to
	alone.append(alone.leader(), key, 1)
}

// TestStopUnderLoad: Raft leaves proposals that it has not looked at
// unanswered when it is shut down; their batches must be answered all the same.
func TestStopUnderLoad(t *testing.T) {
	for range 5 {
		c := newCluster(t, 1)
		m := c.leader()
		answers := c.storm(m, nil)
		eventually(t, "some batches are written", func() bool { return m.LogEnd(key) > 20 })
		c.kill(1)
		all := answers()
		s, _ := c.opened(1)
		kept(t, s, all)
	}
}
