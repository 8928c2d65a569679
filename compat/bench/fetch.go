package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fetchRows are how fast records that are there already come out again.
func fetchRows() []Row {
	figures := []Figure{
		{Name: "throughput", Unit: "MB/s", Limit: "limit-fileserver.throughput"},
		{Name: "per_core", Unit: "MB/s", Goal: ratioAtLeast(1.2), Limit: "limit-fileserver.per_core"},
	}
	const light = "as a bare reader takes them, which looks at no record: answers of up to 4 MiB, one question at a time"
	row := func(name, what string, measure func(context.Context, *System) (map[string]float64, error)) Row {
		return Row{Name: name, Class: Defaults, Pairs: 3, Tuned: true, Figures: figures, Measure: measure,
			What: what + "; per core: by the CPU time of all brokers"}
	}
	return []Row{
		row("fetch-franzgo", "franz-go reads a topic of 6 partitions from its beginning", fetchFranz),
		row("fetch-leader", "one partition from its leader, "+light, func(ctx context.Context, s *System) (map[string]float64, error) {
			return fetchRaw(ctx, s, 1, false)
		}),
		row("fetch-follower", "one partition from a follower, "+light, func(ctx context.Context, s *System) (map[string]float64, error) {
			return fetchRaw(ctx, s, 1, true)
		}),
		row("fetch-fanout", "one partition to four readers at the same time from its leader; not in a quick run; "+light, func(ctx context.Context, s *System) (map[string]float64, error) {
			if s.Bench.Quick {
				return nil, errNotQuick
			}
			return fetchRaw(ctx, s, 4, false)
		}),
	}
}

// stock fills a topic with what there is to be read: as much on one system as on the other.
func stock(ctx context.Context, s *System, partitions int) (topic string, bytes float64, err error) {
	topic, err = newTopic(ctx, s.Cluster, partitions)
	if err != nil {
		return "", 0, err
	}
	bytes, err = fill(ctx, s.Cluster.Bootstrap(), topic, s.Bench.Count(400*mb, 150*mb))
	return topic, bytes, err
}

// perCore adds what one second of the brokers' CPU time gives.
func perCore(values map[string]float64, err error) (map[string]float64, error) {
	if err != nil {
		return nil, err
	}
	values["per_core"] = 1000 / values["cpu"] // of seconds a GB
	return values, nil
}

func fetchFranz(ctx context.Context, s *System) (map[string]float64, error) {
	topic, bytes, err := stock(ctx, s, partitions)
	if err != nil {
		return nil, err
	}
	return perCore(cost(s, func() (float64, float64, error) {
		start := time.Now()
		cl, err := client(s.Cluster.Bootstrap(), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		if err != nil {
			return 0, 0, err
		}
		defer cl.Close()
		read := 0.
		for read < bytes {
			fetches := cl.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				return 0, 0, fmt.Errorf("fetch: %w", err)
			}
			fetches.EachRecord(func(r *kgo.Record) { read += float64(len(r.Value)) })
		}
		return read, time.Since(start).Seconds(), nil
	}))
}

// fetchRaw has readers read a partition for a while, each from the beginning again when it is through.
func fetchRaw(ctx context.Context, s *System, readers int, follower bool) (map[string]float64, error) {
	topic, _, err := stock(ctx, s, 1)
	if err != nil {
		return nil, err
	}
	leader, other, err := placeOf(ctx, s.Cluster, topic)
	if err != nil {
		return nil, err
	}
	node := leader
	if follower {
		node = other
	}
	before := s.Cluster.NodeCounts(ctx)
	span := s.Bench.Span(5*time.Second, 2*time.Second)
	values, err := cost(s, func() (float64, float64, error) {
		return readAll(ctx, s.Cluster.Direct(node), topic, readers, span)
	})
	if served := cluster.Since(before, s.Cluster.NodeCounts(ctx)); err == nil && follower && s.Cluster.Features().Counters && served.Follower == 0 {
		err = errors.New("the follower served nothing")
	}
	return perCore(values, err)
}

// readAll has so many readers read from one node for a time, and returns what they got.
func readAll(ctx context.Context, addr, topic string, readers int, span time.Duration) (bytes, took float64, err error) {
	var wg sync.WaitGroup
	got, errs := make([]float64, readers), make([]error, readers)
	start := time.Now()
	for i := range readers {
		wg.Go(func() { got[i], errs[i] = readRaw(ctx, addr, topic, start.Add(span)) })
	}
	wg.Wait()
	for _, b := range got {
		bytes += b
	}
	return bytes, time.Since(start).Seconds(), errors.Join(errs...)
}

// answer is how much a bare reader asks for at once.
const answer = 4 << 20

// readRaw reads partition 0 until the time is over, and returns how many bytes of batches came.
func readRaw(ctx context.Context, addr, topic string, end time.Time) (float64, error) {
	conn, err := raw.Dial(ctx, addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	sum, next := 0., int64(0)
	for time.Now().Before(end) {
		resp, err := conn.Do(ctx, fetchRequest(topic, next), 12)
		if err != nil {
			return sum, err
		}
		got := resp.(*kmsg.FetchResponse)
		if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
			return sum, fmt.Errorf("fetch: %w", err)
		}
		p := got.Topics[0].Partitions[0]
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			return sum, fmt.Errorf("fetch: %w", err)
		}
		after := behind(p.RecordBatches, next)
		if after == next {
			if next == 0 {
				return sum, errors.New("fetch: nothing came")
			}
			next = 0 // the end: once more
			continue
		}
		sum, next = sum+float64(len(p.RecordBatches)), after
	}
	return sum, nil
}

func fetchRequest(topic string, offset int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = -1, 0, 1, answer, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	p := kmsg.NewFetchRequestTopicPartition()
	p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = offset, answer, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

// behind is the offset behind the last whole batch of an answer, or next if there is none. Of a batch (magic 2) the base
// offset is in bytes 0–7, the length from byte 12 on in 8–11, and the last offset's distance in 23–26.
func behind(batches []byte, next int64) int64 {
	const prefix, header = 12, 61
	for len(batches) >= header {
		size := prefix + int(binary.BigEndian.Uint32(batches[8:]))
		if size > len(batches) {
			break
		}
		next = int64(binary.BigEndian.Uint64(batches)) + int64(binary.BigEndian.Uint32(batches[23:])) + 1
		batches = batches[size:]
	}
	return next
}
