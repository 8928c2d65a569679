package shardlog

import (
	"errors"
	"fmt"
	"slices"

	"lockstep/broker/internal/mutant"
)

// DeleteRange implements raft.LogStore. Raft calls it for two ends:
//
// A suffix (max is the last entry or beyond) conflicts with a new leader's
// log. It is gone when DeleteRange returns, and nothing of it ever comes back.
// A suffix that begins at or below Committed is refused with ErrCommitted, and
// nothing is deleted.
//
// A prefix is what a snapshot made dispensable. It goes by whole segments, as
// with DropBefore, so that entries up to max may remain.
func (l *Log) DeleteRange(minIndex, maxIndex uint64) error {
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.writable(); err != nil {
		return err
	}
	first, last := l.bounds() // they change only with write held
	switch {
	case minIndex > maxIndex:
		return fmt.Errorf("delete entries %d to %d: not a range", minIndex, maxIndex)
	case last == 0 || minIndex > last || maxIndex < first:
		return nil
	case maxIndex >= last:
		if minIndex <= l.Committed() {
			return fmt.Errorf("delete entries %d to %d: %w: committed is %d", minIndex, maxIndex, ErrCommitted, l.Committed())
		}
		if mutant.Is(mutant.TruncatesTooMuch) {
			minIndex--
		}
		return l.cutSuffix(max(minIndex, first))
	case minIndex <= first:
		l.hideBefore(maxIndex + 1)
		return l.reap()
	}
	return fmt.Errorf("delete entries %d to %d: neither a prefix nor a suffix of %d to %d", minIndex, maxIndex, first, last)
}

// cutSuffix deletes from index from on, newest first, so that a crash in
// between leaves a log that is only less cut. Called with write held.
func (l *Log) cutSuffix(from uint64) error {
	l.sealer.wait() // a segment that is cut must not get a trailer
	keep := len(l.segs)
	for keep > 1 && l.segs[keep-1].first >= from {
		keep--
	}
	gone := l.segs[keep:]
	s := l.segs[keep-1]
	last, term, err := l.entryBefore(s, from)
	if err != nil {
		return fmt.Errorf("delete entries from %d: %w", from, err)
	}
	if err := l.hideSuffix(keep, from, last, term); err != nil {
		return err
	}
	for i := len(gone) - 1; i >= 0; i-- {
		err := l.discard(gone[i])
		if err == nil {
			err = l.fs.SyncDir(l.opts.Dir)
		}
		if err != nil {
			return l.fail(fmt.Errorf("delete entries from %d: %w", from, err))
		}
	}
	if l.active == nil { // the cut is between two segments
		return nil
	}
	if err := errors.Join(l.sides.removeAll(l, s), l.fs.SyncDir(l.opts.Dir), l.cutFile(s)); err != nil {
		return l.fail(fmt.Errorf("delete entries from %d: %w", from, err))
	}
	return nil
}

// entryBefore returns the frame before index from in s, or zeros when from is
// the first.
func (l *Log) entryBefore(s *segment, from uint64) (last frameHeader, end int64, err error) {
	if from > s.last {
		return last, s.end, nil // nothing of s is cut
	}
	if from <= s.first {
		return frameHeader{index: s.first - 1, term: s.prevTerm}, segHeaderLen, nil
	}
	v, err := l.files.acquire(s)
	if err != nil {
		return last, 0, err
	}
	defer l.files.release(&v)
	ref, end, _ := v.frame(from - 1)
	p := make([]byte, frameLen)
	if err := readFull(v.file, p, ref.offset()); err != nil {
		return last, 0, err
	}
	last, ok := decodeFrame(p, s.salt)
	if !ok || last.index != from-1 {
		return last, 0, damaged(s.path, ref.offset(), "header of entry %d does not match its checksum", from-1)
	}
	return last, end, nil
}

// hideSuffix takes the entries away from readers and makes the segment that
// is cut, if one is, the active one.
func (l *Log) hideSuffix(keep int, from uint64, last frameHeader, end int64) error {
	s := l.segs[keep-1]
	whole := from > s.last
	if !whole {
		v, err := l.files.acquire(s) // so that it is open, and stays so
		if err != nil {
			return fmt.Errorf("delete entries from %d: %w", from, err)
		}
		defer l.files.release(&v)
		l.files.forget(s)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segs, l.active = l.segs[:keep:keep], nil
	l.recent.cutAfter(from - 1)
	if d := l.durable.Load(); d >= from {
		l.durable.Store(from - 1)
	}
	if whole {
		if !s.sealed {
			l.active = s
		}
		return nil
	}
	s.mu.Lock()
	s.trailed = false
	// A new slice: readers may hold the old one.
	s.res.refs = slices.Clone(s.res.refs[:last.index+1-s.first])
	s.res.end = end
	s.mu.Unlock()
	s.last, s.lastTerm, s.lastCRC, s.end = last.index, last.term, last.crc, end
	s.sealed = false
	l.active = s
	return nil
}

// cutFile makes sure that nothing behind s.end can ever be read again. The
// file first gets shorter, durably, and only then grows again: the blocks that
// it grows by are not those that it lost.
func (l *Log) cutFile(s *segment) error {
	f := s.res.file
	if err := f.Truncate(s.end); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Allocate(s.size); err != nil {
		return err
	}
	end := endMark(s.last+1, s.lastCRC, min(s.commit, s.last), min(l.durable.Load(), s.last))
	if _, err := f.WriteAt(appendHeader(nil, &end, s.salt), s.end); err != nil {
		return err
	}
	return f.Sync()
}

// DropBefore removes the segments all of whose entries are below index; their
// sidecars go with them. The newest entry's segment always stays. What is
// reading a removed segment goes on undisturbed, and an open snapshot keeps it
// on the disk.
func (l *Log) DropBefore(index uint64) error {
	l.write.Lock()
	if l.closed {
		l.write.Unlock()
		return ErrClosed
	}
	l.hideBefore(index)
	l.write.Unlock() // appends need not wait for the rest
	if err := l.reap(); err != nil {
		return fmt.Errorf("drop entries before %d: %w", index, err)
	}
	return nil
}

// canDrop reports whether a segment would go.
func (l *Log) canDrop(index uint64) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.segs) > 1 && l.segs[0].last < index && l.segs[0].sealed && !l.segs[1].empty()
}

// hideBefore takes segments away from readers; reap takes them off the disk.
// Called with write held.
func (l *Log) hideBefore(index uint64) {
	for len(l.segs) > 1 {
		s, next := l.segs[0], l.segs[1]
		if s.last >= index || !s.sealed || next.empty() {
			return
		}
		l.mu.Lock()
		l.segs = l.segs[1:]
		l.recent.dropBefore(next.first)
		l.mu.Unlock()
		l.reaper.add(s)
	}
}
