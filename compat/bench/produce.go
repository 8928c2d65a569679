package main

import (
	"context"
	"time"
)

// produceRows are the headline: how fast a cluster takes records that have to be on a majority of nodes.
func produceRows() []Row {
	franz := Row{Name: "produce-franzgo", Pairs: 5, Measure: produceFranz,
		What: "franz-go as fast as it goes, acks=all, 3 replicas, 6 partitions, records of 1 KiB, nothing compressed; CPU of all three brokers"}
	var out []Row
	for _, c := range []struct {
		class     Class
		rate, cpu Goal
	}{
		{ClassA, ratioAtLeast(3), ratioAtMost(1. / 3)},
		{ClassB, ratioAtLeast(40), Goal{}},
		{Defaults, ratioAtLeast(2), Goal{}},
	} {
		franz.Class = c.class
		franz.Figures = []Figure{{Name: "throughput", Unit: "MB/s", Goal: c.rate}, {Name: "cpu", Unit: "s/GB", Goal: c.cpu}}
		out = append(out, franz)
	}
	return out
}

func produceFranz(ctx context.Context, s *System) (map[string]float64, error) {
	topic, err := newTopic(ctx, s.Cluster, partitions)
	if err != nil {
		return nil, err
	}
	before, err := usage(s.Cluster)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	span := s.Bench.Span(8*time.Second, 4*time.Second)
	bytes, err := flood(ctx, s.Cluster.Bootstrap(), topic, span)
	if err != nil {
		return nil, err
	}
	took := time.Since(start)
	after, err := usage(s.Cluster)
	if err != nil {
		return nil, err
	}
	return map[string]float64{
		"throughput": bytes / mb / span.Seconds(),
		"cpu":        (after.CPU - before.CPU) / (bytes / 1e9),
		"flushed_s":  seconds(took - span),
	}, nil
}
