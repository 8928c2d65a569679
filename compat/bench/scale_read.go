package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lockstep/compat/bench/netlab"
	"lockstep/compat/bench/scale"
	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"

	"github.com/prometheus/procfs"
)

// readScaleRows are scenario 3.1: what three nodes that serve the same partition are worth, where links are what is short.
func readScaleRows() []Row {
	return []Row{{
		Name: "read-scaling", Class: ClassA, Life: Alone, Pairs: 3, Measure: readScaling,
		What: "each broker in a network namespace behind a token bucket (tc tbf); six readers of one partition, all on its leader, then two in each rack; a run that takes 75 % of the machine's CPU is void and repeated with narrower links",
		Figures: []Figure{
			{Name: "scaling", Unit: "×", Goal: Goal{"≥ 2.95 ×", func(o Outcome) bool { return o.Ours >= 2.95 }}},
			{Name: "leader", Unit: "MB/s"}, {Name: "spread", Unit: "MB/s"},
			{Name: "link", Unit: "Mbit/s"}, {Name: "cpu", Unit: "% of machine"},
		},
	}}
}

const (
	// readers are as many as nodes times two, so that each link has more than one waiting.
	readers = 6
	// readAnswer is what one answer may bring, in bytes.
	readAnswer = 1 << 20
	// busiest is the part of the machine's CPU at which links are not what is short any more.
	busiest = 0.75
)

// readLinks are what is tried, in bits a second, until the machine can carry three of them.
var readLinks = []int64{1e9, 500e6, 300e6, 100e6}

func readScaling(ctx context.Context, s *System) (map[string]float64, error) {
	lab, err := netlab.Open(cluster.Size)
	if errors.Is(err, netlab.ErrCannot) {
		return nil, fmt.Errorf("%w: %w", err, ErrCannot)
	}
	if err != nil {
		return nil, err
	}
	values, err := readThrough(ctx, s, lab)
	return values, errors.Join(err, lab.Close())
}

func readThrough(ctx context.Context, s *System, lab *netlab.Lab) (values map[string]float64, err error) {
	hosts := map[int]cluster.Host{}
	for n := 1; n <= cluster.Size; n++ {
		hosts[n] = cluster.Host{IP: lab.IP(n), Enter: lab.Enter(n)}
	}
	c, err := s.Launch(ctx, Shape{Hosts: hosts})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	b, err := newReadBench(ctx, s, c, lab)
	if err != nil {
		return nil, err
	}
	for _, link := range readLinks {
		values, err = b.measure(ctx, link)
		if err != nil || values["cpu"] < 100*busiest {
			return values, err
		}
	}
	return nil, fmt.Errorf("%.0f %% of the CPU at links of %d Mbit/s: %w", values["cpu"], readLinks[len(readLinks)-1]/1e6, ErrCannot)
}

// readBench is a partition that is read.
type readBench struct {
	s      *System
	lab    *netlab.Lab
	topic  string
	leader int32
	addrs  map[int32]string
	racks  []string
}

func newReadBench(ctx context.Context, s *System, c *cluster.Cluster, lab *netlab.Lab) (*readBench, error) {
	b := &readBench{s: s, lab: lab, addrs: map[int32]string{}}
	for _, n := range c.Members() {
		b.addrs[int32(n)] = c.Direct(n)
		b.racks = append(b.racks, c.Rack(n))
	}
	var err error
	if b.topic, err = newTopic(ctx, c, 1); err != nil {
		return nil, err
	}
	conn, err := raw.Dial(ctx, c.Direct(1))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	leads, err := conn.Leader(ctx, b.topic, 0)
	if err != nil {
		return nil, err
	}
	b.leader = int32(leads.ID)
	const total, records = 192 << 20, 256 // batches of 256 KiB
	load := scale.Load{Addrs: b.addrs, Parts: []scale.Part{{Topic: b.topic, Leader: b.leader}},
		RecordBytes: recordSize, Records: records, PerRequest: 1, InFlight: 4, Conns: 1}
	if _, err := load.Count(ctx, total/records/recordSize); err != nil {
		return nil, fmt.Errorf("write what is to be read: %w", err)
	}
	return b, nil
}

