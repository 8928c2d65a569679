package scale

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// writer is one connection of a Load.
type writer struct {
	l       Load
	parts   []Part
	at, end int
	batch   []byte
	until   time.Time     // zero: to end, else round and round
	opening chan struct{} // held by those that open a connection

	acked  int64
	failed []Part
	err    error // the last one; nil when nothing failed
}

func (w *writer) fail(err error, parts ...Part) {
	w.failed = append(w.failed, parts...)
	w.err = err
}

// next are the partitions of the next request; none at the end.
func (w *writer) next() []Part {
	if !w.until.IsZero() {
		if time.Now().After(w.until) {
			return nil
		}
		out := make([]Part, w.l.PerRequest)
		for i := range out {
			out[i] = w.parts[w.at%len(w.parts)]
			w.at++
		}
		return out
	}
	n := min(w.l.PerRequest, w.end-w.at)
	w.at += n
	return w.parts[w.at-n : w.at]
}

func (w *writer) request(parts []Part) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = produceVersion, -1, 30_000
	for _, p := range parts {
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
	return req
}

// run sends everything, and knows what became of it when it returns.
func (w *writer) run(ctx context.Context, node int32) {
	p, err := w.open(ctx, node)
	if err != nil {
		w.fail(err, w.parts[w.at:w.end]...)
		return
	}
	defer p.c.Close()
	inFlight := make(chan []Part, w.l.InFlight) // that many wait, and one is being answered
	answered := make(chan struct{})
	broken := make(chan struct{})
	go func() {
		defer close(answered)
		w.take(p, inFlight, broken)
	}()
	var unsent []Part
	for parts := w.next(); len(parts) > 0; parts = w.next() {
		if err = p.send(w.request(parts)); err != nil {
			unsent = parts
			break
		}
		select {
		case inFlight <- parts:
		case <-broken:
			unsent = parts
		}
		if unsent != nil {
			break
		}
	}
	close(inFlight)
	<-answered
	if unsent != nil {
		w.fail(errors.Join(err, w.err), unsent...)
		if w.until.IsZero() {
			w.failed = append(w.failed, w.parts[w.at:w.end]...)
		}
	}
}

func (w *writer) open(ctx context.Context, node int32) (*pipe, error) {
	addr, ok := w.l.Addrs[node]
	if !ok {
		return nil, errors.New("no such node, or no leader")
	}
	w.opening <- struct{}{}
	defer func() { <-w.opening }()
	p, err := openPipe(ctx, addr)
	if err != nil {
		return nil, err
	}
	if err := p.greet(); err != nil {
		p.c.Close()
		return nil, err
	}
	return p, nil
}

// take reads the answers to what is in flight until that is closed. When the connection fails it closes broken, and all
// that was in flight has failed.
func (w *writer) take(p *pipe, inFlight <-chan []Part, broken chan<- struct{}) {
	var buf []byte
	var err error
	for parts := range inFlight {
		if err == nil {
			if buf, err = p.receive(buf); err == nil {
				err = w.judge(buf)
			}
			if err != nil {
				close(broken)
			}
		}
		if err != nil {
			w.fail(err, parts...)
		}
	}
}

// judge counts what an answer says yes to.
func (w *writer) judge(frame []byte) error {
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = produceVersion
	if err := resp.ReadFrom(frame[5:]); err != nil { // correlation id, and no tags
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				w.fail(fmt.Errorf("%s-%d: %w", t.Topic, p.Partition, err), Part{Topic: t.Topic, Partition: p.Partition})
				continue
			}
			w.acked++
		}
	}
	return nil
}
