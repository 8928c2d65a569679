package shardlog

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

// Log is one shard's Raft log and stable store. All methods are safe for
// concurrent use; reading never waits for the disk to write.
type Log struct {
	opts   Options
	fs     vfs.FS
	lock   io.Closer
	stable *stable
	commit *commitPoint
	files  fileCache
	spares spares
	sealer sealer
	reaper reaper
	sides  sidecars

	// durable is the highest index up to which all entries are on the disk.
	durable atomic.Uint64
	// failed holds the first error of a write or a sync; see ErrFailed.
	failed      atomic.Pointer[error]
	headersOnly atomic.Bool
	closing     atomic.Bool    // ends prepare
	preparing   sync.WaitGroup // of prepare

	// write serialises whatever changes files. It is taken before mu.
	write        sync.Mutex
	nextSeq      uint64       // guarded by write
	resetPending bool         // guarded by write
	frames       frameBuilder // guarded by write

	mu     sync.RWMutex // guards what follows, and never is held during I/O
	segs   []*segment   // the chain, oldest first
	active *segment     // the last of segs, or nil when that is sealed
	recent recent
	closed bool
}

var (
	_ raft.LogStore    = (*Log)(nil)
	_ raft.StableStore = (*Log)(nil)
)

// FirstIndex implements raft.LogStore: 0 when there are no entries.
func (l *Log) FirstIndex() (uint64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	first, _ := l.bounds()
	return first, nil
}

// LastIndex implements raft.LogStore: 0 when there are no entries.
func (l *Log) LastIndex() (uint64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	_, last := l.bounds()
	return last, nil
}

// bounds is called with mu held.
func (l *Log) bounds() (first, last uint64) {
	if len(l.segs) == 0 {
		return 0, 0
	}
	first, last = l.segs[0].first, l.segs[len(l.segs)-1].last
	if last < first {
		return 0, 0
	}
	return first, last
}

// Durable returns the highest index up to which all entries are on the disk.
func (l *Log) Durable() uint64 { return l.durable.Load() }

// HeadersOnly makes GetLog, while on, give Data only for entries of type
// raft.LogConfiguration and Extensions for none: NewRaft looks at every entry
// above the snapshot for its type alone. What is read is still verified, but
// not the data that is not.
func (l *Log) HeadersOnly(on bool) { l.headersOnly.Store(on) }

// Close ends the log. Entries that were not synced are. Readers must be done.
func (l *Log) Close() error {
	l.closing.Store(true)
	l.write.Lock()
	defer l.write.Unlock()
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	active := l.active
	segs := l.segs
	l.mu.Unlock()
	l.sealer.stop()
	l.preparing.Wait()
	errs := []error{l.failure()}
	if active != nil && l.failure() == nil && active.last > l.durable.Load() {
		if err := active.res.file.Sync(); err != nil {
			errs = append(errs, fmt.Errorf("close shard log: %w", err))
		}
	}
	for _, s := range segs {
		s.mu.Lock()
		if s.res != nil {
			errs = append(errs, s.res.file.Close())
			s.res = nil
		}
		s.gone = true
		s.mu.Unlock()
	}
	errs = append(errs, l.commit.close(), l.stable.close(), l.lock.Close())
	return errors.Join(errs...)
}

// fail makes the log refuse all further entries and returns the error with which
// it does. Nothing is retried: after a failed sync the kernel may have thrown
// the pages away and report success the next time.
func (l *Log) fail(err error) error {
	err = fmt.Errorf("%w: %w", ErrFailed, err)
	if l.failed.CompareAndSwap(nil, &err) {
		l.opts.Logger.Error("shard log failed", "dir", l.opts.Dir, "err", err)
	}
	return l.failure()
}

func (l *Log) failure() error {
	if p := l.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// writable is called with write held.
func (l *Log) writable() error {
	if l.closed {
		return ErrClosed
	}
	return l.failure()
}

// raiseDurable is called by whoever has just synced all entries up to index.
func (l *Log) raiseDurable(index uint64) {
	for {
		old := l.durable.Load()
		if index <= old || l.durable.CompareAndSwap(old, index) {
			return
		}
	}
}

// Segment describes one segment of the log.
type Segment struct {
	// ID is the index of the segment's first entry; no two live ones share it.
	ID          uint64
	First, Last uint64
	// Bytes is what the entries take on disk, headers included.
	Bytes int64
	// Sealed segments take no more entries; only DeleteRange can reopen one.
	Sealed bool
}

// Segments returns the segments that hold entries, oldest first.
func (l *Log) Segments() []Segment {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := make([]Segment, 0, len(l.segs))
	for _, s := range l.segs {
		if !s.empty() {
			out = append(out, Segment{ID: s.first, First: s.first, Last: s.last, Bytes: s.end - segHeaderLen, Sealed: s.sealed})
		}
	}
	return out
}

// Usage is what a log takes.
type Usage struct {
	Segments   int    // that hold entries
	First      uint64 // oldest entry; 0 when there are none
	EntryBytes int64  // of all entries on disk, headers included
	FileBytes  int64  // of all segment files and spares, which are made before they are filled
}

// Usage counts what the log takes now.
func (l *Log) Usage() Usage {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var u Usage
	u.First, _ = l.bounds()
	for _, s := range l.segs {
		u.FileBytes += s.size
		if !s.empty() {
			u.Segments++
			u.EntryBytes += s.end - segHeaderLen
		}
	}
	u.FileBytes += l.spares.bytes(l.opts.SegmentBytes)
	return u
}

// SegmentOf returns the ID of the segment that holds an entry.
func (l *Log) SegmentOf(index uint64) (id uint64, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if s := l.find(index); s != nil {
		return s.first, true
	}
	return 0, false
}

// find is called with mu held; nil when no segment holds the entry.
func (l *Log) find(index uint64) *segment {
	lo, hi := 0, len(l.segs)
	for lo < hi { // the first segment whose last entry is not below index
		if mid := (lo + hi) / 2; l.segs[mid].last < index {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(l.segs) || index < l.segs[lo].first {
		return nil
	}
	return l.segs[lo]
}
