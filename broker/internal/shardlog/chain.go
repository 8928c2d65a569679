package shardlog

import (
	"fmt"
)

// loadChain reads what is in the segments that loadDir has found, checks that
// they follow each other, and cuts the tail that a crash has torn. proven is
// up to where the commit checkpoint says that the log was durable. It reports
// whether the last segment has to be cut behind its last frame.
func (l *Log) loadChain(proven uint64) (cut bool, err error) {
	if len(l.segs) == 0 && proven > 0 {
		return false, damaged(l.opts.Dir, 0, "there is no segment, but entries up to %d were committed and durable", proven)
	}
	why := ""
	for i := 0; i < len(l.segs); i++ {
		s := l.segs[i]
		if why, err = l.loadSegment(s); err != nil {
			return false, err
		}
		if i+1 == len(l.segs) {
			break
		}
		if next := l.segs[i+1]; follows(s, next) {
			why = ""
			if s.empty() {
				// Left by an append that needed a larger segment.
				l.segs = append(l.segs[:i:i], l.segs[i+1:]...)
				if err := l.discard(s); err != nil {
					return false, fmt.Errorf("open shard log: %w", err)
				}
				i--
			}
			continue
		}
		if s.trailed {
			return false, damaged(s.path, s.end, "the segment ends with entry %d of term %d and the next one, %s, does not go on there: a segment is missing",
				s.last, s.lastTerm, l.segs[i+1].path)
		}
		if why == "" {
			why = "the segment ends"
		}
		if err := l.tornAt(i, why, proven); err != nil {
			return false, err
		}
		return true, nil
	}
	if n := len(l.segs); n > 0 && (why != "" || l.segs[n-1].last < proven) {
		if why == "" {
			why = "the log ends"
		}
		return true, l.tornAt(n-1, why, proven)
	}
	return false, nil
}

func follows(s, next *segment) bool {
	return next.first == s.last+1 && next.prevTerm == s.lastTerm
}

// loadSegment takes the trailer's word or reads all frames; why is what is
// at the end instead of an end mark.
func (l *Log) loadSegment(s *segment) (why string, err error) {
	t, ok, err := readTrailer(s.res.file, &s.segHeader)
	if err != nil {
		return "", fmt.Errorf("open shard log: %w", err)
	}
	if ok {
		s.last, s.lastTerm, s.commit, s.end = t.last, t.lastTerm, t.commit, t.end
		s.trailed = true
		l.raiseDurable(s.last)
		s.closeIdle()
		return "", nil
	}
	w, err := newWindow(s)
	if err != nil {
		return "", fmt.Errorf("open shard log: %w", err)
	}
	found, err := scan(w, &s.segHeader)
	if err != nil {
		return "", fmt.Errorf("open shard log: %w", err)
	}
	s.last, s.lastTerm, s.lastCRC = found.last, found.lastTerm, found.lastCRC
	s.commit, s.end = found.commit, found.end
	s.res.refs, s.res.end = found.refs, found.end
	l.raiseDurable(found.durable)
	return found.why, nil
}

func newWindow(s *segment) (*window, error) {
	size, err := s.res.file.Size()
	return &window{file: s.res.file, size: min(size, s.size)}, err
}

// tornAt is called when the log cannot be read beyond segment i's last frame.
// If nothing proves that what came there was ever durable then the segments
// after it are removed, and the rest of segment i is for the caller to cut.
func (l *Log) tornAt(i int, why string, proven uint64) error {
	s := l.segs[i]
	by := "the commit checkpoint"
	claim := func(durable uint64, name string) {
		if durable > proven {
			proven, by = durable, name
		}
	}
	if !s.trailed {
		w, err := newWindow(s)
		if err != nil {
			return fmt.Errorf("open shard log: %w", err)
		}
		durable, at, err := proof(w, &s.segHeader, s.end)
		if err != nil {
			return fmt.Errorf("open shard log: %w", err)
		}
		claim(durable, fmt.Sprintf("the frame at byte %d", at))
	}
	for _, next := range l.segs[i+1:] {
		if _, err := l.loadSegment(next); err != nil {
			return err
		}
		claim(next.durable, next.path)
		if next.trailed {
			claim(next.last, next.path)
		}
	}
	claim(l.durable.Load(), "a later segment")
	if proven > s.last {
		return damaged(s.path, s.end, "%s after entry %d, but %s says that entry %d was durable", why, s.last, by, proven)
	}
	l.opts.Logger.Warn("cut the torn tail of the log", "file", s.path, "byte", s.end, "after", s.last, "found", why)
	for j := len(l.segs) - 1; j > i; j-- {
		// One by one, so that another crash never leaves a gap.
		if err := l.discard(l.segs[j]); err != nil {
			return fmt.Errorf("open shard log: %w", err)
		}
		l.segs = l.segs[:j]
		if err := l.fs.SyncDir(l.opts.Dir); err != nil {
			return fmt.Errorf("open shard log: %w", err)
		}
	}
	return nil
}
