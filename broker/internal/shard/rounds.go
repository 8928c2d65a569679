package shard

import (
	"context"
	"sync"
	"time"
)

// rounds lets all who ask the same question at a time share the answer. Each
// round begins after all that it answers have asked: who comes while one is
// under way waits for the next. There is one at a time.
type rounds struct {
	within time.Duration // bounds one round
	turn   chan struct{} // holds a value while a round is under way

	mu   sync.Mutex // guards next
	next *round     // nil when nobody waits for one
}

// round is one asking of the question; its outcome is set before done is closed.
type round struct {
	done  chan struct{}
	index uint64
	err   error
}

func newRounds(within time.Duration) *rounds {
	return &rounds{within: within, turn: make(chan struct{}, 1)}
}

// join returns the round that has not begun yet.
func (q *rounds) join() *round {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next == nil {
		q.next = &round{done: make(chan struct{})}
	}
	return q.next
}

// begin takes the next round as one's own; nil if there is none.
func (q *rounds) begin() *round {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.next
	q.next = nil
	return r
}

// ask returns the outcome of a round that began after the call. One of those
// who wait asks for all, so its own ctx does not end the round.
func (q *rounds) ask(ctx context.Context, question func(context.Context) (uint64, error)) (uint64, error) {
	mine := q.join()
	for {
		select {
		case <-mine.done:
			return mine.index, mine.err
		case <-ctx.Done():
			return 0, ctx.Err()
		case q.turn <- struct{}{}:
		}
		if r := q.begin(); r != nil {
			asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), q.within)
			r.index, r.err = question(asking)
			cancel()
			close(r.done)
		}
		<-q.turn
	}
}
