package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
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
		if err := move(ctx, c, topic, other); err != nil {
			return fmt.Errorf("move %d, from node %d to node %d: %w", i+1, leader, other, err)
		}
	}
	return nil
}

// move hands partition 0 to a node, in the way that the system has for that.
func move(ctx context.Context, c *cluster.Cluster, topic string, to int) error {
	if c.Features().Transfer {
		return c.TransferPartition(ctx, topic, 0, to)
	}
	conn, err := raw.Dial(ctx, c.Direct(1))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := prefer(ctx, conn, topic, to, c.Members()); err != nil {
		return err
	}
	return elect(ctx, conn, topic)
}

// prefer makes a node the preferred leader: the same replicas in another order, which moves no data.
func prefer(ctx context.Context, conn *raw.Conn, topic string, to int, members []int) error {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.TimeoutMillis = 10_000
	t := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	t.Topic = topic
	p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
	p.Replicas = []int32{int32(to)}
	for _, n := range members {
		if !slices.Contains(p.Replicas, int32(n)) {
			p.Replicas = append(p.Replicas, int32(n))
		}
	}
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	r, err := conn.Do(ctx, req, -1)
	if err != nil {
		return err
	}
	resp := r.(*kmsg.AlterPartitionAssignmentsResponse)
	codes := []int16{resp.ErrorCode}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			codes = append(codes, p.ErrorCode)
		}
	}
	return refused("prefer a leader", codes)
}

// elect has the preferred leader elected.
func elect(ctx context.Context, conn *raw.Conn, topic string) error {
	req := kmsg.NewPtrElectLeadersRequest()
	req.TimeoutMillis = 10_000
	t := kmsg.NewElectLeadersRequestTopic()
	t.Topic, t.Partitions = topic, []int32{0}
	req.Topics = append(req.Topics, t)
	r, err := conn.Do(ctx, req, -1)
	if err != nil {
		return err
	}
	resp := r.(*kmsg.ElectLeadersResponse)
	codes := []int16{resp.ErrorCode}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			codes = append(codes, p.ErrorCode)
		}
	}
	return refused("elect the preferred leader", codes)
}

// refused is the first code that is an error.
func refused(what string, codes []int16) error {
	for _, code := range codes {
		if err := kerr.ErrorForCode(code); err != nil && !errors.Is(err, kerr.ElectionNotNeeded) {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}
