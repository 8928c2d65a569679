package shardlog

import (
	"fmt"
	"sync"
)

// sealer finishes full segments in the background, so that no append waits for
// it. One goroutine, owned by the log, works in the order of the chain.
type sealer struct {
	mu      sync.Mutex // guards what follows
	changed sync.Cond  // signalled on every change
	queue   []*segment // queue[0] is being worked on
	stopped bool
	done    chan struct{} // closed when the goroutine ends
}

func (q *sealer) start(l *Log) {
	q.changed.L = &q.mu
	q.done = make(chan struct{})
	go func() {
		defer close(q.done)
		for s := q.next(); s != nil; s = q.next() {
			if err := l.seal(s); err != nil {
				l.fail(fmt.Errorf("seal segment %s: %w", s.path, err))
			}
			q.mu.Lock()
			q.queue = q.queue[1:]
			q.changed.Broadcast()
			q.mu.Unlock()
		}
	}()
}

// next returns nil when there is nothing left and the sealer is stopped.
func (q *sealer) next() *segment {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.queue) == 0 && !q.stopped {
		q.changed.Wait()
	}
	if len(q.queue) == 0 {
		return nil
	}
	return q.queue[0]
}

// add is called with Log.write held, or before start.
func (q *sealer) add(s *segment) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = append(q.queue, s)
	if q.done != nil {
		q.changed.Broadcast()
	}
}

// wait returns when nothing is being sealed; with Log.write held nothing can
// be added.
func (q *sealer) wait() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.queue) > 0 {
		q.changed.Wait()
	}
}

// stop finishes what is queued and ends the goroutine.
func (q *sealer) stop() {
	q.mu.Lock()
	q.stopped = true
	q.changed.Broadcast()
	q.mu.Unlock()
	<-q.done
}

// seal makes a full segment's entries durable and then says so with a trailer:
// the order is what lets Open trust the trailer.
func (l *Log) seal(s *segment) error {
	if err := l.failure(); err != nil {
		return nil // reported already; Open reads the frames
	}
	v, err := l.files.acquire(s)
	if err != nil {
		return nil // gone meanwhile
	}
	defer l.files.release(&v)
	if s.last > l.durable.Load() {
		if err := v.file.Sync(); err != nil {
			return err
		}
		l.raiseDurable(s.last)
	}
	if err := writeTrailer(&v, s); err != nil {
		return err
	}
	s.mu.Lock()
	s.trailed = true
	gone := s.gone
	s.mu.Unlock()
	if !gone {
		l.files.touch(s)
	}
	return nil
}

func writeTrailer(v *view, s *segment) error {
	refs := encodeRefs(v.refs)
	t := trailer{
		last: s.last, lastTerm: s.lastTerm, commit: s.commit,
		end: s.end, refs: s.end + frameLen, // after the end mark, which stays
		count: uint32(len(v.refs)), refsCRC: saltedCRC(s.salt, refs),
	}
	if _, err := v.file.WriteAt(refs, t.refs); err != nil {
		return err
	}
	if _, err := v.file.WriteAt(t.encode(s.salt), s.size-trailerLen); err != nil {
		return err
	}
	return v.file.Sync()
}
