package shard

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/recordbatch"
)

// maxQueued is how many bytes may wait for the sequencer before Append makes
// its caller wait, and with it the connection that it reads from.
const maxQueued = 64 << 20

// pending is one batch on its way.
type pending struct {
	key      partition.Key
	batch    recordbatch.Batch
	answered atomic.Bool
	done     func(AppendResult)
	free     func()      // see letGo
	stop     func() bool // ends the watch over the caller's context
	base     int64       // once assigned
	head     *head       // likewise
}

// answer tells the caller, once.
func (p *pending) answer(r AppendResult) {
	if p.answered.Swap(true) {
		return
	}
	if p.stop != nil {
		p.stop()
	}
	p.tell(r)
}

func (p *pending) tell(r AppendResult) {
	if p.done != nil {
		p.done(r)
	}
}

func (p *pending) fail(err error) { p.answer(AppendResult{BaseOffset: -1, LogStart: -1, Err: err}) }

// letGo says that the batch's bytes are not needed any more. Only who has p in
// hand may call it: Append before it is queued, afterwards who took it from the
// queue. Where it is left out the bytes are merely not used again.
func (p *pending) letGo() {
	p.batch = nil
	if p.free != nil {
		p.free()
		p.free = nil
	}
}

// queue holds batches that no blob has taken yet, in the order they came.
type queue struct {
	mu    sync.Mutex
	items []*pending
	bytes int
	room  chan struct{} // closed and made anew when bytes shrink; nil when nobody waits

	filled chan struct{} // holds a value while there may be items
}

func newQueue() *queue { return &queue{filled: make(chan struct{}, 1)} }

// put adds p; while the queue is full it waits for room or the end of ctx.
func (q *queue) put(ctx context.Context, p *pending) error {
	for {
		q.mu.Lock()
		if q.bytes < maxQueued {
			q.items = append(q.items, p)
			q.bytes += len(p.batch)
			q.mu.Unlock()
			select {
			case q.filled <- struct{}{}:
			default:
			}
			return nil
		}
		if q.room == nil {
			q.room = make(chan struct{})
		}
		room := q.room
		q.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return kerr.RequestTimedOut
		}
	}
}

// waiting is how many bytes are queued.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

// take removes batches from the front: as many as fit into limit bytes, at
// least one if there is any.
func (q *queue) take(limit int) []*pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.items) && (n == 0 || size+len(q.items[n].batch) <= limit) {
		size += len(q.items[n].batch)
		n++
	}
	taken := q.items[:n:n]
	if q.items = q.items[n:]; len(q.items) == 0 {
		q.items = nil
	} else {
		select {
		case q.filled <- struct{}{}:
		default:
		}
	}
	q.bytes -= size
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
	return taken
}

// Append proposes a validated batch for partition k and calls done once, from
// another goroutine or this one, when it is committed and applied or has
// failed; also when ctx ends (RequestTimedOut: it may still be committed
// later). Between two leaders it waits for the next one, at most a second.
// Batches are ordered as Append was called. The batch's bytes are the shard's,
// which writes to them, until it calls free, at most once and independently of
// done; never to call it loses memory for reuse, no more. done may be nil, for
// acks=0, and so may free.
func (s *Shard) Append(ctx context.Context, k partition.Key, b recordbatch.Batch, done func(AppendResult), free func()) {
	p := &pending{key: k, batch: b, done: done, free: free}
	if s.office.Load() == nil {
		s.AwaitLeader(ctx) // it may become ready, or know to whom the client should go
	}
	if s.office.Load() == nil {
		p.letGo()
		p.fail(kerr.NotLeaderForPartition)
		return
	}
	p.stop = context.AfterFunc(ctx, func() { // may run before p.stop is set: must not look at it
		if !p.answered.Swap(true) {
			p.tell(AppendResult{BaseOffset: -1, LogStart: -1, Err: kerr.RequestTimedOut})
		}
	})
	if err := s.queue.put(ctx, p); err != nil {
		p.letGo()
		p.fail(err)
	} else if s.office.Load() == nil {
		p.fail(kerr.NotLeaderForPartition) // the sequencer may be gone as well
	}
}
