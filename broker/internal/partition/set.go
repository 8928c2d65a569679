package partition

import (
	"fmt"
	"slices"
	"sort"
	"sync"

	"lockstep/broker/internal/recordbatch"
	"lockstep/broker/internal/shardlog"
)

// Log is the shard's log, as far as reading partitions needs it.
type Log interface {
	// AppendPayload appends n bytes at off of an entry's payload to dst. When
	// dst has no length it may return memory that is not dst's; never write to
	// that.
	AppendPayload(dst []byte, index uint64, off, n int) ([]byte, error)
	// Cached returns such bytes if they are in memory, else nil; never write to them.
	Cached(index uint64, off, n int) []byte
	// Section finds them in the log's files.
	Section(index uint64, off, n int) (*shardlog.Section, error)
	// SegmentOf names the segment that holds an entry.
	SegmentOf(index uint64) (id uint64, ok bool)
	// ReadSidecar returns n bytes at off of a file that lies beside a segment;
	// n < 0: all of it. fs.ErrNotExist when there is none.
	ReadSidecar(segment uint64, name string, off int64, n int) ([]byte, error)
	// WriteSidecar stores such a file durably.
	WriteSidecar(segment uint64, name string, data []byte) error
}

// Set is all partitions of one shard on this replica. Apply and the other
// methods that change it are called from one goroutine, in log order.
type Set struct {
	log Log

	mu    sync.RWMutex // guards byKey
	byKey map[Key]*Partition

	dropped map[Key]bool // topic ids are never used again, so neither are these

	expired   int64              // hour (of the leaders' clocks) in which producers were last expired
	segment   uint64             // segment of the newest run; 0 before the first
	dirty     map[Key]*Partition // have runs in that segment
	unwritten []finished         // oldest first: have no index yet

	changed map[*Partition]struct{} // since the last Flush
}

// NewSet returns an empty set over a log.
func NewSet(log Log) *Set {
	return &Set{
		log:     log,
		byKey:   map[Key]*Partition{},
		dropped: map[Key]bool{},
		dirty:   map[Key]*Partition{},
		changed: map[*Partition]struct{}{},
	}
}

// Partition returns the replica's view of k, creating an empty one for a
// partition that has no records yet.
func (s *Set) Partition(k Key) *Partition {
	if p := s.Existing(k); p != nil {
		return p
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byKey[k]
	if p == nil {
		p = newPartition(k, s.log)
		s.byKey[k] = p
	}
	return p
}

// Existing returns the view of k, or nil when nothing was ever asked of it.
func (s *Set) Existing(k Key) *Partition {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byKey[k]
}

// All returns every partition, in no order.
func (s *Set) All() []*Partition {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*Partition, 0, len(s.byKey))
	for _, p := range s.byKey {
		all = append(all, p)
	}
	return all
}

// Applied counts what one entry brought.
type Applied struct {
	Records, Bytes int64
	Refused        int // runs that came too late: see the package's invariants
}

// Apply makes the runs of a committed entry visible. Readers are woken by the
// next Flush.
func (s *Set) Apply(index, term uint64, payload []byte) (Applied, error) {
	var done Applied
	b, err := parseBlob(payload)
	if err != nil {
		return done, fmt.Errorf("entry %d: %w", index, err)
	}
	s.enterSegment(index)
	s.expireProducers(b.clock)
	err = b.runs(func(k Key, pos int, batches []byte) error {
		p := s.Partition(k)
		summary, err := summarise(batches)
		if err != nil {
			return fmt.Errorf("run of %s: %w", k, err)
		}
		if uint64(uint32(b.epoch)) != term || summary.first != p.hw.Load() || s.dropped[k] {
			done.Refused++
			return nil
		}
		p.append(run{
			base: summary.first, index: index, maxTS: summary.maxTS,
			pos: uint32(pos), size: uint32(len(batches)),
		}, summary.next, b, batches)
		p.hw.Store(summary.next)
		s.dirty[k] = p
		s.changed[p] = struct{}{}
		done.Records += summary.next - summary.first
		done.Bytes += int64(len(batches))
		return nil
	})
	if err != nil {
		return done, fmt.Errorf("entry %d: %w", index, err)
	}
	return done, nil
}

// append adds a run with its effects on epochs and producers.
func (p *Partition) append(r run, end int64, b blob, batches []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runs, p.end = append(p.runs, r), end
	if n := len(p.epochs); n == 0 || p.epochs[n-1].epoch < b.epoch {
		p.epochs = append(p.epochs, epochStart{epoch: b.epoch, start: r.base})
	}
	for len(batches) > 0 {
		batch, rest, err := recordbatch.Next(batches)
		if err != nil {
			return // summarise has walked the same bytes
		}
		p.producers.Add(batch, b.clock)
		batches = rest
	}
}

