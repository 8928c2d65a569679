package scale

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/records"
)

// Load writes ready-made batches, so that what is measured is the broker.
type Load struct {
	Addrs       map[int32]string // of each node
	Parts       []Part           // written to in turn
	RecordBytes int
	Records     int // of a batch
	PerRequest  int // partitions of a request
	InFlight    int // requests on each connection
	Conns       int // to each node
}

// Written is what came of it.
type Written struct {
	Batches, Bytes int64 // acknowledged
	Took           time.Duration
	// Failed are those that were not acknowledged, in no order.
	Failed []Part
}

// MBps is megabytes (10⁶ bytes) of batches a second.
func (w Written) MBps() float64 { return float64(w.Bytes) / 1e6 / w.Took.Seconds() }

// For writes to the partitions, one after the other and again from the first, until d is over.
func (l Load) For(ctx context.Context, d time.Duration) (Written, error) { return l.run(ctx, d) }

// Once writes one batch to each partition. An error comes with those that failed.
func (l Load) Once(ctx context.Context) (Written, error) { return l.run(ctx, 0) }

// Count writes so many batches to each partition.
func (l Load) Count(ctx context.Context, batches int) (Written, error) {
	parts := make([]Part, 0, batches*len(l.Parts))
	for range batches {
		parts = append(parts, l.Parts...)
	}
	l.Parts = parts
	return l.Once(ctx)
}

// retryPause is how long Each waits before it looks for leaders again.
const retryPause = 10 * time.Millisecond

// Each writes one batch to each partition that find names, and again to those where it failed, with leaders as find
// names them then, until all have one or ctx ends.
func (l Load) Each(ctx context.Context, find func(context.Context) ([]Part, error)) (time.Duration, error) {
	start := time.Now()
	type name struct {
		topic     string
		partition int32
	}
	var left map[name]bool // nil: all
	for {
		parts, err := find(ctx)
		if err == nil {
			l.Parts = nil
			for _, p := range parts {
				if left == nil || left[name{p.Topic, p.Partition}] {
					l.Parts = append(l.Parts, p)
				}
			}
			var done Written
			if done, err = l.Once(ctx); err == nil {
				return time.Since(start), nil
			}
			left = map[name]bool{}
			for _, p := range done.Failed {
				left[name{p.Topic, p.Partition}] = true
			}
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%d partitions have not been written to: %w (last: %w)", len(left), ctx.Err(), err)
		case <-time.After(retryPause):
		}
	}
}

func (l Load) batch() ([]byte, error) {
	value := make([]byte, l.RecordBytes)
	for i := range value {
		value[i] = byte(i * 7)
	}
	rs := make([]records.Record, l.Records)
	for i := range rs {
		rs[i] = records.Record{Value: value, Timestamp: time.Now().UnixMilli()}
	}
	return raw.Build("none", rs)
}

const (
	// mostOpening is how many connections are opened at the same time: more wait at a broker than it may have room for (Kafka: 50).
	mostOpening = 16
	// mostTold is how many errors are told: those of a thousand connections are alike.
	mostTold = 3
)

func (l Load) run(ctx context.Context, d time.Duration) (Written, error) {
	batch, err := l.batch()
	if err != nil {
		return Written{}, err
	}
	byNode := map[int32][]Part{}
	for _, p := range l.Parts {
		byNode[p.Leader] = append(byNode[p.Leader], p)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex // guards the two that follow
	var out Written
	var errs []error
	opening := make(chan struct{}, mostOpening)
	start := time.Now()
	for node, parts := range byNode {
		conns := l.Conns
		if d == 0 {
			conns = max(1, min(conns, len(parts)/l.PerRequest))
		}
		for c := range conns {
			wg.Go(func() {
				w := writer{l: l, parts: parts, at: c * len(parts) / conns, end: (c + 1) * len(parts) / conns, batch: batch, opening: opening}
				if d > 0 {
					w.until = start.Add(d)
				}
				w.run(ctx, node)
				mu.Lock()
				defer mu.Unlock()
				out.Batches += w.acked
				out.Failed = append(out.Failed, w.failed...)
				if w.err != nil && len(errs) < mostTold {
					errs = append(errs, fmt.Errorf("node %d: %w", node, w.err))
				}
			})
		}
	}
	wg.Wait()
	out.Took, out.Bytes = time.Since(start), out.Batches*int64(len(batch))
	return out, errors.Join(errs...)
}
