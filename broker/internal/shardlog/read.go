package shardlog

import (
	"fmt"
	"slices"

	"github.com/hashicorp/raft"
)

// pin holds the segment of an entry open. The caller must unpin it.
func (l *Log) pin(index uint64) (view, error) {
	l.mu.RLock()
	s := l.find(index)
	if s == nil {
		l.mu.RUnlock()
		return view{}, raft.ErrLogNotFound
	}
	l.mu.RUnlock() // opening may take a while
	return l.files.acquire(s)
}

// GetLog implements raft.LogStore. Data and Extensions of recent entries are
// the very bytes that were stored, of others a new copy whose checksum was
// verified. Of the entry before the first, which Raft asks for when it
// replicates the first, only Index and Term are given. The error of a missing
// entry is raft.ErrLogNotFound itself, by which a leader decides to send a
// snapshot.
func (l *Log) GetLog(index uint64, out *raft.Log) error {
	if l.headersOnly.Load() {
		return l.header(index, out)
	}
	if l.fromMemory(index, out) {
		return nil
	}
	v, err := l.pin(index)
	if err != nil {
		return err
	}
	defer l.files.release(&v)
	ref, end, ok := v.frame(index)
	if !ok {
		return raft.ErrLogNotFound
	}
	p := make([]byte, end-ref.offset())
	if err := readFull(v.file, p, ref.offset()); err != nil {
		return l.readFailed(index, err)
	}
	h, ok := decodeFrame(p, v.seg.salt)
	if !ok || h.kind != kindEntry || h.index != index || h.size() != int64(len(p)) || !h.bodyMatches(p) {
		return l.readFailed(index, damaged(v.seg.path, ref.offset(), "entry %d does not match its checksum", index))
	}
	h.fill(out, p)
	return nil
}

// header is GetLog while HeadersOnly is on.
func (l *Log) header(index uint64, out *raft.Log) error {
	if l.fromMemory(index, out) {
		if out.Type != raft.LogConfiguration {
			out.Data = nil
		}
		out.Extensions = nil
		return nil
	}
	v, err := l.pin(index)
	if err != nil {
		return err
	}
	defer l.files.release(&v)
	ref, end, ok := v.frame(index)
	if !ok {
		return raft.ErrLogNotFound
	}
	p := make([]byte, frameLen, frameLen+256)
	if err := readFull(v.file, p, ref.offset()); err != nil {
		return l.readFailed(index, err)
	}
	h, ok := decodeFrame(p, v.seg.salt)
	if !ok || h.kind != kindEntry || h.index != index || h.size() != end-ref.offset() {
		return l.readFailed(index, damaged(v.seg.path, ref.offset(), "header of entry %d does not match its checksum", index))
	}
	if h.typ == raft.LogConfiguration {
		p = append(p, make([]byte, h.size()-frameLen)...)
		if err := readFull(v.file, p, ref.offset()); err != nil {
			return l.readFailed(index, err)
		}
		if !h.bodyMatches(p) {
			return l.readFailed(index, damaged(v.seg.path, ref.offset(), "entry %d does not match its checksum", index))
		}
		h.fill(out, p)
		out.Extensions = nil
		return nil
	}
	h.fill(out, nil)
	return nil
}

// fill sets what a header, and the whole frame unless it is nil, say.
func (h *frameHeader) fill(out *raft.Log, frame []byte) {
	*out = raft.Log{Index: h.index, Term: h.term, Type: h.typ, AppendedAt: fromUnixNano(h.appendedAt)}
	if frame == nil {
		return
	}
	if h.dataLen > 0 {
		out.Data = h.data(frame)
	}
	if h.extLen > 0 {
		out.Extensions = h.ext(frame)
	}
}

// fromMemory serves recent entries and the one before the first.
func (l *Log) fromMemory(index uint64, out *raft.Log) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if e := l.recent.get(index); e != nil {
		*out = *e
		return true
	}
	// Not entry 1: a leader that starts from the very beginning does not ask for
	// the entry before, and would take the answer for a whole entry.
	if len(l.segs) > 0 && index > 1 && index+1 == l.segs[0].first && l.segs[0].prevTerm > 0 {
		*out = raft.Log{Index: index, Term: l.segs[0].prevTerm}
		return true
	}
	return false
}

