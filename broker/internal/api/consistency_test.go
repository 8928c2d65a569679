package api

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/shard"
)

func TestWhoReadsLinearizably(t *testing.T) {
	n := newNode(t, asFollower)
	for _, c := range []struct {
		topic, node string // "" for none
		listeners   map[string]string
		l           Listener
		want        bool
	}{
		{"", "committed", nil, Normal, false},
		{"", "linearizable", nil, Normal, true},
		{"", "linearizable", nil, Local, true},
		{"linearizable", "committed", nil, Normal, true},
		{"linearizable", "committed", nil, Local, true},
		{"committed", "linearizable", nil, Normal, false},
		{"", "committed", map[string]string{"local": "linearizable"}, Local, true},
		{"", "committed", map[string]string{"local": "linearizable"}, Normal, false},
		{"", "committed", map[string]string{"normal": "linearizable"}, Normal, true},
		{"committed", "committed", map[string]string{"normal": "linearizable"}, Normal, true},
		{"linearizable", "committed", map[string]string{"normal": "committed"}, Normal, true},
		{"", "linearizable", map[string]string{"normal": "committed"}, Normal, false},
	} {
		n.api.Config.ReadConsistency, n.api.Config.ListenerConsistency = c.node, c.listeners
		delete(n.topic.Configs, readConsistencyConfig)
		if c.topic != "" {
			n.topic.Configs[readConsistencyConfig] = c.topic
		}
		if got := n.api.linearizable(c.l, n.topic); got != c.want {
			t.Errorf("topic %q, node %q, listeners %v, asked on %s: %v", c.topic, c.node, c.listeners, c.l, got)
		}
	}
}

// linearly is a node of which linearizable reads are asked; after is what its
// read index does.
func linearly(t *testing.T, st shard.Status, after func(ctx context.Context, n *node) error) (n *node, asked *int) {
	n, asked = newNode(t, st), new(int)
	n.api.Config.ListenerConsistency = map[string]string{"local": "linearizable"}
	n.topic.Configs[readConsistencyConfig] = "linearizable"
	n.fill(0, 3)
	n.fill(1, 3)
	n.shard.readIndex = func(ctx context.Context) error {
		*asked++
		return after(ctx, n)
	}
	return n, asked
}

// unreachable is a read index that cannot be had.
func unreachable(ctx context.Context, _ *node) error {
	<-ctx.Done()
	return fmt.Errorf("read index: %w: %w", kerr.NotLeaderForPartition, ctx.Err())
}

// TestFetchConfirmsFirst: what was acknowledged elsewhere is in the answer,
// wherever the client reads, on leaders too, with one question for all
// partitions of a shard.
func TestFetchConfirmsFirst(t *testing.T) {
	catchUp := func(_ context.Context, n *node) error { n.fill(0, 2); return nil }
	for _, st := range []shard.Status{asFollower, asLeader} {
		for _, l := range []Listener{Normal, Local} {
			for offset := int64(0); offset <= 4; offset++ {
				n, asked := linearly(t, st, catchUp)
				got := n.fetch(l, waiting(fetchOf(n, 12, offset, 0), time.Second))[0]
				if *asked != 1 || got.HighWatermark != 5 || len(got.RecordBatches) == 0 {
					t.Errorf("%s, %s listener, offset %d: asked %d times, got %+v", st.Role, l, offset, *asked, got)
				}
			}
		}
	}
}

// TestFetchConfirmsOnce: a fetch that waits is not confirmed again.
func TestFetchConfirmsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, asked := linearly(t, asFollower, func(context.Context, *node) error { return nil })
		answer, took := parked(t, n, waiting(fetchOf(n, 12, 3), 30*time.Second), Normal, func() { n.fill(0, 1) })
		if *asked != 1 || took != time.Second || answer[0].HighWatermark != 4 {
			t.Errorf("asked %d times, got %+v after %v", *asked, answer[0], took)
		}
	})
}

// TestFetchUnconfirmed: nothing that may be old is answered, and the error
// comes in time, whatever the client's patience.
func TestFetchUnconfirmed(t *testing.T) {
	for _, c := range []struct {
		status  shard.Status
		l       Listener
		maxWait time.Duration
		took    time.Duration
	}{
		{asFollower, Normal, 0, shortestConfirm},
		{asFollower, Normal, 2 * time.Second, 2 * time.Second},
		{asFollower, Normal, time.Minute, 3 * time.Second}, // the lease
		{asFollower, Local, time.Second, time.Second},
		{asLeader, Normal, time.Second, time.Second}, // deposed, and does not know yet
		{asLeader, Local, time.Second, time.Second},
	} {
		for _, offset := range []int64{0, 3, 4} {
			if c.status.Role == shard.Leader && offset > 3 && c.l == Normal {
				continue // out of range
			}
			synctest.Test(t, func(t *testing.T) {
				n, _ := linearly(t, c.status, unreachable)
				began := time.Now()
				got := n.fetch(c.l, waiting(fetchOf(n, 12, offset), c.maxWait))[0]
				if took := time.Since(began); took != c.took {
					t.Errorf("%+v: took %v", c, took)
				}
				if got.ErrorCode != 6 || got.HighWatermark != -1 || len(got.RecordBatches) != 0 || got.RecordBatches == nil || got.CurrentLeader.LeaderID != -1 {
					t.Errorf("%+v, offset %d: got %+v", c, offset, got)
				}
			})
		}
	}
}

// TestFetchAnswersThatNeedNoConfirmation come at once.
func TestFetchAnswersThatNeedNoConfirmation(t *testing.T) {
	for _, c := range []struct {
		name    string
		status  shard.Status
		request func(n *node) *kmsg.FetchRequest
		code    int16
		prefers int32
	}{
		{"a consumer of a follower's rack", asLeader, func(n *node) *kmsg.FetchRequest { return inRackOf(fetchOf(n, 12, 3), "r2") }, 0, 2},
		{"a follower that lags", lagsBehind(asFollower), func(n *node) *kmsg.FetchRequest { return fetchOf(n, 12, 3) }, 0, 2},
		{"below the log start", asFollower, func(n *node) *kmsg.FetchRequest { return fetchOf(n, 12, -1) }, 1, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, asked := linearly(t, c.status, unreachable)
			got := n.fetch(Normal, waiting(c.request(n), time.Minute))[0]
			if *asked != 0 || got.ErrorCode != c.code || got.PreferredReadReplica != c.prefers {
				t.Errorf("asked %d times, got %+v", *asked, got)
			}
		})
	}
}

func lagsBehind(st shard.Status) shard.Status {
	st.LagEntries = 1 << 20
	return st
}

func TestListOffsetsLinearizable(t *testing.T) {
	n, asked := linearly(t, asFollower, func(_ context.Context, n *node) error { n.fill(0, 2); return nil })
	more := func(r *kmsg.ListOffsetsRequest) { // a second partition of the same shard
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = 1, -1
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, p)
	}
	if got := n.offset(Local, 10, 0, -1, more); got.Offset != 5 || *asked != 1 {
		t.Errorf("asked %d times, got %+v", *asked, got)
	}
	synctest.Test(t, func(t *testing.T) {
		n, _ := linearly(t, asLeader, unreachable)
		for _, l := range []Listener{Normal, Local} {
			began := time.Now()
			if got := n.offset(l, 10, 0, -1); got.ErrorCode != 6 || got.Offset != -1 || time.Since(began) != n.api.Config.Lease {
				t.Errorf("unconfirmed, on the %s listener: %+v after %v", l, got, time.Since(began))
			}
		}
	})
}
