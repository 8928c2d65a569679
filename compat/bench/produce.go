package main

import (
	"context"
	"time"
)

// produceRows are the headline: how fast a cluster takes records that have to be on a majority of nodes.
func produceRows() []Row {
	franz := Row{Name: "produce-franzgo", Pairs: 5, Tuned: true, Measure: produceFranz,
		What: "franz-go as fast as it goes, acks=all, 3 replicas, 6 partitions, records of 1 KiB, nothing compressed; CPU of all three brokers; free memory is touched before"}
	java := Row{Name: "produce-java", Pairs: 5, Tuned: true, Measure: produceJava,
		What: "Kafka's own ProducerPerformance as it comes, acks=all, the same topic and records, after warm-up records of its own; not in a quick run"}
	var out []Row
	for _, c := range []struct {
		class     Class
		rate, cpu Goal
	}{
		{ClassA, ratioAtLeast(3), ratioAtMost(1. / 3)},
		{ClassB, ratioAtLeast(40), Goal{}},
		{Defaults, ratioAtLeast(2), Goal{}},
	} {
		for _, row := range []Row{franz, java} {
			row.Class = c.class
			row.Figures = []Figure{{Name: "throughput", Unit: "MB/s", Goal: c.rate}, {Name: "cpu", Unit: "s/GB", Goal: c.cpu}}
			out = append(out, row)
		}
	}
	return out
}

// cost runs load, which says how many bytes it has had a cluster take or give within how many seconds, and makes
// throughput and all brokers' CPU time of it.
func cost(s *System, load func() (bytes, span float64, err error)) (map[string]float64, error) {
	p, err := pay(s, load)
	if err != nil {
		return nil, err
	}
	return map[string]float64{"throughput": p.amount / mb / p.span, "cpu": p.cpu / (p.amount / 1e9)}, nil
}

// paid is how much work was done within how many seconds, for how many of all brokers' CPU time.
type paid struct{ amount, span, cpu float64 }

// pay runs load, which says how much it was and how long it took.
func pay(s *System, load func() (amount, span float64, err error)) (paid, error) {
	before, err := usage(s.Cluster)
	if err != nil {
		return paid{}, err
	}
	amount, span, err := load()
	if err != nil {
		return paid{}, err
	}
	after, err := usage(s.Cluster)
	return paid{amount, span, after.CPU - before.CPU}, err
}

func produceFranz(ctx context.Context, s *System) (map[string]float64, error) {
	topic, err := newTopic(ctx, s.Cluster, partitions)
	if err != nil {
		return nil, err
	}
	if err := touchMemory(s.Bench.Count(9<<30, 2<<30)); err != nil {
		return nil, err
	}
	return cost(s, func() (float64, float64, error) {
		start := time.Now()
		bytes, err := flood(ctx, s.Cluster.Bootstrap(), topic, s.Bench.Span(8*time.Second, 3*time.Second))
		return bytes, time.Since(start).Seconds(), err
	})
}
