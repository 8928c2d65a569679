package protocol

import "sync"

// queue is an unbounded first-in, first-out queue. Both ends of the protocol need it: a driver that is stopped or
// stuck must not block whoever writes to it, nor a slow reader of events the process that tells them.
//
// One lock guards both fields. ready holds at most one token: it is there whenever items may be waiting.
type queue[T any] struct {
	mu    sync.Mutex
	items []T
	shut  bool
	ready chan struct{}
}

func newQueue[T any]() *queue[T] { return &queue[T]{ready: make(chan struct{}, 1)} }

func (q *queue[T]) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// put adds v; after close it is dropped, and put returns false.
func (q *queue[T]) put(v T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shut {
		return false
	}
	q.items = append(q.items, v)
	q.signal()
	return true
}

// close lets take end once the queue is empty.
func (q *queue[T]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shut = true
	q.signal()
}

// take waits for items and takes all of them. No items means that the queue is closed and empty.
func (q *queue[T]) take() []T {
	for {
		items, shut := q.poll()
		if len(items) > 0 || shut {
			return items
		}
		<-q.ready
	}
}

// poll takes what is there, without waiting, and says whether the queue is closed.
func (q *queue[T]) poll() (items []T, shut bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	items, q.items = q.items, nil
	if q.shut {
		q.signal() // the next take must not wait for a token that this one used up
	}
	return items, q.shut
}
