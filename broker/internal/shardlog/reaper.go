package shardlog

import (
	"sync"
)

// reaper takes segments that retention has removed from the log off the disk:
// the oldest first, each durably before the next, so that a crash never leaves
// a gap. A segment that an open snapshot still has to send stays, and with it
// those after it; after a crash they are simply of the log again.
type reaper struct {
	run sync.Mutex // held while files are removed

	mu    sync.Mutex // guards queue
	queue []*segment
}

func (r *reaper) add(segs ...*segment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = append(r.queue, segs...)
}

// next returns the segment to remove now, if any.
func (r *reaper) next() *segment {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 || r.queue[0].held() {
		return nil
	}
	return r.queue[0]
}

func (r *reaper) pop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = r.queue[1:]
}

// reap removes what can be removed. What fails is tried again by the next call.
func (l *Log) reap() error {
	l.reaper.run.Lock()
	defer l.reaper.run.Unlock()
	for s := l.reaper.next(); s != nil; s = l.reaper.next() {
		if l.closing.Load() {
			return nil // the directory may be another Log's by now
		}
		if err := l.discard(s); err != nil {
			return err
		}
		if err := l.fs.SyncDir(l.opts.Dir); err != nil {
			return err
		}
		l.reaper.pop()
	}
	return nil
}

func (s *segment) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds++
}

func (s *segment) held() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holds > 0
}

// unhold is to be followed by reap.
func (s *segment) unhold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds--
}