// summary of a run's batches.
type summary struct {
	first, next int64
	maxTS       int64
}

func summarise(batches []byte) (summary, error) {
	s := summary{first: -1, maxTS: -1}
	for len(batches) > 0 {
		b, rest, err := recordbatch.Next(batches)
		if err != nil {
			return s, err
		}
		switch {
		case len(b) < recordbatch.HeaderLen || b.Magic() != 2 || b.LastOffsetDelta() < 0:
			return s, fmt.Errorf("%d bytes that are no batch", len(b))
		case s.first < 0:
			s.first = b.BaseOffset()
		case b.BaseOffset() != s.next:
			return s, fmt.Errorf("batch at offset %d follows offset %d", b.BaseOffset(), s.next-1)
		}
		s.next = b.NextOffset()
		s.maxTS = max(s.maxTS, b.MaxTimestamp())
		batches = rest
	}
	if s.first < 0 {
		return s, fmt.Errorf("no batches")
	}
	return s, nil
}

// expireProducers forgets silent producers once an hour of the leaders'
// clocks, so that replicas, which see the same clocks, forget the same ones.
func (s *Set) expireProducers(clock int64) {
	const hour = 60 * 60 * 1000
	if clock/hour <= s.expired {
		return
	}
	s.expired = clock / hour
	for _, p := range s.All() {
		p.mu.Lock()
		p.producers.expire(clock - ProducerExpiry)
		p.mu.Unlock()
	}
}

// AdvanceLogStart makes everything below offset unreadable; offset is capped
// at the high watermark. It returns the new log start. Runs of a segment that has
// no index yet stay in memory all the same: a state that is restored may be of
// before this, and then needs an index with them.
func (s *Set) AdvanceLogStart(k Key, offset int64) int64 {
	p := s.Partition(k)
	offset = min(offset, p.hw.Load())
	if offset <= p.logStart.Load() {
		return p.logStart.Load()
	}
	p.logStart.Store(offset)
	p.mu.Lock()
	if n := len(p.sealed); n > 0 && p.sealed[0].end <= offset {
		p.sealed = slices.Clone(p.sealed[sort.Search(n, func(i int) bool { return p.sealed[i].end > offset }):])
	}
	for len(p.epochs) > 1 && p.epochs[1].start <= offset {
		p.epochs = p.epochs[1:]
	}
	p.mu.Unlock()
	p.cache.forget(offset)
	s.changed[p] = struct{}{}
	return offset
}

// Drop forgets a partition, whose topic is deleted. What a leader that has not
// heard of the deletion may still append to it is refused: offsets that begin
// again at 0 would be mistaken for the old ones when the log is read again.
func (s *Set) Drop(k Key) {
	s.dropped[k] = true
	s.forget(k)
}

func (s *Set) forget(k Key) {
	s.mu.Lock()
	p := s.byKey[k]
	delete(s.byKey, k)
	s.mu.Unlock()
	delete(s.dirty, k)
	for _, f := range s.unwritten {
		delete(f.parts, k)
	}
	if p != nil {
		p.gone.Store(true)
		s.changed[p] = struct{}{}
	}
}

// Flush wakes the watchers of everything that changed since the last one.
func (s *Set) Flush() {
	for p := range s.changed {
		p.wake()
	}
	clear(s.changed)
}

// WakeAll wakes all watchers: the shard's leader or term has changed.
func (s *Set) WakeAll() {
	for _, p := range s.All() {
		p.wake()
	}
}

// firstIndex is a Raft index at or below that of the oldest run that can be read,
// 0 when none can. Called with mu held.
func (p *Partition) firstIndex() uint64 {
	start := p.logStart.Load()
	switch {
	case start == p.end:
	case len(p.sealed) > 0:
		return p.sealed[0].index
	case len(p.runs) > 0:
		return p.runs[max(0, lastAtOrBelow(p.runs, start))].index
	}
	return 0
}

// FirstNeeded is the lowest Raft index that a readable record may lie at; ok is
// false when there is none. It never goes back.
func (s *Set) FirstNeeded() (index uint64, ok bool) {
	for _, p := range s.All() {
		if p.logStart.Load() == p.hw.Load() {
			continue
		}
		p.mu.RLock()
		first := p.firstIndex()
		p.mu.RUnlock()
		if first > 0 && (!ok || first < index) {
			index, ok = first, true
		}
	}
	return index, ok
}
