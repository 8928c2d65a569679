package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lockstep/compat/bench/scale"
	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"
)

// partitionRows are what a cluster of three pays for each partition, and whether it can be used with many.
func partitionRows() []Row {
	row := func(name string, count int, kafkaToo, quick bool) Row {
		return Row{
			Name: name, Class: Defaults, Life: Alone,
			What: fmt.Sprintf("%d partitions on three nodes, in topics of %d: create; list all; write 1 KB to each; idle; write batches of 16 KB to one, to two and to all that one node leads; SIGTERM, kill -9 of one node and of all", count, topicSize),
			Figures: []Figure{
				{Name: "create", Unit: "s"}, {Name: "list", Unit: "ms"}, {Name: "write_each", Unit: "s"},
				{Name: "memory", Unit: "B/partition", Goal: oursAtMost(10<<10, "B")},
				{Name: "idle", Unit: "% of a core", Goal: oursAtMost(2, "%")},
				{Name: "one", Unit: "MB/s"}, {Name: "few", Unit: "MB/s"}, {Name: "all", Unit: "MB/s"},
				{Name: "all_of_one", Unit: "×", Goal: Goal{"≥ 0.8 ×", func(o Outcome) bool { return o.Ours >= 0.8 }}},
				{Name: "all_of_few", Unit: "×"},
				{Name: "restart", Unit: "s"}, {Name: "failover", Unit: "s"}, {Name: "recover", Unit: "s"},
			},
			Measure: func(ctx context.Context, s *System) (map[string]float64, error) {
				if s.Bench.Quick && !quick {
					return nil, fmt.Errorf("it takes minutes, so not with QUICK=1: %w", ErrCannot)
				}
				if s.Is(peers) && !kafkaToo {
					return nil, fmt.Errorf("%d open files and more on each broker: Kafka is compared at fewer partitions: %w", 3*count, ErrCannot)
				}
				return measurePartitions(ctx, s, count)
			},
		}
	}
	return []Row{
		row("partitions-1k", 1000, true, true),
		row("partitions-10k", 10_000, true, false),
		row("partitions-100k", 100_000, false, false),
	}
}

const (
	// topicSize is how many partitions each topic has: Kafka's controller takes no more than some thousands at a time.
	topicSize   = 1000
	manyPrefix  = "many-"
	eachWithin  = 3 * time.Minute // for every partition to have taken a write
	listedEvery = 20 * time.Millisecond
)

func measurePartitions(ctx context.Context, s *System, count int) (values map[string]float64, err error) {
	c, err := s.Launch(ctx, Shape{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	m := &manyParts{s: s, c: c, count: count, values: map[string]float64{}, addrs: map[int32]string{}}
	for _, n := range c.Members() {
		m.addrs[int32(n)] = c.Direct(n)
	}
	for _, step := range []func(context.Context) error{m.create, m.list, m.fill, m.idle, m.throughput, m.restart, m.failover, m.recover} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return m.values, nil
}

// manyParts is a cluster that is given many partitions.
type manyParts struct {
	s      *System
	c      *cluster.Cluster
	count  int
	addrs  map[int32]string
	values map[string]float64
	parts  []scale.Part // all, as they were led when they were created
}

// create makes them all, until every node names a leader and all replicas of each.
func (m *manyParts) create(ctx context.Context) error {
	before, err := usage(m.c)
	if err != nil {
		return err
	}
	m.values["empty"] = before.Resident
	conn, err := raw.Dial(ctx, m.c.Direct(1))
	if err != nil {
		return err
	}
	defer conn.Close()
	start := time.Now()
	for i := range m.count / topicSize {
		if err := create(ctx, conn, fmt.Sprintf("%s%d", manyPrefix, i), topicSize, len(m.addrs), nil); err != nil {
			return err
		}
	}
	for node := range m.addrs {
		if err := m.known(ctx, node); err != nil {
			return err
		}
	}
	m.values["create"] = time.Since(start).Seconds()
	return nil
}

// known waits until a node names a leader of every partition and itself among those in sync.
func (m *manyParts) known(ctx context.Context, node int32) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for {
		parts, err := scale.Find(ctx, m.addrs[node], manyPrefix)
		behind := 0
		for _, p := range parts {
			if p.Leader < 0 || !slices.Contains(p.InSync, node) {
				behind++
			}
		}
		if err == nil && behind == 0 && len(parts) == m.count {
			m.parts = parts
			return nil
		}
		if err == nil {
			err = fmt.Errorf("of %d partitions it knows %d, of which %d are not led or not in sync", m.count, len(parts), behind)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("node %d: %w (last: %w)", node, ctx.Err(), err)
		case <-time.After(listedEvery):
		}
	}
}

// list asks for all topics at once.
func (m *manyParts) list(ctx context.Context) error {
	var took []float64
	for range 5 {
		start := time.Now()
		if _, err := scale.Find(ctx, m.addrs[2], manyPrefix); err != nil {
			return err
		}
		took = append(took, millis(time.Since(start)))
	}
	m.values["list"] = median(took)
	return nil
}

// load writes one record of 1 KB at a time.
func (m *manyParts) load() scale.Load {
	return scale.Load{Addrs: m.addrs, RecordBytes: 1000, Records: 1, PerRequest: 200, InFlight: 4, Conns: 2}
}

// each writes a record to each partition that is told of by a node, whoever leads it by then.
func (m *manyParts) each(ctx context.Context, asking int32) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, eachWithin)
	defer cancel()
	return m.load().Each(ctx, func(ctx context.Context) ([]scale.Part, error) {
		parts, err := scale.Find(ctx, m.addrs[asking], manyPrefix)
		if err == nil && len(parts) != m.count {
			err = fmt.Errorf("node %d knows %d partitions of %d", asking, len(parts), m.count)
		}
		return parts, err
	})
}

