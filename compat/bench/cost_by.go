package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lockstep/compat/bench/scale"

	"github.com/twmb/franz-go/pkg/kerr"
)

// costRows are how what brokers pay grows with one thing, all else being the same. (With partitions: scale_parts.go.)
func costRows() []Row {
	size := []int{100, 1000, 10_000, 100_000}
	return []Row{
		costBy{"connections", "connections", "GB", []int{1, 10, 100, 1000}, []int{1, 100},
			"batches of 16 records of 1 KB to one partition, by so many connections, which are opened for it; 256 batches on their way, or one for each connection",
			costOfConnections}.row(),
		costBy{"record-size", "bytes of a record", "GB", size, []int{100, 10_000},
			"batches of 100 KB to 6 partitions, of as many records of so many bytes as fit, over 8 connections to each node", costOfRecordSize}.row(),
		costBy{"single-records", "bytes of a record", "million records", size, []int{100, 10_000},
			"a request for each record of so many bytes, to 6 partitions, over 32 connections to each node", costOfSingleRecords}.row(),
		costBy{"consumers", "consumers", "GB written", []int{1, 2, 4, 8, 16}, []int{1, 8},
			"10 MB/s in records of 1 KiB to 6 partitions, which so many franz-go consumers all read as they come", costOfConsumers}.row(),
	}
}

// costBy is a row that measures the same at several points.
type costBy struct {
	name          string
	by            string // what grows
	of            string // what is paid for
	points, quick []int  // the values of by; in a quick run
	what          string
	// work has a cluster work at a point. The amount is in units of of.
	work func(ctx context.Context, s *System, at int) (paid, error)
}

func (c costBy) row() Row {
	r := Row{Name: "cost-" + c.name, Class: ClassA, What: c.what + "; CPU of all brokers", Measure: c.measure}
	for _, at := range c.points {
		r.Figures = append(r.Figures, Figure{Name: c.figure(at), Unit: "s/" + c.of})
	}
	return r
}

func (c costBy) figure(at int) string { return fmt.Sprintf("cpu-%d", at) }

func (c costBy) measure(ctx context.Context, s *System) (map[string]float64, error) {
	points := c.points
	if s.Bench.Quick {
		points = c.quick
	} else if _, err := c.work(ctx, s, points[0]); err != nil { // what comes first also pays for what is compiled then
		return nil, err
	}
	values := map[string]float64{}
	var x, each, rate []float64
	for _, at := range points {
		p, err := c.work(ctx, s, at)
		if err == nil && p.amount == 0 {
			err = errors.New("nothing was done")
		}
		if err != nil {
			return nil, fmt.Errorf("%d %s: %w", at, c.by, err)
		}
		x, each, rate = append(x, float64(at)), append(each, p.cpu/p.amount), append(rate, p.amount/p.span)
		values[c.figure(at)], values[fmt.Sprintf("rate-%d", at)] = p.cpu/p.amount, p.amount/p.span
	}
	s.Series(fmt.Sprintf("brokers' CPU seconds a %s by %s", c.of, c.by), x, each)
	s.Series(fmt.Sprintf("%s a second by %s", c.of, c.by), x, rate)
	return values, nil
}

// costSpan is how long each point is measured.
func costSpan(s *System) time.Duration { return s.Bench.Span(5*time.Second, time.Second) }

func costOfConnections(ctx context.Context, s *System, conns int) (paid, error) {
	const onTheirWay = 256
	return flat(ctx, s, 1, gigabytes, scale.Load{RecordBytes: 1000, Records: 16, Conns: conns, InFlight: max(1, onTheirWay/conns)})
}

func costOfRecordSize(ctx context.Context, s *System, size int) (paid, error) {
	return flat(ctx, s, partitions, gigabytes, scale.Load{RecordBytes: size, Records: 100_000 / size, Conns: 8, InFlight: 2})
}

func costOfSingleRecords(ctx context.Context, s *System, size int) (paid, error) {
	return flat(ctx, s, partitions, millionBatches, scale.Load{RecordBytes: size, Records: 1, Conns: 32, InFlight: 2})
}

func gigabytes(w scale.Written) float64      { return float64(w.Bytes) / 1e9 }
func millionBatches(w scale.Written) float64 { return float64(w.Batches) / 1e6 }

// flat writes ready-made batches to a new topic, as fast as it goes; to another one if a leader moves meanwhile, which bare
// writers do not follow.
func flat(ctx context.Context, s *System, partitions int, amount func(scale.Written) float64, load scale.Load) (paid, error) {
	load.PerRequest, load.Addrs = 1, map[int32]string{}
	for _, n := range s.Cluster.Members() {
		load.Addrs[int32(n)] = s.Cluster.Direct(n)
	}
	for try := 1; ; try++ {
		topic, err := newTopic(ctx, s.Cluster, partitions)
		if err != nil {
			return paid{}, err
		}
		parts, err := scale.Find(ctx, s.Cluster.Direct(1), topic)
		if err != nil {
			return paid{}, err
		}
		load.Parts = slices.DeleteFunc(parts, func(p scale.Part) bool { return p.Topic != topic })
		p, err := pay(s, func() (float64, float64, error) {
			got, err := load.For(ctx, costSpan(s))
			return amount(got), got.Took.Seconds(), err
		})
		if !errors.Is(err, kerr.NotLeaderForPartition) || try == flatTries {
			return p, err
		}
	}
}

// flatTries is how often flat writes.
const flatTries = 3

// costOfConsumers has consumers read what is written while it is written, at a rate that the machine can give to them all.
func costOfConsumers(ctx context.Context, s *System, consumers int) (paid, error) {
	topic, err := newTopic(ctx, s.Cluster, partitions)
	if err != nil {
		return paid{}, err
	}
	var all []*reader
	defer func() {
		for _, r := range all {
			r.close()
		}
	}()
	for range consumers {
		r, err := newReader(ctx, s.Cluster.Bootstrap(), topic)
		if err != nil {
			return paid{}, err
		}
		all = append(all, r)
	}
	cl, err := client(s.Cluster.Bootstrap())
	if err != nil {
		return paid{}, err
	}
	defer cl.Close()
	load := steady{topic: topic, rate: steadyRate / 2, size: recordSize, span: costSpan(s)}
	return pay(s, func() (float64, float64, error) {
		start := time.Now()
		sent, failed, err := load.produce(ctx, cl, nil)
		if err == nil && failed > 0 {
			err = fmt.Errorf("%d records were refused", failed)
		}
		for _, r := range all {
			err = errors.Join(err, r.await(ctx, sent))
		}
		return float64(sent) * recordSize / 1e9, time.Since(start).Seconds(), err
	})
}
