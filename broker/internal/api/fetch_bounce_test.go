package api

import (
	"testing"
	"testing/synctest"
	"time"

	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/shard"
)

// bouncing is a consumer of rack r2 between a leader (node 1) and the follower
// there (node 2), with a round trip of five milliseconds. It does at once whatever
// it is told: no client is worse.
type bouncing struct {
	leader, follower *node
	t                *testing.T

	at        *node
	offset    int64
	redirects []time.Time
	served    map[*node]int
}

func newBouncing(t *testing.T) *bouncing {
	b := &bouncing{t: t, leader: newNode(t, asLeader), follower: newNode(t, shard.Status{Role: shard.Follower, Leader: 1, Epoch: 5, Heard: 1}), served: map[*node]int{}}
	b.follower.api.Config.NodeID = 2
	b.at = b.leader
	b.write(1000)
	return b
}

func (b *bouncing) write(n int) {
	for range n {
		b.leader.fill(0, 1)
		b.follower.fill(0, 1)
	}
}

// step fetches once, of the tail or with records waiting.
func (b *bouncing) step() {
	r := waiting(inRackOf(fetchOf(b.at, 12, b.offset), "r2"), 100*time.Millisecond)
	r.MaxBytes = 1
	got := b.at.fetch(Normal, r)[0]
	time.Sleep(5 * time.Millisecond)
	switch {
	case got.PreferredReadReplica == 1, got.PreferredReadReplica == 2:
		b.redirects = append(b.redirects, time.Now())
		b.at = map[int32]*node{1: b.leader, 2: b.follower}[got.PreferredReadReplica]
	case got.ErrorCode == 6:
		b.redirects = append(b.redirects, time.Now())
		b.at = b.leader
	case got.ErrorCode != 0:
		b.t.Fatalf("error %d", got.ErrorCode)
	case len(got.RecordBatches) > 0:
		b.served[b.at]++
		b.offset++
	}
}

// mostIn is the largest number of redirects in any window.
func (b *bouncing) mostIn(window time.Duration) (most int) {
	first := 0
	for i, at := range b.redirects {
		for at.Sub(b.redirects[first]) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// TestRedirectsPerSecond counts how often, in the worst case, a reader is sent
// to and fro in two minutes: at most, in any second and in any minute. It must
// get on all the time, and be on the follower at the end of those that heal.
func TestRedirectsPerSecond(t *testing.T) {
	lags := func(n *node, entries uint64) {
		n.shard.become(func(st *shard.Status) { st.LagEntries = entries })
	}
	const limit = 10_000 // config's LagMaxEntries
	for _, c := range []struct {
		name               string
		tail               bool // nothing to read, but for a record now and then
		disturb            func(b *bouncing, step int)
		perSecond, perMin  int
		followed, atLeader bool // at the end, it reads from the follower; the leader has served
	}{
		{"nothing is wrong", false, func(*bouncing, int) {}, 1, 1, true, false},
		{"the follower says it lags, the leader does not see it", false, func(b *bouncing, _ int) { lags(b.follower, limit+1) }, 4, 8, false, true},
		{"the same at the tail", true, func(b *bouncing, _ int) { lags(b.follower, limit+1) }, 4, 8, false, true},
		{"the follower is now above the limit, now just below", false, func(b *bouncing, step int) { lags(b.follower, limit+uint64(step%2)) }, 4, 8, false, true},
		{"the follower is behind far and not at all by turns", false, func(b *bouncing, step int) { lags(b.follower, limit*2*uint64(min(step%3, 1))) }, 4, 8, false, true},
		{"the follower has lost its leader, which still hears it", true, func(b *bouncing, _ int) {
			b.follower.shard.become(func(st *shard.Status) { st.LastContact = time.Now().Add(-time.Minute) })
		}, 6, 12, false, true},
		{"the leader sees it lag and not lag by turns", false, func(b *bouncing, step int) {
			b.leader.shard.become(func(st *shard.Status) { st.Commit = limit * uint64(step%2) })
		}, 1, 1, true, false},
		{"the follower lags for a while", false, func(b *bouncing, step int) {
			if step == 1000 {
				lags(b.follower, limit+1)
			}
			if step == 4_000 {
				lags(b.follower, 0)
			}
		}, 4, 8, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBouncing(t)
				if c.tail {
					b.offset = 1000
				}
				step := 0
				for began := time.Now(); time.Since(began) < 2*time.Minute; step++ {
					c.disturb(b, step)
					if !c.tail && b.offset == 999 {
						b.offset = 0 // records enough for ever
					}
					if c.tail && step%100 == 0 {
						b.write(1)
					}
					b.step()
				}
				if got := b.mostIn(time.Second); got > c.perSecond {
					t.Errorf("%d redirects in a second, at most %d", got, c.perSecond)
				}
				if got := b.mostIn(time.Minute); got > c.perMin {
					t.Errorf("%d redirects in a minute, at most %d", got, c.perMin)
				}
				if served := b.served[b.leader] + b.served[b.follower]; !c.tail && served < step/4 || served == 0 {
					t.Errorf("served %d times in %d fetches", served, step)
				}
				if c.followed != (b.at == b.follower) {
					t.Errorf("at the end it reads from the follower: %v", b.at == b.follower)
				}
				if c.atLeader && b.served[b.leader] == 0 {
					t.Error("the leader has served nothing")
				}
				t.Logf("%d redirects in two minutes, %d in a second; %d served by the leader, %d by the follower", len(b.redirects), b.mostIn(time.Second), b.served[b.leader], b.served[b.follower])
			})
		})
	}
}