// fill writes to each of them, after which each costs memory.
func (m *manyParts) fill(ctx context.Context) error {
	took, err := m.each(ctx, 1)
	if err != nil {
		return err
	}
	after, err := usage(m.c)
	if err != nil {
		return err
	}
	m.values["write_each"] = took.Seconds()
	m.values["memory"] = (after.Resident - m.values["empty"]) / float64(m.count*len(m.addrs))
	m.values["files"] = float64(after.Files)
	return nil
}

// idle takes the CPU time of nodes to which nothing happens.
func (m *manyParts) idle(ctx context.Context) error {
	span := m.s.Bench.Span(35*time.Second, 8*time.Second) // whatever a node looks after every half minute is in it
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	before, err := usage(m.c)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := pause(ctx, span); err != nil {
		return err
	}
	after, err := usage(m.c)
	m.values["idle"] = 100 * (after.CPU - before.CPU) / time.Since(start).Seconds() / float64(len(m.addrs))
	return err
}

// pause lets time pass, in which what is measured is what goes on by itself.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// few partitions are as many as there are of our shards that one node leads: they are in as many logs as all of them.
const few = 2

// throughput writes to one partition, to a few and to all in turn, with the same requests but for the partition that they
// name.
func (m *manyParts) throughput(ctx context.Context) error {
	load := scale.Load{Addrs: m.addrs, RecordBytes: 1000, Records: 16, PerRequest: 1, InFlight: 64, Conns: 2}
	span := m.s.Bench.Span(4*time.Second, 2*time.Second)
	// One partition has one leader: all partitions of one leader are the same load for the same nodes.
	leader := m.parts[0].Leader
	led := slices.DeleteFunc(slices.Clone(m.parts), func(p scale.Part) bool { return p.Leader != leader })
	rates := map[string][]float64{}
	for range m.s.Bench.Count(4, 2) {
		for name, parts := range map[string][]scale.Part{"one": led[:1], "few": led[:few], "all": led} {
			load.Parts = parts
			got, err := load.For(ctx, span)
			if err != nil {
				return fmt.Errorf("write to %s: %w", name, err)
			}
			rates[name] = append(rates[name], got.MBps())
		}
	}
	for name, mbps := range rates {
		m.values[name] = median(mbps)
	}
	m.values["all_of_one"] = m.values["all"] / m.values["one"]
	m.values["all_of_few"] = m.values["all"] / m.values["few"]
	return nil
}

// restart stops a node as an operator does, and takes the time from its start until it is in step with all partitions.
func (m *manyParts) restart(ctx context.Context) error {
	const node = 2
	if err := m.c.Stop(ctx, node); err != nil {
		return err
	}
	start := time.Now()
	if err := m.c.StartNode(ctx, node); err != nil {
		return err
	}
	if err := m.known(ctx, node); err != nil {
		return err
	}
	m.values["restart"] = time.Since(start).Seconds()
	return nil
}

// failover kills the node that leads most, and takes the time until each partition has been written to.
func (m *manyParts) failover(ctx context.Context) error {
	leads := map[int32]int{}
	for _, p := range m.parts {
		leads[p.Leader]++
	}
	node := m.parts[0].Leader
	for n, count := range leads {
		if count > leads[node] {
			node = n
		}
	}
	m.values["led_by_killed"] = float64(leads[node])
	asking := node%int32(len(m.addrs)) + 1
	if err := m.c.Kill(ctx, int(node)); err != nil {
		return err
	}
	took, err := m.each(ctx, asking)
	if err != nil {
		return err
	}
	m.values["failover"] = took.Seconds()
	if err := m.c.StartNode(ctx, int(node)); err != nil {
		return err
	}
	return m.known(ctx, node)
}

// recover kills all nodes, and takes the time from their start until each partition has been written to.
func (m *manyParts) recover(ctx context.Context) error {
	for _, n := range m.c.Members() {
		if err := m.c.Kill(ctx, n); err != nil {
			return err
		}
	}
	start := time.Now()
	for _, n := range m.c.Members() {
		if err := m.c.StartNode(ctx, n); err != nil {
			return err
		}
	}
	if _, err := m.each(ctx, 1); err != nil {
		return err
	}
	m.values["recover"] = time.Since(start).Seconds()
	return nil
}
