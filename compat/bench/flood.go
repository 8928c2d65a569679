package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// recordSize is that of a record's value, in bytes.
const recordSize = 1024

// inflight is how many records the generator has on their way at most (64 MiB): enough that it never waits for itself.
const inflight = 64 << 10

// mb is what throughput counts in: 10⁶ bytes.
const mb = 1e6

// client is franz-go as it comes, but that it does not compress: both systems would store the same few bytes.
func client(bootstrap []string, opts ...kgo.Opt) (*kgo.Client, error) {
	base := []kgo.Opt{kgo.SeedBrokers(bootstrap...), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(inflight)}
	return kgo.NewClient(append(base, opts...)...)
}

// noise is bytes that do not compress.
func noise(size int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, size)
	_, _ = r.Read(b) // it never fails
	return b
}

// flood produces for a time as fast as it goes, waits until all is acknowledged, and returns how many bytes of values that
// were.
func flood(ctx context.Context, bootstrap []string, topic string, span time.Duration) (float64, error) {
	end := time.Now().Add(span)
	return pour(ctx, bootstrap, topic, func(int) bool { return time.Now().Before(end) })
}

// fill is flood for so many bytes.
func fill(ctx context.Context, bootstrap []string, topic string, bytes int) (float64, error) {
	return pour(ctx, bootstrap, topic, func(sent int) bool { return sent*recordSize < bytes })
}

// pour produces as fast as it goes while more is wanted than was sent.
func pour(ctx context.Context, bootstrap []string, topic string, more func(sent int) bool) (float64, error) {
	cl, err := client(bootstrap, kgo.DefaultProduceTopic(topic))
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	value := noise(recordSize)
	var acked atomic.Int64
	var failed atomic.Pointer[error]
	const step = 64 // to look at the clock takes time
	for sent := 0; more(sent) && failed.Load() == nil; sent += step {
		for range step {
			cl.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
				if err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				acked.Add(1)
			})
		}
	}
	if err := cl.Flush(ctx); err != nil {
		return 0, fmt.Errorf("flush: %w", err)
	}
	if err := failed.Load(); err != nil {
		return 0, fmt.Errorf("produce: %w", *err)
	}
	return float64(acked.Load()) * recordSize, nil
}

// warmUp has a system produce and serve for a while: code is compiled, files and connections are there.
func warmUp(ctx context.Context, s *System) error {
	topic, err := newTopic(ctx, s.Cluster, partitions)
	if err != nil {
		return err
	}
	_, err = flood(ctx, s.Cluster.Bootstrap(), topic, s.Bench.Span(8*time.Second, 3*time.Second))
	return err
}
