package node

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lockstep/broker/internal/config"
	"lockstep/broker/internal/shard"
)

// TestLagIsTold stops a follower and looks at what its leader tells of it, in
// the replica state and the metrics; and again when it is back.
func TestLagIsTold(t *testing.T) {
	c := startThree(t, func(*config.Config) {})
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.cfgs[0].Listen, c.cfgs[1].Listen, c.cfgs[2].Listen), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("t"),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	write := func(n int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for range n {
			if err := cl.ProduceSync(ctx, &kgo.Record{Value: make([]byte, 100)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(5)
	for i := range c.nodes {
		c.until("every node knows the topic", func() bool { return len(c.nodes[i].view().Replicas) == 1 })
	}
	first := c.replica(0)
	leader := first.Leader
	behind := leader % 3 // position of the node after it
	c.stop(int(behind))
	write(7)

	told := func() followerLagView {
		for _, f := range c.replica(int(leader) - 1).Followers {
			if f.Node == behind+1 {
				return f
			}
		}
		t.Fatalf("node %d tells nothing of node %d", leader, behind+1)
		return followerLagView{}
	}
	c.until("the lag has a duration", func() bool { return told().Seconds > 0 })
	if lag := told(); lag.Records != 7 || lag.Bytes < 7*100 || lag.Bytes > 7*300 || lag.Seconds > 20 {
		t.Errorf("7 records of 100 bytes behind: %+v", lag)
	}
	var metrics string
	if err := get("http://"+c.cfgs[leader-1].HTTPListen+"/metrics", &metrics); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf(`lockstep_replica_lag_records{node="%d",partition="0",topic="t"} 7`, behind+1),
		fmt.Sprintf(`lockstep_replica_lag_bytes{node="%d",partition="0",topic="t"} %d`, behind+1, told().Bytes),
		fmt.Sprintf(`lockstep_replica_lag_seconds{node="%d",partition="0",topic="t"} `, behind+1),
		fmt.Sprintf(`lockstep_raft_follower_lag_seconds{node="%d",shard="%d"} `, behind+1, first.Shard),
	} {
		i := strings.Index(metrics, want)
		if i < 0 {
			t.Errorf("metrics have no %s", want)
		} else if strings.HasPrefix(metrics[i+len(want):], "0\n") {
			t.Errorf("%s is 0", want)
		}
	}

	c.start(int(behind))
	c.until("the lag is gone", func() bool {
		own := c.nodes[behind].view().Replicas
		return told() == followerLagView{Node: behind + 1} && len(own) == 1 && own[0].lagView == lagView{} && own[0].HighWatermark == 12
	})
}

func TestOwnLag(t *testing.T) {
	const lease = 3 * time.Second
	now := time.Unix(1000, 0)
	ago := func(seconds int) time.Time { return now.Add(-time.Duration(seconds) * time.Second) }
	for _, c := range []struct {
		name string
		st   shard.Status
		want lagView
	}{
		{"leader", shard.Status{Role: shard.Leader, LastContact: ago(100)}, lagView{}},
		{"follower up to date", shard.Status{LastContact: ago(1)}, lagView{}},
		{"follower behind", shard.Status{LastContact: ago(1), LagEntries: 5, LagSince: ago(2)}, lagView{-1, -1, 2}},
		{"follower just behind", shard.Status{LastContact: ago(1), LagEntries: 5}, lagView{-1, -1, 0}},
		{"follower cut off", shard.Status{LastContact: ago(7)}, lagView{-1, -1, 7}},
		{"follower cut off, behind before that", shard.Status{LastContact: ago(7), LagEntries: 1, LagSince: ago(9)}, lagView{-1, -1, 9}},
		{"has never heard a leader", shard.Status{}, lagView{}},
	} {
		if got := ownLag(c.st, lease, now); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