// measure has all readers on the leader and then in all racks, twice, with each link held to so many bits a second.
func (b *readBench) measure(ctx context.Context, link int64) (map[string]float64, error) {
	if err := b.lab.Limit(link); err != nil {
		return nil, err
	}
	cpu := 0.0
	var leader, spread []float64
	perNode := map[string][]float64{}
	for range 2 {
		for _, far := range []bool{false, true} {
			got, err := b.run(ctx, far)
			if err != nil {
				return nil, err
			}
			cpu = max(cpu, got.cpu)
			if !far {
				leader = append(leader, got.total)
				continue
			}
			spread = append(spread, got.total)
			for n := range b.addrs {
				name := fmt.Sprintf("node-%d", n)
				perNode[name] = append(perNode[name], got.sent[int(n)])
			}
		}
	}
	values := map[string]float64{
		"leader": median(leader), "spread": median(spread), "scaling": median(spread) / median(leader),
		"link": float64(link) / 1e6, "cpu": 100 * cpu,
	}
	for name, v := range perNode {
		values[name] = median(v)
	}
	b.s.Series(fmt.Sprintf("MB/s by node, links of %d Mbit/s", link/1e6), []float64{1, 2, 3}, []float64{values["node-1"], values["node-2"], values["node-3"]})
	return values, nil
}

// readRun is what one run came to.
type readRun struct {
	total float64         // MB/s of batches
	sent  map[int]float64 // MB/s that left each node, packets' headers included
	cpu   float64         // of the machine, 0 to 1
}

func (b *readBench) run(ctx context.Context, far bool) (readRun, error) {
	out := readRun{sent: map[int]float64{}}
	var all scale.Readers
	for i := range readers {
		r := &scale.Reader{Addrs: b.addrs, Topic: b.topic, Leader: b.leader, MaxBytes: readAnswer}
		if far {
			r.Rack = b.racks[i%len(b.racks)]
		}
		all = append(all, r)
	}
	warm, span := b.s.Bench.Span(2*time.Second, time.Second), b.s.Bench.Span(5*time.Second, 2*time.Second)
	var before, after map[int]int64
	var cpuBefore, cpuAfter procfs.CPUStat
	got, err := all.Measure(ctx, warm, span, func(end bool) (err error) {
		sent, cpu := &before, &cpuBefore
		if end {
			sent, cpu = &after, &cpuAfter
		}
		if *sent, err = b.lab.Sent(); err != nil {
			return err
		}
		*cpu, err = machineCPU()
		return err
	})
	if err != nil {
		return out, err
	}
	for n, bytes := range got {
		out.total += float64(bytes) / mb / span.Seconds()
		if !far && n != b.leader {
			return out, fmt.Errorf("a reader without a rack was sent to node %d", n)
		}
	}
	if far && len(got) != len(b.addrs) {
		return out, fmt.Errorf("readers of all racks read from %d nodes", len(got))
	}
	for n := range after {
		out.sent[n] = float64(after[n]-before[n]) / mb / span.Seconds()
	}
	out.cpu = busyShare(cpuBefore, cpuAfter)
	return out, nil
}

// machineCPU is what all of the machine's processors have done so far, in seconds.
func machineCPU() (procfs.CPUStat, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return procfs.CPUStat{}, err
	}
	stat, err := fs.Stat()
	return stat.CPUTotal, err
}

// busyShare is the part of the machine's time in between in which it was not idle.
func busyShare(a, b procfs.CPUStat) float64 {
	idle := b.Idle - a.Idle + b.Iowait - a.Iowait
	busy := b.User - a.User + b.Nice - a.Nice + b.System - a.System + b.IRQ - a.IRQ + b.SoftIRQ - a.SoftIRQ + b.Steal - a.Steal
	return busy / (busy + idle)
}
