package shard

import (
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/vfs"
)

// brokenDisk fails the operations that match, once it is broken.
type brokenDisk struct {
	vfs.FS
	broken atomic.Bool
}

func newBrokenDisk(matches func(vfs.Op) bool, err error) *brokenDisk {
	d := &brokenDisk{}
	d.FS = vfs.Faulty(vfs.NewMem(), func(op vfs.Op) vfs.Fault {
		if d.broken.Load() && matches(op) {
			return vfs.Fault{Err: err}
		}
		return vfs.Fault{}
	})
	return d
}

// TestBrokenDisk: a node whose disk fails acknowledges nothing that is not on it,
// says why it stops, and its peers go on; on a sound disk it is as good as ever.
func TestBrokenDisk(t *testing.T) {
	for _, test := range []struct {
		name    string
		matches func(vfs.Op) bool
		err     error
		leads   bool // the node that it happens to
	}{
		{"a leader's write", func(op vfs.Op) bool { return op.Kind == vfs.KindWrite }, syscall.EIO, true},
		{"a leader's sync", func(op vfs.Op) bool { return op.Kind == vfs.KindSync }, syscall.EIO, true},
		{"no room for a leader's next segment", func(op vfs.Op) bool { return op.Kind == vfs.KindAllocate }, syscall.ENOSPC, true},
		{"a follower's write", func(op vfs.Op) bool { return op.Kind == vfs.KindWrite }, syscall.EIO, false},
		{"a follower's sync", func(op vfs.Op) bool { return op.Kind == vfs.KindSync }, syscall.EIO, false},
		{"no room for a follower's next segment", func(op vfs.Op) bool { return op.Kind == vfs.KindAllocate }, syscall.ENOSPC, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newClusterOf(t, 3, small)
			m := c.leader()
			if !test.leads {
				m = c.follower(m)
			}
			disk := newBrokenDisk(test.matches, test.err)
			why := make(chan error, 1)
			c.fs[m.node], c.mayFail[m.node] = disk, why
			c.kill(m.node) // it comes back with another disk, that is empty
			c.start(m.node, nil)
			c.rebuilt(m.node)
			m = c.member(m.node)
			if test.leads {
				eventually(t, "it leads", func() bool {
					if leader := c.leader(); leader.node != m.node {
						leader.Transfer(m.node) //nolint:errcheck // until it succeeds
					}
					return m.Status().Ready
				})
			}
			leader := c.leader()
			c.append(leader, key, 10)
			c.agree(key, 10)
			disk.broken.Store(true)
			answers := c.storm(leader, nil)
			if !test.leads {
				stop := make(chan struct{})
				defer close(stop)
				answers = c.storm(leader, stop)
			}
			select {
			case err := <-why:
				if !errors.Is(err, test.err) || !strings.Contains(err.Error(), "shard 5") {
					t.Errorf("the node is told: %v", err)
				}
			case <-time.After(15 * time.Second):
				t.Fatal("nobody is told")
			}
			if m.Failed() == nil || m.Status().Ready {
				t.Errorf("failed: %v, %+v", m.Failed(), m.Status())
			}
			c.kill(m.node) // as the node does
			var all []sent
			if test.leads {
				for _, a := range answers() {
					if a.Err != nil && !errors.Is(a.Err, kerr.KafkaStorageError) && !errors.Is(a.Err, kerr.NotLeaderForPartition) {
						t.Errorf("answer: %v", a.Err)
					}
					if a.Err == nil {
						all = append(all, a)
					}
				}
			}
			leader = c.leader()
			c.append(leader, key, 1)
			kept(t, leader.Shard, all)
			disk.broken.Store(false)
			c.start(m.node, nil)
			c.append(c.leader(), key, 1)
			eventually(t, "it has all again", func() bool {
				return c.member(m.node).Partition(key).HighWatermark() >= c.leader().LogEnd(key)-1
			})
			kept(t, c.member(m.node).Shard, all)
		})
	}
}

// TestUnreadableLog: Raft panics when it cannot read an entry or note its term. It
// must not get as far as that.
func TestUnreadableLog(t *testing.T) {
	for _, test := range []struct {
		name string
		kind vfs.Kind
		do   func(l watchedLog) error
	}{
		{"read", vfs.KindRead, func(l watchedLog) error { return l.GetLog(1, &raft.Log{}) }},
		{"term", vfs.KindWrite, func(l watchedLog) error { return l.SetUint64(keyCurrentTerm, 9) }},
		{"vote", vfs.KindWrite, func(l watchedLog) error { return l.Set(keyVoteFor, []byte("another")) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newClusterOf(t, 1, small)
			disk := newBrokenDisk(func(op vfs.Op) bool { return op.Kind == test.kind }, io.ErrUnexpectedEOF)
			c.kill(1)
			c.fs[1], c.mayFail[1] = disk, make(chan error, 1)
			c.start(1, nil)
			c.append(c.leader(), key, 1)
			c.kill(1)
			s, _ := c.opened(1)
			disk.broken.Store(true)
			var ended sync.WaitGroup
			returned := false
			ended.Go(func() {
				test.do(watchedLog{s.logStore, s}) //nolint:errcheck // it does not return
				returned = true
			})
			ended.Wait()
			disk.broken.Store(false)
			if returned || s.Failed() == nil {
				t.Errorf("returned %v, failed %v", returned, s.Failed())
			}
		})
	}
}
