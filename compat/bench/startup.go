package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/records"
)

// startRows are how long it takes from the start of the first process until a write is acknowledged.
func startRows() []Row {
	row := func(name string, nodes int, what string, fresh, again Goal) Row {
		return Row{Name: name, Class: Defaults, Life: Alone, Pairs: 5, What: what,
			Figures: []Figure{{Name: "fresh", Unit: "ms", Goal: fresh}, {Name: "restart", Unit: "ms", Goal: again}},
			Measure: func(ctx context.Context, s *System) (map[string]float64, error) { return starts(ctx, s, nodes) }}
	}
	const how = "process start to first acknowledged write, asked for every millisecond; fresh: no data, and the topic is created as well; restart: after SIGTERM"
	return []Row{
		row("start-one", 1, "one node: "+how, oursAtMost(50, "ms"), oursAtMost(50, "ms")),
		row("start-three", 3, "three nodes at once: "+how, oursAtMost(400, "ms and an election"), oursAtMost(400, "ms and an election")),
	}
}

// starts measures a first start and a restart. Kafka's directories are formatted before the clock runs.
func starts(ctx context.Context, s *System, nodes int) (map[string]float64, error) {
	c, err := s.Prepare(ctx, Shape{Nodes: nodes})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	fresh, err := start(ctx, c, true)
	if err != nil {
		return nil, fmt.Errorf("first start: %w", err)
	}
	if err := c.WaitReady(ctx); err != nil {
		return nil, err
	}
	if err := stopAll(ctx, c, s.Bench.Span(8*time.Second, 3*time.Second)); err != nil {
		return nil, err
	}
	again, err := start(ctx, c, false)
	if err != nil {
		return nil, fmt.Errorf("restart: %w", err)
	}
	return map[string]float64{"fresh": millis(fresh), "restart": millis(again)}, nil
}

// stopAll stops all nodes at the same time, and kills those that are still there after a while: the last of three Kafka nodes
// has no controllers left to tell of its end, and would try for minutes.
func stopAll(ctx context.Context, c *cluster.Cluster, within time.Duration) error {
	graceful, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var wg sync.WaitGroup
	for _, n := range c.Members() {
		wg.Go(func() { _ = c.Stop(graceful, n) }) // what has not ended is seen below
	}
	wg.Wait()
	for _, n := range c.Members() {
		if c.Running(n) {
			if err := c.Kill(ctx, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// startTopic is what the first write goes to.
const startTopic = "bench-start"

func start(ctx context.Context, c *cluster.Cluster, create bool) (time.Duration, error) {
	batch, err := raw.Build("none", []records.Record{{Value: []byte("first"), Timestamp: time.Now().UnixMilli()}})
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	for _, n := range c.Members() {
		if err := c.StartNode(ctx, n); err != nil {
			return 0, err
		}
	}
	err = await(ctx, time.Minute, func() error { return writeAnywhere(ctx, c, startTopic, create, batch) })
	return time.Since(begin), err
}

// writeAnywhere asks the first node that answers who leads the topic's only partition, and writes there, once.
func writeAnywhere(ctx context.Context, c *cluster.Cluster, topic string, first bool, batch []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := raw.Dial(ctx, c.Direct(1))
	if err != nil {
		return err
	}
	defer conn.Close()
	if first {
		if err := create(ctx, conn, topic, 1, len(c.Members()), nil); err != nil {
			return err
		}
	}
	l, err := conn.Leader(ctx, topic, 0)
	if err != nil {
		return err
	}
	if l.ID != 1 {
		leader, err := raw.Dial(ctx, c.Direct(l.ID))
		if err != nil {
			return err
		}
		defer leader.Close()
		conn = leader
	}
	_, err = conn.Append(ctx, topic, 0, batch)
	return err
}
