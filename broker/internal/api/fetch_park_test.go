package api

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/shard"
)

// parked runs a fetch that parks, does something after a second, and returns
// the answer and how long it took.
func parked(t *testing.T, n *node, r *kmsg.FetchRequest, l Listener, then func()) (answer []kmsg.FetchResponseTopicPartition, took time.Duration) {
	t.Helper()
	began := time.Now()
	go func() {
		time.Sleep(time.Second)
		then()
	}()
	answer = n.fetch(l, r)
	took = time.Since(began)
	time.Sleep(time.Minute) // lets then run if the answer came first
	return answer, took
}

func TestFetchParks(t *testing.T) {
	for _, c := range []struct {
		name    string
		status  shard.Status
		request func(n *node) *kmsg.FetchRequest
		then    func(n *node)
		took    time.Duration
		code    int16
		offsets []int64
		hw      int64
	}{
		{
			"follower: woken by its own high watermark", asFollower,
			func(n *node) *kmsg.FetchRequest { return waiting(fetchOf(n, 12, 3), 30*time.Second) },
			func(n *node) { n.fill(0, 1) }, time.Second, 0, []int64{3}, 4,
		}, {
			"follower: offset above the high watermark, woken when it passes", asFollower,
			func(n *node) *kmsg.FetchRequest { return waiting(fetchOf(n, 12, 5), 30*time.Second) },
			func(n *node) { n.fill(0, 1); time.Sleep(time.Second); n.fill(0, 2) }, 2 * time.Second, 0, []int64{4}, 6,
		}, {
			"follower: nothing comes", asFollower,
			func(n *node) *kmsg.FetchRequest { return waiting(fetchOf(n, 12, 3), 5*time.Second) },
			func(*node) {}, 5 * time.Second, 0, nil, 3,
		}, {
			"leader: nothing comes", asLeader,
			func(n *node) *kmsg.FetchRequest { return waiting(fetchOf(n, 12, 3), 500*time.Millisecond) },
			func(*node) {}, 500 * time.Millisecond, 0, nil, 3,
		}, {
			"another partition has something", asFollower,
			func(n *node) *kmsg.FetchRequest { return waiting(fetchOf(n, 12, 3, 0), 30*time.Second) },
			func(n *node) { n.fill(1, 1) }, time.Second, 0, nil, 3,
		}, {
			"min_bytes are waited for", asFollower,
			func(n *node) *kmsg.FetchRequest {
				r := waiting(fetchOf(n, 12, 0), 30*time.Second)
				r.MinBytes = int32(len(batchOf(3))) + 1
				return r
			},
			func(n *node) { n.fill(0, 1) }, time.Second, 0, []int64{0, 3}, 4,
		}, {
			"min_bytes never come: what there is, at the end", asFollower,
			func(n *node) *kmsg.FetchRequest {
				r := waiting(fetchOf(n, 12, 0), 3*time.Second)
				r.MinBytes = 1 << 19
				return r
			},
			func(*node) {}, 3 * time.Second, 0, []int64{0}, 3,
		}, {
			"min_bytes of zero: at once", asFollower,
			func(n *node) *kmsg.FetchRequest {
				r := waiting(fetchOf(n, 12, 3), 3*time.Second)
				r.MinBytes = 0
				return r
			},
			func(*node) {}, 0, 0, nil, 3,
		}, {
			"the leader falls silent for a lease", asFollower,
			func(n *node) *kmsg.FetchRequest { return waiting(fetchOf(n, 12, 3), 30*time.Second) },
			func(n *node) {
				now := time.Now()
				n.shard.mu.Lock()
				n.shard.st.LastContact = now
				n.shard.mu.Unlock()
			}, time.Second + 3*time.Second + lookAgain, 0, nil, 3,
		}, {
			"the follower begins to lag", asFollower,
			func(n *node) *kmsg.FetchRequest { return waiting(fetchOf(n, 12, 3), 30*time.Second) },
			func(n *node) { n.shard.become(func(st *shard.Status) { st.LagEntries = 1 << 20 }) }, time.Second, 0, nil, 3,
		}, {
			"a new leader becomes ready", shard.Status{Role: shard.Leader, Leader: 1, Epoch: 5},
			func(n *node) *kmsg.FetchRequest { return waiting(fetchOf(n, 12, 7), 30*time.Second) },
			func(n *node) { n.fill(0, 4, 1); n.shard.become(func(st *shard.Status) { st.Ready = true }) }, time.Second, 0, []int64{7}, 8,
		}, {
			"a newer epoch comes", asFollower,
			func(n *node) *kmsg.FetchRequest {
				r := waiting(fetchOf(n, 12, 0), 30*time.Second)
				r.Topics[0].Partitions[0].CurrentLeaderEpoch = 6
				r.MaxWaitMillis = 900
				return r
			},
			func(*node) {}, 900 * time.Millisecond, kerr.UnknownLeaderEpoch.Code, nil, -1,
		}, {
			"a newer epoch does not come", asFollower,
			func(n *node) *kmsg.FetchRequest {
				r := waiting(fetchOf(n, 12, 0), 30*time.Second)
				r.Topics[0].Partitions[0].CurrentLeaderEpoch = 6
				return r
			},
			func(*node) {}, epochPatience, kerr.UnknownLeaderEpoch.Code, nil, -1,
		}, {
			"the leader dies and another is elected: go there", asFollower,
			func(n *node) *kmsg.FetchRequest {
				r := waiting(fetchOf(n, 12, 3), 30*time.Second)
				r.Topics[0].Partitions[0].CurrentLeaderEpoch = 5
				return r
			},
			func(n *node) { n.shard.become(func(st *shard.Status) { st.Leader, st.Epoch = 3, 6 }) },
			time.Second, kerr.FencedLeaderEpoch.Code, nil, -1,
		}, {
			"the same, to a client that knows no epochs: it stays, and gets what the next leader takes", asFollower,
			func(n *node) *kmsg.FetchRequest { return waiting(fetchOf(n, 12, 3), 30*time.Second) },
			func(n *node) {
				n.shard.become(func(st *shard.Status) { st.Leader, st.Epoch = 3, 6 })
				time.Sleep(time.Second)
				n.fill(0, 1)
			}, 2 * time.Second, 0, []int64{3}, 4,
		}, {
			"this leader is deposed", asLeader,
			func(n *node) *kmsg.FetchRequest {
				r := waiting(fetchOf(n, 12, 3), 30*time.Second)
				r.Topics[0].Partitions[0].CurrentLeaderEpoch = 5
				return r
			},
			func(n *node) {
				n.shard.become(func(st *shard.Status) { st.Role, st.Ready, st.Leader, st.Epoch = shard.Follower, false, 3, 6 })
			}, time.Second, kerr.FencedLeaderEpoch.Code, nil, -1,
		}, {
			"follower: offset above the high watermark, nothing comes", asFollower,
			func(n *node) *kmsg.FetchRequest { return waiting(fetchOf(n, 12, 9), 5*time.Second) },
			func(*node) {}, 5 * time.Second, 0, nil, 3,
		}, {
			"the topic is deleted", asFollower,
			func(n *node) *kmsg.FetchRequest { return waiting(fetchOf(n, 13, 3), 30*time.Second) },
			func(n *node) {
				n.cluster.mu.Lock()
				n.cluster.topics = nil
				n.cluster.mu.Unlock()
				n.shard.set.WakeAll()
			}, time.Second, 100, nil, -1,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, c.status)
				n.fill(0, 3)
				answer, took := parked(t, n, c.request(n), Normal, func() { c.then(n) })
				got := answer[0]
				if took < c.took || took > c.took+lookAgain {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if got.ErrorCode != c.code || got.HighWatermark != c.hw || !sameOffsets(offsetsIn(t, got.RecordBatches), c.offsets...) {
					t.Errorf("got %+v", got)
				}
				if (c.name == "the follower begins to lag" || c.name == "the leader falls silent for a lease") && got.PreferredReadReplica != 2 {
					t.Errorf("preferred replica %d", got.PreferredReadReplica)
				}
			})
		})
	}
}

// TestFetchEpochArrives parks on an epoch the client knows first.
func TestFetchEpochArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, asFollower)
		n.fill(0, 3)
		r := waiting(fetchOf(n, 12, 0), 30*time.Second)
		r.Topics[0].Partitions[0].CurrentLeaderEpoch = 6
		began := time.Now()
		go func() {
			time.Sleep(300 * time.Millisecond)
			n.shard.become(func(st *shard.Status) { st.Epoch = 6 })
		}()
		got := n.fetch(Normal, r)[0]
		if took := time.Since(began); took != 300*time.Millisecond || got.ErrorCode != 0 || len(got.RecordBatches) == 0 {
			t.Errorf("after %v: %+v", took, got)
		}
	})
}

// TestFetchReleased ends the context of a parked fetch.
func TestFetchReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, asFollower)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		resp, _ := n.ask(ctx, Normal, waiting(fetchOf(n, 12, 0), time.Hour))
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v", took)
		}
		if p := resp.(*kmsg.FetchResponse).Topics[0].Partitions[0]; p.ErrorCode != 0 || p.HighWatermark != 0 {
			t.Errorf("got %+v", p)
		}
	})
}
