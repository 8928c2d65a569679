package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"

	"github.com/twmb/franz-go/pkg/kgo"
)

// freshnessRows are how much later a follower shows a record than the leader does.
func freshnessRows() []Row {
	row := func(name string, rate int, what string) Row {
		return Row{Name: name, Class: Defaults, Pairs: 3,
			What: "one partition, two consumers at the same time, one at the leader and one at a follower by client.rack; " + what,
			Figures: []Figure{{Name: "leader_p99", Unit: "ms"}, {Name: "follower_p99", Unit: "ms"},
				{Name: "later", Unit: "ms", Goal: oursAtMost(1, "ms")}},
			Measure: func(ctx context.Context, s *System) (map[string]float64, error) { return freshness(ctx, s, rate) }}
	}
	return []Row{
		row("freshness-idle", 50, "50 records a second; not in a quick run"),
		row("freshness-loaded", steadyRate, "20 MB/s in records of 1 KiB"),
	}
}

func freshness(ctx context.Context, s *System, rate int) (map[string]float64, error) {
	if s.Bench.Quick && rate < steadyRate {
		return nil, errNotQuick
	}
	topic, err := newTopic(ctx, s.Cluster, 1)
	if err != nil {
		return nil, err
	}
	_, follower, err := placeOf(ctx, s.Cluster, topic)
	if err != nil {
		return nil, err
	}
	atLeader, err := newReader(ctx, s.Cluster.Bootstrap(), topic)
	if err != nil {
		return nil, err
	}
	defer atLeader.close()
	// A follower that has just got its first reader is asked with the leader's word; the load's beginning does not count.
	atFollower, err := newReader(ctx, s.Cluster.Bootstrap(), topic, kgo.Rack(s.Cluster.Rack(follower)))
	if err != nil {
		return nil, err
	}
	defer atFollower.close()
	cl, err := client(s.Cluster.Bootstrap(), noLinger())
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	before := s.Cluster.NodeCounts(ctx)
	load := steady{topic: topic, rate: rate, size: recordSize, lead: s.Bench.Span(3*time.Second, 2*time.Second), span: s.Bench.Span(10*time.Second, 3*time.Second)}
	sent, failed, err := load.produce(ctx, cl, nil)
	if err != nil {
		return nil, err
	}
	if failed > 0 {
		return nil, fmt.Errorf("%d records were refused", failed)
	}
	for _, r := range []*reader{atLeader, atFollower} {
		if err := r.await(ctx, sent); err != nil {
			return nil, err
		}
	}
	if s.Cluster.Features().Counters && cluster.Since(before, s.Cluster.NodeCounts(ctx)).Follower < sent {
		return nil, errors.New("the follower did not serve its reader")
	}
	lead, follow := atLeader.late.ms(99), atFollower.late.ms(99)
	return map[string]float64{"leader_p99": lead, "follower_p99": follow, "later": follow - lead}, nil
}

// placeOf is who leads partition 0 of a topic, and one who does not.
func placeOf(ctx context.Context, c *cluster.Cluster, topic string) (leader, follower int, err error) {
	conn, err := raw.Dial(ctx, c.Direct(1))
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	l, err := conn.Leader(ctx, topic, 0)
	if err != nil {
		return 0, 0, err
	}
	return l.ID, cluster.Others(l.ID)[0], nil
}