// TestRedirectStays: a consumer that got on at one follower is sent there again,
// whatever the other has to do.
func TestRedirectStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, asLeader)
		n.fill(0, 1, 1, 1, 1, 1, 1)
		n.cluster.brokers = append(n.cluster.brokers, controller.Broker{ID: 4, Rack: "r2", Alive: true})
		n.shard.followers = append(n.shard.followers, shard.Progress{Node: 4})
		for offset := range int64(5) {
			if got := n.fetch(Normal, inRackOf(fetchOf(n, 12, offset), "r2"))[0].PreferredReadReplica; got != 2 {
				t.Errorf("visit %d is sent to %d", offset, got)
			}
			time.Sleep(time.Second)
		}
		n.cluster.brokers[1].Alive = false
		if got := n.fetch(Normal, inRackOf(fetchOf(n, 12, 5), "r2"))[0].PreferredReadReplica; got != 4 {
			t.Errorf("with its follower dead it is sent to %d", got)
		}
	})
}

func TestLoadFades(t *testing.T) {
	l, now := newLoad(), time.Unix(1000, 0)
	if got := l.least(nil, now); got != -1 {
		t.Errorf("of none: %d", got)
	}
	for range 1000 {
		l.add(2, now)
	}
	if got := l.least([]int32{2, 4}, now); got != 4 {
		t.Errorf("least is %d", got)
	}
	// Node 4, which was away, is soon as busy as node 2 is thought to be.
	now = now.Add(10 * loadHalfLife)
	turns := 0
	for ; l.least([]int32{2, 4}, now) == 4; turns++ {
		l.add(4, now)
	}
	if turns != 1 {
		t.Errorf("it was chosen %d times in a row", turns)
	}
}

// TestLaggingHysteresis: a follower sends readers away above the limit, and
// takes them again below half of it, after a while.
func TestLaggingHysteresis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, asFollower)
		n.fill(0, 3)
		for i, c := range []struct {
			after   time.Duration
			entries uint64
			away    bool
		}{
			{0, 10_000, false}, {0, 10_001, true}, {0, 10_000, true}, {0, 0, true}, {lagRest - 1, 0, true}, {1, 5001, true}, {0, 5000, false},
			{0, 10_000, false}, {0, 10_001, true}, {time.Hour, 5001, true}, {0, 5000, false},
		} {
			time.Sleep(c.after)
			n.shard.become(func(st *shard.Status) { st.LagEntries = c.entries })
			if got := n.fetch(Normal, fetchOf(n, 12, 0))[0]; (got.PreferredReadReplica == 2) != c.away {
				t.Errorf("step %d, %d entries behind: %+v", i, c.entries, got)
			}
		}
	})
}
