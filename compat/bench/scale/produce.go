package scale

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/records"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Part is a partition of a topic and where it is led.
type Part struct {
	Topic     string
	Partition int32
	Leader    int32
}

// Load writes ready-made batches, so that what is measured is the broker.
type Load struct {
	Addrs       map[int32]string // of each node
	Parts       []Part           // written to in turn
	RecordBytes int
	Records     int          // of a batch
	PerRequest  int          // partitions of a request
	InFlight    int          // requests on each connection
	Conns       int          // to each node
	By          raw.Producer // idempotent where it has an id: then each partition gets one batch
}

// Written is what came of it.
type Written struct {
	Batches, Bytes int64
	Took           time.Duration
}

// MBps is megabytes (10⁶) of batches a second.
func (w Written) MBps() float64 { return float64(w.Bytes) / 1e6 / w.Took.Seconds() }

func (l Load) batch() ([]byte, error) {
	rs := make([]records.Record, l.Records)
	value := make([]byte, l.RecordBytes)
	for i := range value {
		value[i] = byte(i * 7)
	}
	for i := range rs {
		rs[i] = records.Record{Value: value, Timestamp: time.Now().UnixMilli()}
	}
	by := l.By
	if by.ID == 0 && by.Epoch == 0 && by.Sequence == 0 {
		by = raw.Nobody
	}
	return raw.BuildAs(by, "none", rs)
}

// For writes until d is over.
func (l Load) For(ctx context.Context, d time.Duration) (Written, error) { return l.run(ctx, d) }

// Once writes one batch to each partition.
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

func (l Load) run(ctx context.Context, d time.Duration) (Written, error) {
	batch, err := l.batch()
	if err != nil {
		return Written{}, err
	}
	byNode := map[int32][]Part{}
	for _, p := range l.Parts {
		byNode[p.Leader] = append(byNode[p.Leader], p)
	}
	var batches atomic.Int64
	start := time.Now()
	var wg sync.WaitGroup
	errs := make(chan error, 1024)
	for node, parts := range byNode {
		conns := max(1, min(l.Conns, len(parts)/l.PerRequest+1))
		if d > 0 {
			conns = l.Conns
		}
		for c := range conns {
			wg.Go(func() {
				w := writer{l: l, parts: parts, at: c * len(parts) / conns, end: (c + 1) * len(parts) / conns, batch: batch}
				if d > 0 {
					w.until = start.Add(d)
				}
				n, err := w.run(ctx, l.Addrs[node])
				batches.Add(n)
				if err != nil {
					errs <- fmt.Errorf("node %d: %w", node, err)
				}
			})
		}
	}
	wg.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return Written{batches.Load(), batches.Load() * int64(len(batch)), time.Since(start)}, errors.Join(all...)
}

// writer is one connection of a Load.
type writer struct {
	l       Load
	parts   []Part
	at, end int
	batch   []byte
	until   time.Time // zero: to end
}

func (w *writer) next() *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = produceVersion, -1, 30_000
	for range w.l.PerRequest {
		if w.until.IsZero() && w.at >= w.end {
			break
		}
		p := w.parts[w.at%len(w.parts)]
		w.at++
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != p.Topic {
			t := kmsg.NewProduceRequestTopic()
			t.Topic = p.Topic
			req.Topics = append(req.Topics, t)
		}
		t := &req.Topics[len(req.Topics)-1]
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = p.Partition, w.batch
		t.Partitions = append(t.Partitions, rp)
	}
	if len(req.Topics) == 0 {
		return nil
	}
	return req
}

func (w *writer) run(ctx context.Context, addr string) (int64, error) {
	p, err := openPipe(ctx, addr)
	if err != nil {
		return 0, err
	}
	defer p.c.Close()
	slots := make(chan struct{}, w.l.InFlight)
	done := make(chan error, 1)
	acked := int64(0)
	sent := make(chan struct{}, 1<<20)
	go func() {
		var buf []byte
		for range sent {
			if buf, err = p.receive(buf); err != nil {
				done <- err
				return
			}
			n, err := acknowledged(buf)
			acked += n
			if err != nil {
				done <- err
				return
			}
			<-slots
		}
		done <- nil
	}()
	for w.until.IsZero() || time.Now().Before(w.until) {
		req := w.next()
		if req == nil {
			break
		}
		select {
		case slots <- struct{}{}:
		case err := <-done:
			return acked, err
		}
		if err := p.send(req); err != nil {
			return acked, err
		}
		sent <- struct{}{}
	}
	close(sent)
	err = <-done
	return acked, err
}

// acknowledged counts the partitions that an answer says yes to.
func acknowledged(frame []byte) (int64, error) {
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = produceVersion
	if err := resp.ReadFrom(frame[5:]); err != nil { // correlation id, and no tags
		return 0, err
	}
	n := int64(0)
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return n, fmt.Errorf("%s-%d: %w", t.Topic, p.Partition, err)
			}
			n++
		}
	}
	return n, nil
}