// readFailed explains an error: the entry may have been cut meanwhile.
func (l *Log) readFailed(index uint64, err error) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.find(index) == nil {
		return raft.ErrLogNotFound
	}
	return fmt.Errorf("read entry %d: %w", index, err)
}

// AppendPayload appends n bytes of an entry's Data from off on to dst. When dst
// has no length it may return memory that is not dst's: of a recent entry the
// stored bytes themselves, which are never written again. A range cannot be
// verified: only GetLog and Replay check the frame's checksum, and batches in it
// have checksums of their own. The error of a missing entry is raft.ErrLogNotFound.
func (l *Log) AppendPayload(dst []byte, index uint64, off, n int) ([]byte, error) {
	l.mu.RLock()
	if e := l.recent.get(index); e != nil {
		data := e.Data
		l.mu.RUnlock()
		if off < 0 || n < 0 || off > len(data) || n > len(data)-off {
			return nil, outOfRange(index, off, n, len(data))
		}
		if len(dst) == 0 {
			return data[off : off+n : off+n], nil
		}
		return append(dst, data[off:off+n]...), nil
	}
	l.mu.RUnlock()
	v, err := l.pin(index)
	if err != nil {
		return nil, err
	}
	defer l.files.release(&v)
	ref, end, ok := v.frame(index)
	if !ok {
		return nil, raft.ErrLogNotFound
	}
	if off < 0 || n < 0 || off > int(ref.data) || n > int(ref.data)-off {
		return nil, outOfRange(index, off, n, int(ref.data))
	}
	at := len(dst)
	dst = slices.Grow(dst, n)[:at+n]
	if err := readFull(v.file, dst[at:], ref.dataOffset(end)+int64(off)); err != nil {
		return nil, l.readFailed(index, err)
	}
	return dst, nil
}

func outOfRange(index uint64, off, n, size int) error {
	return fmt.Errorf("read entry %d: range of %d bytes at %d is not within its %d bytes", index, n, off, size)
}

// Replay calls fn for each entry from from to to, both included, in order and
// verified. It reads segments in large pieces; the entry and its bytes are
// valid only until fn returns. fn's error ends it and is returned as it is.
func (l *Log) Replay(from, to uint64, fn func(*raft.Log) error) error {
	var w window
	for from <= to {
		v, err := l.pin(from)
		if err != nil {
			return fmt.Errorf("replay from entry %d: %w", from, err)
		}
		from, err = l.replaySegment(&v, &w, from, to, fn)
		l.files.release(&v)
		if err != nil {
			return err
		}
	}
	return nil
}

// replaySegment returns the index with which to go on.
func (l *Log) replaySegment(v *view, w *window, from, to uint64, fn func(*raft.Log) error) (uint64, error) {
	*w = window{file: v.file, size: v.end, buf: w.buf[:0]}
	var e raft.Log
	for ; from <= to; from++ {
		ref, _, ok := v.frame(from)
		if !ok {
			return from, nil
		}
		h, frame, why, err := w.next(ref.offset(), v.seg.salt)
		if err == nil && (why != "" || h.kind != kindEntry || h.index != from) {
			err = damaged(v.seg.path, ref.offset(), "entry %d: %s", from, why)
		}
		if err != nil {
			return from, l.readFailed(from, err)
		}
		h.fill(&e, frame)
		if err := fn(&e); err != nil {
			return from, err
		}
	}
	return from, nil
}

// EntryBytesAfter returns how many bytes the entries above index take on disk,
// headers included: a replica's lag in bytes. An index below the log counts all
// of it. The position within a segment is an estimate when its frames'
// positions are not in memory.
func (l *Log) EntryBytesAfter(index uint64) int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var n int64
	for i := len(l.segs) - 1; i >= 0; i-- {
		s := l.segs[i]
		used := s.end - segHeaderLen
		if s.first > index {
			n += used
			continue
		}
		if index < s.last {
			share := float64(s.last-index) / float64(s.last-s.first+1)
			n += int64(share * float64(used))
		}
		break
	}
	return n
}
