package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// steady is a load of so many records a second that does not slow down when the system does. Every record carries the time
// at which it was due, and its latency counts from then: what waits because something before it was slow has waited
// (coordinated omission is when that is left out).
type steady struct {
	topic string
	rate  int           // records a second
	size  int           // bytes of a record's value; at least 8
	lead  time.Duration // at the beginning, not counted
	span  time.Duration // counted
}

// latencies is a histogram of nanoseconds that many goroutines write to.
type latencies struct {
	mu sync.Mutex // guards h
	h  *hdrhistogram.Histogram
}

// Histograms hold 1 µs to a minute, to three digits.
func newLatencies() *latencies {
	return &latencies{h: hdrhistogram.New(int64(time.Microsecond), int64(time.Minute), 3)}
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.h.RecordValue(min(max(int64(d), int64(time.Microsecond)), int64(time.Minute)))
}

// ms is a percentile in milliseconds.
func (l *latencies) ms(percentile float64) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return float64(l.h.ValueAtPercentile(percentile)) / float64(time.Millisecond)
}

func (l *latencies) count() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.h.TotalCount()
}

// percentiles are those that a distribution is drawn at.
var percentiles = []float64{1, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99}

// curve keeps the distribution for the page.
func (l *latencies) curve(s *System, name string) {
	var y []float64
	for _, p := range percentiles {
		y = append(y, l.ms(p))
	}
	s.Series(name, percentiles, y)
}

// due is the time that a record carries; zero for one that is not counted.
func due(value []byte) time.Time {
	if len(value) < 8 {
		return time.Time{}
	}
	ns := int64(binary.BigEndian.Uint64(value))
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// produce sends the load and tells acked of each record that was due in the time that counts. It returns how many records
// were sent in that time, and waits until all are acknowledged; those that never were are failed.
func (l steady) produce(ctx context.Context, cl *kgo.Client, acked func(due, at time.Time)) (sent, failed int64, err error) {
	var failures atomic.Int64
	begin := time.Now()
	counts, end := begin.Add(l.lead), begin.Add(l.lead+l.span)
	gap := time.Second / time.Duration(l.rate)
	padding := noise(l.size)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for next := begin; next.Before(end); {
		for now := time.Now(); next.Before(now) && next.Before(end); next = next.Add(gap) {
			value := append([]byte(nil), padding...)
			at, counted := next, !next.Before(counts)
			ns := uint64(0)
			if counted {
				ns, sent = uint64(at.UnixNano()), sent+1
			}
			binary.BigEndian.PutUint64(value, ns)
			cl.Produce(ctx, &kgo.Record{Topic: l.topic, Value: value}, func(_ *kgo.Record, err error) {
				switch {
				case err != nil:
					failures.Add(1)
				case counted && acked != nil:
					acked(at, time.Now())
				}
			})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return sent, failures.Load(), ctx.Err()
		}
	}
	if err := cl.Flush(ctx); err != nil {
		return sent, failures.Load(), fmt.Errorf("flush: %w", err)
	}
	return sent, failures.Load(), nil
}

// reader consumes a topic from its end on and notes how late every record that counts arrives.
type reader struct {
	cl    *kgo.Client
	late  *latencies
	ended chan struct{}
}

// newReader returns when the client has found its place: a record that is produced now will be read.
func newReader(ctx context.Context, bootstrap []string, topic string, opts ...kgo.Opt) (*reader, error) {
	opts = append([]kgo.Opt{kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}, opts...)
	cl, err := client(bootstrap, opts...)
	if err != nil {
		return nil, err
	}
	r := &reader{cl: cl, late: newLatencies(), ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		for {
			fetches := cl.PollFetches(ctx)
			if fetches.IsClientClosed() || ctx.Err() != nil {
				return
			}
			now := time.Now()
			fetches.EachRecord(func(rec *kgo.Record) {
				if at := due(rec.Value); !at.IsZero() {
					r.late.add(now.Sub(at))
				}
			})
		}
	}()
	return r, nil
}

// await waits until so many records have arrived.
func (r *reader) await(ctx context.Context, records int64) error {
	return await(ctx, 30*time.Second, func() error {
		if got := r.late.count(); got < records {
			return fmt.Errorf("%d of %d records were read", got, records)
		}
		return nil
	})
}

func (r *reader) close() {
	r.cl.Close()
	<-r.ended
}
