package partition

import (
	"fmt"
)

// SegmentRange is a segment of the shard's log as Reindex needs it.
type SegmentRange struct {
	ID          uint64 // its first index
	First, Last uint64
	Sealed      bool
}

// Replay reads entries from..to in order; fn sees those that hold blobs.
type Replay func(from, to uint64, fn func(index, term uint64, payload []byte) error) error

// Reindex finds again where the records lie that a restored state speaks of:
// all up to index upTo. Sealed segments bring their index along; where it is
// missing or damaged the segment is read. It fails when records that should
// be readable are not in the log.
func (s *Set) Reindex(segments []SegmentRange, upTo uint64, replay Replay) error {
	ends := map[Key]int64{}
	for _, seg := range segments {
		if seg.First > upTo {
			break
		}
		if seg.Sealed && seg.Last <= upTo && s.flushIndex(seg.ID) && s.loadIndex(seg.ID, ends) {
			continue
		}
		err := replay(seg.First, min(seg.Last, upTo), func(index, term uint64, payload []byte) error {
			return s.indexEntry(index, term, payload, ends)
		})
		if err != nil {
			return fmt.Errorf("read segment %d again: %w", seg.ID, err)
		}
	}
	return s.complete(ends)
}

// flushIndex writes the index of a segment that was read again, so that its
// runs do not stay in memory, behind the references that follow from segment
// next on; false when some stay, as the disk does not take it.
func (s *Set) flushIndex(next uint64) bool {
	s.finish(next)
	return len(s.unwritten) == 0
}

// loadIndex attaches a segment's sidecar; false when that cannot be used.
func (s *Set) loadIndex(segment uint64, ends map[Key]int64) bool {
	data, err := s.log.ReadSidecar(segment, sidecarName, 0, -1)
	if err != nil {
		return false
	}
	refs, err := decodeIndex(segment, data)
	if err != nil {
		return false
	}
	for k, ref := range refs {
		p := s.Existing(k)
		if p == nil {
			continue // deleted since
		}
		if end, known := ends[k]; known && ref.first > end && ref.first > p.logStart.Load() {
			continue // a segment before is missing: complete will say so
		}
		ends[k] = ref.end
		if ref.end <= p.logStart.Load() {
			continue
		}
		p.mu.Lock()
		p.sealed, p.end = append(p.sealed, ref), ref.end
		p.mu.Unlock()
	}
	return true
}

// indexEntry adds the runs of one entry that was applied in an earlier life.
// Which runs were accepted then is decided as in Apply; of those that nobody can
// read any more it is not known, as what they followed may be gone.
func (s *Set) indexEntry(index, term uint64, payload []byte, ends map[Key]int64) error {
	b, err := parseBlob(payload)
	if err != nil {
		return err
	}
	s.enterSegment(index)
	if uint64(uint32(b.epoch)) != term {
		return nil
	}
	return b.runs(func(k Key, pos int, batches []byte) error {
		p := s.Existing(k)
		if p == nil {
			return nil // deleted since
		}
		if index < p.restored {
			return nil // nobody can read it, and whether it was accepted may not be known
		}
		sum, err := summarise(batches)
		if err != nil {
			return fmt.Errorf("run of %s in entry %d: %w", k, index, err)
		}
		end, known := ends[k]
		if known = known && index > p.restored; known && sum.first != end || sum.next > p.hw.Load() {
			return nil
		}
		ends[k] = sum.next
		if sum.next <= p.logStart.Load() {
			return nil
		}
		p.mu.Lock()
		p.runs = append(p.runs, run{base: sum.first, index: index, maxTS: sum.maxTS, pos: uint32(pos), size: uint32(len(batches))})
		p.end = sum.next
		p.mu.Unlock()
		s.dirty[k] = p
		return nil
	})
}

// complete checks that each partition's index reaches from its log start to
// its high watermark.
func (s *Set) complete(ends map[Key]int64) error {
	for _, p := range s.All() {
		start, hw := p.logStart.Load(), p.hw.Load()
		if start == hw {
			p.restoring.Store(false)
			continue
		}
		p.mu.RLock()
		first := int64(-1)
		switch {
		case len(p.sealed) > 0:
			first = p.sealed[0].first
		case len(p.runs) > 0:
			first = p.runs[0].base
		}
		p.mu.RUnlock()
		if first < 0 || first > start || ends[p.key] != hw {
			return fmt.Errorf("records of %s are missing: the log holds offsets %d to %d, it should hold %d to %d", p.key, first, ends[p.key], start, hw)
		}
		p.restoring.Store(false)
	}
	return nil
}
