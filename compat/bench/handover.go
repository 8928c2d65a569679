package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
)

// handoverRows are what a writer notices of a leader that is moved on purpose.
func handoverRows() []Row {
	return []Row{{Name: "handover", Class: Defaults, Pairs: 3, Measure: handover,
		What: "leadership of the only partition is handed to another node again and again, under 1000 records a second from franz-go; stall: the longest that a record was late",
		Figures: []Figure{
			{Name: "stall", Unit: "ms"},
			{Name: "worst_stall", Unit: "ms", Goal: oursAtMost(50, "ms")},
			{Name: "failed", Unit: "records", Goal: Goal{"none", func(o Outcome) bool { return o.Ours == 0 }}},
		}}}
}

func handover(ctx context.Context, s *System) (map[string]float64, error) {
	topic, err := newTopic(ctx, s.Cluster, 1)
	if err != nil {
		return nil, err
	}
	cl, err := client(s.Cluster.Bootstrap(), noLinger())
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	const apart = 2 * time.Second // a client that had to look for the leader has found it by then
	moves := s.Bench.Count(8, 3)
	load := steady{topic: topic, rate: 1000, size: 100, lead: apart, span: time.Duration(moves) * apart}
	stalls := make([]float64, moves)
	begin := time.Now().Add(load.lead)
	moved := make(chan error, 1)
	go func() { moved <- moveAbout(ctx, s.Cluster, topic, begin, moves, apart) }()
	// Acknowledgements are told one after the other: see kgo's promises.
	_, failed, err := load.produce(ctx, cl, func(due, at time.Time) {
		i := min(max(int(due.Sub(begin)/apart), 0), moves-1)
		stalls[i] = max(stalls[i], millis(at.Sub(due)))
	})
	if err := errors.Join(err, <-moved); err != nil {
		return nil, err
	}
	return map[string]float64{"stall": median(stalls), "worst_stall": quantile(stalls, 1), "failed": float64(failed)}, nil
}

// moveAbout hands a partition over so many times, each in the middle of its share of the time.
func moveAbout(ctx context.Context, c *cluster.Cluster, topic string, begin time.Time, moves int, apart time.Duration) error {
	for i := range moves {
		at := begin.Add(time.Duration(i)*apart + apart/2)
		select {
		case <-time.After(time.Until(at)): // the load has its own clock: a move belongs to a time, not to an event
		case <-ctx.Done():
			return ctx.Err()
		}
		leader, other, err := placeOf(ctx, c, topic)
		if err != nil {
			return err
		}
		if err := c.TransferPartition(ctx, topic, 0, other); err != nil {
			return fmt.Errorf("move %d, from node %d to node %d: %w", i+1, leader, other, err)
		}
	}
	return nil
}
