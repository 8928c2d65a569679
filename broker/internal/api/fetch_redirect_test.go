package api

import (
	"testing"
	"testing/synctest"
	"time"

	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/shard"
)

func TestRedirectEligible(t *testing.T) {
	const limit = 5 * time.Second // config's LagMaxTime
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	for _, c := range []struct {
		name   string
		rack   string
		change func(n *node)
		want   int32
	}{
		{"in the client's rack", "r2", func(*node) {}, 2},
		{"in the other's", "r3", func(*node) {}, 3},
		{"no rack", "", func(*node) {}, -1},
		{"this node's rack", "r1", func(*node) {}, -1},
		{"nobody's rack", "r9", func(*node) {}, -1},
		{"dead", "r2", func(n *node) { n.cluster.brokers[1].Alive = false }, -1},
		{"reads off", "r2", func(n *node) { n.api.Config.FetchFromFollower = false }, -1},
		{"without the offset", "r2", func(n *node) { n.shard.ends[2] = 2 }, -1},
		{"just holding the offset", "r2", func(n *node) { n.shard.ends[2] = 3 }, 2},
		{"silent for a lease", "r2", func(n *node) { n.shard.followers[0].LastContact = ago(n.api.Config.Lease + 1) }, -1},
		{"its connections have just ended", "r2", func(n *node) { n.shard.followers[0].Lost = time.Millisecond }, -1},
		{"half the lag allowed", "r2", func(n *node) { n.shard.followers[0].LagSince = ago(limit/2 - time.Millisecond) }, 2},
		{"more than half", "r2", func(n *node) { n.shard.followers[0].LagSince = ago(limit/2 + time.Millisecond) }, -1},
		{"half the entries", "r2", func(n *node) { n.shard.st.Commit = n.api.Config.LagMaxEntries / 2 }, 2},
		{"more than half the entries", "r2", func(n *node) { n.shard.st.Commit = n.api.Config.LagMaxEntries/2 + 1 }, -1},
		{"not a follower", "r2", func(n *node) { n.shard.followers = n.shard.followers[1:] }, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, asLeader)
				n.fill(0, 5)
				c.change(n)
				got := n.fetch(Normal, inRackOf(fetchOf(n, 12, 3), c.rack))[0]
				if got.PreferredReadReplica != c.want || got.ErrorCode != 0 || got.HighWatermark != 5 {
					t.Errorf("got %+v, want %d preferred", got, c.want)
				}
				if (c.want >= 0) != (len(got.RecordBatches) == 0) || got.RecordBatches == nil {
					t.Errorf("%d bytes of records with %d preferred", len(got.RecordBatches), got.PreferredReadReplica)
				}
			})
		})
	}
}

func TestRedirectNeedsVersion11(t *testing.T) {
	n := newNode(t, asLeader)
	n.fill(0, 5)
	r := inRackOf(fetchOf(n, 11, 3), "r2")
	if got := n.fetch(Normal, r)[0]; got.PreferredReadReplica != 2 {
		t.Errorf("v11: %+v", got)
	}
	r.Version = 10
	if got := n.fetch(Normal, r)[0]; len(got.RecordBatches) == 0 {
		t.Errorf("v10: %+v", got)
	}
	if got := n.fetch(Local, inRackOf(fetchOf(n, 12, 3), "r2"))[0]; len(got.RecordBatches) == 0 {
		t.Errorf("local-read listener: %+v", got)
	}
}

// TestRedirectBalances spreads consumers over the followers of one rack.
func TestRedirectBalances(t *testing.T) {
	n := newNode(t, asLeader)
	n.cluster.brokers = append(n.cluster.brokers, controller.Broker{ID: 4, Rack: "r2", Alive: true})
	n.shard.followers = append(n.shard.followers, shard.Progress{Node: 4})
	got := map[int32]int{}
	for range 10 {
		n.conn = NewConn()
		got[n.fetch(Normal, inRackOf(fetchOf(n, 12, 0), "r2"))[0].PreferredReadReplica]++
	}
	if got[2] != 5 || got[4] != 5 {
		t.Errorf("consumers by follower: %v", got)
	}
}

