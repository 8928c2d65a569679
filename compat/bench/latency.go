package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// steadyRate is 20 MB/s, in records a second.
const steadyRate = 20_000_000 / recordSize

// latencyRows are how long a record is on its way from when it was due to be sent until a consumer has it.
func latencyRows() []Row {
	row := Row{Name: "latency", Pairs: 5, Tuned: true, Measure: endToEnd,
		What: "franz-go without linger, 20 MB/s in records of 1 KiB whatever the system does, acks=all; from when a record was due until a consumer has it"}
	var out []Row
	for _, class := range []Class{ClassA, ClassB, Defaults} {
		row.Class = class
		goal := Goal{}
		if class == Defaults {
			goal = ratioAtMost(0.5)
		}
		row.Figures = []Figure{{Name: "p50", Unit: "ms"}, {Name: "p99", Unit: "ms", Goal: goal}, {Name: "p99.9", Unit: "ms"}, {Name: "ack_p99", Unit: "ms"}}
		out = append(out, row)
	}
	return out
}

// noLinger has franz-go send at once, as Kafka's own EndToEndLatency does.
func noLinger() kgo.Opt { return kgo.ProducerLinger(0) }

func endToEnd(ctx context.Context, s *System) (map[string]float64, error) {
	topic, err := newTopic(ctx, s.Cluster, partitions)
	if err != nil {
		return nil, err
	}
	r, err := newReader(ctx, s.Cluster.Bootstrap(), topic)
	if err != nil {
		return nil, err
	}
	defer r.close()
	cl, err := client(s.Cluster.Bootstrap(), noLinger())
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	acks := newLatencies()
	load := steady{topic: topic, rate: steadyRate, size: recordSize, lead: 2 * time.Second, span: s.Bench.Span(10*time.Second, 4*time.Second)}
	sent, failed, err := load.produce(ctx, cl, func(due, at time.Time) { acks.add(at.Sub(due)) })
	if err != nil {
		return nil, err
	}
	if failed > 0 {
		return nil, fmt.Errorf("%d records were refused", failed)
	}
	if err := r.await(ctx, sent); err != nil {
		return nil, err
	}
	r.late.curve(s, "ms by percentile")
	return map[string]float64{"p50": r.late.ms(50), "p99": r.late.ms(99), "p99.9": r.late.ms(99.9), "ack_p99": acks.ms(99)}, nil
}
