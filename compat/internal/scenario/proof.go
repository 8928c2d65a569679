package scenario

import (
	"context"
	"fmt"
	"strings"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/history"
)

// Window is a look at all counters; what happens after it is what is proved.
type Window struct {
	counts  map[int]cluster.Counts
	traffic map[cluster.Edge]cluster.Traffic
}

// OpenWindow looks at the brokers' counters and at toxiproxy's.
func (c *Cell) OpenWindow(ctx context.Context) (Window, error) {
	if !c.Cluster.Features().Traffic {
		return Window{counts: c.Cluster.NodeCounts(ctx)}, nil
	}
	traffic, err := c.Cluster.Proxies.Traffic(ctx)
	return Window{counts: c.Cluster.NodeCounts(ctx), traffic: traffic}, err
}

// ServedSince is what the brokers counted since the window was opened.
func (c *Cell) ServedSince(ctx context.Context, w Window) cluster.Counts {
	return cluster.Since(w.counts, c.Cluster.NodeCounts(ctx))
}

// AwaitServed waits until followers have served so many records since the window, by the brokers' counters.
func (c *Cell) AwaitServed(ctx context.Context, w Window, records int64) error {
	if can := c.Cluster.Features(); !can.Counters {
		if !can.Traffic {
			return unproven()
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, countedWithin)
	defer cancel()
	return every(ctx, 100*time.Millisecond, func() error {
		if got := c.ServedSince(ctx, w); got.Follower < records {
			return fmt.Errorf("followers served %d records (leaders %d), not %d", got.Follower, got.Leader, records)
		}
		return nil
	})
}

// Reading is what readers were meant to get from followers since a window.
type Reading struct {
	Records int64                  // in all
	Down    map[cluster.Edge]int64 // bytes of batches, as stored, that must have come down each edge
	Leader  cluster.Edge           // the leader's, over which they must not
}

// ProveFollowers shows that followers served a reading, in two ways that know nothing of each other: the brokers'
// counters by role (looked at by the caller before anything else read), and the bytes that came down the followers'
// proxies. The clients must have ended. What it finds goes into the result and the history.
func (c *Cell) ProveFollowers(ctx context.Context, w Window, served cluster.Counts, r Reading) error {
	can := c.Cluster.Features()
	if !can.Counters && !can.Traffic {
		return unproven()
	}
	c.Result.Served.Leader, c.Result.Served.Follower = served.Leader, served.Follower
	down, err := c.AwaitTraffic(ctx, w, r.Down)
	leaderDown, _ := c.AwaitTraffic(ctx, w, map[cluster.Edge]int64{r.Leader: 0})
	c.Result.ProxyBytesFollower = down
	counts := map[string]int64{"leader_records": served.Leader, "follower_records": served.Follower, "leader_bytes": served.LeaderBytes,
		"follower_bytes": served.FollowerBytes, "follower_proxy_bytes": down, "leader_proxy_bytes": leaderDown}
	for e, bytes := range r.Down {
		counts["stored_bytes_"+string(e)] = bytes
	}
	c.H.Append(history.Event{Kind: history.Served, Counts: counts})
	if err != nil {
		return fmt.Errorf("followers did not serve what was read: %w (%d bytes came down %s)", err, leaderDown, r.Leader)
	}
	if can.Counters && served.Follower < r.Records {
		return fmt.Errorf("followers served %d records (leaders %d), but %d were read: leaders served some", served.Follower, served.Leader, r.Records)
	}
	return nil
}

// unproven is what there is to say of reading from followers where nothing tells who served.
func unproven() error {
	return Skipf("who served what was read is unproven: neither the brokers' counters (HTTP=) nor the bytes on their links are to be had here")
}

// AwaitTraffic does nothing where the bytes on links are not the clients' alone. Else it waits until at least so many bytes have come down each edge since the window, and returns how many have
// in all. Toxiproxy counts a connection when it has ended.
func (c *Cell) AwaitTraffic(ctx context.Context, w Window, atLeast map[cluster.Edge]int64) (int64, error) {
	if !c.Cluster.Features().Traffic {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, countedWithin)
	defer cancel()
	var down int64
	err := every(ctx, 50*time.Millisecond, func() error {
		now, err := c.Cluster.Proxies.Traffic(ctx)
		if err != nil {
			return err
		}
		down = 0
		for e, want := range atLeast {
			got := now[e].Down - w.traffic[e].Down
			down += got
			if got < want {
				err = fmt.Errorf("%d bytes came down %s, not the %d of the batches read; down all edges: %s", got, e, want, w.allDown(now))
			}
		}
		return err
	})
	return down, err
}

// allDown tells what has come down which clients' edge since the window.
func (w Window) allDown(now map[cluster.Edge]cluster.Traffic) string {
	var parts []string
	for _, e := range cluster.Edges() {
		if d := now[e].Down - w.traffic[e].Down; !e.Peer() && d != 0 {
			parts = append(parts, fmt.Sprintf("%s %d", e, d))
		}
	}
	return strings.Join(parts, ", ")
}

// countedWithin is how long counters may take: a broker's is there at once, toxiproxy counts a connection when it has
// ended.
const countedWithin = 5 * time.Second