// TestRedirectBounded plays consumers that come back from the follower, and
// counts how often they are sent there in two minutes.
func TestRedirectBounded(t *testing.T) {
	for _, c := range []struct {
		name     string
		visit    time.Duration // at the follower
		progress int64         // offsets gained there
		tail     bool          // there is nothing to read
		min, max int           // redirects in two minutes
	}{
		{"sent straight back, with records waiting", time.Millisecond, 0, false, 4, 6},
		{"sent straight back, at the tail", time.Millisecond, 0, true, 4, 6},
		{"cannot connect to the follower", time.Second, 0, false, 4, 6},
		{"gets no answer from the follower", 30 * time.Second, 0, false, 1, 1},
		{"gets on at every visit, too fast", time.Millisecond, 1, false, 10_000, maxLeaving*120 + 1},
		{"gets on at every visit", 50 * time.Millisecond, 1, false, 2000, 2400},
		{"waits at the tail as long as the follower does", 500 * time.Millisecond, 0, true, 200, 240},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, asLeader)
				for range 1000 {
					n.fill(0, 10)
				}
				offset := int64(0)
				if c.tail {
					offset = 10_000
				}
				redirects, served := 0, 0
				for began := time.Now(); time.Since(began) < 2*time.Minute; {
					r := inRackOf(fetchOf(n, 12, offset), "r2")
					r.MaxBytes = 1
					got := n.fetch(Normal, r)[0]
					if got.PreferredReadReplica == 2 {
						redirects++
						offset += c.progress
						time.Sleep(c.visit)
						continue
					}
					served++
					if !c.tail {
						offset = min(offset+1, 9999) // at the leader the consumer always gets on
					}
					time.Sleep(10 * time.Millisecond)
				}
				if redirects < c.min || redirects > c.max {
					t.Errorf("%d redirects, want %d to %d", redirects, c.min, c.max)
				}
				if bounce := c.max < 100 || c.max > maxLeaving*120; bounce != (served > 1000) {
					t.Errorf("served %d times by the leader", served)
				}
			})
		})
	}
}

// TestRedirectOfOthers: one consumer's bad luck is not another's.
func TestRedirectOfOthers(t *testing.T) {
	n := newNode(t, asLeader)
	n.fill(0, 5)
	preferred := func() int32 { return n.fetch(Normal, inRackOf(fetchOf(n, 12, 0), "r2"))[0].PreferredReadReplica }
	for range 5 {
		preferred()
	}
	if got := preferred(); got != -1 {
		t.Fatalf("the unlucky one is sent to %d", got)
	}
	n.conn = NewConn()
	if got := preferred(); got != 2 {
		t.Errorf("another is sent to %d", got)
	}
}

// TestRedirectAvoids: with another follower in the rack, that one is tried,
// however much it has to do.
func TestRedirectAvoids(t *testing.T) {
	for _, order := range [][]int32{{2, 4, -1}, {4, 2, -1}} {
		n := newNode(t, asLeader)
		n.fill(0, 5)
		n.cluster.brokers = append(n.cluster.brokers, controller.Broker{ID: 4, Rack: "r2", Alive: true})
		n.shard.followers = append(n.shard.followers, shard.Progress{Node: 4})
		for range 100 {
			n.api.load.add(order[1], time.Now())
		}
		for i, want := range order {
			if got := n.fetch(Normal, inRackOf(fetchOf(n, 12, 0), "r2"))[0].PreferredReadReplica; got != want {
				t.Errorf("visit %d is sent to %d, want %d", i, got, want)
			}
		}
	}
}

// A consumer that comes back fruitless on another connection is known again: one with its address, its name and the offset that it
// left with. Anybody else is sent to the follower.
func TestRedirectOutlivesTheConnection(t *testing.T) {
	for _, c := range []struct {
		name   string
		host   string
		offset int64
		after  time.Duration
		stays  bool
	}{
		{"back", "a", 3, 20 * time.Second, true},
		{"it got somewhere", "a", 4, 20 * time.Second, false},
		{"somebody else", "b", 3, 20 * time.Second, false},
		{"much later", "a", 3, departedFor + time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, asLeader)
				n.fill(0, 1, 1, 1, 1, 1, 1)
				ask := func(host string, offset int64) int32 {
					n.host = host
					return n.fetch(Normal, inRackOf(fetchOf(n, 12, offset), "r2"))[0].PreferredReadReplica
				}
				if got := ask("a", 3); got != 2 {
					t.Fatalf("at first it is sent to %d", got)
				}
				n.conn.End()
				n.conn = NewConn()
				time.Sleep(c.after)
				if got := ask(c.host, c.offset); (got == -1) != c.stays {
					t.Errorf("on the next connection it is sent to %d", got)
				}
			})
		})
	}
}
