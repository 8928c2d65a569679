package api

import (
	"context"
	"net"
	"strconv"
	"testing"

	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/recordbatch"
	"lockstep/broker/internal/shard"
)

// Trio is three nodes with fakes for Raft and metadata, for tests with real
// clients over real connections. Node 1 leads, until told otherwise; what it
// appends is committed everywhere, except on a follower that is held back.
type Trio struct {
	Nodes [3]*API
	fakes [3]*node
	held  [3]bool
}

// NewTrio returns nodes 1, 2 and 3, in racks r1, r2 and r3, with topic "t" of
// four partitions.
func NewTrio(t testing.TB) *Trio {
	trio := &Trio{}
	for i := range trio.Nodes {
		st := asFollower
		st.Leader = 1
		if i == 0 {
			st = asLeader
		}
		n := newNode(t, st)
		n.api.Config.NodeID, n.api.Config.Rack = int32(i+1), "r"+strconv.Itoa(i+1)
		n.shard.onAppend = trio.append
		trio.Nodes[i], trio.fakes[i] = n.api, n
	}
	return trio
}

func (trio *Trio) append(_ context.Context, k partition.Key, b recordbatch.Batch, done func(shard.AppendResult)) {
	var base int64
	for i, n := range trio.fakes {
		if !trio.held[i] {
			base = n.shard.commit(k, b)
		}
	}
	if done != nil {
		done(shard.AppendResult{BaseOffset: base})
	}
}

// Advertise tells every node where a node's listeners are.
func (trio *Trio) Advertise(id int32, normal, local net.Addr) {
	to := func(a net.Addr) controller.Endpoint {
		return controller.Endpoint{Host: "127.0.0.1", Port: int32(a.(*net.TCPAddr).Port)}
	}
	for _, n := range trio.fakes {
		b := &n.cluster.brokers[id-1]
		b.Client, b.Local = to(normal), to(local)
	}
}

// SetForward sets how nodes reach each other.
func (trio *Trio) SetForward(f func(ctx context.Context, to int32, request []byte) ([]byte, error)) {
	for _, a := range trio.Nodes {
		a.Forward = f
	}
}

// Lag makes a follower believe that it lags; the leader does not know.
func (trio *Trio) Lag(id int32, lags bool) {
	trio.fakes[id-1].shard.become(func(st *shard.Status) {
		st.LagEntries = 0
		if lags {
			st.LagEntries = 1 << 20
		}
	})
}

// Lead makes another node the leader, in the next epoch.
func (trio *Trio) Lead(id int32) {
	for i, n := range trio.fakes {
		n.shard.mu.Lock()
		n.shard.followers = nil
		for j := range trio.fakes {
			if j != i {
				n.shard.followers = append(n.shard.followers, shard.Progress{Node: int32(j + 1)})
			}
		}
		n.shard.mu.Unlock()
		n.shard.become(func(st *shard.Status) {
			st.Epoch++
			st.Leader, st.Role, st.Ready = id, shard.Follower, false
			if int32(i+1) == id {
				st.Role, st.Ready = shard.Leader, true
			}
		})
	}
}
